"""Suspects of (B5): the derivative of another activation, or of another argument, or combined in
another way than by a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from backproof.checks.activations import RELU, SIGMOID, named
from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at
from backproof.checks.bugs.register import Variant, places, suspect, with_several_layers
from backproof.checks.bugs.setting import Shape
from backproof.checks.by_hand import softmax
from backproof.checks.findings import Fix, Place

TANH = named("tanh")


@dataclass(frozen=True)
class Derivative:
    """A derivative as people write it: in words, of (z, a), and behind which activations it is
    right, or goes by another name."""

    note: str
    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    not_for: tuple[str, ...] = ()


# whose a is never below 0, or only where z is: there it is right, or no derivative at all
NOT_BELOW_0 = ("sigmoid", "softplus", "relu", "leaky-relu", "elu")
DERIVATIVES = (
    Derivative("a(1 - a), a sigmoid's", lambda z, a: a * (1 - a), ("sigmoid",)),
    Derivative("1 - a^2, tanh's", lambda z, a: 1 - a**2, ("tanh",)),
    Derivative("sigma'(z)", lambda z, a: SIGMOID.h_prime(z, SIGMOID.h(z)), ("sigmoid",)),
    Derivative("1 - tanh(z)^2", lambda z, a: TANH.h_prime(z, TANH.h(z)), ("tanh",)),
    Derivative("1 where z > 0, a ReLU's", lambda z, a: RELU.h_prime(z, a), ("relu",)),
    Derivative("1 where a > 0, a ReLU's", lambda z, a: RELU.h_prime(a, a), NOT_BELOW_0),
)
OF_Z = (
    Derivative("z(1 - z)", lambda z, a: z * (1 - z)),
    Derivative("a(1 - z)", lambda z, a: a * (1 - z)),
    Derivative("1 - z^2", lambda z, a: 1 - z**2),
)


def _read(run: HookedPass, layer: int, derivative: np.ndarray, form: Derivative) -> np.ndarray:
    a = run.p if layer == run.L else run.get("a", layer)
    return form.of(run.get("z", layer), a)


def _in_hidden_layers(shape: Shape, forms: tuple[Derivative, ...]) -> Iterator[Variant]:
    """A form in all hidden layers, in each, and in what is between; not where it is right."""
    for form in forms:
        wrong = [i for i in range(1, shape.L) if shape.hidden[i - 1] not in form.not_for]
        for layers in places(wrong):
            hooks: Hooks = (at("derivative", layers, _read, form),)
            yield Variant(Place.of(layers, shape.L), hooks, f"{form.note}, in place of h'(z)")
        if shape.shares_derivative and shape.output not in form.not_for:
            hooks = (at("derivative", range(1, shape.L + 1), _read, form),)
            place = Place.of(wrong, shape.L, and_output=True)
            yield Variant(place, hooks, f"{form.note}, in place of h'(z)")


@suspect(
    "other-derivative",
    "the derivative is that of another activation than the layer has",
    Fix.of_steps("dz"),
    "(B5)",
    rank=63,
    occurs=with_several_layers,
    alone=True,
)
def other_derivative(shape: Shape) -> Iterator[Variant]:
    """(B5) with a(1 - a) behind a ReLU, 1 - a^2 behind a sigmoid, and so on; where layers differ,
    one for those that are like the first, and another for the rest."""
    yield from _in_hidden_layers(shape, DERIVATIVES)
    alike = [i for i in range(1, shape.L) if shape.hidden[i - 1] == shape.hidden[0]]
    rest = [i for i in range(1, shape.L) if i not in alike]
    if not rest:
        return
    for first, other in product(DERIVATIVES, DERIVATIVES):
        hooks = (at("derivative", alike, _read, first), at("derivative", rest, _read, other))
        note = f"{first.note}, and {other.note}, in place of h'(z)"
        if first != other:
            yield Variant(Place.of([*alike, *rest], shape.L), hooks, note)


@suspect(
    "z-for-a",
    "the derivative is written in a = h(z), and is given z",
    Fix.of_steps("dz"),
    "(B5)",
    rank=66,
    alone=True,
)
def z_for_a(shape: Shape) -> Iterator[Variant]:
    """(B5) with z(1 - z), a(1 - z) or 1 - z^2; (B8) with the same of z[L]."""
    yield from _in_hidden_layers(shape, OF_Z)
    if not shape.tells_classes:
        return
    for form in OF_Z:
        for factor in (2.0, 1.0) if shape.quadratic else (1.0,):
            hooks: Hooks = (at("dz", [shape.L], _error_times, form, factor),)
            note = f"(p - Y) {form.note} at the output, where a is p"
            yield Variant(Place.of([shape.L], shape.L), hooks, note, fix=Fix.of_steps("dzL"))


def _error_times(
    run: HookedPass, layer: int, dz: np.ndarray, form: Derivative, factor: float
) -> np.ndarray:
    error = factor * run.weight_without_half * run.error
    return error * form.of(run.get("z", layer), run.p)


@suspect(
    "derivative-of-a",
    "the derivative is taken of a, which has been through the activation already",
    Fix.of_steps("dz"),
    "(B5)",
    rank=61,
    occurs=with_several_layers,
    alone=True,
)
def derivative_of_a(shape: Shape) -> Iterator[Variant]:
    """(B5) with h'(a), as in 1 - tanh(a)^2. (Of a sigmoid that is sigmoid-twice; of a ReLU it is
    right.)"""

    def of_a(run: HookedPass, layer: int, derivative: np.ndarray) -> np.ndarray:
        if layer == run.L:
            a = run.p
            activation = named(run.problem.output)
        else:
            a = run.get("a", layer)
            activation = run.problem.activation[layer]
        return activation.h_prime(a, activation.h(a))

    bent = [i for i in shape.other_layers if i not in shape.straight_layers]
    for layers in places(bent):
        yield Variant(Place.of(layers, shape.L), (at("derivative", layers, of_a),), "h'(a)")
    if shape.shares_derivative and len(bent) == shape.L - 1:
        hooks = (at("derivative", [*bent, shape.L], of_a),)
        yield Variant(Place.of(bent, shape.L, and_output=True), hooks, "h'(a), at the output, too")


@suspect(
    "derivative-of-gradient",
    "the derivative is taken of the gradient that comes in, and not of z",
    Fix.of_steps("dz"),
    "(B5)",
    rank=240,
    occurs=with_several_layers,
    alone=True,
)
def derivative_of_gradient(shape: Shape) -> Iterator[Variant]:
    """(B5) with da * h'(da), h'(da), or da(1 - da)."""

    def times(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        return run.get("da", layer) * alone(run, layer, dz)

    def alone(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        activation = run.problem.activation[layer]
        da = run.get("da", layer)
        return activation.h_prime(da, activation.h(da))

    def read_as_a(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        da = run.get("da", layer)
        return da * da * (1 - da)

    forms = (("da * h'(da)", times), ("h'(da)", alone), ("da * da(1 - da)", read_as_a))
    for layers in places(range(1, shape.L)):
        for note, form in forms:
            yield Variant(Place.of(layers, shape.L), (at("dz", layers, form),), note)


@suspect(
    "error-unused",
    "the hidden layer's error is computed and never used",
    Fix.of_steps("dz"),
    "(B5)",
    rank=235,
    occurs=with_several_layers,
    alone=True,
)
def error_unused(shape: Shape) -> Iterator[Variant]:
    """(B5) without da: h'(z) alone, as it is or over N."""

    def plain(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        return run.get("derivative", layer)

    def averaged(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        return run.weight_without_half * run.get("derivative", layer)

    for layers in places(range(1, shape.L)):
        for note, form in (("dz[l] = h'(z)", plain), ("dz[l] = h'(z) / N", averaged)):
            yield Variant(Place.of(layers, shape.L), (at("dz", layers, form),), note)


@suspect(
    "plus-for-times",
    "a sum stands where a product belongs",
    Fix.of_steps("dz"),
    "(B5)",
    rank=260,
    occurs=with_several_layers,
    alone=True,
)
def plus_for_times(shape: Shape) -> Iterator[Variant]:
    """(B5) with da + h'(z)."""

    def added(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        return run.get("da", layer) + run.get("derivative", layer)

    for layers in places(range(1, shape.L)):
        yield Variant(Place.of(layers, shape.L), (at("dz", layers, added),), "da[l] + h'(z[l])")


@suspect(
    "softmax-in-hidden",
    "softmax stands in a hidden layer, with the derivative of another activation behind it",
    Fix.of_steps("a"),
    "(F2)",
    rank=270,
    occurs=with_several_layers,
    alone=True,
)
def softmax_in_hidden(shape: Shape) -> Iterator[Variant]:
    """(F2) with the softmax of the layer, and a(1 - a) or its own output for a derivative."""

    def through_softmax(run: HookedPass, layer: int, a: np.ndarray) -> np.ndarray:
        return softmax(run.get("z", layer))

    def diagonal(run: HookedPass, layer: int, derivative: np.ndarray) -> np.ndarray:
        a = run.p if layer == run.L else run.get("a", layer)
        return a * (1 - a)

    def itself(run: HookedPass, layer: int, derivative: np.ndarray) -> np.ndarray:
        return run.p if layer == run.L else run.get("a", layer)

    def at_output(
        run: HookedPass, layer: int, dz: np.ndarray, form: Callable[..., np.ndarray], factor: float
    ) -> np.ndarray:
        error = factor * run.weight_without_half * run.error
        return error * form(run, layer, dz)

    forms = (
        ("softmax(z[l]), with a(1 - a)", diagonal),
        ("softmax(z[l]), taken for its own derivative", itself),
    )
    for note, form in forms:
        for layers in places(range(1, shape.L)):
            hooks: Hooks = (at("a", layers, through_softmax), at("derivative", layers, form))
            yield Variant(Place.of(layers, shape.L), hooks, note)
        if not shape.softmaxed:
            continue
        hidden = range(1, shape.L)
        for factor in (2.0, 1.0) if shape.quadratic else (1.0,):
            everywhere: Hooks = (
                at("a", hidden, through_softmax),
                at("derivative", hidden, form),
                at("dz", [shape.L], at_output, form, factor),
            )
            place = Place.of(hidden, shape.L, and_output=True)
            yield Variant(place, everywhere, f"{note}, at the output, too")


@suspect(
    "dot-for-outer",
    "dW[l] is one number: a dot product of delta and input, where the outer product is due",
    Fix.of_steps("dW"),
    "(B2)",
    rank=280,
    alone=True,
)
def dot_for_outer(shape: Shape) -> Iterator[Variant]:
    """(B2) as the sum of the products of neighbours, which only equal widths allow."""

    def dotted(run: HookedPass, layer: int, dW: np.ndarray) -> np.ndarray:
        products = run.get("dW_delta", layer) * run.get("dW_input", layer)
        return np.full(dW.shape, products.sum())

    for layers in places(range(1, shape.L + 1)):
        note = "np.dot(dz[l], a[l - 1])"
        yield Variant(Place.of(layers, shape.L), (at("dW", layers, dotted),), note)


@suspect(
    "weight-for-input",
    "the delta is multiplied by the weight itself, where its input belongs",
    Fix.of_steps("dW"),
    "(B2)",
    rank=245,
    alone=True,
)
def weight_for_input(shape: Shape) -> Iterator[Variant]:
    """(B2) with W[l] in place of a[l - 1]: as a sum over the samples, or as a mean."""

    def by_weight(run: HookedPass, layer: int, dW: np.ndarray, mean: bool) -> np.ndarray:
        delta = run.get("dW_delta", layer).sum(axis=0)
        if mean:
            delta = delta / run.setting.in_call
        return delta[:, None] * run.problem.W[layer]

    for layers in places(range(1, shape.L + 1)):
        for note, mean in (("dz[l] * W[l]", False), ("the mean of dz[l] * W[l]", True)):
            if not mean or shape.several_in_call:
                yield Variant(Place.of(layers, shape.L), (at("dW", layers, by_weight, mean),), note)

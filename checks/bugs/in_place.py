"""Suspects that edit an array which a later line reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at, times
from backproof.checks.bugs.register import Variant, places, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.by_hand import sigmoid, softmax_jacobian
from backproof.checks.findings import Fix, Place

Change = Callable[[np.ndarray], np.ndarray]


IN_PLACE = suspect(
    "in-place",
    "an activation or its derivative edits its argument, so that a later line reads the wrong "
    "thing",
    Fix("return a * (1 - a)", "a new array: no a *= ..., no a[:] = ..., no out=a"),
    "(B5)",
    rank=180,
    edits_arrays=True,
)


@IN_PLACE
def in_place(shape: Shape) -> Iterator[Variant]:
    """By the time at which (B2) or (B5) reads it, a[l] (or z[l]) holds something else; or both read
    it, and each something else."""
    L = shape.L
    above = [layer + 1 for layer in shape.sigmoid_layers]
    for layers in (*places(above), *places([1, *above])):
        for left in LEFT:
            note = f"a[l - 1] is {left} in dW[l]"
            hooks: Hooks = (at("dW_input", layers, _changed, LEFT[left]),)
            yield Variant(Place.of(layers, L), hooks, note, alone=left in SIGMAS)
    for layers in places(shape.sigmoid_layers):
        everywhere = len(layers) == L - 1
        for left, given in [*COMMON, *RARE] if everywhere else COMMON:
            yield _edited(L, layers, left, given)
    if shape.has_output_derivative and not shape.other_layers:
        for given in GIVEN:
            for left in ("", *LEFT):
                yield _edited(L, tuple(range(1, L + 1)), left, given)
    if shape.quadratic and shape.tells_classes:
        yield from _output_edited(shape)


def _sigma_of_sigma(a: np.ndarray) -> np.ndarray:
    """What two more calls of a sigmoid that edits its argument leave in a."""
    return sigmoid(sigmoid(a))


def _prime(s: np.ndarray) -> np.ndarray:
    """A sigmoid's derivative from its value."""
    return s * (1 - s)


# What an activation or its derivative leaves in the array that it was given, and what it returns
# when that array, or what became of it, is read again: each step of a(1 - a), and sigma(1 - sigma)
# by one or two calls of a sigmoid that edits its argument.
LEFT: dict[str, Change] = {
    "a(1 - a)": _prime,
    "1 - a": lambda a: 1 - a,
    "sigma(a)": sigmoid,
    "sigma(sigma(a))": _sigma_of_sigma,
}
SIGMAS = ("sigma(sigma(a))",)  # of these, what is too rare for pairs
GIVEN: dict[str, Change] = {
    "(1 - a)^2": lambda a: (1 - a) ** 2,
    "s(1 - s), s = a(1 - a)": lambda a: a * (1 - a) * (1 - a * (1 - a)),
    "sigma'(a)": lambda a: _prime(sigmoid(a)),
    "sigma(a)(1 - sigma(sigma(a)))": lambda a: sigmoid(a) * (1 - _sigma_of_sigma(a)),
    "sigma'(sigma(a))": lambda a: _prime(_sigma_of_sigma(a)),
}
COMMON = [
    ("", "(1 - a)^2"),
    ("1 - a", "(1 - a)^2"),
    ("", "s(1 - s), s = a(1 - a)"),
    ("a(1 - a)", "s(1 - s), s = a(1 - a)"),
    ("", "sigma'(a)"),
]
RARE = [edit for edit in product(("", *LEFT), GIVEN) if edit not in COMMON]


def _changed(run: HookedPass, layer: int, a: np.ndarray, change: Change) -> np.ndarray:
    return change(a)


def _given_back(run: HookedPass, layer: int, derivative: np.ndarray, change: Change) -> np.ndarray:
    return change(run.p if layer == run.L else run.get("a", layer))


def _edited(L: int, layers: tuple[int, ...], left: str, given: str) -> Variant:
    """dW[l + 1] reads what was left in a[l], or dz[l] gets another derivative, or both."""
    hooks: Hooks = (at("derivative", layers, _given_back, GIVEN[given]),)
    note = f"the derivative in dz[l] is {given}"
    if left:
        above = [layer + 1 for layer in layers]
        hooks += (at("dW_input", above, _changed, LEFT[left]),)
        note += f", and a[l] is {left} in dW[l + 1]"
    return Variant(Place.of(layers, L), hooks, note)


def _output_edited(shape: Shape) -> Iterator[Variant]:
    """p has become p - Y, or p(1 - p), by the time at which the other factor of dz[L] is
    computed."""

    def from_error(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        p = run.error
        if shape.softmaxed:
            return times(softmax_jacobian(p), run.dp)
        return run.dp * p * (1 - p)

    def from_derivative(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        s = _prime(run.p)
        return 2 * run.weight * (s - run.Y) * s

    forms = (
        ("p is p - Y in the derivative", from_error),
        ("p is p(1 - p) in p - Y", from_derivative),
    )
    for note, hook in forms:
        yield Variant(Place.of([shape.L], shape.L), (at("dz", [shape.L], hook),), note)

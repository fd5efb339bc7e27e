"""Suspects of (B5) and (B8): a derivative with a slip in it, a mask on the wrong side of a kink."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.bugs.activation import Derivative
from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at
from backproof.checks.bugs.output import Form, output_variants
from backproof.checks.bugs.register import Variant, places, suspect, with_several_layers
from backproof.checks.bugs.setting import Shape
from backproof.checks.by_hand import sigmoid
from backproof.checks.findings import Fix, Place

# of a; where one is right, or goes by another name, it is not for that activation
SLIPS = (
    Derivative("a(1 + a)", lambda z, a: a * (1 + a)),
    Derivative("1 + a^2", lambda z, a: 1 + a**2),
    Derivative("1 - a", lambda z, a: 1 - a, ("sigmoid",)),
    Derivative("1 + a", lambda z, a: 1 + a),
    Derivative("a^2", lambda z, a: a**2),
    Derivative("(1 - a)^2", lambda z, a: (1 - a) ** 2),
    Derivative("a(1 - a^2)", lambda z, a: a * (1 - a**2)),
    Derivative("a^2(1 - a)", lambda z, a: a**2 * (1 - a)),
    Derivative("1 - 2a", lambda z, a: 1 - 2 * a),
    Derivative("z(1 + z)", lambda z, a: z * (1 + z)),
    Derivative("1 + z^2", lambda z, a: 1 + z**2),
    Derivative("z", lambda z, a: z, ("relu", "identity")),
    Derivative("h(a)", lambda z, a: sigmoid(a), ("sigmoid",)),
)
# the same that a line of (B8) may hold by mistake, or of (B1) and (B9), where no derivative belongs
AT_OUTPUT = (
    Derivative("p", lambda z, p: p),
    Derivative("1 - p", lambda z, p: 1 - p),
    Derivative("p(1 - p)", lambda z, p: p * (1 - p), ("sigmoid", "softmax")),
    Derivative("1 - p^2", lambda z, p: 1 - p**2, ("tanh",)),
    Derivative("p(1 + p)", lambda z, p: p * (1 + p)),
    Derivative("1 + p^2", lambda z, p: 1 + p**2),
    Derivative("1 + p", lambda z, p: 1 + p),
    Derivative("p^2", lambda z, p: p**2),
    Derivative("sigma(p)", lambda z, p: sigmoid(p)),
    Derivative("sigma'(z)", lambda z, p: sigmoid(z) * (1 - sigmoid(z)), ("sigmoid", "softmax")),
    Derivative("z(1 - z)", lambda z, p: z * (1 - z), ("sigmoid", "softmax")),
    Derivative("1 - z^2", lambda z, p: 1 - z**2, ("sigmoid", "softmax")),
    Derivative("1 - tanh(p)^2", lambda z, p: 1 - np.tanh(p) ** 2),
    Derivative("1 where p > 0", lambda z, p: np.where(p > 0, 1.0, 0.0), ("sigmoid", "softmax")),
    Derivative("z", lambda z, p: z, ("linear",)),
)
# the same behind (p - Y)/(p(1 - p)), which is the binary cross-entropy's dC/dp
SIGMA_OF_P = Derivative("sigma'(p)", lambda z, p: sigmoid(p) * (1 - sigmoid(p)))
OF_SIGMOID = (
    *(form for form in AT_OUTPUT if form.note not in ("p(1 - p)", "sigma'(z)")),
    Derivative("z(1 - z)", lambda z, p: z * (1 - z)),
    SIGMA_OF_P,
)
SLOPES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5)  # that people type below 0
EDGES = (1.0, 0.5)  # other places for a kink
KINKED = ("relu", "leaky-relu")


@suspect(
    "derivative-slip",
    "the derivative has a slip in it: a sign, a power or a factor that does not belong there",
    Fix.of_steps("dz"),
    "(B5)",
    rank=285,
    occurs=with_several_layers,
    alone=True,
)
def derivative_slip(shape: Shape) -> Iterator[Variant]:
    """(B5) with a(1 + a), 1 + a^2, 1 - a and so on, or with the derivative twice."""
    for form in SLIPS:
        wrong = [i for i in range(1, shape.L) if shape.hidden[i - 1] not in form.not_for]
        for layers in places(wrong):
            hooks: Hooks = (at("derivative", layers, _written, form),)
            yield Variant(Place.of(layers, shape.L), hooks, f"{form.note}, in place of h'(z)")
        if shape.shares_derivative and shape.output not in form.not_for:
            hooks = (at("derivative", range(1, shape.L + 1), _written, form),)
            place = Place.of(wrong, shape.L, and_output=True)
            yield Variant(place, hooks, f"{form.note}, in place of h'(z), at the output, too")
    bent = [i for i in range(1, shape.L) if i not in shape.straight_layers]
    for layers in places(bent):
        hooks = (at("derivative", layers, _twice),)
        yield Variant(Place.of(layers, shape.L), hooks, "h'(z) twice")


def _written(run: HookedPass, layer: int, own: np.ndarray, form: Derivative) -> np.ndarray:
    a = run.p if layer == run.L else run.get("a", layer)
    return form.of(run.get("z", layer), a)


def _twice(run: HookedPass, layer: int, own: np.ndarray) -> np.ndarray:
    return own * own


@suspect(
    "mask-slip",
    "the mask of the kink is on the wrong side of it, at another place, or has another slope",
    Fix.of_steps("dz"),
    "(B5)",
    rank=290,
    occurs=with_several_layers,
    alone=True,
)
def mask_slip(shape: Shape) -> Iterator[Variant]:
    """(B5) with 1 where z < 0, where z > 1, or with a slope that the activation does not have."""
    kinked = [i for i in range(1, shape.L) if shape.hidden[i - 1] in KINKED]
    leaky = [i for i in kinked if shape.hidden[i - 1] == "leaky-relu"]
    for layers in places(kinked):
        yield _masked(shape, layers, "the other way round", _other_side)
        for edge in EDGES:
            yield _masked(shape, layers, f"from {edge:g} on", _from, edge)
        for slope in SLOPES:
            # without a slope it is a ReLU's, which is another activation's behind a leaky one
            if slope or not set(layers) & set(leaky):
                yield _masked(shape, layers, f"{slope:g} below 0", _with_slope, slope)
        yield _masked(shape, layers, "-1 below 0", _with_slope, -1.0)
    for layers in places(leaky):
        yield _masked(shape, layers, "with the slope's sign reversed", _reversed_slope)


def _masked(
    shape: Shape,
    layers: tuple[int, ...],
    note: str,
    change: Callable[..., np.ndarray],
    *given: float,
) -> Variant:
    hooks: Hooks = (at("derivative", layers, change, *given),)
    return Variant(Place.of(layers, shape.L), hooks, f"the mask {note}")


def _other_side(run: HookedPass, layer: int, own: np.ndarray) -> np.ndarray:
    z = run.get("z", layer)
    return run.problem.activation[layer].h_prime(-z, -z)


def _from(run: HookedPass, layer: int, own: np.ndarray, edge: float) -> np.ndarray:
    z = run.get("z", layer) - edge
    return run.problem.activation[layer].h_prime(z, z)


def _reversed_slope(run: HookedPass, layer: int, own: np.ndarray) -> np.ndarray:
    return np.where(run.get("z", layer) > 0, own, -own)


def _with_slope(run: HookedPass, layer: int, own: np.ndarray, slope: float) -> np.ndarray:
    return np.where(run.get("z", layer) > 0, 1.0, slope)


@suspect(
    "output-derivative-slip",
    "the error of the output is multiplied by something that is not the derivative that belongs "
    "there",
    Fix.of_steps("dzL"),
    "(B1)",
    rank=295,
    alone=True,
)
def output_derivative_slip(shape: Shape) -> Iterator[Variant]:
    """(B8) with p(1 + p), (B1) or (B9) with any derivative at all, though none belongs there."""
    forms = []
    for form in AT_OUTPUT:
        if shape.output in form.not_for or (shape.has_output_derivative and form.note in NAMED):
            continue
        for factor, two in ((2.0, "2 "), (1.0, "")) if shape.quadratic else ((1.0, ""),):
            forms.append(Form(f"{two}(p - Y) times {form.note}", _error_times, (form, factor)))
    if shape.quadratic and shape.output not in ("softmax", "linear"):
        forms.append(Form("the derivative of the output twice", _derivative_twice))
    if shape.output == "sigmoid" and not shape.quadratic:
        forms += [Form(f"dC/dp times {form.note}", _slope_times, (form,)) for form in OF_SIGMOID]
    yield from output_variants(shape, forms)


NAMED = ("p", "1 - p", "sigma(p)")  # of a sigmoid's derivative these are no-hidden-derivative


def _error_times(run: HookedPass, form: Derivative, factor: float) -> np.ndarray:
    error = factor * run.weight_without_half * run.error
    return error * form.of(run.get("z", run.L), run.p)


def _slope_times(run: HookedPass, form: Derivative) -> np.ndarray:
    slope = run.weight_without_half * run.error / (run.p * (1 - run.p))
    return slope * form.of(run.get("z", run.L), run.p)


def _derivative_twice(run: HookedPass) -> np.ndarray:
    return run.dp * run.get("derivative", run.L) ** 2


@suspect(
    "error-slip",
    "what is sent back from the output is not the derivative of the cost",
    Fix.of_steps("dzL"),
    "(B1)",
    rank=300,
    alone=True,
)
def error_slip(shape: Shape) -> Iterator[Variant]:
    """(p - Y)^2, |p - Y|, p + Y or p for p - Y; dC/dp for dC/dz; a term or a sign of the binary
    cross-entropy lost."""
    L = shape.L
    place = Place.of([L], L)
    for note, error in ERRORS.items():
        yield Variant(place, (at("error", [L], _other_error, error),), f"{note} for p - Y")
    if shape.quadratic or not shape.tells_classes:
        return
    known = OF_CROSS_ENTROPY if shape.softmaxed else OF_CROSS_ENTROPY | OF_BINARY
    forms = [Form(f"{note} for dC/dz", _of_cost, (form,)) for note, form in known.items()]
    yield from output_variants(shape, forms)


OfError = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of p and Y
ERRORS: dict[str, OfError] = {
    "(p - Y)^2": lambda p, Y: (p - Y) ** 2,
    "|p - Y|": lambda p, Y: np.abs(p - Y),
    "p + Y": lambda p, Y: p + Y,
    "p": lambda p, Y: p,
    "-Y": lambda p, Y: -Y,
}
OF_CROSS_ENTROPY: dict[str, OfError] = {
    "-Y/p": lambda p, Y: -Y / p,
    "(p - Y)/(p(1 - p))": lambda p, Y: (p - Y) / (p * (1 - p)),
    "p - Y/p": lambda p, Y: p - Y / p,
}
OF_BINARY: dict[str, OfError] = {
    "-Y(1 - p) - (1 - Y)p": lambda p, Y: -Y * (1 - p) - (1 - Y) * p,
    "-Y(1 - p)": lambda p, Y: -Y * (1 - p),
    "(1 - Y)p": lambda p, Y: (1 - Y) * p,
    "-Y/p + Y/(1 - p), times p(1 - p)": lambda p, Y: -Y * (1 - p) + Y * p,
}


def _other_error(run: HookedPass, layer: int, error: np.ndarray, form: OfError) -> np.ndarray:
    return form(run.p, run.Y)


def _of_cost(run: HookedPass, form: OfError) -> np.ndarray:
    return np.asarray(run.weight_without_half * form(run.p, run.Y))

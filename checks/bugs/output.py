"""Suspects of the output layer: what dz[L] becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, at, times
from backproof.checks.bugs.register import Variant, behind_softmax, of_classes, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.by_hand import sigmoid, softmax, softmax_jacobian
from backproof.checks.findings import Fix, Place


@dataclass(frozen=True)
class Form:
    """One wrong dz[L]: in words, computed from a pass, and what else that takes."""

    note: str
    dz: Callable[..., np.ndarray]
    given: tuple[Any, ...] = ()


def output_variants(
    shape: Shape, forms: Sequence[Form], *, in_pairs: int | None = None
) -> Iterator[Variant]:
    """A variant for every wrong dz[L]; the first `in_pairs` are common enough to be tried together
    with another bug."""
    for index, form in enumerate(forms):
        yield Variant(
            Place.of([shape.L], shape.L),
            (at("dz", [shape.L], _replaced, form),),
            form.note,
            alone=in_pairs is not None and index >= in_pairs,
        )


def _replaced(run: HookedPass, layer: int, dz: np.ndarray, form: Form) -> np.ndarray:
    return form.dz(run, *form.given)


def derivative(p: np.ndarray) -> np.ndarray:
    """Of a sigmoid, from its value."""
    return p * (1 - p)


def _doubled(shape: Shape) -> tuple[tuple[float, str], ...]:
    """The factors that a delta may carry, and how they are written: the 2 belongs to the quadratic
    cost."""
    if shape.quadratic:
        return ((2.0, "2 "), (1.0, ""))
    return ((1.0, ""),)


@suspect(
    "softmax-diagonal",
    "only the diagonal p(1 - p) of the softmax Jacobian is used, as if softmax were a sigmoid",
    Fix.of_steps("dzL", comment="each p depends on every z: (diag(p) - p p^T), not p(1 - p)"),
    "(B6)",
    rank=30,
    occurs=behind_softmax,
)
def softmax_diagonal(shape: Shape) -> Iterator[Variant]:
    """e p(1 - p); e q(1 - q) with q = softmax(p); -Y(1 - p)."""

    def of_p(run: HookedPass, factor: float) -> np.ndarray:
        return factor * run.weight_without_half * run.error * derivative(run.p)

    def of_q(run: HookedPass, factor: float) -> np.ndarray:
        return factor * run.weight_without_half * run.error * derivative(softmax(run.p))

    def of_label(run: HookedPass, factor: float) -> np.ndarray:
        return -factor * run.weight_without_half * run.Y * (1 - run.p)

    factors = _doubled(shape)
    forms = [Form(f"{two}(p - Y) p(1 - p)", of_p, (factor,)) for factor, two in factors]
    forms += [
        Form(f"{two}(p - Y) q(1 - q), q = softmax(p)", of_q, (factor,)) for factor, two in factors
    ]
    forms += [Form(f"-{two}Y(1 - p)", of_label, (factor,)) for factor, two in factors]
    yield from output_variants(shape, forms)


@suspect(
    "double-softmax",
    "softmax is taken twice: the cost gets probabilities where it expects logits",
    Fix.of_steps(
        "dzL", comment="p = softmax(z[L]), once; a library's cross-entropy wants z[L], not p"
    ),
    "(B1)",
    rank=40,
    occurs=of_classes,
)
def double_softmax(shape: Shape) -> Iterator[Variant]:
    """J(p) @ (softmax(p) - Y) and its relatives under the other costs and outputs."""

    def through_output(run: HookedPass, factor: float) -> np.ndarray:
        return _through_output(run, factor * _error_of_q(run))

    def through_softmax(run: HookedPass, factor: float) -> np.ndarray:
        return times(softmax_jacobian(run.p), factor * _error_of_q(run))

    def through_nothing(run: HookedPass, factor: float) -> np.ndarray:
        return factor * _error_of_q(run)

    forms: list[Form] = []
    for factor, two in reversed(_doubled(shape)):
        forms += [
            Form(f"{two}J(p) @ (softmax(p) - Y)", through_output, (factor,)),
            Form(f"{two}(softmax(p) - Y)", through_nothing, (factor,)),
        ]
        if not shape.softmaxed:
            note = f"{two}(diag(p) - p p^T) @ (softmax(p) - Y)"
            forms.append(Form(note, through_softmax, (factor,)))
    if shape.quadratic:
        forms += QUADRATIC_OF_Q
    yield from output_variants(shape, forms)


def _error_of_q(run: HookedPass) -> np.ndarray:
    """The delta of cross-entropy with q = softmax(p) for p."""
    return run.weight_without_half * (softmax(run.p) - run.Y)


def _through_output(run: HookedPass, dp: np.ndarray) -> np.ndarray:
    if run.problem.output == "softmax":
        return times(softmax_jacobian(run.p), dp)
    return dp * derivative(run.p)


def _dq(run: HookedPass) -> np.ndarray:
    """Of the quadratic cost of q = softmax(p)."""
    return 2 * run.weight * (softmax(run.p) - run.Y)


def _through_both(run: HookedPass) -> np.ndarray:
    return _through_output(run, times(softmax_jacobian(softmax(run.p)), _dq(run)))


def _through_second(run: HookedPass) -> np.ndarray:
    return times(softmax_jacobian(softmax(run.p)), _dq(run))


def _through_first(run: HookedPass) -> np.ndarray:
    return _through_output(run, _dq(run))


def _of_right_error(run: HookedPass) -> np.ndarray:
    return times(softmax_jacobian(softmax(run.p)), run.dp)


QUADRATIC_OF_Q = (
    Form("J(p) @ J(q) @ 2(q - Y), q = softmax(p)", _through_both),
    Form("J(q) @ 2(q - Y), q = softmax(p)", _through_second),
    Form("J(p) @ 2(q - Y), q = softmax(p)", _through_first),
    Form("J(softmax(p)) @ 2(p - Y)", _of_right_error),
)


@suspect(
    "cost-mismatch",
    "dz[L] is the delta of another cost than the declared one",
    Fix.of_steps("dzL", comment="the delta of the COST that the file declares"),
    "(B1)",
    rank=90,
    may_be_meant=True,
)
def cost_mismatch(shape: Shape) -> Iterator[Variant]:
    """e under the quadratic cost, e s (or J e) under cross-entropy, with and without the 2; binary
    cross-entropy under softmax."""

    def error(run: HookedPass, factor: float) -> np.ndarray:
        return factor * run.weight_without_half * run.error

    def with_derivative(run: HookedPass, factor: float) -> np.ndarray:
        return error(run, factor) * derivative(run.p)

    def with_jacobian(run: HookedPass, factor: float) -> np.ndarray:
        return factor * run.weight_without_half * times(softmax_jacobian(run.p), run.error)

    def with_sigmoid(run: HookedPass, factor: float) -> np.ndarray:
        return error(run, factor) * derivative(sigmoid(run.get("z", run.L)))

    def of_binary(run: HookedPass) -> np.ndarray:
        dp = np.where(run.Y > 0, -1 / run.p, 1 / (1 - run.p))
        return run.weight_without_half * times(softmax_jacobian(run.p), dp)

    forms: list[Form] = []
    if shape.cost == "binary-cross-entropy":
        yield from output_variants(
            shape, [Form("p - Y, the delta of cross-entropy", error, (1.0,))]
        )
        return
    for factor, two in ((1.0, ""), (2.0, "2 ")):
        if shape.output == "linear":
            break  # the delta of its cost is p - Y itself, but for the 2
        if shape.quadratic:
            forms.append(Form(f"{two}(p - Y), the delta of cross-entropy", error, (factor,)))
            continue
        note = f"{two}(p - Y) p(1 - p), that of the quadratic cost"
        forms.append(Form(note, with_derivative, (factor,)))
        if shape.softmaxed:
            note = f"{two}J @ (p - Y), that of the quadratic cost"
            forms.append(Form(note, with_jacobian, (factor,)))
            forms.append(Form(f"{two}(p - Y) sigma'(z[L])", with_sigmoid, (factor,)))
    if shape.softmaxed and not shape.quadratic:
        note = "J @ ((1 - Y)/(1 - p) - Y/p), that of binary cross-entropy"
        forms.append(Form(note, of_binary))
    yield from output_variants(shape, forms)

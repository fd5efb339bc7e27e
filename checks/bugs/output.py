"""Suspects of the output layer: what dz[L] becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backproof.checks.bugs.register import Variant, at, suspect
from backproof.checks.bugs.wrong_pass import Hook, Pass, Setting, times
from backproof.checks.by_hand import sigmoid, softmax, softmax_jacobian

OUTPUT = "the output layer"
# in words, dz[L] of a pass, and what else it needs
Form = tuple[str, Callable[..., np.ndarray], tuple[Any, ...]]


def output_variants(
    id: str, setting: Setting, forms: list[Form], *, in_pairs: int = 99
) -> Iterator[Variant]:
    """A variant for every wrong dz[L]; the first `in_pairs` are common enough to be tried together
    with another bug."""
    for index, (note, dz, given) in enumerate(forms):
        yield Variant(
            id,
            OUTPUT,
            (("dz", at([setting.problem.L], _replaced(dz, given))),),
            note,
            alone=index >= in_pairs,
        )


def _replaced(compute: Callable[..., np.ndarray], given: tuple[Any, ...]) -> Hook:
    return lambda run, layer, right: compute(run, *given)


def derivative(p: np.ndarray) -> np.ndarray:
    """Of a sigmoid, from its value."""
    return p * (1 - p)


@suspect(
    "softmax-diagonal",
    "only the diagonal p(1 - p) of the softmax Jacobian is used, as if softmax were a sigmoid",
    "{dzL}   # each p depends on every z: (diag(p) - p p^T), not p(1 - p)",
    "(B6)",
)
def softmax_diagonal(setting: Setting) -> Iterator[Variant]:
    """e p(1 - p); e q(1 - q) with q = softmax(p); -Y(1 - p)."""

    def of_p(run: Pass, factor: float) -> np.ndarray:
        return factor * run.u * run.e * derivative(run.p)

    def of_q(run: Pass, factor: float) -> np.ndarray:
        return factor * run.u * run.e * derivative(softmax(run.p))

    def of_label(run: Pass, factor: float) -> np.ndarray:
        return -factor * run.u * run.get("Y", run.L) * (1 - run.p)

    if setting.problem.output == "softmax":
        factors = ((2.0, "2 "), (1.0, "")) if setting.problem.cost == "quadratic" else ((1.0, ""),)
        forms: list[Form] = [(f"{two}(p - Y) p(1 - p)", of_p, (factor,)) for factor, two in factors]
        forms += [
            (f"{two}(p - Y) q(1 - q), q = softmax(p)", of_q, (factor,)) for factor, two in factors
        ]
        forms += [(f"-{two}Y(1 - p)", of_label, (factor,)) for factor, two in factors]
        yield from output_variants("softmax-diagonal", setting, forms)


@suspect(
    "double-softmax",
    "softmax is taken twice: the cost gets probabilities where it expects logits",
    "{dzL}   # p = softmax(z[L]), once; a library's cross-entropy wants z[L], not p",
    "(B1)",
)
def double_softmax(setting: Setting) -> Iterator[Variant]:
    """J(p) @ (softmax(p) - Y) and its relatives under the other costs and outputs."""

    def error(run: Pass) -> np.ndarray:
        return run.u * (softmax(run.p) - run.get("Y", run.L))

    def twice(run: Pass, outer: bool, inner: bool) -> np.ndarray:
        """The quadratic cost of q = softmax(p), back through both softmaxes or through one of
        them."""
        dq = 2 * run.w * (softmax(run.p) - run.get("Y", run.L))
        dp = times(softmax_jacobian(softmax(run.p)), dq) if inner else dq
        if outer:
            return _through_output(run, dp)
        return dp

    def once(run: Pass, factor: float, form: str) -> np.ndarray:
        """The delta of cross-entropy, back through the right output, through a softmax, or through
        nothing."""
        e = factor * error(run)
        if form == "J":
            return _through_output(run, e)
        if form == "softmax":
            return times(softmax_jacobian(run.p), e)
        return e

    forms: list[Form] = []
    for factor, two in (
        ((1.0, ""), (2.0, "2 ")) if setting.problem.cost == "quadratic" else ((1.0, ""),)
    ):
        forms += [
            (f"{two}J(p) @ (softmax(p) - Y)", once, (factor, "J")),
            (f"{two}(softmax(p) - Y)", once, (factor, "")),
        ]
        if setting.problem.output == "sigmoid":
            forms.append((f"{two}(diag(p) - p p^T) @ (softmax(p) - Y)", once, (factor, "softmax")))
    if setting.problem.cost == "quadratic":
        forms += [
            ("J(p) @ J(q) @ 2(q - Y), q = softmax(p)", twice, (True, True)),
            ("J(q) @ 2(q - Y), q = softmax(p)", twice, (False, True)),
            ("J(p) @ 2(q - Y), q = softmax(p)", twice, (True, False)),
            (
                "J(softmax(p)) @ 2(p - Y)",
                lambda run: times(softmax_jacobian(softmax(run.p)), run.dp),
                (),
            ),
        ]
    yield from output_variants("double-softmax", setting, forms)


def _through_output(run: Pass, dp: np.ndarray) -> np.ndarray:
    if run.problem.output == "softmax":
        return times(softmax_jacobian(run.p), dp)
    return dp * derivative(run.p)


@suspect(
    "cost-mismatch",
    "dz[L] is the delta of another cost than the declared one",
    "{dzL}   # the delta of the COST that the file declares",
    "(B1)",
)
def cost_mismatch(setting: Setting) -> Iterator[Variant]:
    """e under the quadratic cost, e s (or J e) under cross-entropy, with and without the 2; binary
    cross-entropy under softmax."""

    def error(run: Pass, factor: float) -> np.ndarray:
        return factor * run.u * run.e

    def with_derivative(run: Pass, factor: float) -> np.ndarray:
        return factor * run.u * run.e * derivative(run.p)

    def with_jacobian(run: Pass, factor: float) -> np.ndarray:
        return factor * run.u * times(softmax_jacobian(run.p), run.e)

    def with_sigmoid(run: Pass, factor: float) -> np.ndarray:
        return factor * run.u * run.e * derivative(sigmoid(run.get("z", run.L)))

    def of_binary(run: Pass) -> np.ndarray:
        dp = np.where(run.get("Y", run.L) > 0, -1 / run.p, 1 / (1 - run.p))
        return run.u * times(softmax_jacobian(run.p), dp)

    quadratic = setting.problem.cost == "quadratic"
    softmaxed = setting.problem.output == "softmax"
    forms: list[Form] = []
    for factor, two in ((1.0, ""), (2.0, "2 ")):
        if quadratic:
            forms.append((f"{two}(p - Y), the delta of cross-entropy", error, (factor,)))
        else:
            forms.append(
                (f"{two}(p - Y) p(1 - p), that of the quadratic cost", with_derivative, (factor,))
            )
        if softmaxed and not quadratic:
            forms.append(
                (f"{two}J @ (p - Y), that of the quadratic cost", with_jacobian, (factor,))
            )
            forms.append((f"{two}(p - Y) sigma'(z[L])", with_sigmoid, (factor,)))
    if softmaxed and not quadratic:
        forms.append(("J @ ((1 - Y)/(1 - p) - Y/p), that of binary cross-entropy", of_binary, ()))
    yield from output_variants("cost-mismatch", setting, forms)

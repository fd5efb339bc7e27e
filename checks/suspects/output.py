"""Suspects of the output layer: what dz[L] becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checks.by_hand import sigmoid, softmax, softmax_jacobian
from checks.suspects.register import Variant, at, suspect
from checks.suspects.wrong_pass import Hook, Pass, Setting, times

OUTPUT = "the output layer"
Form = tuple[str, Callable[..., np.ndarray], tuple[Any, ...]]  # in words, dz[L] of a pass, and what else it needs


def _variants(id: str, setting: Setting, forms: list[Form], *, in_pairs: int = 99) -> Iterator[Variant]:
    """A variant for every wrong dz[L]; the first `in_pairs` are common enough to be tried together with another bug."""
    for index, (note, dz, given) in enumerate(forms):
        yield Variant(id, OUTPUT, (("dz", at([setting.problem.L], _replaced(dz, given))),), note, alone=index >= in_pairs)


def _replaced(compute: Callable[..., np.ndarray], given: tuple[Any, ...]) -> Hook:
    return lambda run, layer, right: compute(run, *given)


def _s(p: np.ndarray) -> np.ndarray:
    return p * (1 - p)


@suspect(
    "softmax-diagonal",
    "only the diagonal p(1 - p) of the softmax Jacobian is used, as if softmax were a sigmoid",
    "dz[L] = (p - Y) / N for cross-entropy; for the quadratic cost dz[L] = p * (dp - (dp * p).sum(axis=1, keepdims=True))",
    "(B6)",
)
def softmax_diagonal(setting: Setting) -> Iterator[Variant]:
    """e p(1 - p); e q(1 - q) with q = softmax(p); -Y(1 - p)."""

    def of_p(run: Pass, factor: float) -> np.ndarray:
        return factor * run.w * run.e * _s(run.p)

    def of_q(run: Pass, factor: float) -> np.ndarray:
        return factor * run.w * run.e * _s(softmax(run.p))

    def of_label(run: Pass, factor: float) -> np.ndarray:
        return -factor * run.w * run.get("Y", run.L) * (1 - run.p)

    if setting.problem.output == "softmax":
        factors = ((2.0, "2 "), (1.0, "")) if setting.problem.cost == "quadratic" else ((1.0, ""),)
        forms: list[Form] = [(f"{two}(p - Y) p(1 - p)", of_p, (factor,)) for factor, two in factors]
        forms += [(f"{two}(p - Y) q(1 - q), q = softmax(p)", of_q, (factor,)) for factor, two in factors]
        forms += [(f"-{two}Y(1 - p)", of_label, (factor,)) for factor, two in factors]
        yield from _variants("softmax-diagonal", setting, forms)


@suspect(
    "double-softmax",
    "softmax is taken twice: the cost gets probabilities where it expects logits",
    "hand z[L], not p, to the cross-entropy; dz[L] = (p - Y) / N with p = softmax(z[L])",
    "(B1)",
)
def double_softmax(setting: Setting) -> Iterator[Variant]:
    """J(p) @ (softmax(p) - Y) and its relatives under the other costs and outputs."""

    def error(run: Pass) -> np.ndarray:
        return run.w * (softmax(run.p) - run.get("Y", run.L))

    def twice(run: Pass, outer: bool, inner: bool) -> np.ndarray:
        """The quadratic cost of q = softmax(p), back through both softmaxes or through one of them."""
        dq = 2 * error(run)
        dp = times(softmax_jacobian(softmax(run.p)), dq) if inner else dq
        return _through_output(run, dp) if outer else dp

    def once(run: Pass, factor: float, form: str) -> np.ndarray:
        """The delta of cross-entropy, back through the right output, through a softmax, or through nothing."""
        e = factor * error(run)
        return _through_output(run, e) if form == "J" else times(softmax_jacobian(run.p), e) if form == "softmax" else e

    forms: list[Form] = []
    for factor, two in ((1.0, ""), (2.0, "2 ")) if setting.problem.cost == "quadratic" else ((1.0, ""),):
        forms += [(f"{two}J(p) @ (softmax(p) - Y)", once, (factor, "J")), (f"{two}(softmax(p) - Y)", once, (factor, ""))]
        if setting.problem.output == "sigmoid":
            forms.append((f"{two}(diag(p) - p p^T) @ (softmax(p) - Y)", once, (factor, "softmax")))
    if setting.problem.cost == "quadratic":
        forms += [
            ("J(p) @ J(q) @ 2(q - Y), q = softmax(p)", twice, (True, True)),
            ("J(q) @ 2(q - Y), q = softmax(p)", twice, (False, True)),
            ("J(p) @ 2(q - Y), q = softmax(p)", twice, (True, False)),
            ("J(softmax(p)) @ 2(p - Y)", lambda run: times(softmax_jacobian(softmax(run.p)), run.dp), ()),
        ]
    yield from _variants("double-softmax", setting, forms)


def _through_output(run: Pass, dp: np.ndarray) -> np.ndarray:
    return times(softmax_jacobian(run.p), dp) if run.problem.output == "softmax" else dp * _s(run.p)


@suspect(
    "cost-mismatch",
    "dz[L] is the delta of another cost than the declared one",
    "dz[L] = (p - Y) / N for cross-entropy, 2(p - Y) / N times the output's derivative for the quadratic cost",
    "(B1)",
)
def cost_mismatch(setting: Setting) -> Iterator[Variant]:
    """e under the quadratic cost, e s (or J e) under cross-entropy, with and without the 2."""

    def error(run: Pass, factor: float) -> np.ndarray:
        return factor * run.w * run.e

    def with_derivative(run: Pass, factor: float) -> np.ndarray:
        return factor * run.w * run.e * _s(run.p)

    def with_jacobian(run: Pass, factor: float) -> np.ndarray:
        return factor * run.w * times(softmax_jacobian(run.p), run.e)

    def with_sigmoid(run: Pass, factor: float) -> np.ndarray:
        return factor * run.w * run.e * _s(sigmoid(run.get("z", run.L)))

    quadratic, softmaxed = setting.problem.cost == "quadratic", setting.problem.output == "softmax"
    forms: list[Form] = []
    for factor, two in ((1.0, ""), (2.0, "2 ")):
        if quadratic:
            forms.append((f"{two}(p - Y), the delta of cross-entropy", error, (factor,)))
        else:
            forms.append((f"{two}(p - Y) p(1 - p), that of the quadratic cost", with_derivative, (factor,)))
        if softmaxed and not quadratic:
            forms.append((f"{two}J @ (p - Y), that of the quadratic cost", with_jacobian, (factor,)))
            forms.append((f"{two}(p - Y) sigma'(z[L])", with_sigmoid, (factor,)))
    yield from _variants("cost-mismatch", setting, forms)


@suspect(
    "probability-clipped",
    "p is clipped away from 0 and 1, and the clip's own gradient is left out or wrong",
    "dz[L] = (p - Y) / N with the unclipped p; take the logarithm through log-sum-exp instead of clipping",
    "(F4)",
)
def probability_clipped(setting: Setting) -> Iterator[Variant]:
    """p in [eps, 1 - eps] in place of p: in p - Y, in dC/dp alone, in both factors; or nothing where it was clipped."""
    words = (
        "p clipped in dz[L]",
        "p clipped in dC/dp alone",
        "dC/dp is 0 where p was clipped",
        "dz[L] = p clipped - Y",
        "dz[L] is 0 where p was clipped",
        "dz[L] is 0 for samples whose p[y] was clipped",
        "p clipped from below alone",
        "p clipped, then normalised",
        "p + eps in dC/dp",
    )
    for eps in CLIPS:
        forms: list[Form] = [(f"{note}, eps = {eps:g}", _clipped, (form, eps)) for form, note in enumerate(words)]
        yield from _variants("probability-clipped", setting, forms, in_pairs=4)


CLIPS = (*(10.0**-k for k in range(1, 17)), 5e-2, 5e-4, float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps))


def _clipped(run: Pass, form: int, eps: float) -> np.ndarray:
    """dz[L] in the form of that number in `probability_clipped`."""
    p, Y = run.p, run.get("Y", run.L)
    clipped = np.clip(p, eps, 1 - eps)
    kept = np.asarray(clipped == p, dtype=np.float64)
    below = np.maximum(p, eps)
    match form:
        case 0:
            return _delta(run, clipped, clipped)
        case 1:
            return _delta(run, clipped, p)
        case 2:
            return _delta(run, p, p, kept)
        case 3 if run.problem.cost == "cross-entropy":
            return run.w * (clipped - Y)
        case 3:
            return _delta(run, clipped, clipped)
        case 4:
            return _delta(run, p, p) * kept
        case 5:
            return _delta(run, p, p) * (Y * kept).sum(axis=1, keepdims=True)
        case 6:
            return _delta(run, below, below)
        case 7:
            normalised = clipped / clipped.sum(axis=1, keepdims=True)
            return _delta(run, normalised, normalised)
        case _:
            return _delta(run, p + eps, p)


def _delta(run: Pass, p_cost: np.ndarray, p: np.ndarray, through: np.ndarray | float = 1.0) -> np.ndarray:
    """dz[L] by the chain rule, with one p in dC/dp and another in dp/dz."""
    Y = run.get("Y", run.L)
    if run.problem.cost == "quadratic":
        dp = 2 * (p_cost - Y)
    elif run.problem.output == "softmax":
        dp = np.where(Y > 0, -Y / p_cost, 0.0)
    else:
        dp = (p_cost - Y) / (p_cost * (1 - p_cost))
    dp = run.w * dp * through
    return times(softmax_jacobian(p), dp) if run.problem.output == "softmax" else dp * _s(p)

"""Suspects of a p that is kept away from 0 and 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.bugs.output import OUTPUT, Form, derivative, output_variants
from backproof.checks.bugs.register import Variant, suspect
from backproof.checks.bugs.wrong_pass import Hook, Pass, Setting, times
from backproof.checks.by_hand import softmax_jacobian


@suspect(
    "probability-clipped",
    "p is clipped away from 0 and 1, and the clip's own gradient is left out or wrong",
    "{dzL}   # with p as it is; clip, if at all, in the loss that you print",
    "(F4)",
)
def probability_clipped(setting: Setting) -> Iterator[Variant]:
    """p in [eps, 1 - eps] in place of p: in p - Y, in dC/dp alone, in both factors; or nothing
    where it was clipped."""
    for eps in CLIPS:
        usual = [
            (form, note)
            for form, note in enumerate(CLIPPED)
            if eps <= LARGEST_CLIP or "0" not in note
        ]
        forms: list[Form] = [
            (f"{note}, eps = {eps:g}", _clipped, (form, eps)) for form, note in usual
        ]
        yield from output_variants("probability-clipped", setting, forms, in_pairs=5)
        for note, kind in CUTS.items():
            yield Variant(
                "probability-clipped", OUTPUT, (("p", _cut(kind, eps)),), f"{note}, eps = {eps:g}"
            )


def _normalised(p: np.ndarray, eps: float) -> np.ndarray:
    clipped = np.clip(p, eps, 1 - eps)
    return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))


# p itself is clipped, before anything is made of it: p - Y of cross-entropy, the whole chain of the
# quadratic cost.
CUTS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "p clipped": lambda p, eps: np.clip(p, eps, 1 - eps),
    "p clipped from below": lambda p, eps: np.maximum(p, eps),
    "p clipped, then normalised": _normalised,
}


def _cut(kind: Callable[[np.ndarray, float], np.ndarray], eps: float) -> Hook:
    return lambda run, layer, p: kind(p, eps)


CLIPS = (
    *(10.0**-k for k in range(1, 17)),
    5e-2,
    5e-4,
    float(np.finfo(np.float32).eps),
    float(np.finfo(np.float64).eps),
)
# that cuts gradients off: a larger one is sooner a margin of some kind, for which there is no name
LARGEST_CLIP = 1e-2
CLIPPED = (
    "p clipped in dC/dp and in the output's derivative",
    "p clipped from below in both",
    "p clipped in dC/dp alone",
    "p clipped from below in dC/dp alone",
    "p + eps in dC/dp",
    "dC/dp is 0 where p was clipped",
    "dC/dp is 0 where p was clipped from below",
    "dz[L] is 0 where p was clipped",
    "dz[L] is 0 for samples whose p[y] was clipped",
)


def _clipped(run: Pass, form: int, eps: float) -> np.ndarray:
    """dz[L] in that form of CLIPPED."""
    p = run.p
    Y = run.get("Y", run.L)
    clipped = np.clip(p, eps, 1 - eps)
    below = np.maximum(p, eps)
    kept, kept_below = (np.asarray(cut == p, dtype=np.float64) for cut in (clipped, below))
    match form:
        case 0:
            return _delta(run, clipped, clipped)
        case 1:
            return _delta(run, below, below)
        case 2:
            return _delta(run, clipped, p)
        case 3:
            return _delta(run, below, p)
        case 4:
            return _delta(run, p + eps, p)
        case 5:
            return _delta(run, p, p, kept)
        case 6:
            return _delta(run, p, p, kept_below)
        case 7:
            return _delta(run, p, p) * kept
        case _:
            return _delta(run, p, p) * (Y * kept).sum(axis=1, keepdims=True)


def _delta(
    run: Pass, p_cost: np.ndarray, p: np.ndarray, through: np.ndarray | float = 1.0
) -> np.ndarray:
    """dz[L] by the chain rule, with one p in dC/dp and another in dp/dz."""
    Y = run.get("Y", run.L)
    if run.problem.cost == "quadratic":
        dp = 2 * (p_cost - Y)
    elif run.problem.output == "softmax":
        dp = np.where(Y > 0, -Y / p_cost, 0.0)
    else:
        dp = (p_cost - Y) / (p_cost * (1 - p_cost))
    dp = run.w * dp * through
    if run.problem.output == "softmax":
        return times(softmax_jacobian(p), dp)
    return dp * derivative(p)

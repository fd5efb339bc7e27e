"""Suspects of a p that is kept away from 0 and 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, times, wherever
from backproof.checks.bugs.output import Form, derivative, output_variants
from backproof.checks.bugs.register import Variant, of_classes, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.by_hand import softmax_jacobian
from backproof.checks.findings import Fix, Place

CLIPS = (
    *(10.0**-k for k in range(1, 17)),
    5e-2,
    5e-4,
    float(np.finfo(np.float32).eps),
    float(np.finfo(np.float64).eps),
)
# that cuts gradients off: a larger one is sooner a margin of some kind, for which there is no name
LARGEST_CLIP = 1e-2
SMALLEST_ADDED = float(np.finfo(np.float64).eps)  # that shows beside 1, as in a sum of exp(z - max)
COMMON = 5  # forms of a clip that are tried together with another bug


@suspect(
    "probability-clipped",
    "p is clipped away from 0 and 1, and the clip's own gradient is left out or wrong",
    Fix.of_steps("dzL", comment="with p as it is; clip, if at all, in the loss that you print"),
    "(F4)",
    rank=220,
    occurs=of_classes,
)
def probability_clipped(shape: Shape) -> Iterator[Variant]:
    """p in [eps, 1 - eps] in place of p: in p - Y, in dC/dp alone, in both factors; or nothing
    where it was clipped."""
    for eps in CLIPS:
        usual = [form for form in CLIPPED if form.occurs(shape, eps)]
        forms = [Form(f"{form.note}, eps = {eps:g}", form.dz, (eps,)) for form in usual]
        variants = output_variants(shape, forms, in_pairs=COMMON)
        for form, variant in zip(usual, variants, strict=True):
            is_guard = form.is_added and not shape.quadratic
            yield replace(variant, guard=eps) if is_guard else variant
        for note, cut in CUTS.items():
            hooks = (wherever("p", _cut, cut, eps),)
            yield Variant(Place.of([shape.L], shape.L), hooks, f"{note}, eps = {eps:g}")

        if shape.softmaxed and eps >= SMALLEST_ADDED:
            for note, power in SUMS.items():
                hooks = (wherever("p", _divided_by_more, power, eps),)
                place = Place.of([shape.L], shape.L)
                yield Variant(place, hooks, f"{note}, eps = {eps:g}", guard=eps)


Cut = Callable[[np.ndarray, float], np.ndarray]


def _within(p: np.ndarray, eps: float) -> np.ndarray:
    return np.clip(p, eps, 1 - eps)


def _from_below(p: np.ndarray, eps: float) -> np.ndarray:
    return np.maximum(p, eps)


def _normalised(p: np.ndarray, eps: float) -> np.ndarray:
    clipped = np.clip(p, eps, 1 - eps)
    return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))


def _cut(run: HookedPass, layer: int, p: np.ndarray, cut: Cut, eps: float) -> np.ndarray:
    return cut(p, eps)


def _divided_by_more(
    run: HookedPass, layer: int, p: np.ndarray, power: int, eps: float
) -> np.ndarray:
    z = run.get("z", run.L)
    largest = z.max(axis=1, keepdims=True)
    of_shifted = np.exp(z - largest).sum(axis=1, keepdims=True)
    total = of_shifted * np.exp(power * largest)
    return np.asarray(p * total / (total + eps))


# by which power of the largest exp(z) the sum below a softmax is multiplied
SUMS = {"eps added to the sum of exp(z - max z)": 0, "eps added to the sum of exp(z)": 1}

# p itself is clipped, before anything is made of it: p - Y of cross-entropy, the whole chain of the
# quadratic cost.
CUTS: dict[str, Cut] = {
    "p clipped": _within,
    "p clipped from below": _from_below,
    "p clipped, then normalised": _normalised,
}


@dataclass(frozen=True)
class Clipped:
    """One way in which a clip gets into dz[L].

    Attributes:
        note: in words.
        dz: of a pass and the clip's eps.
        cuts_off: whether some gradients are 0, which a large eps would do to most of them.
        of_each: whether it is of binary cross-entropy alone, which has a 1 - p.
        is_added: whether eps is added, which makes it the right gradient of a logarithm that has
            the same eps in it.
    """

    note: str
    dz: Callable[[HookedPass, float], np.ndarray]
    cuts_off: bool = False
    of_each: bool = False
    is_added: bool = False

    def occurs(self, shape: Shape, eps: float) -> bool:
        """Whether a network of some shape may have it, with this eps."""
        if self.of_each and (shape.softmaxed or shape.quadratic):
            return False
        return eps <= LARGEST_CLIP or not self.cuts_off


def _in_both(run: HookedPass, eps: float) -> np.ndarray:
    clipped = _within(run.p, eps)
    return _delta(run, clipped, clipped)


def _below_in_both(run: HookedPass, eps: float) -> np.ndarray:
    clipped = _from_below(run.p, eps)
    return _delta(run, clipped, clipped)


def _in_cost(run: HookedPass, eps: float) -> np.ndarray:
    return _delta(run, _within(run.p, eps), run.p)


def _below_in_cost(run: HookedPass, eps: float) -> np.ndarray:
    return _delta(run, _from_below(run.p, eps), run.p)


def _added_in_cost(run: HookedPass, eps: float) -> np.ndarray:
    return _delta(run, run.p + eps, run.p)


def _added_to_each(run: HookedPass, eps: float) -> np.ndarray:
    """In -log(p + eps) and -log(1 - p + eps), each by itself."""
    p = run.p
    return _through(run, (1 - run.Y) / (1 - p + eps) - run.Y / (p + eps), p)


def _added_to_variance(run: HookedPass, eps: float) -> np.ndarray:
    return _through(run, (run.p - run.Y) / (run.p * (1 - run.p) + eps), run.p)


def _cost_cut_off(run: HookedPass, eps: float) -> np.ndarray:
    return _delta(run, run.p, run.p, _kept(run.p, _within(run.p, eps)))


def _cost_cut_off_below(run: HookedPass, eps: float) -> np.ndarray:
    return _delta(run, run.p, run.p, _kept(run.p, _from_below(run.p, eps)))


def _all_cut_off(run: HookedPass, eps: float) -> np.ndarray:
    return _delta(run, run.p, run.p) * _kept(run.p, _within(run.p, eps))


def _samples_cut_off(run: HookedPass, eps: float) -> np.ndarray:
    kept = run.Y * _kept(run.p, _within(run.p, eps))
    return np.asarray(_delta(run, run.p, run.p) * kept.sum(axis=1, keepdims=True))


CLIPPED = (
    Clipped("p clipped in dC/dp and in the output's derivative", _in_both),
    Clipped("p clipped from below in both", _below_in_both),
    Clipped("p clipped in dC/dp alone", _in_cost),
    Clipped("p clipped from below in dC/dp alone", _below_in_cost),
    Clipped("p + eps in dC/dp", _added_in_cost, is_added=True),
    Clipped("p + eps and 1 - p + eps in dC/dp", _added_to_each, of_each=True, is_added=True),
    Clipped("p (1 - p) + eps in dC/dp", _added_to_variance, of_each=True, is_added=True),
    Clipped("dC/dp is 0 where p was clipped", _cost_cut_off, cuts_off=True),
    Clipped("dC/dp is 0 where p was clipped from below", _cost_cut_off_below, cuts_off=True),
    Clipped("dz[L] is 0 where p was clipped", _all_cut_off, cuts_off=True),
    Clipped("dz[L] is 0 for samples whose p[y] was clipped", _samples_cut_off, cuts_off=True),
)


def _kept(p: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """1 where a clip left p as it was, 0 elsewhere."""
    return np.asarray(cut == p, dtype=np.float64)


def _delta(
    run: HookedPass, p_cost: np.ndarray, p: np.ndarray, through: np.ndarray | float = 1.0
) -> np.ndarray:
    """dz[L] by the chain rule, with one p in dC/dp and another in dp/dz."""
    if run.problem.cost == "quadratic":
        dp = 2 * (p_cost - run.Y)
    elif run.problem.output == "softmax":
        dp = np.where(run.Y > 0, -run.Y / p_cost, 0.0)
    else:
        dp = (p_cost - run.Y) / (p_cost * (1 - p_cost))
    return _through(run, dp * through, p)


def _through(run: HookedPass, dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    """dz[L] of dC/dp, which is not yet that of the mean, by the output's derivative at p."""
    dp = run.weight * dp
    if run.problem.output == "softmax":
        return times(softmax_jacobian(p), dp)
    return dp * derivative(p)

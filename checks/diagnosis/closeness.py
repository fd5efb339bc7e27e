"""How close an answer is to what a suspect predicts.

A prediction is compared more generously than the correct answer, because a suspect's rounding is
bounded by no analysis: GENEROUS times the bound of the correct pass, grown with the prediction, and
OF_LARGEST eps of the largest entry. That is 1e-14 of a gradient, where the nearest two suspects of
the catalogue are 1.6e-7 apart.
"""

from __future__ import annotations

import numpy as np

from backproof.checks.bugs.register import Variant
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import Quantity, kind_of, layer_of

GENEROUS = 16.0
OF_LARGEST = 64.0
# entries: of a larger gradient, suspects are held against that many, and only what fits against all
# of them
LARGE = 4096
# bounds: nothing that `allowed` permits is as far off, and nearly every wrong suspect is farther
FAR = 1e6


def is_large(item: Evidence) -> bool:
    """Whether some() leaves anything out."""
    return any(weights.size > LARGE for weights in item.setting.problem.W.values())


def some(item: Evidence, array: np.ndarray) -> np.ndarray:
    """Columns of a large gradient, evenly spread."""
    if item.whole or array.size <= LARGE:
        return array
    return array[..., :: -(-array.size // LARGE)]


def may_be_summed_short(variant: Variant | None, name: str) -> bool:
    """Whether a gradient may have been summed in a shorter format than it came in."""
    return variant is not None and bool(variant.short) and kind_of(name) == "db"


def equals(item: Evidence, name: str, predicted: np.ndarray, variant: Variant) -> bool:
    """Whether what came is what was predicted, to within rounding."""
    given = item.came(name, predicted.shape)
    if given is None or given.shape != predicted.shape:
        return False
    given = some(item, given)
    predicted = some(item, predicted)
    if not may_be_summed_short(variant, name) and far(item, name, given, predicted):
        return False
    return bool((np.abs(given - predicted) <= allowed(item, name, predicted, variant)).all())


def far(
    item: Evidence, name: str, given: np.ndarray, predicted: np.ndarray, *, times: float = 1.0
) -> bool:
    """Far out of any bound, or that many times it: what nearly every suspect is, seen without the
    bound of each entry."""
    largest = max(float(np.abs(given).max(initial=0)), float(np.abs(predicted).max(initial=0)))
    bound = max(item.rounding.largest(name), item.rounding.eps(name) * largest)
    limit = times * FAR * (largest + 1) * bound
    return float(np.abs(given - predicted).max(initial=0)) > limit


def allowed(
    item: Evidence, name: str, predicted: np.ndarray, variant: Variant | None = None
) -> np.ndarray:
    """How far some() of an answer may be from that of a suspect's prediction, entry by entry.

    Where the suspect moves entries, between dW and db even, each may carry the rounding of any of
    the layer. Where deltas are in a short format, db may be summed in it: N additions round by its
    eps times the magnitudes of all terms at most.
    """
    correct = some(item, item.correct.value(name))
    limit = some(item, item.rounding.bounds[name])
    if variant is not None and may_be_summed_short(variant, name):
        terms = np.abs(item.correct.get("db_delta", layer_of(name))).sum(axis=0)
        eps = float(np.finfo(variant.short).eps)
        limit = limit + eps * item.setting.N * terms / GENEROUS
    if variant is not None and variant.moved:
        of_layer = (Quantity.parse(name).beside(kind) for kind in ("dW", "db"))
        limit = np.full(predicted.shape, max(map(item.rounding.largest, of_layer)))
    largest = float(np.abs(predicted).max(initial=0.0))
    growth = max(1.0, largest / max(float(np.abs(correct).max()), float(limit.max())))
    if limit.shape != predicted.shape:
        limit = np.full(predicted.shape, limit.max())
    elif predicted.ndim == 1 and np.ptp(predicted) == 0:
        # one number for all units has the rounding of them all
        limit = np.full(predicted.shape, limit.sum())
    return GENEROUS * growth * limit + OF_LARGEST * item.rounding.eps(name) * largest

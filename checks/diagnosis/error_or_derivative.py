"""Which of two steps makes a wrong dz[l]: (B4), whose da[l] is then wrong, or (B5), whose
derivative is.

A derivative is what dz[l] is divided by da[l]. It depends on neither the label nor the weights
above, only on z; and it is one function of each unit's own z. Where all units of a sample carry the
same factor beside the right derivative, that factor may stand in either line, and numbers do not
tell in which.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np

from backproof.checks.diagnosis.single_sample import Single, alike, close

# relative; a factor is a quotient, and that of a small number is known less well than the number
SHARP = 1e-4


class Blame(Enum):
    """What a wrong dz[l] is put down to."""

    ERROR = "da"
    DERIVATIVE = "dz"
    EITHER = "da or dz"


def blamed(singles: Sequence[Single], moved: Single | None, layer: int) -> Blame:
    """What makes dz[layer] wrong, where dz[layer + 1] is as the candidate has it.

    Args:
        singles: answers to single samples, the first of them with several labels.
        moved: the first sample with other weights that lead to the same z, if that was asked.
        layer: a hidden one.
    """
    loose = max(single.loose for single in singles)
    upstream = [single.read_dz(layer + 1) for single in singles]
    read = [single.read_dz(layer) for single in singles]
    if any(dz is None for dz in (*upstream, *read)):
        return Blame.DERIVATIVE
    deltas = [np.asarray(dz) for dz in read]
    sent = [np.asarray(dz) for dz in upstream]
    if not any(dz.any() for dz in deltas):
        return Blame.ERROR  # nothing arrives at all
    factors = [
        dz / (above @ single.W[layer + 1])
        for dz, above, single in zip(deltas, sent, singles, strict=True)
    ]
    same = [i for i, single in enumerate(singles) if single.sample == singles[0].sample]
    if not all(close(factors[i], factors[same[0]], loose) for i in same):
        return Blame.ERROR
    if moved is not None and not _same_for_same_z(moved, factors[same[0]], loose, layer):
        return Blame.ERROR
    ratios = [_beside_right(single, f, layer) for single, f in zip(singles, factors, strict=True)]
    if all(_is_one_number(ratio, loose) for ratio in ratios):
        return Blame.EITHER
    if np.linalg.matrix_rank(np.stack(sent), rtol=loose) > 1:
        return Blame.DERIVATIVE
    # Of two classes, every dz[layer + 1] of a sample may be a multiple of one vector, and then
    # nothing depends on the label. What is wrong by the same factors for every sample, or by
    # multiples of them, is then W, because a wrong derivative would depend on z.
    ones = np.ones(len(factors[0]))
    without = alike(factors, loose) and not close(factors[0], ones, loose)
    if without or alike(ratios, loose):
        return Blame.ERROR
    return Blame.DERIVATIVE


def _same_for_same_z(moved: Single, factor: np.ndarray, loose: float, layer: int) -> bool:
    """Whether the candidate multiplies da[layer] by the same where the same z is made by other
    weights, or what it does there is too rough to tell."""
    dz = moved.read_dz(layer)
    above = moved.read_dz(layer + 1)
    rough = max(loose, moved.loose)
    if dz is None or above is None or rough > SHARP:
        return True
    return close(dz, factor * (above @ moved.W[layer + 1]), rough)


def _beside_right(single: Single, factor: np.ndarray, layer: int) -> np.ndarray:
    """A derivative over the right one; a unit out of work shows nothing but that what it passes on
    is 0."""
    due = single.derivative(layer)
    return np.where(due == 0, np.where(factor == 0, np.nan, factor), factor / due)


def _is_one_number(ratio: np.ndarray, loose: float) -> bool:
    """Whether all units that show anything show the same."""
    known = ratio[~np.isnan(ratio)]
    return not len(known) or close(known, np.full(len(known), known[0]), loose)

"""What the numbers show beside a verdict: right answers to single examples, one factor on
everything, how little a step shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from backproof.checks.diagnosis.evidence import CLOSE, Evidence
from backproof.checks.diagnosis.matching import explain

ROUGH = 1e-3  # of a gradient: what a pass leaves open without saying so


def roughness(evidence: list[Evidence]) -> Iterator[str]:
    """What reading gradients off steps in a short format leaves open, where that is much."""
    first = evidence[0]
    sizes = {
        quantity: float(np.abs(first.right.named(quantity)).max())
        for quantity in first.setting.gradients
    }
    lost = max(
        (first.unread(quantity) / size for quantity, size in sizes.items() if size), default=0.0
    )
    if lost > ROUGH:
        yield (
            f"Its steps show gradients to {100 * lost:.1g}% of the largest and no better, for "
            f"weights in {first.answer.precision} "
            "round what a small learning rate changes: a larger rate, or a gradients function, "
            "shows more."
        )


def hints_of(
    evidence: list[Evidence], factor: CommonFactor | None, *, known: bool, unsteady: bool
) -> Iterator[str]:
    """What the numbers show beside a bug, or where none is known.

    Args:
        evidence: all answers.
        factor: the one on all gradients, if no bug is known.
        known: whether one is.
        unsteady: whether the same call twice gave two answers.
    """
    if unsteady:
        yield (
            "The same call twice gives two answers: it keeps something between calls, or draws "
            "random numbers."
        )
    singles, batches = (
        [item for item in evidence if (item.setting.N > 1) is several] for several in (False, True)
    )
    alone = bool(singles) and not any(item.answer.complaint or item.is_wrong for item in singles)
    if (
        alone
        and batches
        and all(item.answer.complaint or (item.is_wrong and not known) for item in batches)
    ):
        yield "Single examples it gets right: write BATCH = 1 if it is meant to take one at a time."
    if factor:
        if factor.times == factor.of:
            where = "Every gradient"
        else:
            where = f"In {factor.times} of {factor.of} problems every gradient"
        yield (
            f"{where} is {factor.factor:.6g} times the right one: look for a factor that "
            "belongs to nothing."
        )


class CommonFactor(NamedTuple):
    """The one factor on all gradients of `times` problems, `of` how many."""

    factor: float
    times: int
    of: int


def common_factor(evidence: list[Evidence]) -> CommonFactor | None:
    """What multiplies every gradient of some answers, where the others are right; None if there is
    no such factor."""
    items = [item for item in evidence if item.is_of_gradients]
    match = explain((), items)
    if (
        match is None
        or any(decays for _, decays in match.decays)
        or any(item.answer.complaint for item in items)
    ):
        return None
    rows = [{factor for factor in row.values() if factor is not None} for _, row in match.factors]
    off = {factor for row in rows if row != {1.0} for factor in row}
    if not off or 0.0 in off or 1.0 in off or max(off) - min(off) > CLOSE * max(map(abs, off)):
        return None
    wrong, asked = (
        {item.setting.problem.id for item in items if item.is_wrong or not only}
        for only in (True, False)
    )
    return CommonFactor(next(iter(off)), len(wrong), len(asked))

"""Whether a script computes a cost itself, such as to print it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from backproof.checks.recording.script.readings import Reading

HALVES = (1.0, 0.5, 2.0)
NEAR = 1e-9  # relative
NEAR_SHORT = 1e-6  # of sums of four-byte numbers


def is_computed(reading: Reading) -> bool:
    """Whether a number that the script makes is the cost of a reading: the mean or the sum over
    samples, or of the last pass alone, over outputs or not, halved or not."""
    losses = reading.page.problem.losses()
    last = losses[-len(reading.passes[-1].p) :]
    K = float(reading.page.problem.sizes[-1])
    totals = {float(losses.mean()), float(losses.sum()), float(last.mean()), float(last.sum())}
    wanted = [
        abs(total) * share * half for total, share, half in product(totals, (1, 1 / K), HALVES)
    ]
    began = reading.passes[0].began
    numbers = reading.found.archive.numbers(began, _until(reading))
    eps = max(change.eps for change in reading.changes.values())
    near = NEAR if eps < 1e-12 else NEAR_SHORT
    return any((np.abs(numbers - one) <= near * one).any() for one in wanted if one > 0)


def _until(reading: Reading) -> int:
    """When the next step begins: a cost may be computed of what came out before the update."""
    later = [one.passes[0].began for one in reading.found.steps if one.since > reading.step.since]
    return max(reading.step.after, min(later, default=0))

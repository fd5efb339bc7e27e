"""Whether a script computes a cost itself, such as to print it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from backproof.checks.recording.script.readings import Reading

HALVES = (1.0, 0.5, 2.0)
LARGEST_EPSILON = 1e-3  # that is added to a probability so that its logarithm is finite
NEAR = 1e-9  # relative
NEAR_SHORT = 1e-6  # of sums of four-byte numbers


def is_computed(reading: Reading) -> bool:
    """Whether a number that the script makes is the cost of a reading: the mean or the sum over
    samples, or of the last pass alone, over outputs or not, halved or not."""
    count = len(reading.passes[-1].p)
    K = float(reading.page.problem.sizes[-1])
    totals = set()
    for losses in _of_samples(reading):
        last = losses[-count:]
        totals |= {float(losses.mean()), float(losses.sum())}
        totals |= {float(last.mean()), float(last.sum())}
    wanted = [
        abs(total) * share * half for total, share, half in product(totals, (1, 1 / K), HALVES)
    ]
    began = reading.passes[0].began
    numbers = reading.found.archive.numbers(began, _until(reading))
    eps = max(change.eps for change in reading.changes.values())
    near = NEAR if eps < 1e-12 else NEAR_SHORT
    return any((np.abs(numbers - one) <= near * one).any() for one in wanted if one > 0)


def _of_samples(reading: Reading) -> Iterator[np.ndarray]:
    """The cost of each sample, in the ways in which it may be counted."""
    if reading.loss is not None:
        yield from reading.loss.values
    else:
        yield reading.page.problem.losses()
        yield from _with_epsilon(reading)


def _with_epsilon(reading: Reading) -> Iterator[np.ndarray]:
    """The cross-entropy of each sample, with a small number of the script's in its logarithms."""
    if reading.head.cost != "cross-entropy" or reading.head.output not in ("softmax", "sigmoid"):
        return
    p = np.concatenate([one.p for one in reading.passes])
    Y = reading.page.problem.Y
    for epsilon in reading.written.literals:
        if 0 < epsilon <= LARGEST_EPSILON:
            each = Y * np.log(p + epsilon)
            if not reading.head.is_softmax:
                each = each + (1 - Y) * np.log(1 - p + epsilon)
            yield -each.sum(axis=1)


def _until(reading: Reading) -> int:
    """When the next step begins: a cost may be computed of what came out before the update."""
    later = [one.passes[0].began for one in reading.found.steps if one.since > reading.step.since]
    return max(reading.step.after, min(later, default=0))

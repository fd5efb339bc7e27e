"""Whether a script computes a cost itself, such as to print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from backproof.checks.recording.script.readings import Reading

HALVES = (1.0, 0.5, 2.0)


def is_computed(reading: Reading) -> bool:
    """Whether a number that the script makes is the cost of a reading: the mean or the sum over
    samples, or of the last pass alone, over outputs or not, halved or not."""
    losses = reading.page.problem.losses()
    last = losses[-len(reading.passes[-1].p) :]
    K = float(reading.page.problem.sizes[-1])
    totals = {float(losses.mean()), float(losses.sum()), float(last.mean()), float(last.sum())}
    archive = reading.found.archive
    began = reading.passes[0].began
    for total in totals:
        for share in (1.0, 1 / K):
            for half in HALVES:
                for sign in (1.0, -1.0):
                    wanted = np.asarray(sign * total * share * half)
                    if archive.place(wanted, began, reading.step.after) is not None:
                        return True
    return False

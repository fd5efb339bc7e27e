"""Versions of what a script holds: those that were kept for a while."""

from __future__ import annotations

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.variables import Variable, variables

SITE = Site("theirs.py", 3, "<module>", "W", "value")


def held(times: list[int], arrays: list[np.ndarray]) -> Variable:
    """A variable that held these arrays from these times on."""
    made = [
        Made(time, SITE, array, 2.0**-52, None, 0)
        for time, array in zip(times, arrays, strict=True)
    ]
    (one,) = variables(made)
    return one


def test_of_changes_entry_by_entry_the_last_of_each_burst_is_kept_for_a_while() -> None:
    arrays = [np.zeros(3)]
    times = [0]
    for step in range(3):
        for entry in range(3):
            changed = arrays[-1].copy()
            changed[entry] = step + 1
            arrays.append(changed)
            times.append(100 * step + 10 + entry)
    kept = held(times, arrays).settled
    assert [one.value.tolist() for one in kept[-3:]] == [[1] * 3, [2] * 3, [3] * 3]


def test_a_pause_makes_no_burst_of_changes_of_the_whole() -> None:
    """Such as those before a training that diverges comes to rest."""
    times = [0, 6, 12, 18, 24, 30, 36, 400]
    arrays = [np.full(3, float(time)) for time in times]
    kept = held(times, arrays).settled
    assert [one.value[0] for one in kept] == [0, 6, 12, 18]

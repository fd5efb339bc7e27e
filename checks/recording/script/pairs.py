"""Whether the samples of each step go with their targets: they may be shuffled without them, or be
other ones at each step while the targets are the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.targets import as_targets, rows_of

FEWEST = 2  # different targets that are others' by no accident


def torn(best: Reading, later: Sequence[Reading]) -> str:
    """Why the samples of a later step no longer belong to their targets; "" where they do."""
    return _shuffled(best, later) or _stale(best, later)


def _shuffled(best: Reading, later: Sequence[Reading]) -> str:
    """Whether their order is another one, and that of the targets by which the step goes down is
    the same."""
    x = best.page.problem.x
    for one in later:
        after = one.page.problem.x
        stays = one.top and np.array_equal(one.targets.Y, best.targets.Y)
        if not stays or x.shape != after.shape or np.array_equal(x, after):
            continue
        rows = sorted(row.tobytes() for row in x)
        is_shuffled = rows == sorted(row.tobytes() for row in after)
        if is_shuffled and len(set(rows)) == len(rows) and not _pairs_stay(best, one):
            return (
                f"{best.passes[-1].input.name} is put into another order from step to step, and "
                f"{best.targets.name} is not: its samples no longer belong to their targets"
            )
    return ""


def _pairs_stay(best: Reading, later: Reading) -> bool:
    """Whether equal samples have equal targets in two steps."""
    known = {row.tobytes(): Y for row, Y in zip(best.page.problem.x, best.targets.Y, strict=True)}
    pairs = zip(later.page.problem.x, later.targets.Y, strict=True)
    return all(np.array_equal(known[row.tobytes()], Y) for row, Y in pairs)


def _stale(best: Reading, later: Sequence[Reading]) -> str:
    """Whether other samples are compared with the same targets, which are the first of as many as
    there are samples, and not theirs."""
    Y = best.targets.Y
    if not best.top or len(best.passes) > 1 or len(np.unique(Y, axis=0)) < FEWEST:
        return ""
    for one in later:
        same = one.top and np.array_equal(one.targets.Y, Y) and len(one.passes) == 1
        picked = _picked(one) if same else []
        begins = [(count, list(range(len(Y)))) for count, _ in picked]
        is_other = not np.array_equal(one.page.problem.x, best.page.problem.x)
        if is_other and _holds(one, begins) and not _holds(one, picked):
            return (
                f"{best.passes[-1].input.name} holds other samples at each step, and "
                f"{one.targets.name} stays the same: its samples do not belong to their targets"
            )
    return ""


def _picked(one: Reading) -> list[tuple[int, list[int]]]:
    """How many rows larger arrays have, and which of them its samples are."""
    x = np.ascontiguousarray(one.page.problem.x)
    found = []
    for whole in one.found.inputs.of(x.shape[1], None, one.step.until):
        if len(whole.rows) > len(x):
            rows = {row.tobytes(): n for n, row in enumerate(np.ascontiguousarray(whole.rows))}
            picked = [rows.get(row.tobytes(), -1) for row in x]
            if min(picked) >= 0 and (len(rows), picked) not in found:
                found.append((len(whole.rows), picked))
    return found


def _holds(one: Reading, parts: Sequence[tuple[int, list[int]]]) -> bool:
    """Whether these rows of any array are the targets."""
    Y = one.targets.Y
    for made in one.found.archive.made:
        for array in rows_of(made.value, parts):
            if any(np.array_equal(some, Y) for some in as_targets(array, *Y.shape)):
                return True
    return False

"""The samples of a script: all of them where an array holds those of the first step among others,
else those of the steps that were seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.carried import may_be_same
from backproof.checks.recording.script.inputs import Input
from backproof.checks.recording.script.readings import Reading, readings
from backproof.checks.recording.script.targets import as_targets
from backproof.checks.recording.script.watched import Watched
from backproof.checks.recording.script.written import Written


@dataclass(frozen=True)
class Samples:
    """What a script learns from.

    Attributes:
        x: one sample a row.
        Y: the targets, a row each.
        are_all: whether they are all that it has; else they are those that were seen.
        batch: how many of them a step takes.
    """

    x: np.ndarray
    Y: np.ndarray
    are_all: bool
    batch: int


def samples(found: Watched) -> Samples:
    """The samples of a script whose network was recognised."""
    first = found.reading
    others = _others(found)
    batch = found.page.N
    x, Y = _distinct([first, *others])
    if others and len(x) == batch > 1:  # each step takes all of them
        return Samples(x, Y, True, batch)
    for whole in _larger(found, len(x)):
        picked = _rows_in(whole.rows, x)
        if picked is None:
            continue
        for made in found.recording.made:
            all_Y = _targets(made, whole, Y.shape[1])
            if all_Y is not None and np.array_equal(all_Y[picked], Y):
                return Samples(whole.rows, all_Y, True, batch)
    return Samples(x, Y, False, batch)


def _others(found: Watched) -> list[Reading]:
    """The other steps that were seen, as far as they are read in the same way."""
    network = found.network
    written = Written(found.recorded)
    others = [step for step in network.steps if step is not found.reading.step]
    return list(_alike((readings(network, step, written) for step in others), found.reading))


def _alike(steps: Iterable[Sequence[Reading]], first: Reading) -> Iterator[Reading]:
    """Of the readings of each step the first that is like another."""
    for some in steps:
        yield from [one for one in some if may_be_same(one, first)][:1]


def _distinct(seen: list[Reading]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of some steps; of steps that take the same samples those of the first."""
    x = seen[0].page.problem.x
    Y = seen[0].page.problem.Y
    for one in seen[1:]:
        problem = one.page.problem
        if _rows_in(x, problem.x) is None:
            x = np.concatenate([x, problem.x])
            Y = np.concatenate([Y, problem.Y])
    return x, Y


def _larger(found: Watched, count: int) -> Iterator[Input]:
    """Arrays that may hold these samples and others, the smallest first: training samples are
    fewer than all that were read."""
    width = found.page.problem.x.shape[1]
    some = found.network.inputs.of(width, None, found.reading.step.until)
    columns = found.network.columns
    larger = [one for one in some if one.columns == columns and len(one.rows) >= count]
    yield from sorted(larger, key=lambda one: len(one.rows))


def _rows_in(whole: np.ndarray, rows: np.ndarray) -> list[int] | None:
    """Where each row stands in a larger array; None if one of them does not."""
    index = {row.tobytes(): number for number, row in enumerate(np.ascontiguousarray(whole))}
    picked = [index.get(row.tobytes()) for row in np.ascontiguousarray(rows)]
    found = [number for number in picked if number is not None]
    return found if len(found) == len(picked) else None


def _targets(made: Made, whole: Input, K: int) -> np.ndarray | None:
    """An array as the targets of a larger one; None where it cannot be that."""
    count = len(whole.rows)
    if count not in made.value.shape or made.value is whole.made.value:
        return None
    return next(as_targets(made.value, count, K), None)

"""What a script holds in a plainer way than matrices: the weights of a single output as a vector,
its bias as a number, and samples that are never held by themselves, but as rows of all data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.recording.script.inputs import Inputs
from backproof.checks.recording.script.variables import Variable

FEWEST = 3  # values of a number that changes from step to step
LARGEST = 300  # rows of all data that are tried


def with_rows(made: Sequence[Made], held: Sequence[Variable]) -> Inputs:
    """What may go into a layer, with the rows of every matrix that no update changes."""
    moving: set[int] = set()
    for variable in held:
        if variable.changes:
            moving |= {id(version.value) for version in variable.versions}
    rows: list[Made] = []
    seen: set[int] = set()
    for one in made:
        value = one.value
        if value.ndim == 2 and id(value) not in seen and id(value) not in moving:
            seen.add(id(value))
            rows += [
                Made(one.time, one.site, row, one.eps, one.caller)
                for row in value[: LARGEST - len(rows)]
            ]
    return Inputs([*made, *rows])


def numbers(recording: Recording) -> Iterator[Variable]:
    """Single numbers that a name held, one after the other."""
    by_name: dict[str, list[Made]] = {}
    for series in recording.series:
        pairs = zip(series.times.tolist(), series.values, strict=True)
        some = by_name.setdefault(series.site.name, [])
        some += [
            Made(time, series.site, np.asarray(value), 2.0**-52, series.caller)
            for time, value in pairs
        ]
    for name, some in by_name.items():
        if name and len(some) >= FEWEST:
            held = tuple(sorted(some, key=lambda made: made.time))
            yield Variable(name, held, held, ())


def vectors(held: Sequence[Variable]) -> list[Variable]:
    """What may be the weights of a single output."""
    return [one for one in held if one.changes and one.versions[0].value.ndim == 1]

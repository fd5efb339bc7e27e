"""What a script holds over time: the arrays of each name, attribute or element, one version after
the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Recording

MOST_VERSIONS = 6  # that are looked at
LARGEST_MOVE = 3.0  # times the largest entry, in the first update
BURST = 4.0  # times the usual time between two changes: more is a pause


@dataclass(frozen=True)
class Variable:
    """One place and what it held.

    Attributes:
        name: as the script writes it.
        versions: what it held, without what was changed again before anybody used it.
        shape: of all of them, without axes of length 1.
    """

    name: str
    versions: tuple[Made, ...]
    shape: tuple[int, ...]

    @property
    def moves(self) -> bool:
        """Whether it changes, at first by not much more than it is large: as weights do."""
        if len(self.versions) < 2:
            return False
        before = self.versions[0].value
        after = self.versions[1].value
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            return False
        return bool(np.abs(after - before).max() <= LARGEST_MOVE * np.abs(before).max() + 1)


def variables(recording: Recording) -> list[Variable]:
    """Every place, by its identity and, for what is bound anew in each call, by its name."""
    groups: dict[tuple[object, ...], list[Made]] = {}
    for made in recording.made:
        if made.site.kind not in ("value", "edit"):
            continue
        shape = np.squeeze(made.value).shape
        groups.setdefault(("slot", made.slot, shape), []).append(made)
        groups.setdefault(("name", made.site.name, shape), []).append(made)
    found: dict[tuple[object, ...], Variable] = {}
    for some in groups.values():
        shape = np.squeeze(some[0].value).shape
        versions = tuple(_settled(some))[:MOST_VERSIONS]
        key = some[0].site.name, tuple(made.time for made in versions), shape
        found.setdefault(key, Variable(some[0].site.name, versions, shape))
    return list(found.values())


def _settled(made: Sequence[Made]) -> Iterator[Made]:
    """Of changes that come in bursts, entry by entry, the last of each; else all of them."""
    times = np.array([one.time for one in made])
    gaps = np.diff(times)
    pauses = gaps > BURST * np.median(gaps) if len(gaps) > BURST else np.zeros(len(gaps), bool)
    if not pauses.any():
        yield from made
        return
    for one, is_last in zip(made, [*pauses.tolist(), True], strict=True):
        if is_last:
            yield one

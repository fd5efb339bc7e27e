"""What a script holds over time: the arrays of each name, attribute or element, one version after
the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np

from backproof.checks.candidates.inside.recording import Made

MOST_SETTLED = 4  # versions that are looked at to recognise weights
MOST_LASTING = 2  # versions of one stretch of time
LARGEST_MOVE = 3.0  # times the largest entry, in the first update
PART = 0.5  # of the entries: what changes more of them at once does not change entry by entry
BURST = 2.5  # times the usual time between two changes: more is a pause


@dataclass(frozen=True, eq=False)
class Variable:
    """One place and what it held; no two are equal.

    Attributes:
        name: as the script writes it.
        versions: what it held, one after the other, each as it was first made anywhere.
        bound: the same as it came to be held there.
        shape: of all of them, without axes of length 1.
    """

    name: str
    versions: tuple[Made, ...]
    bound: tuple[Made, ...]
    shape: tuple[int, ...]

    @property
    def values(self) -> frozenset[int]:
        """Which arrays it held, by their identity."""
        return frozenset(id(made.value) for made in self.versions)

    @cached_property
    def times(self) -> list[int]:
        """When each version was made."""
        return [made.time for made in self.versions]

    @cached_property
    def settled(self) -> tuple[Made, ...]:
        """The first versions that were kept for a while: not what the next line changed again."""
        return tuple(_settled(self.versions))[:MOST_SETTLED]

    @cached_property
    def stays(self) -> bool:
        """Whether one and the same place held all of it, rather than one name several things."""
        return len({made.slot for made in self.bound}) == 1

    def made_at(self, time: int) -> Made | None:
        """What it held at a time; None before there was anything."""
        index = bisect_right(self.times, time)
        return self.versions[index - 1] if index else None

    def at(self, time: int) -> np.ndarray:
        """The array that it held at a time, or at first."""
        made = self.made_at(time)
        return (made or self.versions[0]).value

    def next_change(self, time: int) -> int:
        """When it held something else for the first time after a time; its last change if that was
        before."""
        index = bisect_right(self.times, time)
        return self.times[min(index, len(self.times) - 1)]

    def lasting(self, since: int, until: int) -> list[Made]:
        """The versions of some time that were kept longest, as those are that a pass takes of what
        changes entry by entry."""
        begin, end = bisect_right(self.times, since), bisect_right(self.times, until)
        inside = range(max(0, begin - 1), end)
        ends = [*self.times[1:], until]
        longest = sorted(inside, key=lambda n: min(ends[n], until) - max(since, self.times[n]))
        return [self.versions[number] for number in longest[: -1 - MOST_LASTING : -1]]

    def until(self, time: int) -> float:
        """How long it holds what it has at a time, or has first after it."""
        start = max(time, self.times[0])
        return self.next_change(start) if self.changes_after(start) else inf

    def changes_after(self, time: int) -> bool:
        """Whether it held something else later."""
        return self.times[-1] > time

    @cached_property
    def changes(self) -> bool:
        """Whether it holds something else later, and numbers before and after."""
        if len(self.settled) < 2:
            return False
        return all(bool(np.isfinite(made.value).all()) for made in self.settled[:2])

    @cached_property
    def ever_differs(self) -> bool:
        """Whether it holds other numbers later than at first."""
        first = self.versions[0].value
        return any(not np.array_equal(made.value, first) for made in self.versions[1:])

    @cached_property
    def moves(self) -> bool:
        """Whether it changes by not much more than it is large, as right weights do."""
        if not self.changes:
            return False
        before = self.settled[0].value
        after = self.settled[1].value
        return bool(np.abs(after - before).max() <= LARGEST_MOVE * np.abs(before).max() + 1)


def variables(recorded: Sequence[Made]) -> list[Variable]:
    """Every place, by its identity and, for what is bound anew in each call, by its name."""
    groups: dict[tuple[object, ...], list[Made]] = {}
    first: dict[int, Made] = {}
    for made in recorded:
        if made.site.kind not in ("value", "edit"):
            continue
        first.setdefault(id(made.value), made)
        shape = np.squeeze(made.value).shape
        groups.setdefault(("slot", made.slot, shape), []).append(made)
        groups.setdefault(("name", made.site.name, shape), []).append(made)
    found: dict[tuple[object, ...], Variable] = {}
    for some in groups.values():
        shape = np.squeeze(some[0].value).shape
        bound = tuple(_different(some))
        versions = sorted((first[id(made.value)] for made in bound), key=lambda made: made.time)
        one = Variable(some[0].site.name, tuple(versions), bound, shape)
        key = tuple(id(made.value) for made in bound)
        if key not in found or one.bound[-1].time < found[key].bound[-1].time:
            found[key] = one  # others are copies
    return list(_without_parts(list(found.values())))


def _without_parts(held: Sequence[Variable]) -> Iterator[Variable]:
    """Without names that hold, for a few steps each, what one place holds all along, as a local
    variable of an optimizer does."""
    whole: dict[int, list[Variable]] = {}
    for one in held:
        for value in one.values if one.stays else ():
            whole.setdefault(value, []).append(one)
    for one in held:
        around = whole.get(id(one.versions[0].value), ()) if len(one.versions) > 1 else ()
        if not any(_is_run_of(one, other) for other in around):
            yield one


def _is_run_of(one: Variable, other: Variable) -> bool:
    """Whether a variable holds some of what another one holds, one after the other as there, and
    not all of it."""
    part = [id(made.value) for made in one.versions]
    whole = [id(made.value) for made in other.versions]
    begin = whole.index(part[0])
    return len(part) < len(whole) and whole[begin : begin + len(part)] == part


def _different(made: Sequence[Made]) -> Iterator[Made]:
    """Without what is the same as the version before."""
    before = None
    for one in made:
        if one.value is not before:
            yield one
        before = one.value


def _settled(made: Sequence[Made]) -> Iterator[Made]:
    """Of changes that come in bursts, entry by entry, the last of each; else all of them."""
    times = np.array([one.time for one in made])
    gaps = np.diff(times)
    pauses = gaps > BURST * np.median(gaps) if len(gaps) > BURST else np.zeros(len(gaps), bool)
    if not pauses.any() or np.mean(made[0].value != made[1].value) > PART:
        yield from made
        return
    for one, is_last in zip(made, [*pauses.tolist(), True], strict=True):
        if is_last:
            yield one

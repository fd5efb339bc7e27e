"""Recorded arrays, found again by their numbers: as they are, or up to a factor.

Each array is kept with one number, its product with a fixed direction. Equal arrays have equal
products, so that a table of numbers is searched before any two arrays are compared.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.page import ratio

CLOSE = 1e-9  # relative to the largest entry: a dozen roundings of eight-byte numbers
CLOSE_SHORT = 1e-5  # the same of four-byte numbers, after sums of a thousand terms
FEWEST_SHORT = 2  # entries that must agree where that is all that they agree by


def closeness(eps: float) -> float:
    """How near two arrays are that are the same, relative to the largest entry."""
    return CLOSE if eps < 1e-12 else CLOSE_SHORT


@dataclass(frozen=True)
class Multiple:
    """A recorded array that is another one times a factor."""

    made: Made
    factor: float


@dataclass(frozen=True)
class _Table:
    """Arrays of one shape, in the order in which they were made."""

    made: list[Made]
    times: list[int]
    direction: np.ndarray
    reach: float
    products: np.ndarray
    norms: np.ndarray
    near: np.ndarray
    in_order: np.ndarray

    @staticmethod
    def of(made: list[Made]) -> _Table:
        size = made[0].value.size
        direction = np.random.default_rng(size).normal(size=size)
        known: dict[int, tuple[float, float]] = {}
        with np.errstate(all="ignore"):
            for one in made:
                if id(one.value) not in known:
                    flat = one.value.reshape(-1)
                    known[id(one.value)] = float(flat @ direction), float(np.sqrt(flat @ flat))
        pairs = np.array([known[id(one.value)] for one in made])
        times = [one.time for one in made]
        reach = float(np.abs(direction).sum())
        near = np.array([closeness(one.eps) for one in made])
        in_order = np.sort(pairs[:, 0])
        return _Table(made, times, direction, reach, pairs[:, 0], pairs[:, 1], near, in_order)

    def may_have(self, wanted: np.ndarray) -> np.ndarray:
        """Of several arrays, one a row, which may be among them, at any time."""
        products = wanted @ self.direction
        off = float(self.near.max()) * self.reach * np.abs(wanted).max(axis=1)
        begin = np.searchsorted(self.in_order, products - off, side="left")
        end = np.searchsorted(self.in_order, products + off, side="right")
        return np.asarray(end > begin)

    def equal(self, wanted: np.ndarray, since: int, until: int) -> Iterator[Made]:
        """Those that are this array, and were made in some time."""
        begin = bisect_left(self.times, since)
        end = bisect_right(self.times, until)
        if begin >= end:
            return
        largest = float(np.abs(wanted).max())
        product = float(wanted.reshape(-1) @ self.direction)
        off = np.abs(self.products[begin:end] - product)
        likely = off <= self.near[begin:end] * (largest * self.reach)
        for index in (begin + np.flatnonzero(likely)).tolist():
            made = self.made[index]
            off = np.abs(made.value.reshape(wanted.shape) - wanted).max()
            if off <= self.near[index] * largest:
                yield made

    def multiples(self, right: np.ndarray, since: float, until: int) -> Iterator[Multiple]:
        """Those of some time that are this array times something."""
        size = float(np.sqrt((right * right).sum()))
        if size == 0 or not np.isfinite(size):
            return
        if right.size == 1:
            yield from self._multiples_of_one(float(right.reshape(-1)[0]), since, until)
            return
        share = abs(float(right.reshape(-1) @ self.direction)) / size
        begin = bisect_left(self.times, since)
        end = bisect_right(self.times, until)
        with np.errstate(all="ignore"):
            shares = np.abs(self.products[begin:end]) / self.norms[begin:end]
            likely = np.abs(shares - share) <= self.near[begin:end] * (4 * self.reach)
        for index in (begin + np.flatnonzero(likely)).tolist():
            made = self.made[index]
            factor = ratio(made.value.reshape(right.shape), right, float(self.near[index]))
            if factor is not None:
                yield Multiple(made, factor)

    def _multiples_of_one(self, right: float, since: float, until: int) -> Iterator[Multiple]:
        """The same of single numbers, of which any is a multiple of any other."""
        begin = bisect_left(self.times, since)
        end = bisect_right(self.times, until)
        for index in range(begin, end):
            factor = float(self.made[index].value.reshape(-1)[0]) / right
            if factor != 0 and isfinite(factor):
                yield Multiple(self.made[index], factor)


class Archive:
    """All arrays of a recording, by their shape.

    Args:
        made: the arrays, in the order of time.
        beside: others, which are found as they are, and not as multiples.
    """

    def __init__(self, made: Sequence[Made], beside: Sequence[Made] = ()) -> None:
        self.made = made
        self._beside = {id(one) for one in beside}
        by_shape: dict[tuple[int, ...], list[Made]] = {}
        for one in sorted([*made, *beside], key=lambda one: one.time) if beside else made:
            if one.value.size:
                by_shape.setdefault(np.squeeze(one.value).shape, []).append(one)
        self._made_of = by_shape
        self._tables: dict[tuple[int, ...], _Table] = {}
        self._times: dict[tuple[int, ...], list[int]] = {}

    def has(self, shape: tuple[int, ...], since: int, until: int) -> bool:
        """Whether any array of a shape, as it is or transposed, was made in some time."""
        wanted = tuple(n for n in shape if n != 1)
        for turned in {wanted, wanted[::-1]}:
            times = self._times_of(turned)
            index = bisect_left(times, since)
            if index < len(times) and times[index] <= until:
                return True
        return False

    def numbers(self, since: int, until: int) -> np.ndarray:
        """The single numbers that were made in some time, without their signs."""
        times, numbers = self._signed
        begin = np.searchsorted(times, since, side="left")
        end = np.searchsorted(times, until, side="right")
        return np.abs(numbers[begin:end])

    @cached_property
    def _signed(self) -> tuple[np.ndarray, np.ndarray]:
        """When each single number was made, and what it is."""
        some = self._made_of.get((), ())
        times = np.array([one.time for one in some], dtype=np.int64)
        return times, np.array([float(one.value.reshape(-1)[0]) for one in some])

    @cached_property
    def _near(self) -> np.ndarray:
        """How near each single number is to what it stands for, relative to it."""
        return np.array([closeness(one.eps) for one in self._made_of.get((), ())])

    def _times_of(self, shape: tuple[int, ...]) -> list[int]:
        if shape not in self._times:
            self._times[shape] = [one.time for one in self._made_of.get(shape, ())]
        return self._times[shape]

    def _of(self, array: np.ndarray) -> Iterator[tuple[_Table, np.ndarray]]:
        """The tables in which an array may be, as it is and transposed."""
        for turned in (array, array.T)[: max(array.ndim, 1)]:
            table = self._table(turned.shape)
            if table is not None:
                yield table, turned

    def _table(self, shape: tuple[int, ...]) -> _Table | None:
        if shape in self._made_of and shape not in self._tables:
            self._tables[shape] = _Table.of(self._made_of[shape])
        return self._tables.get(shape)

    def of_shape(self, shape: tuple[int, ...], until: int) -> Iterator[Made]:
        """All arrays of a shape that were made up to some time."""
        for one in self._made_of.get(tuple(n for n in shape if n != 1), ()):
            if one.time <= until:
                yield one

    def may_have(self, wanted: np.ndarray) -> np.ndarray:
        """Of several arrays, one after the other along the first axis, which may have been made: a
        quick look at all of them, before each is searched for."""
        count = len(wanted)
        found = np.zeros(count, bool)
        shape = tuple(n for n in wanted.shape[1:] if n != 1)
        stack = wanted.reshape(count, *shape)
        with np.errstate(all="ignore"):
            for turned in [stack, stack.swapaxes(1, -1)] if len(shape) > 1 else [stack]:
                table = self._table(turned.shape[1:])
                if table is not None:
                    found |= table.may_have(turned.reshape(count, -1))
        return found

    def places(self, wanted: np.ndarray, since: int, until: int) -> Iterator[Made]:
        """Where an array is among those that were made in some time, the first first."""
        array = np.squeeze(wanted)
        largest = float(np.abs(array).max(initial=0))
        if largest == 0 or not np.isfinite(largest):
            return
        for table, turned in self._of(array):
            for made in table.equal(turned, since, until):
                if closeness(made.eps) == CLOSE or array.size >= FEWEST_SHORT:
                    yield made

    def place(self, wanted: np.ndarray, since: int, until: int) -> Made | None:
        """The first of them."""
        return next(self.places(wanted, since, until), None)

    def multiples(self, right: np.ndarray, until: int) -> list[Multiple]:
        """Every array that is this one times something, up to some time."""
        array = np.squeeze(right)
        found: list[Multiple] = []
        for table, turned in self._of(array):
            found += table.multiples(turned, -inf, until)
        if self._beside:
            return [one for one in found if id(one.made) not in self._beside]
        return found

    def has_multiple(self, right: np.ndarray, since: int, until: int) -> bool:
        """Whether any array that was made in some time is this one times something."""
        for table, turned in self._of(np.squeeze(right)):
            for one in table.multiples(turned, since, until):
                if id(one.made) not in self._beside:
                    return True
        return False

    def factors(self, right: float, until: int) -> tuple[np.ndarray, np.ndarray]:
        """By what a number is multiplied to be each single number that was made up to some time;
        and how near each of those is to what it stands for."""
        times, numbers = self._signed
        end = np.searchsorted(times, until, side="right")
        with np.errstate(all="ignore"):
            factors = numbers[:end] / right
        kept = np.isfinite(factors) & (factors != 0)
        if self._beside:
            some = self._made_of.get((), ())[:end]
            kept &= np.array([id(one) not in self._beside for one in some], dtype=bool)
        return factors[kept], self._near[:end][kept]

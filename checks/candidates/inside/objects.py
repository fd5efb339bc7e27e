"""Objects that hold a network and update it themselves: built around given weights, asked for a
step, and for another one from the same weights, so that what they keep between steps shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DEEPEST = 5  # of containers and objects within each other
MOST = 10_000  # of them


class NoWeights(Exception):
    """An object whose step moved nothing that could be found; the text continues "step ..."."""


@dataclass
class Slot:
    """A place in an object where one of the given arrays was found.

    Attributes:
        holder: the list, dictionary or `__dict__` that has it.
        key: under which.
        turned: whether it was found transposed.
        given: the array that was given.
    """

    holder: Any
    key: Any
    turned: bool
    given: np.ndarray

    def now(self) -> np.ndarray | None:
        """What is there now, in the shape of what was given; None where it is no such array."""
        found = _as_array(self.holder[self.key])
        if found is None or found.size != self.given.size:
            return None
        if self.turned:
            return found.T.copy()
        return found.reshape(self.given.shape).copy()

    def put_back(self) -> None:
        """The array that was given, as it was."""
        value = self.holder[self.key]
        wanted = self.given.T if self.turned else self.given
        if isinstance(value, np.ndarray):
            value[...] = wanted.reshape(value.shape)
        else:
            self.holder[self.key] = wanted.reshape(np.shape(value)).tolist()


class Network:
    """What `make` returned, and where in it its weights are."""

    def __init__(self, made: Any, W: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> None:
        self._made = made
        self._arrays = [*W, *b]  # as they were given: the object may have kept and edited them
        self._given = [array.copy() for array in self._arrays]
        self._slots = [list(_slots(made, given)) for given in self._given]

    def step(self, x: np.ndarray, y: np.ndarray, rate: float) -> Any:
        """One step, from wherever the object is."""
        return self._made.step(x, y, rate)

    def weights(self) -> list[np.ndarray]:
        """Every W, then every b, as the object has them now.

        Raises: NoWeights where one of them is nowhere in it.
        """
        return [self._now(index) for index in range(len(self._given))]

    def put_back(self) -> None:
        """Every array as it was given; whatever else the object keeps, it keeps."""
        for array, given in zip(self._arrays, self._given, strict=True):
            array[...] = given
        for slots in self._slots:
            for slot in slots:
                slot.put_back()

    def _now(self, index: int) -> np.ndarray:
        """Of all places where an array was found, the one that moved: others may be copies of the
        first weights."""
        given = self._given[index]
        places = [slot.now() for slot in self._slots[index]]
        places.append(self._arrays[index].copy())
        found = [place for place in places if place is not None]
        for place in found:
            if not np.array_equal(place, given):
                return place
        if len(places) == 1:  # the argument alone, which did not move: it is held in another form
            raise NoWeights(
                "returned None, and its object holds no array that make was given; return (W, b)"
            )
        return found[0]


def _slots(made: Any, given: np.ndarray) -> Iterator[Slot]:
    """Every place in an object that holds an array."""
    for holder, key, value in _places(made, 0, set()):
        found = _as_array(value)
        if found is None or found.size != given.size:
            continue
        if found.size == max(found.shape):
            found = found.reshape(given.shape)  # a bias may lie as a column or a row
        if np.array_equal(found, given):
            yield Slot(holder, key, False, given)
        elif found.T.shape == given.shape and np.array_equal(found.T, given):
            yield Slot(holder, key, True, given)


def _places(value: Any, depth: int, seen: set[int]) -> Iterator[tuple[Any, Any, Any]]:
    """Every entry of every list, dictionary and object in an object, once."""
    if depth > DEEPEST or id(value) in seen or len(seen) > MOST:
        return
    seen.add(id(value))
    holder: Any = getattr(value, "__dict__", None)
    if isinstance(value, list | dict):
        holder = value
    if isinstance(value, tuple):
        for entry in value:
            yield from _places(entry, depth + 1, seen)
    if holder is None or isinstance(value, type):
        return
    keys = range(len(holder)) if isinstance(holder, list) else list(holder)
    for key in keys:
        entry = holder[key]
        yield holder, key, entry
        if not isinstance(entry, np.ndarray | str | int | float):
            yield from _places(entry, depth + 1, seen)


def _as_array(value: Any) -> np.ndarray | None:
    """An array of numbers, or a list of them; None for anything else."""
    if isinstance(value, list) and value and isinstance(value[0], list | float | int):
        try:
            value = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            return None
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim:
        return value
    return None

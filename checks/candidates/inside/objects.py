"""Objects that hold a network and update it themselves: built around given weights, asked for a
step, and for another one from the same weights, so that what they keep between steps shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.returned import Refused

DEEPEST = 5  # of containers and objects within each other
MOST = 10_000  # of them


Path = tuple[Any, ...]  # from an object to what it holds: names of attributes, keys, indices


@dataclass
class Slot:
    """A place in an object where one of the given arrays was found. It is a way to go, so that what
    was bound anew on it, such as a whole list, is found, too.

    Attributes:
        made: the object.
        path: to the array.
        turned: whether it was found transposed.
        given: the array that was given.
    """

    made: Any
    path: Path
    turned: bool
    given: np.ndarray

    def now(self) -> np.ndarray | None:
        """What is there now, in the shape of what was given; None where it is no such array."""
        found = _as_array(_at(self.made, self.path))
        if found is None or found.size != self.given.size:
            return None
        if self.turned:
            return found.T.copy()
        return found.reshape(self.given.shape).copy()

    def put_back(self) -> None:
        """The array that was given, as it was."""
        value = _at(self.made, self.path)
        wanted = self.given.T if self.turned else self.given
        if isinstance(value, np.ndarray):
            value[...] = wanted.reshape(value.shape)
            return
        holder = _entries(_at(self.made, self.path[:-1]))
        if isinstance(holder, list | dict):
            holder[self.path[-1]] = wanted.reshape(np.shape(value)).tolist()


def _entries(value: Any) -> Any:
    """What holds the entries of a container, or the attributes of an object; None for all else."""
    if isinstance(value, list | dict | tuple):
        return value
    if isinstance(value, type):
        return None
    return getattr(value, "__dict__", None)


def _at(made: Any, path: Path) -> Any:
    """What is at the end of a path now; None where it leads nowhere any more."""
    value = made
    for key in path:
        try:
            value = _entries(value)[key]
        except (IndexError, KeyError, TypeError):
            return None
    return value


class Network:
    """What `make` returned, and where in it its weights are.

    Args:
        made: the object.
        W, b: the arrays that it was made of, which it may have kept, and edit.
    Raises: Refused if it has no step.
    """

    def __init__(self, made: Any, W: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> None:
        if not callable(getattr(made, "step", None)):
            kind = type(made).__name__
            raise Refused(
                f"was not there: make returned {kind}; expected an object with step(x, y, "
                "learning_rate)"
            )
        self._made = made
        self._L = len(W)
        self._arrays = [*W, *b]
        self._given = [array.copy() for array in self._arrays]
        self._slots = [list(_slots(made, given)) for given in self._given]
        self._told: list[np.ndarray] | None = None

    def step(self, x: np.ndarray, y: np.ndarray, rate: float) -> Any:
        """One step, from wherever the object is: what its own returned, or the pair (W, b) that it
        has now.

        Raises: Refused where it returned None and one of them is nowhere in it.
        """
        returned = self._made.step(x, y, rate)
        moved = [self._now(index) for index in range(len(self._given))]
        held = [now for now in moved if now is not None]
        self._told = held if len(held) == len(moved) else None
        if returned is not None:
            if self._told is not None and not _says(returned, self._told):
                self._told = None  # it keeps its weights in another form
            return returned
        if self._told is None:
            raise Refused(
                "returned None, and its object holds no array that make was given; return (W, b)"
            )
        return held[: self._L], held[self._L :]

    def put_back(self, W: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
        """Set every array as it was given; whatever else the object keeps, it keeps.

        Args:
            W, b: from where it is to step next.
        Returns: whether that can be done: it was made of these, and it is known where it has them.
        """
        wanted = [*W, *b]
        if self._told is None or len(wanted) != len(self._given):
            return False
        if not all(map(np.array_equal, wanted, self._given)):
            return False
        for array, given in zip(self._arrays, self._given, strict=True):
            array[...] = given
        for slots in self._slots:
            for slot in slots:
                slot.put_back()
        return True

    def _now(self, index: int) -> np.ndarray | None:
        """Of all places where an array was found, the one that moved: others may be copies of the
        first weights. None where it was found nowhere but in the argument, and that has not
        moved."""
        given = self._given[index]
        places = [slot.now() for slot in self._slots[index]]
        places.append(self._arrays[index].copy())
        found = [place for place in places if place is not None]
        for place in found:
            if not np.array_equal(place, given):
                return place
        if len(places) == 1:
            return None
        return found[0]


def _says(returned: Any, held: Sequence[np.ndarray]) -> bool:
    """Whether a step returned the very arrays that its object holds."""
    try:
        told = [np.asarray(array) for array in itertools.chain.from_iterable(returned)]
        return all(
            np.array_equal(said.reshape(now.shape), now)
            for said, now in zip(told, held, strict=True)
        )
    except (TypeError, ValueError):
        return False


def _slots(made: Any, given: np.ndarray) -> Iterator[Slot]:
    """Every place in an object that holds an array."""
    for path, value in _places(made, (), set()):
        found = _as_array(value)
        if found is None or found.size != given.size:
            continue
        if found.size == max(found.shape):
            found = found.reshape(given.shape)  # a bias may lie as a column or a row
        if np.array_equal(found, given):
            yield Slot(made, path, False, given)
        elif found.T.shape == given.shape and np.array_equal(found.T, given):
            yield Slot(made, path, True, given)


def _places(value: Any, path: Path, seen: set[int]) -> Iterator[tuple[Path, Any]]:
    """Every entry of every list, tuple, dictionary and object in an object, once, and the way to
    it."""
    if len(path) > DEEPEST or id(value) in seen or len(seen) > MOST:
        return
    seen.add(id(value))
    holder = _entries(value)
    if holder is None:
        return
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        entry = holder[key]
        yield (*path, key), entry
        if not isinstance(entry, np.ndarray | str | int | float):
            yield from _places(entry, (*path, key), seen)


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

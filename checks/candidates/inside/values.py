"""The numbers that a value of somebody else's program holds, read without running any of its code.

No method, property, `__eq__`, `__getattr__`, `__iter__` or `__dict__` of theirs is ever called:
types are compared by identity, containers are walked by the built-in types' own iterators, and the
attributes of an object are read from its instance dictionary through the descriptor that Python
itself made for it.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.gathered import Records
from backproof.checks.candidates.inside.plain import (
    LARGEST_ARRAY,
    LONGEST_LIST,
    array_of,
    attributes,
    bases,
    dictionary,
    elements_of,
    is_tensor,
    numbers,
    static,
)

SAMPLED = 16  # along each axis of a larger one, to see whether it changes
DEEPEST = 4  # containers within containers
MOST_IN_ONE_LOOK = 2_000  # values that one name is searched for
MOST_LOOKS = 2_000_000  # in all: some seconds
INLINED = ("_parameters", "_modules", "_buffers")  # where torch keeps what it shows as attributes

Slot = tuple[int, object]  # who owns the place, and which place it is


@dataclass(frozen=True)
class Found:
    """Numbers, and where they are.

    Attributes:
        slot: the place: it identifies the owner (a call, a list, an object), and the name in it.
        name: as their program would write it, such as "self.W[1]".
        value: a float, or an array in the precision in which it came.
        in_container: whether the place is an element of a list, tuple or dictionary.
        identity: of the array that was read, which a line may edit in place; 0 of all else.
    """

    slot: Slot
    name: str
    value: Any
    in_container: bool = False
    identity: int = 0


@dataclass
class Reader:
    """Searches values for numbers.

    Attributes:
        is_own: whether a module is one of the person's own, by its name.
        is_own_file: whether a file is one, by its path.
        kept: owners, kept alive so that no later one takes their identity.
        skipped: what was left out, in words, each once.
        time: the recorder's, which tells when something was seen.
        changing: of arrays that are too large to be looked at, and do not stay the same: when they
            were last seen to be another, by name.
    """

    is_own: Callable[[str], bool]
    is_own_file: Callable[[str], bool]
    kept: dict[int, object] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    time: int = 0
    changing: dict[str, int] = field(default_factory=dict)
    looks: int = 0
    _until: int = 0
    _large: dict[Slot, bytes] = field(default_factory=dict)
    _met: set[int] = field(default_factory=set)
    _classes: dict[type, bool] = field(default_factory=dict)
    records: Records = field(default_factory=Records)

    def look(self, owner: int, name: str, value: object) -> Iterator[Found]:
        """Everything that a name holds, down to some depth; each object once."""
        self._until = min(self.looks + MOST_IN_ONE_LOOK, MOST_LOOKS)
        self._met.clear()
        yield from self._look((owner, name), name, value, 0, False)

    def _look(
        self, slot: Slot, name: str, value: object, depth: int, in_container: bool
    ) -> Iterator[Found]:
        self.looks += 1
        if self.looks > self._until:
            self._too_many()
            return
        kind = type(value)
        if kind is float or issubclass(kind, np.floating):
            yield Found(slot, name, float(value), in_container)  # type: ignore[arg-type]
        elif issubclass(kind, np.ndarray) or is_tensor(kind):
            array = array_of(value)
            if array is not None and array.size <= LARGEST_ARRAY:
                yield Found(slot, name, array, in_container, id(value))
            elif array is not None:
                self._too_large(slot, name, array)
            if is_tensor(kind):
                yield from self._gradient(value, slot, name, depth)
        elif issubclass(kind, (list, tuple, deque)):
            yield from self._sequence(value, slot, name, depth, in_container)
        elif issubclass(kind, dict):
            yield from self._items(value, name, depth)
        elif depth < DEEPEST and id(value) not in self._met and self._has_attributes(kind):
            self._met.add(id(value))
            yield from self._attributes(value, name, depth)

    def _sequence(
        self, value: Any, slot: Slot, name: str, depth: int, in_container: bool
    ) -> Iterator[Found]:
        elements = elements_of(value)
        together = numbers(elements)
        if together is not None and together.size:
            yield Found(slot, name, together, in_container)
        if len(elements) > LONGEST_LIST:
            if depth < DEEPEST:
                self.skipped.add(f"the elements of lists of more than {LONGEST_LIST:,}")
            return
        self.kept[id(value)] = value
        yield from self._fields(value, name, elements)
        if depth >= DEEPEST:
            return
        for index, element in enumerate(elements):
            yield from self._look((id(value), index), f"{name}[{index}]", element, depth + 1, True)

    def _fields(self, value: Any, name: str, elements: list[Any]) -> Iterator[Found]:
        """What the records of a list hold under each name, gathered."""
        if not self.records.may_be_some(elements) or not all(map(self._is_record, elements)):
            return
        for whole in self.records.wholes(value, name, elements):
            gathered = whole.now()
            if gathered is not None:
                yield Found(whole.slot, whole.name, gathered)

    def wholes_of(self, slot: Slot) -> Iterator[Found]:
        """What is gathered of a place that holds a part of it, as it is now."""
        for whole in self.records.of(slot):
            gathered = whole.now()
            if gathered is not None:
                yield Found(whole.slot, whole.name, gathered)

    def _is_record(self, value: object) -> bool:
        kind = type(value)
        return issubclass(kind, dict) or self._has_attributes(kind)

    def _items(self, value: Any, name: str, depth: int) -> Iterator[Found]:
        if depth >= DEEPEST or dict.__len__(value) > LONGEST_LIST:
            return
        self.kept[id(value)] = value
        for key, element in list(dict.items(value)):
            if type(key) in (str, int, tuple):
                said = repr(key)
                yield from self._look(
                    (id(value), said), f"{name}[{said}]", element, depth + 1, True
                )

    def _attributes(self, value: object, name: str, depth: int) -> Iterator[Found]:
        self.kept[id(value)] = value
        for key, element in attributes(value):
            if key in INLINED and type(element) is dict:
                for inner, part in list(element.items()):
                    yield from self._look(
                        (id(value), inner), f"{name}.{inner}", part, depth + 1, False
                    )
            else:
                yield from self._look((id(value), key), f"{name}.{key}", element, depth + 1, False)

    def _gradient(self, value: Any, slot: Slot, name: str, depth: int) -> Iterator[Found]:
        """What autograd left beside a leaf of its graph."""
        if value.is_leaf and value.grad is not None and depth <= DEEPEST:
            place = (hash(slot), "grad")
            yield from self._look(place, f"{name}.grad", value.grad, depth + 1, False)

    def _too_large(self, slot: Slot, name: str, array: np.ndarray) -> None:
        self.skipped.add(f"arrays of more than {LARGEST_ARRAY:,} entries")
        sample = array[tuple(slice(None, None, -(-n // SAMPLED)) for n in array.shape)].tobytes()
        if self._large.setdefault(slot, sample) != sample:
            self._large[slot] = sample
            self.changing[name] = self.time

    def _too_many(self) -> None:
        if self.looks > MOST_LOOKS:
            self.skipped.add(f"anything after {MOST_LOOKS:,} values")
        else:
            self.skipped.add(f"more than {MOST_IN_ONE_LOOK:,} values of one name")

    def _has_attributes(self, kind: type) -> bool:
        """Whether it is an object of a class of theirs: one with functions of their files, or from
        a module that is one."""
        if kind not in self._classes:
            module = static(kind, "__module__")
            entries: list[Any] = []
            for base in bases(kind):
                entries += dictionary(base).values()
            functions = [entry for entry in entries if type(entry) is types.FunctionType]
            self._classes[kind] = (
                kind is types.SimpleNamespace
                or (type(module) is str and self.is_own(module))
                or any(self.is_own_file(function.__code__.co_filename) for function in functions)
            )
        return self._classes[kind]

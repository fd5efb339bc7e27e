"""Networks that are written neuron by neuron: a layer is a list of records, dictionaries or objects
of a class, each with its weights, its output, its delta. What the records of a list hold under one
name is one array: the rows of a matrix, or the entries of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.plain import (
    LONGEST_LIST,
    attributes,
    elements_of,
    numbers,
)

Slot = tuple[int, object]  # who owns the place, and which place it is
MOST_FIELDS = 30


@dataclass(frozen=True)
class Whole:
    """What the records of one list hold under one name.

    Attributes:
        records: the list.
        key: the name, of an item or of an attribute.
        name: as their program would write it, with "[...]" for whichever record.
    """

    records: Any
    key: Any
    name: str

    @property
    def slot(self) -> Slot:
        """The place that it takes in a recording."""
        return id(self.records), ("each", self.key)

    def now(self) -> np.ndarray | None:
        """The array; None where a record lacks its part, or where parts do not fit together."""
        parts = []
        for record in elements_of(self.records):
            held = fields(record)
            if self.key not in held:
                return None
            parts.append(held[self.key])
        return _together(parts)


@dataclass
class Records:
    """All lists of records that were met.

    Attributes:
        parts: what is gathered of each place that holds a part of it.
    """

    parts: dict[Slot, list[Whole]] = field(default_factory=dict)

    def may_be_some(self, elements: list[Any]) -> bool:
        """Whether a list may be one of records: several of one type."""
        return len(elements) > 0 and len({type(element) for element in elements}) == 1

    def wholes(self, value: Any, name: str, elements: list[Any]) -> Iterator[Whole]:
        """What is gathered of a list of records; nothing where they hold matrices, as layers do."""
        first = fields(elements[0])
        if len(first) > MOST_FIELDS or not all(_is_plain(part) for part in first.values()):
            return
        for key, part in first.items():
            if _is_number(part) or numbers(elements_of(part)) is not None or _is_vector(part):
                said = f".{key}" if not issubclass(type(elements[0]), dict) else f"[{key!r}]"
                whole = Whole(value, key, f"{name}[...]{said}")
                self._remember(whole, elements)
                yield whole

    def of(self, slot: Slot) -> list[Whole]:
        """What is gathered of a place, among others."""
        return self.parts.get(slot, [])

    def _remember(self, whole: Whole, elements: list[Any]) -> None:
        for record in elements:
            is_item = issubclass(type(record), dict)
            slot = id(record), repr(whole.key) if is_item else whole.key
            some = self.parts.setdefault(slot, [])
            if all(known.slot != whole.slot for known in some):
                some.append(whole)


def fields(record: Any) -> dict[Any, Any]:
    """What a record holds, by the name of the item or attribute."""
    if issubclass(type(record), dict):
        return {key: part for key, part in list(dict.items(record)) if type(key) in (str, int)}
    return dict(attributes(record))


def _together(parts: list[Any]) -> np.ndarray | None:
    if all(map(_is_number, parts)):
        return numbers(parts)
    if all(map(_is_vector, parts)) or all(elements_of(part) for part in parts):
        found = numbers(parts)
        if found is not None and found.ndim == 2:
            return found
    return None


def _is_number(part: Any) -> bool:
    kind = type(part)
    return kind in (int, float) or issubclass(kind, np.floating)


def _is_vector(part: Any) -> bool:
    return type(part) is np.ndarray and part.ndim == 1 and part.dtype.kind in "fi"


def _is_plain(part: Any) -> bool:
    """Whether a neuron may hold it: no matrix, and no list of anything but numbers."""
    kind = type(part)
    if issubclass(kind, np.ndarray):
        return bool(part.ndim < 2)
    elements = elements_of(part)
    if not elements:
        return not issubclass(kind, dict)
    return len(elements) <= LONGEST_LIST and all(map(_is_number, elements))

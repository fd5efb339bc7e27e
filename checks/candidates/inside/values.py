"""The numbers that a value of somebody else's program holds, read without running any of its code.

No method, property, `__eq__`, `__getattr__`, `__iter__` or `__dict__` of theirs is ever called:
types are compared by identity, containers are walked by the built-in types' own iterators, and the
attributes of an object are read from its instance dictionary through the descriptor that Python
itself made for it.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LARGEST_ARRAY = 600_000  # entries; what is larger is not looked at
SAMPLED = 16  # along each axis of a larger one, to see whether it changes
LONGEST_LIST = 1_000  # elements whose own numbers are looked at one by one
DEEPEST = 4  # containers within containers
MOST_IN_ONE_LOOK = 2_000  # values that one name is searched for
MOST_LOOKS = 2_000_000  # in all: some seconds
DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)
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
        elif issubclass(kind, np.ndarray) or _is_tensor(kind):
            array = _array(value)
            if array is not None and array.size <= LARGEST_ARRAY:
                yield Found(slot, name, array, in_container, id(value))
            elif array is not None:
                self._too_large(slot, name, array)
            if _is_tensor(kind):
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
        elements = _elements(value)
        together = numbers(elements)
        if together is not None and together.size:
            yield Found(slot, name, together, in_container)
        if depth >= DEEPEST:
            return
        if len(elements) > LONGEST_LIST:
            self.skipped.add(f"the elements of lists of more than {LONGEST_LIST:,}")
            return
        self.kept[id(value)] = value
        for index, element in enumerate(elements):
            yield from self._look((id(value), index), f"{name}[{index}]", element, depth + 1, True)

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
            module = _static(kind, "__module__")
            entries: list[Any] = []
            for base in _bases(kind):
                entries += _dictionary(base).values()
            functions = [entry for entry in entries if type(entry) is types.FunctionType]
            self._classes[kind] = (
                kind is types.SimpleNamespace
                or (type(module) is str and self.is_own(module))
                or any(self.is_own_file(function.__code__.co_filename) for function in functions)
            )
        return self._classes[kind]


def attributes(value: object) -> list[tuple[str, object]]:
    """What an object holds: its instance dictionary and its slots, by Python's own descriptors."""
    found: list[tuple[str, object]] = []
    for base in _bases(type(value)):
        for key, entry in list(_dictionary(base).items()):
            if key == "__dict__" and type(entry) in DESCRIPTORS:
                held = entry.__get__(value)
                found += [(name, part) for name, part in list(held.items()) if type(name) is str]
            elif type(entry) is types.MemberDescriptorType and not key.startswith("__"):
                with contextlib.suppress(AttributeError):  # a slot that was never filled
                    found.append((key, entry.__get__(value)))
    return found


def numbers(elements: list[Any], depth: int = 0) -> np.ndarray | None:
    """A vector out of floats, a matrix out of lists of floats or of vectors; None for all else."""
    if not elements:
        return None
    kinds = {type(element) for element in elements}
    if all(kind in (float, int) or issubclass(kind, np.floating) for kind in kinds):
        if kinds == {int} and any(abs(element) > 2**53 for element in elements):
            return None
        return np.array(elements, dtype=np.float64)
    if depth > 1:
        return None
    if all(issubclass(kind, (list, tuple)) for kind in kinds):
        rows = [numbers(_elements(element), depth + 1) for element in elements]
    elif all(kind is np.ndarray for kind in kinds):
        rows = [_array(element) if element.ndim in (1, 2) else None for element in elements]
    else:
        return None
    if any(row is None for row in rows) or len({row.shape for row in rows if row is not None}) > 1:
        return None
    size = sum(row.size for row in rows if row is not None)
    if size > LARGEST_ARRAY:
        return None
    return np.array(rows)


def _elements(value: Any) -> list[Any]:
    for kind in (list, tuple, deque):
        if issubclass(type(value), kind):
            return list(kind.__iter__(value))
    return []


def _array(value: Any) -> np.ndarray | None:
    """Real numbers of an array or tensor, as they are now; None for any other kind of entry."""
    if _is_tensor(type(value)):
        try:
            value = value.detach().cpu().numpy()
        except (RuntimeError, TypeError):
            return None  # sparse, on no device, or of a type that NumPy does not have
    if value.dtype.kind == "O":
        if value.size > LONGEST_LIST:
            return None
        flat = numbers(list(value.flat))
        return flat.reshape(value.shape) if flat is not None and flat.ndim == 1 else None
    if value.dtype.kind not in "fiub":
        return None
    return np.array(value, subok=False)


def _is_tensor(kind: type) -> bool:
    """Whether it is torch's own tensor, whose methods are torch's; none of a subclass is called."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    names = vars(torch)
    parameter = vars(names["nn"]).get("Parameter") if "nn" in names else None
    return kind is names.get("Tensor") or (parameter is not None and kind is parameter)


def _bases(kind: type) -> tuple[type, ...]:
    """A class and all its bases, by the descriptor of type itself."""
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return found


def _dictionary(kind: type) -> types.MappingProxyType[str, Any]:
    """A class's own dictionary, whatever its metaclass says."""
    found: types.MappingProxyType[str, Any] = type.__dict__["__dict__"].__get__(kind)
    return found


def _static(kind: type, name: str) -> object:
    """An entry of a class's own dictionary."""
    return _dictionary(kind).get(name)

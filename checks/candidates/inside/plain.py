"""Numbers and attributes of somebody else's objects, read without running any of their code."""

from __future__ import annotations

import contextlib
import sys
import types
from collections import deque
from typing import Any

import numpy as np

LARGEST_ARRAY = 600_000  # entries; what is larger is not looked at
LONGEST_LIST = 1_000  # elements whose own numbers are looked at one by one
DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def attributes(value: object) -> list[tuple[str, object]]:
    """What an object holds: its instance dictionary and its slots, by Python's own descriptors."""
    found: list[tuple[str, object]] = []
    for base in bases(type(value)):
        for key, entry in list(dictionary(base).items()):
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
        rows = [numbers(elements_of(element), depth + 1) for element in elements]
    elif all(kind is np.ndarray for kind in kinds):
        rows = [array_of(element) if element.ndim in (1, 2) else None for element in elements]
    else:
        return None
    if any(row is None for row in rows) or len({row.shape for row in rows if row is not None}) > 1:
        return None
    size = sum(row.size for row in rows if row is not None)
    if size > LARGEST_ARRAY:
        return None
    return np.array(rows)


def elements_of(value: Any) -> list[Any]:
    """What a list, a tuple or a deque holds; [] of anything else."""
    for kind in (list, tuple, deque):
        if issubclass(type(value), kind):
            return list(kind.__iter__(value))
    return []


def array_of(value: Any) -> np.ndarray | None:
    """Real numbers of an array or tensor, as they are now; None for any other kind of entry. What
    is too large to be kept is not copied."""
    if is_tensor(type(value)):
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
    return np.array(value, subok=False, copy=True if value.size <= LARGEST_ARRAY else None)


def is_tensor(kind: type) -> bool:
    """Whether it is torch's own tensor, whose methods are torch's; none of a subclass is called."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    names = vars(torch)
    parameter = vars(names["nn"]).get("Parameter") if "nn" in names else None
    return kind is names.get("Tensor") or (parameter is not None and kind is parameter)


def bases(kind: type) -> tuple[type, ...]:
    """A class and all its bases, by the descriptor of type itself."""
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return found


def dictionary(kind: type) -> types.MappingProxyType[str, Any]:
    """A class's own dictionary, whatever its metaclass says."""
    found: types.MappingProxyType[str, Any] = type.__dict__["__dict__"].__get__(kind)
    return found


def static(kind: type, name: str) -> object:
    """An entry of a class's own dictionary."""
    return dictionary(kind).get(name)

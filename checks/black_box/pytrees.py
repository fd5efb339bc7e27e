"""Names for the tensors in nested tuples, lists and dicts: "input 0", "input 1['w']",
"output[1][0]"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree


@dataclass(frozen=True)
class Leaf:
    """One thing in a nested structure, and where it stands."""

    name: str
    value: Any


def differentiable(value: Any) -> bool:
    """Whether it is a tensor of real or complex numbers."""
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def name_inputs(inputs: Sequence[Any], keywords: Mapping[str, Any]) -> list[Leaf]:
    """Everything in positional and keyword arguments, in the order of `flatten`."""
    found = []
    for number, value in enumerate(inputs):
        found += _leaves(value, f"input {number}")
    for key, value in keywords.items():
        found += _leaves(value, key)
    return found


def name_outputs(returned: Any) -> list[Leaf]:
    """The tensors that a function returned, "output" for one alone."""
    return [leaf for leaf in _leaves(returned, "output") if isinstance(leaf.value, Tensor)]


def rebuilt(
    inputs: Sequence[Any], keywords: Mapping[str, Any], leaves: Sequence[Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The same arguments with other leaves in their places."""
    remaining = list(leaves)
    positional = [_filled(value, remaining) for value in inputs]
    named = {key: _filled(value, remaining) for key, value in keywords.items()}
    return positional, named


def _leaves(value: Any, root: str) -> list[Leaf]:
    pairs, _ = _pytree.tree_flatten_with_path(value)
    return [Leaf(root + _pytree.keystr(path), leaf) for path, leaf in pairs]


def _filled(value: Any, remaining: list[Any]) -> Any:
    """The structure of a value, with the first of the remaining leaves, which are taken away."""
    leaves, structure = _pytree.tree_flatten(value)
    mine = remaining[: len(leaves)]
    del remaining[: len(leaves)]
    return _pytree.tree_unflatten(mine, structure)


def wider(dtype: torch.dtype) -> torch.dtype:
    """float64, or complex128 for a complex type."""
    if dtype.is_complex:
        return torch.complex128
    return torch.float64


def converted(value: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor of real or complex numbers in a real dtype, or the complex one of its parts."""
    if value.is_complex():
        return value.to(dtype.to_complex())
    return value.to(dtype)

"""How many numbers a torch operation sums into one of its results: each partial sum rounds, so
errors grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor


def summed_numbers(func: Any, args: Any) -> int:
    """How many products or numbers are summed into one number of the result."""
    tensors = [
        value
        for value in flat(args)
        if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())
    ]
    if name_of(func) in ("mm", "bmm", "mv", "dot", "addmm", "baddbmm", "addmv"):
        return int(tensors[-2].shape[-1])
    if name_of(func) in ("convolution", "convolution_backward"):
        weight = tensors[1 if name_of(func) == "convolution" else 2]
        # either may be summed over
        products = max(weight.numel() // channels for channels in weight.shape[:2])
        if name_of(func) == "convolution":
            return products
        return max(products, tensors[0].numel() // tensors[0].shape[1])
    if (
        name_of(func)
        in (
            "sum",
            "mean",
            "var",
            "var_mean",
            "std",
            "std_mean",
            "prod",
            "linalg_vector_norm",
            "cumsum",
            "logsumexp",
        )
        and tensors
    ):
        return int(
            tensors[0].numel()
            / max(1, tensors[0].numel() if not args[1:] else _kept(tensors[0], args[1]))
        )
    return 1


def _kept(value: Tensor, dimensions: Any) -> int:
    """How many numbers remain when these dimensions are summed."""
    given = [dimensions] if isinstance(dimensions, int) else list(dimensions or [])
    summed = {
        dimension % max(1, value.dim()) for dimension in given if isinstance(dimension, int)
    } or set(range(value.dim()))
    kept = 1
    for dimension, size in enumerate(value.shape):
        kept *= 1 if dimension in summed else size
    return kept


@cache
def name_of(func: Any) -> str:
    """ "add" for aten.add_.Tensor."""
    name: str = func._schema.name.split("::")[-1]
    if name.endswith("_") and not name.endswith("__"):
        return name[:-1]
    return name


def flat(values: Any) -> Iterable[Any]:
    """What is in nested lists and tuples, one after the other."""
    if not isinstance(values, (list, tuple)):
        return [values]
    found: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += flat(value)
        else:
            found.append(value)
    return found


def mapped(change: Callable[[Any], Any], values: Any) -> Any:
    """The same nested lists, tuples and dicts with every value in them changed; torch's own
    tree_map, which knows more kinds of them, takes longer than most operations."""
    if not isinstance(values, (list, tuple, dict)):
        return change(values)
    if isinstance(values, dict):
        return {key: mapped(change, value) for key, value in values.items()}
    found = []
    for value in values:
        if isinstance(value, Tensor):  # most are
            found.append(change(value))
        else:
            found.append(mapped(change, value))
    if hasattr(values, "_fields"):
        return type(values)(*found)
    return type(values)(found)


def lying_like(results: Any, usual: Any) -> Any:
    """The same results in the order in memory that the usual ones have: a mask that is drawn for
    one of them is drawn in that order."""
    if isinstance(results, (list, tuple)):
        pairs = zip(results, usual, strict=True)
        return tuple(lying_like(result, other) for result, other in pairs)
    if not isinstance(results, Tensor) or results.stride() == usual.stride():
        return results
    return torch.empty_like(usual, dtype=results.dtype).copy_(results)

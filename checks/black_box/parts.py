"""Large tensors a part at a time: what is computed on the way stays in a processor's cache, and is
never as large as the tensor.

A part is shorter than what torch computes in several threads, so none waits for another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

PART = (1 << 15) - 64  # entries; torch uses several threads from 1 << 15 on


def parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same entries of several tensors of one shape, one after the other; all at once where
    they are few, or lie in memory in another order than they are counted."""
    count = tensors[0].numel()
    shape = tensors[0].shape
    if count <= PART or not all(t.is_contiguous() and t.shape == shape for t in tensors):
        yield tensors
        return
    flat = [tensor.view(-1) for tensor in tensors]
    for begin in range(0, count, PART):
        yield tuple(tensor[begin : begin + PART] for tensor in flat)


def all_finite(tensor: Tensor) -> bool:
    """Whether no entry is infinite or NaN; without a mask as large as the tensor."""
    if not tensor.numel():
        return True
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if not tensor.is_floating_point():
        return True
    low, high = torch.aminmax(tensor)
    return math.isfinite(float(low)) and math.isfinite(float(high))


def scalar_product(first: Tensor, second: Tensor) -> float:
    """The sum of the products of two real tensors of one shape, in float64."""
    total = 0.0
    for one, other in parts(first, second):
        total += float((one.to(torch.float64) * other).sum())
    return total


def norm_of_products(first: Tensor, second: Tensor) -> float:
    """The norm of the products of two real tensors of one shape, without squaring what is too large
    or too small for it."""
    norms = []
    for one, other in parts(first, second):
        products = one.to(torch.float64) * other
        largest = float(products.abs().max()) if products.numel() else 0.0
        if largest and math.isfinite(largest):
            norms.append(largest * float(torch.linalg.vector_norm(products.div_(largest))))
        else:
            norms.append(largest)
    return math.hypot(*norms)

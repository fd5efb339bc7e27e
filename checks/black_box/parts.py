"""Large tensors a part at a time: what is computed on the way stays in a processor's cache, and is
never as large as the tensor.

A part is shorter than what torch computes in several threads, so none waits for another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

VISIBLE = 1e-140  # what is smaller loses digits when it is squared
PART = (1 << 15) - 64  # entries; torch uses several threads from 1 << 15 on


def parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same entries of several tensors of one shape, one after the other; all at once where
    they are few, or lie in memory in another order than they are counted."""
    count = tensors[0].numel()
    shape = tensors[0].shape
    if count <= PART or not all(t.is_contiguous() and t.shape == shape for t in tensors):
        yield tensors
        return
    yield from zip(*[torch.split(tensor.view(-1), PART) for tensor in tensors], strict=True)


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
        norm = float(torch.linalg.vector_norm(products))
        if not VISIBLE < norm < 1 / VISIBLE:  # its square may not have been a number
            largest = float(products.abs().max()) if products.numel() else 0.0
            norm = largest
            if largest and math.isfinite(largest):
                norm *= float(torch.linalg.vector_norm(products.div_(largest)))
        norms.append(norm)
    return math.hypot(*norms)

"""Random relative errors for tensors of any size, at the cost of one pass over them.

Drawing a random number costs more than an addition, a division or an exponential. So as many as
stay in a processor's cache are drawn once, and every operation reads them from a place of its own,
chosen at random.
"""

from __future__ import annotations

import math
import random
from functools import cache, lru_cache

import torch
from torch import Tensor

from backproof.checks.black_box.parts import parts

SIZE = 1 << 18
KEPT = 4  # tables of factors, one for each eps; few are in use at a time
WORTH_A_TABLE = 1 << 14  # entries; fewer are computed faster than a table is looked up


class RandomTable:
    """Errors uniform in [-1, 1], from a place that the seed and the number of the call decide.

    Args:
        seed: of the places.
    """

    def __init__(self, seed: int) -> None:
        self.places = random.Random(seed)

    def moved(self, value: Tensor, eps: float, size: Tensor | None = None) -> Tensor:
        """A tensor with an error of up to eps times each entry, or times a size that broadcasts
        against it; infinities and NaN stay what they are."""
        if size is not None:
            return self._moved_by_size(value, eps, size)
        count = value.numel()
        if count > SIZE // 2:
            if value.is_contiguous():
                return self._moved_in_parts(value, eps)
            if value.dim() > 1 and value.mT.is_contiguous():
                return self._moved_in_parts(value.mT, eps).mT
        if WORTH_A_TABLE < count <= SIZE // 2:
            factors = _factors(eps, value.dtype, value.device)
            return torch.mul(self._some_of(factors, value), value)
        return torch.mul(self._errors(value), eps).add_(1.0).mul_(value)

    def _moved_by_size(self, value: Tensor, eps: float, size: Tensor) -> Tensor:
        moved = torch.addcmul(value, self._errors(value), size.to(value.dtype), value=eps)
        if math.isfinite(float(moved.sum())):
            return moved
        return torch.where(value.isfinite(), moved, value)

    def _moved_in_parts(self, value: Tensor, eps: float) -> Tensor:
        """A large tensor times 1 + eps r, in one pass over it: the factors are made once."""
        factors = _factors(eps, value.dtype, value.device)
        moved = torch.empty_like(value)
        for part, out in parts(value, moved):
            torch.mul(self._some_of(factors, part), part, out=out)
        return moved

    def _errors(self, like: Tensor) -> Tensor:
        """Errors in the shape of a tensor."""
        numbers = _uniform(like.dtype, like.device)
        count = like.numel()
        if count <= SIZE // 2:
            return self._some_of(numbers, like)
        pieces = []
        while count > 0:
            start = self.places.randrange(SIZE // 2)
            pieces.append(numbers[start : start + min(count, SIZE // 2)])
            count -= SIZE // 2
        return _lying_like(torch.cat(pieces), like)

    def _some_of(self, numbers: Tensor, like: Tensor) -> Tensor:
        """As many numbers as a tensor of at most half as many has, in its shape."""
        count = like.numel()
        start = self.places.randrange(SIZE - count)
        return _lying_like(numbers[start : start + count], like)


def _lying_like(numbers: Tensor, like: Tensor) -> Tensor:
    """Numbers in a tensor's shape and order in memory. A result that lay otherwise than it does
    without errors would be given other random numbers by the code that draws a mask for it."""
    if like.is_contiguous():
        return numbers.view(like.shape)
    strides = torch.empty_like(like).stride()
    return numbers.as_strided(like.shape, strides, numbers.storage_offset())


@lru_cache(maxsize=KEPT)
def _factors(eps: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.mul(_uniform(dtype, device), eps).add_(1.0)


@cache
def _uniform(dtype: torch.dtype, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    numbers = torch.rand(SIZE, dtype=torch.float64, generator=generator)
    return (2 * numbers - 1).to(device, dtype)

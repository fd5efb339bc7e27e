"""Random relative errors for tensors of any size, at the cost of one pass over them.

Drawing a random number costs more than an addition, a division or an exponential. So a million of
them are drawn once, and every operation reads them from a place of its own, chosen at random.
"""

from __future__ import annotations

import random
from functools import cache

import torch
from torch import Tensor

SIZE = 1 << 20
KEPT = 6  # tables of factors, one for each eps; few are in use at a time


class RandomTable:
    """Errors uniform in [-1, 1], from a place that the seed and the number of the call decide.

    Args:
        seed: of the places.
    """

    def __init__(self, seed: int) -> None:
        self.places = random.Random(seed)
        self.factors: dict[tuple[float, torch.dtype, torch.device], Tensor] = {}

    def moved(self, value: Tensor, eps: float, size: Tensor | None = None) -> Tensor:
        """A tensor with an error of up to eps times each entry, or times a size that broadcasts
        against it; infinities and NaN stay what they are."""
        if size is None and value.numel() > SIZE // 2:
            if value.is_contiguous():
                return self._moved_in_parts(value, eps)
            if value.dim() > 1 and value.mT.is_contiguous():
                return self._moved_in_parts(value.mT, eps).mT
        errors = self._errors(value)
        if size is None:
            return torch.mul(errors, eps).add_(1.0).mul_(value)
        moved = value + errors * (eps * size)
        return torch.where(value.isfinite(), moved, value)

    def _moved_in_parts(self, value: Tensor, eps: float) -> Tensor:
        """A large tensor times 1 + eps r, in one pass over it: the factors are made once."""
        key = (eps, value.dtype, value.device)
        if key not in self.factors:
            if len(self.factors) >= KEPT:
                self.factors.clear()
            self.factors[key] = torch.mul(_uniform(value.dtype, value.device), eps).add_(1.0)
        factors = self.factors[key]
        moved = torch.empty_like(value)
        numbers = value.view(-1)
        result = moved.view(-1)
        for begin in range(0, value.numel(), SIZE // 2):
            part = numbers[begin : begin + SIZE // 2]
            start = self.places.randrange(SIZE // 2)
            out = result[begin : begin + SIZE // 2]
            torch.mul(part, factors[start : start + part.numel()], out=out)
        return moved

    def _errors(self, like: Tensor) -> Tensor:
        """Errors in the shape of a tensor."""
        numbers = _uniform(like.dtype, like.device)
        count = like.numel()
        if count <= SIZE // 2:
            start = self.places.randrange(SIZE - count)
            return numbers[start : start + count].reshape(like.shape)
        parts = []
        while count > 0:
            start = self.places.randrange(SIZE // 2)
            parts.append(numbers[start : start + min(count, SIZE // 2)])
            count -= SIZE // 2
        return torch.cat(parts).reshape(like.shape)


@cache
def _uniform(dtype: torch.dtype, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    numbers = torch.rand(SIZE, dtype=torch.float64, generator=generator)
    return (2 * numbers - 1).to(device, dtype)

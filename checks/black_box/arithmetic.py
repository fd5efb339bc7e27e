"""The arithmetic that is imitated: how many digits operations compute in, and how many are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from backproof.checks.black_box.matmul_precision import CONVOLUTIONS, PRODUCTS, product_eps

LOW = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Arithmetic:
    """The roundings of a computation: those within an operation, and that of a stored result.

    Attributes:
        within: eps of the precision that operations compute and sum in; 0 for no rounding.
        stored: spacing, relative to 1, of the format that each operation's result is kept in
            beyond that; 0 where it is the one that is computed in.
        smallest: spacing of that format around 0.
        product: eps of matrix products and of convolutions, which a GPU may compute with fewer
            bits; None where it is `within`.
    """

    within: float = 0.0
    stored: float = 0.0
    smallest: float = 0.0
    product: Callable[[str], float] | None = None

    def eps_of(self, name: str) -> float:
        """eps of what goes into an operation."""
        if self.product is not None and name in PRODUCTS:
            return max(self.within, self.product(name))
        return self.within


def arithmetic(
    low: torch.dtype, device: torch.device | str, accumulate: torch.dtype | None = None
) -> Arithmetic:
    """What hardware does in a format: float16 and bfloat16 are summed in float32 and rounded once,
    unless `accumulate` says otherwise; float32 and float64 are what they are."""
    if low in (torch.float16, torch.bfloat16):
        inside = accumulate or torch.float32
        if torch.finfo(inside).eps >= torch.finfo(low).eps:
            return Arithmetic(torch.finfo(low).eps)
        info = torch.finfo(low)
        return Arithmetic(torch.finfo(inside).eps, info.eps, info.tiny * info.eps)
    eps = torch.finfo(low).eps
    if low == torch.float32:
        return Arithmetic(eps, product=_measured_once(device))
    return Arithmetic(eps)


def _measured_once(device: torch.device | str) -> Callable[[str], float]:
    """eps of matrix products and of convolutions on a device, measured when it is first asked
    for."""
    known: dict[bool, float] = {}

    def eps(name: str) -> float:
        kind = name in CONVOLUTIONS
        if kind not in known:
            known[kind] = product_eps(name, device)
        return known[kind]

    return eps

"""How far a right result may be from the exact one: entry by entry, and as a whole.

A computation is repeated with random roundings (shadow.py). What they change at an entry bounds
the error of that entry. What they change along the exact result, the factor by which it is
stretched, bounds a factor that all entries share: independent errors average out there, so it is
hundreds of times smaller in a large tensor, and shows a factor that no single entry can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from backproof.checks.black_box.arithmetic import Arithmetic, arithmetic
from backproof.checks.black_box.parts import parts
from backproof.checks.black_box.shadow import Shadow

# their spread is known within a factor of 3 (chi-square of 8 degrees of freedom, 1 in 600 is
# worse), so 6 spreads leave 2
RUNS = 8
SPREADS = 6.0
# after so many it is asked whether everything is far inside already
FIRST_RUNS = 3
NEAR = 0.5  # of what is allowed: where all entries are nearer than that, fewer runs tell enough
# eps of the result itself, whatever the spread: libraries are up to about 2 ulp off in exp and
# division
LAST_OPERATION = 4.0
# eps that all entries may be off in the same direction: what is left of a library's own bias, which
# does not average out
COMMON = 16.0
# of a format with few digits: a kernel rounds once or twice into it, and where all entries are the
# same number, all are rounded the same way (half a spacing each time)
COMMON_STORED = 1.0
FEWEST_FOR_A_FACTOR = 2

Results = Callable[[Any], Sequence[Tensor]]  # of a dispatch mode


@dataclass
class Allowance:
    """What rounding explains for one result.

    Attributes:
        entries: the largest error of each entry.
        factor: the largest relative error that all entries share.
        unsettled: entries of a result of whole numbers that rounding may change; None otherwise.
    """

    entries: Tensor
    factor: float = 0.0
    unsettled: Tensor | None = None


@dataclass
class Sums:
    """What the runs changed so far in one result.

    Attributes:
        exact: the result.
        squares: the sum of the squares of what the runs changed.
        norm: the sum of the squares of the result.
        stretched: by what factor, less 1, each run stretched it.
        unsettled: as in Allowance.
    """

    exact: Tensor
    squares: Tensor
    norm: float
    stretched: list[float] = field(default_factory=list)
    unsettled: Tensor | None = None

    def add(self, rounded: Tensor) -> None:
        """Count one run in."""
        if self.unsettled is not None:
            if rounded.shape == self.exact.shape:
                self.unsettled |= rounded != self.exact
            return
        stretched = 0.0
        for now, exact, squares in parts(rounded, self.exact, self.squares):
            change = now - exact
            # equal infinities have no difference
            if not _is_finite(change):
                change = torch.where(now == exact, 0.0, change)
            if self.norm:
                stretched += along(change, exact)
            squares.addcmul_(change, change.conj())
        if self.norm:
            self.stretched.append(stretched / self.norm)


def along(change: Tensor, exact: Tensor) -> float:
    """The real part of the scalar product of two tensors, finite entries only."""
    total = 0.0
    for one, other in parts(change, exact):
        products = (one * other.conj()).real if other.is_complex() else one * other
        product = float(products.sum())
        if not math.isfinite(product):
            product = float(products.nan_to_num(0.0, 0.0, 0.0).sum())
        total += product
    return total


def _is_finite(values: Tensor) -> bool:
    """Whether every entry is finite, as far as their sum tells."""
    return bool(values.sum().isfinite())


def allowances(
    results: Results,
    low: torch.dtype,
    exact: Sequence[Tensor],
    seed: int = 0,
    also: Sequence[torch.dtype] = (),
    accumulate: torch.dtype | None = None,
    formats: Sequence[torch.dtype] = (),
    settled: Callable[[Sequence[Allowance]], bool] | None = None,
    mode: Callable[[int], TorchDispatchMode] | None = None,
    runs: int = RUNS,
) -> list[Allowance]:
    """What rounding in `low` explains in each result.

    Args:
        results: computes float64 results within the mode that it is given.
        low: the precision to imitate.
        exact: what it computes without rounding.
        seed: of the random roundings.
        also: what else is lifted, and so not rounded to.
        accumulate: what sums are computed in; float32 for float16 and bfloat16 by default.
        formats: of each result; `low` by default.
        settled: whether what FIRST_RUNS allow is enough to tell, so that no more are needed.
        mode: that rounds at random, for a seed; one that lifts to float64 by default.
        runs: how many.
    Returns: SPREADS times the root mean square of what random roundings change, plus
        LAST_OPERATION eps of the result, and half a spacing where it is stored with fewer digits.
    """
    device = exact[0].device if exact else torch.device("cpu")
    imitated = arithmetic(low, device, accumulate)
    sums = [sums_of(value) for value in exact]
    formats = formats or [low] * len(exact)
    for run in range(runs):
        number = seed * runs + run
        rounding = mode(number) if mode else Shadow(low, imitated, number, also)
        for total, rounded in zip(sums, results(rounding), strict=True):
            total.add(rounded)
        if settled and run + 1 == FIRST_RUNS:
            found = _all(sums, imitated, low, formats, run + 1)
            if settled(found):
                return found
    return _all(sums, imitated, low, formats, runs)


def unmeasured(exact: Tensor) -> Allowance:
    """What is allowed where the computation cannot be repeated with random roundings: nobody
    knows."""
    if not (exact.is_floating_point() or exact.is_complex()):
        nothing = torch.zeros(exact.shape, dtype=torch.bool, device=exact.device)
        return Allowance(nothing, 0.0, nothing)
    return Allowance(torch.full_like(exact.abs(), torch.nan), torch.inf)


def _all(
    sums: Sequence[Sums],
    imitated: Arithmetic,
    low: torch.dtype,
    formats: Sequence[torch.dtype],
    runs: int,
) -> list[Allowance]:
    return [
        allowance_of(total, imitated, low, kind, runs)
        for total, kind in zip(sums, formats, strict=True)
    ]


def sums_of(value: Tensor) -> Sums:
    """Nothing counted yet of what random roundings change of an exact result."""
    if not (value.is_floating_point() or value.is_complex()):
        nothing = torch.zeros(value.shape, dtype=torch.bool, device=value.device)
        return Sums(value, nothing, 0.0, unsettled=nothing.clone())
    return Sums(value, torch.zeros_like(value), along(value, value))


def allowance_of(
    total: Sums, imitated: Arithmetic, low: torch.dtype, kind: torch.dtype, runs: int
) -> Allowance:
    """What is allowed to a result after some runs; `kind` is the format that it is kept in."""
    if total.unsettled is not None:
        return Allowance(total.squares, 0.0, total.unsettled)
    stored = max(imitated.stored, torch.finfo(kind).eps)
    last = LAST_OPERATION * imitated.within
    common = COMMON * imitated.within
    if stored > 2 * imitated.within:
        last += stored / 2
        common += COMMON_STORED * stored
    tiny = max(torch.finfo(low).tiny if not imitated.stored else 0.0, imitated.smallest)
    real = total.squares.dtype.to_real()
    entries = torch.empty(total.squares.shape, dtype=real, device=total.squares.device)
    # NaN where a run left the domain of the function: nothing is known there
    for bound, square, exact in parts(entries, total.squares, total.exact):
        # a power, for torch's square root uses several threads, which wait for each other
        spread = (square.abs() / runs).pow(0.5)
        bound.copy_(SPREADS * spread + last * exact.abs() + tiny)
    squares = sum(value**2 for value in total.stretched)
    factor = common + SPREADS * (squares / max(1, len(total.stretched))) ** 0.5
    return Allowance(entries, factor)

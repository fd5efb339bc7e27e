"""What the roundings of a function's own operations may do to its results, where torch shows them.

A reference that is one fused operation rounds once, but code in plain torch operations rounds after
each of them, and may cancel digits on its way, as log(1 + exp(x)) does. That is no mistake in the
formula: in float64 such code agrees with the reference. Only then is its own spread allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from backproof.checks.black_box.arithmetic import LOW
from backproof.checks.black_box.dispatch_mode import DispatchMode
from backproof.checks.black_box.function_call import Call, Function
from backproof.checks.black_box.operation_kinds import (
    draws,
    is_exact,
    is_view,
    writes,
    written_arguments,
)
from backproof.checks.black_box.operations import flat, mapped, name_of
from backproof.checks.black_box.random_table import RandomTable
from backproof.checks.black_box.rounding import Allowance, allowances
from backproof.checks.black_box.shadow import Shadow

# of the largest entry, that two ways to compute one formula in float64 may differ by; constants
# that are rounded to float32 are off by more
SAME_FORMULA = 1e-9
# spacings that an operation's result is moved by at most: one down, none or one up, as often each
MOVED = 1.5
# that is 2.8 times as much as rounding to nearest does (0.82 and 0.29 spacings in root mean square)
TIMES_TOO_LARGE = 2.0
# what is moved in steps may stay where it is in every run: once in 3**16
RUNS = 16
# eps of the largest entry, beyond which a loss of digits is a mistake although the formula is
# right: exp(x) - 1 where all x are small keeps next to none of them, and a better way is known
MOST_LOST = 64.0
HALF = (torch.float16, torch.bfloat16)

Values = Mapping[str, Tensor | None]


class OwnRoundings(DispatchMode):  # type: ignore[no-untyped-call]
    """Within it every operation rounds at random: to the number of its own format that is nearest
    to the result plus an error of up to MOVED spacings.

    Nothing is lifted, so code that computes in float32 within a bfloat16 function is rounded to
    float32 there. What is shorter than the format under test is left as it is: a number that
    passes through float16 on its way in float32 code has lost digits that nobody asked it to.

    Args:
        low: the format under test.
        seed: of the errors.
    """

    def __init__(self, low: torch.dtype, seed: int) -> None:
        super().__init__()
        self.longest = torch.finfo(low).eps
        self.table = RandomTable(seed)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation, and its result moved."""
        result = func(*args, **(kwargs or {}))
        if draws(func) or is_view(func) or not _rounds(func, args, result):
            return result
        if not writes(func):
            return mapped(self._moved, result)
        for value in written_arguments(func, args):
            if isinstance(value, Tensor):
                value.copy_(self._moved(value))
        return result

    def _moved(self, value: Any) -> Any:
        """A tensor with other last digits."""
        if (
            not isinstance(value, Tensor)
            or not value.is_floating_point()
            or value.layout != torch.strided
            or not value.numel()
        ):
            return value
        info = torch.finfo(value.dtype)
        if info.eps > self.longest:
            return value
        wide = value.to(torch.float64)
        exponent = torch.frexp(wide)[1] - 1
        spacing = torch.ldexp(torch.full_like(wide, info.eps), exponent)
        spacing = spacing.clamp(min=info.tiny * info.eps)
        # a zero is exact far more often than it is what is left of a small number
        spacing = torch.where((wide == 0) | ~wide.isfinite(), 0.0, spacing)
        moved = self.table.moved(wide, MOVED, spacing).to(value.dtype)
        return torch.where(moved.isfinite(), moved, value)


def with_its_own(
    function: Function,
    call: Call,
    low: torch.dtype,
    right: Values,
    known: Mapping[str, Allowance],
    formats: Mapping[str, torch.dtype],
    seed: int,
    accumulate: torch.dtype | None = None,
) -> dict[str, Allowance]:
    """The larger of what is allowed and of what the function's own operations explain, for results
    whose formula is right; none of the others, and none where the function cannot be repeated.

    Args:
        function: what is judged.
        call: its arguments.
        low: the format under test.
        right: the exact results.
        known: what is allowed so far to those results that are asked about.
        formats: of the results.
        seed: of the random roundings.
        accumulate: as for check_function.
    """
    also = [dtype for dtype in LOW if dtype != low]
    try:
        exact = call.exact(function, Shadow(low, also=also))
        same = {
            name: value
            for name, value in exact.items()
            if name in known and value is not None and _same_formula(value, right.get(name))
        }
        if not same:
            return {}
        names = list(same)
        repeated = _Runs(function, call, low, same)
        bounds = allowances(
            repeated.results,
            low,
            list(same.values()),
            seed,
            also,
            accumulate,
            [formats[name] for name in names],
            mode=repeated.mode if low in HALF else None,
            runs=RUNS,
        )
    except Exception:
        # somebody's code in a mode that it was never run in may raise anything; it is then judged
        # by the reference's roundings alone
        return {}
    return {
        name: _larger(known[name], own, _most(same[name], formats[name]))
        for name, own in zip(names, bounds, strict=True)
    }


class _Runs:
    """The results of a function under random roundings, as changes of the exact ones.

    Args:
        function, call: what is called, with what.
        low: the format under test.
        exact: its results without rounding.
    """

    def __init__(
        self, function: Function, call: Call, low: torch.dtype, exact: Mapping[str, Tensor]
    ) -> None:
        self.function = function
        self.call = call
        self.low = low
        self.exact = exact
        self.usual: Values = {}
        if low in HALF:
            self.usual = call.exact(function, None, wide=False)

    def mode(self, seed: int) -> OwnRoundings:
        """For formats in which it matters what is computed in float32 on the way."""
        return OwnRoundings(self.low, seed)

    def results(self, mode: TorchDispatchMode) -> Sequence[Tensor]:
        """One run."""
        if self.low not in HALF:
            values = self.call.exact(self.function, mode)
            return [_there(values, name) for name in self.exact]
        values = self.call.exact(self.function, mode, wide=False)
        found = []
        for name, exact in self.exact.items():
            now = _there(values, name).to(exact.dtype)
            usual = _there(self.usual, name).to(exact.dtype)
            change = torch.where(now == usual, 0.0, now - usual)
            found.append(exact + change / TIMES_TOO_LARGE)
        return found


def _there(values: Values, name: str) -> Tensor:
    value = values[name]
    assert value is not None, name
    return value


def _same_formula(own: Tensor, right: Tensor | None) -> bool:
    """Whether two float64 results are the same up to rounding."""
    if right is None or own.shape != right.shape or own.dtype != right.dtype:
        return False
    if not (own.is_floating_point() or own.is_complex()) or not own.numel():
        return False
    finite = right.isfinite()
    if not torch.equal(own.isnan(), right.isnan()) or not torch.equal(own.isfinite(), finite):
        return False
    if not torch.equal(own[~finite].nan_to_num(), right[~finite].nan_to_num()):
        return False
    largest = right[finite].abs().max() if finite.any() else 0.0
    return bool(((own - right)[finite].abs() <= SAME_FORMULA * largest).all())


def _most(exact: Tensor, kind: torch.dtype) -> float:
    """The most that a right result may be off by rounding of the function's own."""
    largest = float(exact.abs().nan_to_num(0.0, 0.0, 0.0).max())
    return MOST_LOST * torch.finfo(kind).eps * largest


def _larger(known: Allowance, own: Allowance, most: float) -> Allowance:
    """By entries, and as a whole; where a function's own spread is unknown, what is known, and so
    where it is larger than rounding may excuse."""
    if bool((own.entries > torch.clamp(known.entries, min=most)).any()):
        return known
    entries = torch.where(
        own.entries.isnan(), known.entries, torch.maximum(known.entries, own.entries)
    )
    return replace(known, entries=entries, factor=max(known.factor, own.factor))


def _rounds(func: Any, args: Any, result: Any) -> bool:
    """Whether digits may be lost: by arithmetic, or on the way to a shorter format."""
    if name_of(func) not in ("_to_copy", "copy"):
        return not is_exact(func, name_of(func), args)
    tensors = [value for value in flat(args) if isinstance(value, Tensor)]
    if not tensors or not isinstance(result, Tensor):
        return False
    kinds = [tensors[-1].dtype, result.dtype]
    if not all(kind.is_floating_point for kind in kinds):
        return False
    return torch.finfo(kinds[0]).eps < torch.finfo(kinds[1]).eps

"""What a function should give: the reference's results in float64, and what rounding may do to
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from backproof.checks.black_box.arithmetic import LOW
from backproof.checks.black_box.by_rows import AsAWhole, right_by_rows
from backproof.checks.black_box.function_call import (
    Call,
    Function,
    first_line,
    gradient_of,
)
from backproof.checks.black_box.function_verdicts import Right, all_results
from backproof.checks.black_box.observed_call import Outcome
from backproof.checks.black_box.parts import parts
from backproof.checks.black_box.pytrees import differentiable
from backproof.checks.black_box.rounding import NEAR, Allowance, allowances, unmeasured
from backproof.checks.black_box.shadow import Shadow


class ExactResults:
    """A reference in float64, for one precision under test.

    Args:
        low: that precision.
        accumulate: what sums of float16 and bfloat16 are computed in; float32 by default.
        seed: of the random roundings.
        notes: to which what should be known is added.
    """

    def __init__(
        self, low: torch.dtype, accumulate: torch.dtype | None, seed: int, notes: list[str]
    ) -> None:
        self.low = low
        self.also = [dtype for dtype in LOW if dtype != low]
        self.accumulate = accumulate
        self.seed = seed
        self.notes = notes

    def shadow(self) -> Shadow:
        """A mode in which code computes in float64."""
        return Shadow(self.low, also=self.also)

    def right(
        self, call: Call, reference: Function, native: Outcome | None, first: Outcome
    ) -> Right:
        """The exact results, and what rounding may do to them.

        Args:
            call: the arguments.
            reference: what is called with them.
            native: what it gives in the precision under test; None where it cannot.
            first: what the function under test gives.
        """
        found = None
        if native is not None:
            found = right_by_rows(AsAWhole(self, call, reference, native, first))
        if found is None:
            found = self.as_a_whole(call, reference, first)
        if native is not None:
            _add_native(found, native, call)
        return found

    def as_a_whole(self, call: Call, reference: Function, first: Outcome) -> Right:
        """The same by one call for all rows, which is the simple version."""
        values = call.exact(reference, self.shadow())
        names = [name for name, value in values.items() if value is not None]
        formats = [self.format(call, name, first) for name in names]
        exact = [value for value in values.values() if value is not None]
        try:
            bounds = allowances(
                lambda mode: in_order(call.exact(reference, mode), names, values),
                self.low,
                exact,
                self.seed,
                self.also,
                self.accumulate,
                formats,
                lambda found: _far_inside(found, names, values, first),
            )
        except Exception as error:  # somebody's code in a mode that it was never run in
            self.notes.append(
                f"the reference cannot be repeated with random roundings ({type(error).__name__}: "
                f"{first_line(error)}), so results were compared to three digits"
            )
            bounds = [unmeasured(value) for value in exact]
        return Right(
            values,
            dict(zip(names, bounds, strict=True)),
            kinds=dict(zip(names, formats, strict=True)),
        )

    def format(self, call: Call, name: str, first: Outcome) -> torch.dtype:
        """That of the function's own result, as far as it has one."""
        if name in first.outputs:
            dtype = first.outputs[name].dtype
            return dtype.to_real() if dtype.is_floating_point or dtype.is_complex else self.low
        for wanted in call.wanted:
            if gradient_of(wanted) == name:
                return call.dtype_of(wanted).to_real()
        return self.low


def in_order(
    values: dict[str, Tensor | None],
    names: Sequence[str],
    like: Mapping[str, Tensor | None],
) -> list[Tensor]:
    """The values of these names; zeros for a gradient that one run alone does not have."""
    found = []
    for name in names:
        value = values.get(name)
        if value is None:
            known = like[name]
            assert known is not None
            value = torch.zeros_like(known)
        found.append(value)
    return found


def _add_native(right: Right, native: Outcome, call: Call) -> None:
    """Formats and indices that the reference returns when it is called like the function."""
    promoted = None
    for dtype in call.dtypes:
        promoted = dtype if promoted is None else torch.promote_types(promoted, dtype)
    for name, value in native.outputs.items():
        if not (value.is_floating_point() or value.is_complex()):
            right.also[name] = value
            continue
        right.formats[name] = {value.dtype}
        real = value.dtype.to_real()
        if promoted is not None and torch.finfo(real).bits > torch.finfo(promoted).bits:
            # the reference computes in more digits; its kernel need not return them
            right.formats[name].add(promoted.to_complex() if value.is_complex() else promoted)


def _far_inside(
    found: Sequence[Allowance],
    names: Sequence[str],
    exact: Mapping[str, Tensor | None],
    first: Outcome,
) -> bool:
    """Whether every result is so near to the exact one that fewer runs tell enough."""
    given = all_results(first)
    for name, allowance in zip(names, found, strict=True):
        value = given.get(name)
        right = exact[name]
        if value is None or right is None or not differentiable(value):
            continue
        if value.shape != right.shape:
            return False
        for one, other, allowed in parts(value, right, allowance.entries):
            off = (one.to(other.dtype) - other).abs()
            if bool((off > NEAR * allowed.abs()).any()):
                return False
    return True

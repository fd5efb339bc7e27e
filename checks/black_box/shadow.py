"""Run somebody's float32 code in float64 without touching it, and find out what rounding may do to
its results.

A dispatch mode sees every operation that torch carries out, forward and backward, under whatever
Python code called it. It replaces each low-precision tensor by a float64 copy, so the same code
computes the same function with 2**29 times less rounding. On request it also rounds at random: what
goes into every sum and what comes out of every operation is multiplied by 1 + eps * r, r uniform in
[-1, 1]. The spread of the results over several such runs is the error that rounding may cause,
measured on the very operations that were carried out (Parker, Pierce and Eggert, Monte Carlo
Arithmetic, Computing in Science and Engineering 2, 2000); rounding.py makes bounds of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._decomp import decomposition_table

from backproof.checks.black_box.arithmetic import Arithmetic
from backproof.checks.black_box.dispatch_mode import DispatchMode
from backproof.checks.black_box.libraries import (
    ARGUMENT,
    LIBRARY,
    of_coordinates,
    of_normalization,
    of_results,
    within,
)
from backproof.checks.black_box.lifting import LiftedConvolutions, Lifting, in_float32, solid
from backproof.checks.black_box.operation_kinds import (
    draws,
    is_exact,
    is_fused,
    python_kernel,
    writes,
    written_arguments,
)
from backproof.checks.black_box.operations import flat, lying_like, mapped, name_of, summed_numbers
from backproof.checks.black_box.random_table import RandomTable

T = TypeVar("T")
UNROUNDED = Arithmetic()


class Shadow(DispatchMode):
    """Within it every low-precision tensor counts as float64.

    Args:
        low: the dtype that is lifted.
        rounding: what is imitated; none by default.
        seed: of the random roundings.
        also: what else is lifted, such as a float16 that the code casts to on its way; other dtypes
            stay what they are.
        lift: False lifts nothing, and rounds the tensors of dtype `low` as they are.

    Attributes:
        rows: how many there are here, and in all, where this is one of several blocks of rows: a
            sum over them rounds as often as there are in all.
    """

    def __init__(
        self,
        low: torch.dtype = torch.float32,
        rounding: Arithmetic = UNROUNDED,
        seed: int = 0,
        also: Sequence[torch.dtype] = (),
        lift: bool = True,
    ) -> None:
        super().__init__()
        self.low = low
        self.rounding = rounding
        self.lifting = Lifting(low, (low, *also) if lift else ())
        self.lift = lift
        self.computed_in = torch.float64 if lift else low
        self.inside_an_operation = False
        self.rows = (1, 1)
        self.table = RandomTable(seed)
        self.convolutions = LiftedConvolutions(self.lifting.tensor)

    def __enter__(self) -> Shadow:
        self.convolutions.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self.convolutions.__exit__(*raised)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation: lift what goes in, compute, round what comes out."""
        kwargs = kwargs or {}
        self.lifting.refuse_lost_writes(func, args)
        if self.lift and draws(func):
            lifted = mapped(self.lifting.tensor, (args, kwargs))
            return self._draw(func, *lifted)
        given = [value for value in flat(args) if isinstance(value, Tensor)]
        if not given:  # a factory: what is written into it later must not be lost
            kwargs = mapped(self.lifting.tensor, kwargs)
            return mapped(self.lifting.tensor, func(*args, **kwargs))
        args = mapped(self.lifting.argument, args)
        kwargs = mapped(self.lifting.argument, kwargs)
        kernel = python_kernel(func, given[0].device.type)
        if kernel is not None:
            with self:
                return kernel(*args, **kwargs)
        name = name_of(func)
        if "upsample" in name and self.lift and self.low != torch.float64:
            func = in_float32(func)
        if not self.rounding.within or is_exact(func, name, args):
            return mapped(solid, func(*args, **kwargs))
        if is_fused(func):
            return self._fused_operation(func, args, kwargs)
        return self._rounded_operation(func, name, args, kwargs)

    def _fused_operation(self, func: Any, args: Any, kwargs: Any) -> Any:
        """An operation that rounds within, by those that it is made of: 1 - exp(log p) loses digits
        that neither log p nor the result shows."""
        outer = self.inside_an_operation
        self.inside_an_operation = True
        try:
            with self:
                result = decomposition_table[func](*args, **kwargs)
        finally:
            self.inside_an_operation = outer
        if not all(value.is_contiguous() for value in flat(args) if isinstance(value, Tensor)):
            result = lying_like(result, func(*args, **kwargs))
        sizes = of_normalization(func, args, result)
        if sizes is not None:
            result = (self._moved(result[0], self.rounding.within, sizes), *result[1:])
        return mapped(self._stored, result)

    def _rounded_operation(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        try:
            result = mapped(solid, func(*self._rounded_arguments(func, name, args), **kwargs))
        except RuntimeError:
            if writes(func):
                raise
            # a mask of zeros and ones, say, that is refused with other numbers in it
            result = mapped(solid, func(*args, **kwargs))
        if writes(func):
            return self._rounded_writes(func, name, args, result)
        eps = self.rounding.within * LIBRARY.get(name, 1.0)
        sizes = of_results(func, args, result)
        if sizes is None:
            rounded = mapped(lambda value: self._moved(value, eps), result)
        else:
            errors = list(sizes)
            rounded = mapped(lambda value: self._moved(value, eps, errors.pop(0)), result)
        return mapped(self._stored, rounded)

    def _rounded_writes(self, func: Any, name: str, args: Any, result: Any) -> Any:
        """What an operation wrote, rounded where it lies; and the result of a normalization, which
        writes its running mean besides."""
        sizes = of_normalization(func, args, result)
        if sizes is not None:
            return (self._moved(result[0], 2 * self.rounding.within, sizes), *result[1:])
        eps = self.rounding.within * LIBRARY.get(name, 1.0)
        for value in written_arguments(func, args):
            if isinstance(value, Tensor):
                value.copy_(self._stored(self._moved(value, eps)))
        return result

    def _rounded_arguments(self, func: Any, name: str, args: Any) -> Any:
        """What goes into a sum, or into a function that is steep, with errors of its own; not what
        is written to."""
        eps = self.rounding.eps_of(name)
        summed = summed_numbers(func, args)
        here, in_all = self.rows
        if here > 1 and summed % here == 0:
            summed = summed // here * in_all
        if torch.Tag.pointwise in func.tags or (writes(func) and summed == 1):
            times = ARGUMENT.get(name, 0.0)
            sizes: dict[int, Tensor] = {}
        else:
            # partial sums round independently
            times = summed**0.5
            sizes = of_coordinates(func, args)
            first = within(func, args)
            if first is not None:
                sizes[0] = first
        if not times:
            return args
        written = written_arguments(func, args)
        found = []
        for k, argument in enumerate(args):
            if any(argument is value for value in written):
                found.append(argument)
                continue
            size = sizes.get(k)
            found.append(
                mapped(lambda value: self._moved(value, eps * times, size), argument)  # noqa: B023
            )
        return tuple(found)

    def _draw(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Random numbers are drawn in the precision of the code, so that they are the same ones."""
        if name_of(func) == "native_dropout":
            kept, mask = func(torch.ones_like(args[0], dtype=self.low), *args[1:], **kwargs)
            return args[0] * kept.to(args[0].dtype), mask
        lowered = mapped(self.lifting.lowered, args)
        result = func(*lowered, **mapped(self.lifting.lowered, kwargs))
        if not writes(func):
            return mapped(self.lifting.tensor, result)
        for argument, own, drawn in zip(func._schema.arguments, args, lowered, strict=False):
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and drawn is not own:
                own.copy_(drawn)
        return args[0] if result is lowered[0] else mapped(self.lifting.tensor, result)

    def _moved(self, value: T, eps: float, size: Tensor | None = None) -> T:
        """A tensor of the dtype that is computed in, with random errors of eps times each entry, or
        times a size that is told; those of complex numbers in both parts."""
        if not (
            isinstance(value, Tensor)
            and value.dtype in (self.computed_in, self.computed_in.to_complex())
            and value.layout == torch.strided
            and value.numel()
        ):
            return value
        if value.is_complex():
            if size is None:
                size = value.abs()
            parts = torch.view_as_real(value.resolve_conj())
            moved = self.table.moved(parts, eps, size[..., None])
            return torch.view_as_complex(moved)  # type: ignore[return-value]
        return self.table.moved(value, eps, size)  # type: ignore[return-value]

    def _stored(self, value: T) -> T:
        """A result of an operation, rounded to the format that it is kept in."""
        if self.inside_an_operation or not self.rounding.stored:
            return value
        value = self._moved(value, self.rounding.stored / 2)
        if (
            isinstance(value, Tensor)
            and value.dtype == self.computed_in
            and value.numel()
            and self.rounding.smallest > torch.finfo(torch.float32).tiny
        ):
            size = torch.ones((), dtype=value.dtype, device=value.device)
            return self.table.moved(value, self.rounding.smallest / 2, size)  # type: ignore[return-value]
        return value

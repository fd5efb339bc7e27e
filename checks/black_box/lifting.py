"""Low-precision tensors replaced by float64 copies, and back, for code that knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from backproof.checks.black_box.operation_kinds import written_arguments
from backproof.checks.black_box.operations import flat, mapped, name_of

T = TypeVar("T")
COMPLEX = {torch.complex64: torch.float32, torch.complex32: torch.float16}


class CannotShadow(Exception):
    """The code does something that cannot be repeated in float64; the text says what."""


class Lifting:
    """What is computed in float64 in place of lower precisions.

    Args:
        low: the precision under test, to which random numbers are lowered again.
        lifted: the real formats that are replaced, complex ones of such parts with them.
    """

    def __init__(self, low: torch.dtype, lifted: Sequence[torch.dtype]) -> None:
        self.low = low
        self.lifted = tuple(lifted)
        self.complex = tuple(kind for kind, real in COMPLEX.items() if real in self.lifted)

    def tensor(self, value: T) -> T:
        """A float64 copy of a tensor of a lifted format; anything else as it is."""
        if not isinstance(value, Tensor):
            return value
        if value.dtype in self.lifted:
            return solid(value).to(torch.float64)  # type: ignore[return-value]
        if value.dtype in self.complex:
            return solid(value).to(torch.complex128)  # type: ignore[return-value]
        return solid(value)

    def dtype(self, value: T) -> T:
        """float64 where code names a lifted format; anything else as it is."""
        if not isinstance(value, torch.dtype):
            return value
        if value in self.lifted:
            return torch.float64  # type: ignore[return-value]
        if value in self.complex:
            return torch.complex128  # type: ignore[return-value]
        return value

    def argument(self, value: T) -> T:
        """A tensor, or the name of a format, lifted; anything else as it is."""
        if isinstance(value, Tensor):
            return self.tensor(value)
        return self.dtype(value)

    def lowered(self, value: T) -> T:
        """A float64 tensor, or the name of that format, in the precision under test."""
        if value is torch.float64:
            return self.low  # type: ignore[return-value]
        if isinstance(value, Tensor) and value.dtype == torch.float64:
            return value.to(self.low)  # type: ignore[return-value]
        return value

    def refuse_lost_writes(self, func: Any, args: Any) -> None:
        """Raise CannotShadow for a write into a tensor that is replaced by a copy: it would be
        lost."""
        for value in written_arguments(func, args):
            for tensor in flat(value):
                if not isinstance(tensor, Tensor) or tensor.dtype == torch.float64:
                    continue
                if tensor.dtype in self.lifted:
                    raise CannotShadow(f"{name_of(func)} writes into a {tensor.dtype} tensor")


class LiftedConvolutions(TorchFunctionMode):
    """What goes into a convolution is lifted before it is called: it refuses mixed precisions
    before a dispatch mode sees it."""

    def __init__(self, lift: Callable[[Any], Any]) -> None:
        super().__init__()
        self.lift = lift

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call of a torch function."""
        if getattr(func, "__name__", "").startswith("conv"):
            args = mapped(self.lift, args)
            kwargs = mapped(self.lift, kwargs or {})
        return func(*args, **(kwargs or {}))


class InFloat32:
    """An operation that computes where to read: in float32 it may read from another place than in
    float64, and both are right.

    Args:
        func: the operation.
    """

    def __init__(self, func: Any) -> None:
        self.func = func
        self.tags = func.tags
        self._schema = func._schema

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result for arguments rounded to float32, in float64."""
        return mapped(_to_float64, self.func(*mapped(_to_float32, args), **kwargs))


@cache
def in_float32(func: Any) -> InFloat32:
    """The one of an operation."""
    return InFloat32(func)


def solid(value: T) -> T:
    """The zeros that autograd makes without memory, with memory: an operation that reads them as
    numbers would end the process."""
    if isinstance(value, Tensor) and value._is_zerotensor():
        return torch.zeros(value.shape, dtype=value.dtype, device=value.device)  # type: ignore[return-value]
    return value


def _to_float32(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float64:
        return value.to(torch.float32)
    return value


def _to_float64(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float32:
        return value.to(torch.float64)
    return value

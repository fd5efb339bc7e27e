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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from backproof.checks.black_box.libraries import (
    ARGUMENT,
    LIBRARY,
    of_coordinates,
    of_normalization,
    of_results,
    within,
)
from backproof.checks.black_box.matmul_precision import (
    CONVOLUTIONS,
    PRODUCTS,
    product_eps,
)
from backproof.checks.black_box.operations import flat, name_of, summed_numbers
from backproof.checks.black_box.random_table import RandomTable

T = TypeVar("T")

# These move numbers about or pick some of them: nothing is rounded.
EXACT = frozenset(
    """
    _conj _neg_view _to_copy abs amax amin aminmax argmax argmin as_strided_copy bernoulli
    cat clone complex constant_pad_nd copy
    cummax cummin detach diag_embed embedding eq fill flip gather ge gt imag index index_copy
    index_select isfinite kthvalue le lt masked_fill masked_scatter masked_select max
    max_pool2d_with_indices max_pool3d_with_indices median min mode nanmedian ne neg
    new_zeros one_hot ones_like permute real reflection_pad1d reflection_pad2d reflection_pad3d
    relu repeat replication_pad1d replication_pad2d replication_pad3d roll rot90
    scatter select_backward sign slice_backward
    sort stack take threshold_backward topk tril triu unfold_backward where zeros_like
    """.split()
)
FUSED = tuple(
    """
    backward softmax norm loss logsumexp var std gelu silu softplus mish huber cross_entropy
    log_sigmoid logaddexp dist lerp
    """.split()
)
RANDOM = tuple(
    """
    bernoulli binomial cauchy native_dropout exponential geometric log_normal multinomial normal
    poisson rand rrelu standard_gamma uniform
    """.split()
)
LOW = (torch.float32, torch.float16, torch.bfloat16)
COMPLEX = {torch.complex64: torch.float32, torch.complex32: torch.float16}


class CannotShadow(Exception):
    """The code does something that cannot be repeated in float64; the text says what."""


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


class Shadow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it every low-precision tensor counts as float64.

    Args:
        low: the dtype that is lifted.
        rounding: what is imitated; none by default.
        seed: of the random roundings.
        also: what else is lifted, such as a float16 that the code casts to on its way; other dtypes
            stay what they are.
        lift: False lifts nothing, and rounds the tensors of dtype `low` as they are.
    """

    def __init__(
        self,
        low: torch.dtype = torch.float32,
        rounding: Arithmetic = Arithmetic(),
        seed: int = 0,
        also: Sequence[torch.dtype] = (),
        lift: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.low = low
        self.rounding = rounding
        self.lifted = (low, *also) if lift else ()
        self.complex = tuple(kind for kind, real in COMPLEX.items() if real in self.lifted)
        self.computed_in = torch.float64 if lift else low
        self.inside_an_operation = False
        self.table = RandomTable(seed)
        self.convolutions = _Convolutions(self._lift)

    def __enter__(self) -> Shadow:
        self.convolutions.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self.convolutions.__exit__(*raised)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation: lift what goes in, compute, round what comes out."""
        self._refuse_lost_writes(func, args)
        given = [value for value in flat(args) if isinstance(value, Tensor)]
        args = tree_map(self._lift, args)
        kwargs = tree_map(self._lift, kwargs or {})
        if self.lifted and draws(func):
            return self._draw(func, args, kwargs)
        if given:
            args = tree_map(self._lift_dtype, args)
            kwargs = tree_map(self._lift_dtype, kwargs)
        if not given:  # a factory: what is written into it later must not be lost
            return tree_map(self._lift, func(*args, **kwargs))
        name = name_of(func)
        if "upsample" in name and self.lifted and self.low != torch.float64:
            func = _InFloat32(func)
        if not self.rounding.within or is_exact(func, name, args):
            return tree_map(_solid, func(*args, **kwargs))
        return self._rounded_operation(func, name, args, kwargs)

    def _rounded_operation(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        if _is_fused(func):
            # 1 - exp(log p) loses digits that neither log p nor the result shows
            outer = self.inside_an_operation
            self.inside_an_operation = True
            try:
                with self:
                    result = decomposition_table[func](*args, **kwargs)
            finally:
                self.inside_an_operation = outer
            sizes = of_normalization(func, args, result)
            if sizes is not None:
                result = (self._moved(result[0], self.rounding.within, sizes), *result[1:])
            return tree_map(self._stored, result)
        args = self._rounded_arguments(func, name, args)
        result = tree_map(_solid, func(*args, **kwargs))
        if writes(func):
            return self._normalized(func, args, result)
        errors = list(of_results(func, args, result))
        times = LIBRARY.get(name, 1.0)
        rounded = tree_map(
            lambda value: self._moved(
                value, self.rounding.within * times, errors.pop(0) if errors else None
            ),
            result,
        )
        return tree_map(self._stored, rounded)

    def _normalized(self, func: Any, args: Any, result: Any) -> Any:
        """A result that came with a write: of a normalization, which updates its running mean, it
        is rounded; of others it is what was written."""
        sizes = of_normalization(func, args, result)
        if sizes is None:
            return result
        return (self._moved(result[0], 2 * self.rounding.within, sizes), *result[1:])

    def _rounded_arguments(self, func: Any, name: str, args: Any) -> Any:
        """What goes into a sum, or into a function that is steep, with errors of its own."""
        eps = self.rounding.eps_of(name)
        if torch.Tag.pointwise in func.tags or writes(func):
            times = ARGUMENT.get(name, 0.0)
            sizes: dict[int, Tensor] = {}
        else:
            # partial sums round independently
            times = summed_numbers(func, args) ** 0.5
            sizes = of_coordinates(func, args)
            first = within(func, args)
            if first is not None:
                sizes[0] = first
        if not times:
            return args
        return tuple(
            tree_map(lambda value: self._moved(value, eps * times, sizes.get(k)), argument)  # noqa: B023
            for k, argument in enumerate(args)
        )

    def _draw(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Random numbers are drawn in the precision of the code, so that they are the same ones."""
        if name_of(func) == "native_dropout":
            kept, mask = func(torch.ones_like(args[0], dtype=self.low), *args[1:], **kwargs)
            return args[0] * kept.to(args[0].dtype), mask
        lowered = tree_map(self._lower, args)
        if not writes(func):
            return tree_map(self._lift, func(*lowered, **tree_map(self._lower, kwargs)))
        result = func(*lowered, **tree_map(self._lower, kwargs))
        for argument, own, drawn in zip(func._schema.arguments, args, lowered, strict=False):
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and drawn is not own:
                own.copy_(drawn)
        return args[0] if result is lowered[0] else tree_map(self._lift, result)

    def _lift_dtype(self, value: T) -> T:
        if not isinstance(value, torch.dtype):
            return value
        if value in self.lifted:
            return torch.float64  # type: ignore[return-value]
        if value in self.complex:
            return torch.complex128  # type: ignore[return-value]
        return value

    def _lower(self, value: T) -> T:
        if value is torch.float64:
            return self.low  # type: ignore[return-value]
        if isinstance(value, Tensor) and value.dtype == torch.float64:
            return value.to(self.low)  # type: ignore[return-value]
        return value

    def _lift(self, value: T) -> T:
        if not isinstance(value, Tensor):
            return value
        if value.dtype in self.lifted:
            return _solid(value).to(torch.float64)  # type: ignore[return-value]
        if value.dtype in self.complex:
            return _solid(value).to(torch.complex128)  # type: ignore[return-value]
        return _solid(value)

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

    def _refuse_lost_writes(self, func: Any, args: Any) -> None:
        """Lifting makes a copy, so a write into a low-precision tensor would be lost."""
        if not writes(func):
            return
        for argument, value in zip(func._schema.arguments, args, strict=False):
            written = argument.alias_info is not None and argument.alias_info.is_write
            low = [
                tensor.dtype
                for tensor in flat(value)
                if isinstance(tensor, Tensor)
                and tensor.dtype in self.lifted
                and tensor.dtype != torch.float64
            ]
            if written and low:
                raise CannotShadow(f"{name_of(func)} writes into a {low[0]} tensor")


class _Convolutions(TorchFunctionMode):
    """What goes into a convolution is lifted before it is called: it refuses mixed precisions
    before a dispatch mode sees it."""

    def __init__(self, lift: Callable[[Any], Any]) -> None:
        super().__init__()
        self.lift = lift

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call of a torch function."""
        if getattr(func, "__name__", "").startswith("conv"):
            args = tree_map(self.lift, args)
            kwargs = tree_map(self.lift, kwargs or {})
        return func(*args, **(kwargs or {}))


def _solid(value: T) -> T:
    """The zeros that autograd makes without memory, with memory: an operation that reads them as
    numbers would end the process."""
    if isinstance(value, Tensor) and value._is_zerotensor():
        return torch.zeros(value.shape, dtype=value.dtype, device=value.device)  # type: ignore[return-value]
    return value


class _InFloat32:
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
        short = [tree_map(_to_float32, value) for value in args]
        return tree_map(_to_float64, self.func(*short, **kwargs))


def _to_float32(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float64:
        return value.to(torch.float32)
    return value


def _to_float64(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float32:
        return value.to(torch.float64)
    return value


def draws(func: Any) -> bool:
    """Whether its result is made of random numbers; attention is not, although it may drop some of
    its own."""
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return False
    return any(word in name_of(func) for word in RANDOM)


def is_exact(func: Any, name: str, args: Any) -> bool:
    """Whether nothing is rounded: numbers are moved about, or some of them picked."""
    if name in EXACT or is_view(func):
        return True
    picks = any(value in ("amax", "amin") for value in args if isinstance(value, str))
    return picks and name in ("scatter_reduce", "index_reduce")


def writes(func: Any) -> bool:
    """Whether it changes one of its arguments."""
    return bool(func._schema.is_mutable)


def is_view(func: Any) -> bool:
    """Whether its result shares the memory of an argument."""
    return any(returned.alias_info is not None for returned in func._schema.returns) and not writes(
        func
    )


def _is_fused(func: Any) -> bool:
    """Whether it rounds within, and torch knows the operations that it is made of."""
    return (
        any(word in name_of(func) for word in FUSED)
        and func in decomposition_table
        and not writes(func)
    )

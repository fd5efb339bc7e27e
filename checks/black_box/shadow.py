"""Run somebody's float32 code in float64 without touching it, and find out what float32 rounding
may do to its results.

A dispatch mode sees every operation that torch carries out, forward and backward, under whatever
Python code called it. It replaces each low-precision tensor by a float64 copy, so the same code
computes the same function with 2**29 times less rounding. On request it also rounds at random: what
goes into every sum and what comes out of every operation is multiplied by 1 + eps * r, r uniform in
[-1, 1]. The spread of the results over several such runs is the error that rounding may cause,
measured on the very operations that were carried out (Parker, Pierce and Eggert, Monte Carlo
Arithmetic, Computing in Science and Engineering 2, 2000).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from backproof.checks.black_box.libraries import LIBRARY, of_results, within
from backproof.checks.black_box.matmul_precision import effective_eps
from backproof.checks.black_box.terms import flat, name_of, terms

T = TypeVar("T")
# their spread is known within a factor of 3 (chi-square of 8 degrees of freedom, 1 in 600 is
# worse), so 6 spreads leave 2
RUNS = 8
SPREADS = 6.0
# eps of the result itself, whatever the spread: libraries are up to about 2 ulp off in exp and
# division
LAST_OPERATION = 4.0

# These move numbers about or pick some of them: nothing is rounded.
EXACT = frozenset(
    """
    _to_copy amax amin argmax argmin cat clone complex constant_pad_nd copy detach embedding eq
    fill flip gather ge gt index index_select le lt masked_fill masked_select max min ne neg
    new_zeros one_hot ones_like permute relu repeat scatter select_backward slice_backward sort
    stack threshold_backward topk tril triu where zeros_like
    """.split()
)
FUSED = tuple(
    """
    backward softmax norm loss logsumexp var std gelu silu softplus mish huber cross_entropy
    log_sigmoid logaddexp dist
    """.split()
)


class CannotShadow(Exception):
    """The code does something that cannot be repeated in float64; the text says what."""


class Shadow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it every low-precision tensor counts as float64.

    Args:
        low: the dtype that is lifted.
        eps: of the precision whose rounding is imitated; 0 for none.
        seed: of the random roundings.
        also: what else is lifted, such as a float16 that the code casts to on its way; other dtypes
            stay what they are.
        lift: False lifts nothing, and rounds the tensors of dtype `low` as they are.
    """

    def __init__(
        self,
        low: torch.dtype = torch.float32,
        eps: float = 0.0,
        seed: int = 0,
        also: Sequence[torch.dtype] = (),
        lift: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.low = low
        self.eps = eps
        self.seed = seed
        self.lifted = (low, *also) if lift else ()
        self.computed_in = torch.float64 if lift else low
        self.generators: dict[torch.device, torch.Generator] = {}
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
        seen = [value for value in flat(args) if isinstance(value, Tensor)]
        args = tree_map(self._lift, args)
        kwargs = tree_map(self._lift, kwargs or {})
        if seen and kwargs.get("dtype") in self.lifted:
            kwargs["dtype"] = torch.float64
        if not self.eps or name_of(func) in EXACT or _is_view(func):
            return func(*args, **kwargs)
        if _is_fused(func):
            with self:  # 1 - exp(log p) loses digits that neither log p nor the result shows
                return decomposition_table[func](*args, **kwargs)
        if torch.Tag.pointwise not in func.tags and not _writes(func):
            # partial sums round independently
            times = terms(func, args) ** 0.5
            sizes = iter([within(func, args)])
            args = tree_map(lambda value: self._rounded(value, times, next(sizes, None)), args)
        result = func(*args, **kwargs)
        if _writes(func):
            return result
        sizes = iter(of_results(func, args, result))
        return tree_map(
            lambda value: self._rounded(value, LIBRARY.get(name_of(func), 1.0), next(sizes, None)),
            result,
        )

    def _lift(self, value: T) -> T:
        if isinstance(value, Tensor) and value.dtype in self.lifted:
            return value.to(torch.float64)  # type: ignore[return-value]
        return value

    def _rounded(self, value: T, times: float, size: Tensor | None = None) -> T:
        """A tensor of the dtype that is computed in, with random errors of so many eps of each
        entry, or of a size that is told."""
        if not (
            isinstance(value, Tensor)
            and value.dtype in (self.computed_in, self.computed_in.to_complex())
            and value.numel()
        ):
            return value
        return self._moved(value, times * value.abs() if size is None else size)  # type: ignore[return-value]

    def _moved(self, value: Tensor, size: Tensor) -> Tensor:
        """A tensor with random errors of eps times a size of its own for each entry; those of
        complex numbers in both parts."""
        if value.is_complex():
            return torch.view_as_complex(self._moved(torch.view_as_real(value), size[..., None]))
        if value.device not in self.generators:
            self.generators[value.device] = torch.Generator(value.device).manual_seed(self.seed)
        r = torch.rand(
            value.shape,
            dtype=value.dtype,
            device=value.device,
            generator=self.generators[value.device],
        )
        tiny = torch.finfo(self.low).tiny  # results below it may be flushed to zero
        moved = value + (2 * r - 1) * (self.eps * size + tiny)
        return torch.where(value.isfinite(), moved, value)  # the -inf of a mask is exact

    def _refuse_lost_writes(self, func: Any, args: Any) -> None:
        """Lifting makes a copy, so a write into a low-precision tensor would be lost."""
        if not _writes(func):
            return
        for argument, value in zip(func._schema.arguments, args, strict=False):
            written = argument.alias_info is not None and argument.alias_info.is_write
            low = [
                tensor.dtype
                for tensor in flat(value)
                if isinstance(tensor, Tensor) and tensor.dtype in self.lifted
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


def rounding(
    results: Callable[[Shadow], list[Tensor]],
    low: torch.dtype,
    exact: list[Tensor],
    seed: int = 0,
    also: Sequence[torch.dtype] = (),
) -> list[Tensor]:
    """The largest error that rounding in `low` explains, for each entry of each result.

    Args:
        results: computes float64 results within the mode that it is given.
        low: the precision to imitate.
        exact: what it computes without rounding.
        seed: of the random roundings.
        also: what else is lifted, and so not rounded to.
    Returns: SPREADS times the root mean square of what RUNS random roundings change, plus
    LAST_OPERATION eps of the result.
    """
    eps = effective_eps(low, exact[0].device if exact else "cpu")
    squares = [torch.zeros_like(value) for value in exact]
    for run in range(RUNS):
        for total, value, rounded in zip(
            squares, exact, results(Shadow(low, eps, seed * RUNS + run, also)), strict=True
        ):
            # equal infinities have no difference
            total += torch.where(rounded == value, 0.0, rounded - value) ** 2
    tiny = torch.finfo(low).tiny
    return [
        SPREADS * (total / RUNS).sqrt() + LAST_OPERATION * torch.finfo(low).eps * value.abs() + tiny
        for total, value in zip(squares, exact, strict=True)
    ]


def _writes(func: Any) -> bool:
    return bool(func._schema.is_mutable)


def _is_view(func: Any) -> bool:
    return any(
        returned.alias_info is not None for returned in func._schema.returns
    ) and not _writes(func)


def _is_fused(func: Any) -> bool:
    """Whether it rounds within, and torch knows the operations that it is made of."""
    return (
        any(word in name_of(func) for word in FUSED)
        and func in decomposition_table
        and not _writes(func)
    )

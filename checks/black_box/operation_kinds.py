"""What kind of thing a torch operation does to its numbers: moves them about, rounds them within,
draws them, overwrites them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch._library.custom_ops import OPDEFS

from backproof.checks.black_box.operations import name_of

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
    backward softmax norm loss logsumexp gelu silu softplus mish huber cross_entropy
    log_sigmoid logaddexp dist lerp
    """.split()
)
RANDOM = tuple(
    """
    bernoulli binomial cauchy native_dropout exponential geometric log_normal multinomial normal
    poisson rand rrelu standard_gamma uniform
    """.split()
)


@cache
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
    if name not in ("scatter_reduce", "index_reduce"):
        return False
    return any(value in ("amax", "amin") for value in args if isinstance(value, str))


@cache
def writes(func: Any) -> bool:
    """Whether it changes one of its arguments."""
    return bool(func._schema.is_mutable)


@cache
def is_view(func: Any) -> bool:
    """Whether its result shares the memory of an argument."""
    return any(returned.alias_info is not None for returned in func._schema.returns) and not writes(
        func
    )


@cache
def is_fused(func: Any) -> bool:
    """Whether it rounds within, and torch knows the operations that it is made of."""
    return (
        any(word in name_of(func) for word in FUSED)
        and func in decomposition_table
        and not writes(func)
    )


def written_arguments(func: Any, args: Any) -> list[Any]:
    """Those of its arguments that an operation changes."""
    if not writes(func):
        return []
    found = []
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(value)
    return found


def python_kernel(func: Any, device: str) -> Callable[..., Any] | None:
    """The Python code of an operation that was registered with torch.library.custom_op, which calls
    operations of its own; None for torch's own, and for what overwrites its arguments."""
    if func.namespace in ("aten", "prims") or writes(func):
        return None
    definition = OPDEFS.get(func._name)
    if definition is None:
        return None
    kernels: dict[str | None, Callable[..., Any]] = definition._backend_fns
    return kernels.get(device, kernels.get(None))

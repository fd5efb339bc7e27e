"""A kernel of benchmarks/kernels.py: a reference, a right forward and backward pass, and bugs; and
what several kinds of kernels share.

A backward pass gets the incoming gradient and the inputs, and gives a gradient for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Pass = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    """One way in which a kernel has been wrong.

    Attributes:
        name: what is wrong, in words.
        backward, forward: the pass that is wrong.
        inputs: whose gradients come out wrong.
        dtypes: in which it shows; all where empty.
        needs_reference: whether its own formula is right, so that only a reference shows the digits
            that it loses.
    """

    name: str
    backward: Pass | None = None
    forward: Pass | None = None
    inputs: tuple[int, ...] = (0,)
    dtypes: tuple[str, ...] = ()
    needs_reference: bool = False


@dataclass(frozen=True)
class Kernel:
    """A kernel that is right, and its bugs."""

    name: str
    reference: Pass
    inputs: Callable[[torch.Generator], list[Tensor]]
    forward: Pass
    backward: Pass
    bugs: list[Bug] = field(default_factory=list)


def shapes(*sizes: tuple[int, ...]) -> Callable[[torch.Generator], list[Tensor]]:
    """Normal inputs of these shapes."""
    return lambda generator: [
        torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes
    ]


def of_classes(n: int, k: int) -> Callable[[torch.Generator], list[Tensor]]:
    """Logits and labels."""
    return lambda generator: [
        torch.randn((n, k), generator=generator, dtype=torch.float64),
        torch.randint(k, (n,), generator=generator),
    ]


def one_hot(y: Tensor, z: Tensor) -> Tensor:
    return F.one_hot(y, z.shape[-1]).to(z.dtype)

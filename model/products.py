"""Matrix products on a CPU, by the faster of the two libraries that come with torch.

`torch.mm` calls MKL, which leaves the widest registers of other makers' processors unused: on a Zen 5 core oneDNN multiplies
twice as fast (benchmarks/products.py). oneDNN takes longer to get going, so small products stay with MKL, and the smallest with one
thread. All of that depends on the shape and the machine alone, so a resumed run rounds as the run before it did.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Matrix = Float[Tensor, "_ _"]

Product = Callable[[Tensor, Tensor, Tensor], Tensor]
Affine = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

WORTH_IT = 1_000_000  # multiply-adds from which oneDNN is the faster one; calling it takes about 10 microseconds longer
WORTH_SHARING = 200_000  # multiply-adds from which two threads are faster than one, by MKL
WORTH_COPYING = 128  # columns of the second factor from which that is so where the first is a transposed view, for oneDNN copies it


def product(m: int, k: int, n: int, into: Tensor, *, transposed: bool = False) -> Product:
    """How to multiply (m, k) by (k, n), decided once for many times.

    Args:
        m, k, n: the shape.
        into: (m, n), where the result may be written; its dtype and device are those of the factors.
        transposed: whether the first factor will be a transposed view.
    Returns: a function of A, B and B.T that returns A @ B: `into`, or memory of its own. It wants both views of B because making
        one takes as long as a small product.
    """
    if has_onednn(into) and is_worth_it(m, k, n, transposed):
        return by_onednn
    return _on_one_thread(m * k * n, into, lambda A, B, B_T: torch.mm(A, B, out=into))


def affine(m: int, k: int, n: int, into: Tensor) -> Affine:
    """How to multiply (m, k) by (k, n) and add a column (m, 1): a function of A, B, B.T and the column that returns `into`."""
    if has_onednn(into) and is_worth_it(m, k, n):
        return lambda A, B, B_T, column: torch.add(by_onednn(A, B, B_T), column, out=into)
    return _on_one_thread(m * k * n, into, lambda A, B, B_T, column: torch.addmm(column, A, B, out=into))


def _on_one_thread(size: int, into: Tensor, multiply: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same product; if it is small, by one thread, because MKL asks for all of them even then."""
    if size >= WORTH_SHARING or into.device.type != "cpu":
        return multiply

    def alone(*factors: Tensor) -> Tensor:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return multiply(*factors)
        finally:
            torch.set_num_threads(threads)

    return alone


def is_worth_it(m: int, k: int, n: int, transposed: bool = False) -> bool:
    """Whether oneDNN multiplies (m, k) by (k, n) faster, where it can."""
    return m * k * n >= WORTH_IT and (not transposed or n >= WORTH_COPYING)


def by_onednn(A: Tensor, B: Tensor, B_T: Tensor) -> Tensor:
    """A @ B by what torch.compile calls for a linear layer."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(A, B_T, None, "none", [], "")
    return found


def linear(x: Float[Tensor, "N n_in"], W: Float[Tensor, "n n_in"], b: Float[Tensor, " n"]) -> Float[Tensor, "N n"]:
    """x @ W.T + b, one sample a row, where no gradient is wanted."""
    if has_onednn(x) and is_worth_it(len(x), *W.t().shape):
        found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, W, b, "none", [], "")
        return found
    return torch.nn.functional.linear(x, W, b)


def has_onednn(like: Tensor) -> bool:
    """Whether oneDNN can multiply matrices of this dtype on this device: float32 on an x86 CPU, in most builds of torch."""
    usable = like.device.type == "cpu" and like.dtype == torch.float32 and platform.machine() in ("x86_64", "AMD64")
    built_in = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and built_in and hasattr(torch.ops.mkldnn, "_linear_pointwise")

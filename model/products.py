"""Matrix products, each in the way that is fastest for its shape, decided once and made many times.

`torch.mm` calls MKL, and MKL shares a small product badly: its threads wait for each other longer than they multiply. Cut its rows
into one part a thread, and it is several whole products, which `torch.bmm` deals out without any talk between threads. The smallest
are made by one thread, while the others sleep. The largest go to oneDNN where there is one, because MKL leaves the widest registers
of other makers' processors unused; calling oneDNN takes longer, so it would lose on small ones. benchmarks/products.py measures
all of that. The choice depends on the shape, on whether the product is added to something, on the number of threads and the machine
alone, so a resumed run rounds as the run before it did.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Matrix = Float[Tensor, "_ _"]

Run = Callable[[], Tensor]  # multiplies what its factors hold now, and returns the product
Product = Callable[[Tensor], Run]  # binds the second factor: views of it are made here, and a view takes as long as a small product
# Of the first factor, where the product goes, and how often it is added to what is there.
Way = Callable[[Tensor, Tensor, float | None], Product]

WORTH_IT = 12_000_000  # multiply-adds from which oneDNN is the faster one
WORTH_SHARING = 200_000  # multiply-adds from which two threads are faster than one
WORTH_COPYING = 128  # columns of the second factor from which that is so where the first is a transposed view, for oneDNN copies it
WORTH_ADDING = 512  # terms of a sum from which that is so where the product is added to something, which oneDNN leaves to others


def product(A: Matrix, n: int, into: Matrix, column: Matrix | None = None, times: float | None = None) -> Product:
    """How to multiply A, (m, k), by any B, (k, n), and add a column to every column of the product.

    Args:
        A: the first factor; a product reads what it holds then.
        n: columns of the second factor.
        into: (m, n), where the product goes. Only oneDNN, where it adds nothing to it, leaves it in memory of its own instead.
        column: (m, 1), or None.
        times: None to overwrite what `into` holds; a number to add that many times the product to it.
    Returns: a function of B that returns a function of nothing that multiplies, and returns where the product is.
    """
    bind = fastest(A, n, into, times)(A, into, times)
    if column is None:
        return bind
    return lambda B: partial(lambda multiply: torch.add(multiply(), column, out=into), bind(B))


def fastest(A: Matrix, n: int, into: Matrix, times: float | None = None) -> Way:
    """Which of the four ways to take."""
    m, k = A.shape
    if has_onednn(into) and is_worth_it(m, k, n, transposed=not A.is_contiguous(), added=times is not None):
        return by_onednn
    if into.device.type != "cpu" or torch.get_num_threads() == 1:
        return whole
    if m * k * n < WORTH_SHARING:
        return alone
    return in_parts if parts_of(m) > 1 else whole


def whole(A: Matrix, into: Matrix, times: float | None = None) -> Product:
    """One product, by torch.mm, or torch.addmm, whose sums start at what is there."""
    if times is None:
        return lambda B: partial(torch.mm, A, B, out=into)
    return lambda B: partial(torch.addmm, into, A, B, alpha=times, out=into)


def alone(A: Matrix, into: Matrix, times: float | None = None) -> Product:
    """One product, by one thread: MKL would ask for all of them, however small it is."""
    bind = whole(A, into, times)

    def bind_alone(B: Tensor) -> Run:
        multiply = bind(B)

        def run() -> Tensor:
            threads = torch.get_num_threads()  # now: it may be another number than when the factors were bound
            torch.set_num_threads(1)
            try:
                return multiply()
            finally:
                torch.set_num_threads(threads)

        return run

    return bind_alone


def in_parts(A: Matrix, into: Matrix, times: float | None = None) -> Product:
    """The rows of A in equal parts; all are multiplied by the same B, which is not copied for that."""
    parts = parts_of(len(A))
    As, intos = _cut(A, parts), _cut(into, parts)

    def bind(B: Tensor) -> Run:
        Bs = B.expand(parts, *B.shape)
        if times is None:
            multiply = partial(torch.bmm, As, Bs, out=intos)
        else:
            multiply = partial(torch.baddbmm, intos, As, Bs, alpha=times, out=intos)

        def run() -> Tensor:
            multiply()
            return into

        return run

    return bind


def parts_of(m: int) -> int:
    """In how many equal parts to cut m rows: one a thread, or as many as divide them."""
    return max(parts for parts in range(1, torch.get_num_threads() + 1) if m % parts == 0)


def _cut(rows: Matrix, parts: int) -> Float[Tensor, "parts _ _"]:
    return rows.view(parts, -1, rows.shape[1])


def by_onednn(A: Matrix, into: Matrix, times: float | None = None) -> Product:
    """By what torch.compile calls for a linear layer, into memory of its own; adding it to something is a second operation."""
    multiply = torch.inference_mode(False)(_onednn_linear)  # the product may be kept as a gradient, which others may change
    if times is None:
        return lambda B: partial(multiply, A, B.t())
    return lambda B: partial(lambda B_T: into.add_(multiply(A, B_T), alpha=times), B.t())


def _onednn_linear(x: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, W, b, "none", [], "")
    return found


def is_worth_it(m: int, k: int, n: int, transposed: bool = False, added: bool = False) -> bool:
    """Whether oneDNN multiplies (m, k) by (k, n) faster, where it can."""
    return m * k * n >= WORTH_IT and (not transposed or n >= WORTH_COPYING) and (not added or k >= WORTH_ADDING)


def linear(x: Float[Tensor, "N n_in"], W: Float[Tensor, "n n_in"], b: Float[Tensor, " n"]) -> Float[Tensor, "N n"]:
    """x @ W.T + b, one sample a row, where no gradient is wanted."""
    if has_onednn(x) and is_worth_it(len(x), *W.t().shape):
        return _onednn_linear(x, W, b)
    return torch.nn.functional.linear(x, W, b)


def has_onednn(like: Tensor) -> bool:
    """Whether oneDNN can multiply matrices of this dtype on this device: float32 on an x86 CPU, in most builds of torch."""
    usable = like.device.type == "cpu" and like.dtype == torch.float32 and platform.machine() in ("x86_64", "AMD64")
    built_in = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and built_in and hasattr(torch.ops.mkldnn, "_linear_pointwise")

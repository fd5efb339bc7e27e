"""Matrix products, each in the way that is fastest for its shape, decided once and made many times.

`torch.mm` calls MKL, and MKL shares a small product badly: its threads wait for each other longer
than they multiply. Cut its rows into one part a thread, and it is several whole products, which
`torch.bmm` deals out without any talk between threads. The smallest are made by one thread, while
the others sleep. The largest go to oneDNN, where there is one and the processor is not Intel's:
MKL, which is, leaves the widest registers of others unused; but calling oneDNN takes longer, so it
would lose on small products. benchmarks/products.py measures all of that. The choice depends on the
shape, the number of threads and the machine alone, so a resumed run rounds as the run before it
did.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Matrix = Float[Tensor, "_ _"]

# does what it was bound to do, a product or a whole step, with what its memory holds now
Run = Callable[[], object]
# binds the second factor: views of it are made here, and a view takes as long as a small product
Product = Callable[[Tensor], Run]
# Of the first factor, where the product goes, what the sums start at, and how often the product is
# added to that.
Way = Callable[[Tensor, Tensor, Tensor | None, float], Product]

CPUINFO = Path("/proc/cpuinfo")


def is_by_intel() -> bool:
    """Whether Intel made the processor, as far as the system tells."""
    try:
        with CPUINFO.open() as file:
            # the first core's lines: a large machine takes long to write all of them
            about = file.read(4096)
    except OSError:
        about = platform.processor()
    return "GenuineIntel" in about


# multiply-adds from which oneDNN is the faster one
WORTH_IT = math.inf if is_by_intel() else 12_000_000
WORTH_SHARING = 200_000  # multiply-adds from which two threads are faster than one
# multiply-adds from which MKL shares well, if only because in parts every thread rearranges all of
# B ...
WORTH_TALK = 12_000_000
WIDE = 8  # ... and B has so many times as many columns as A has rows that this takes long
# columns of the second factor from which that is so where the first is a transposed view, for
# oneDNN copies it
WORTH_COPYING = 128
# terms of a sum from which that is so, for oneDNN leaves its product elsewhere, from where it must
# be fetched
WORTH_MOVING = 256


def product(
    A: Matrix, n: int, into: Matrix, start: Matrix | None = None, times: float = 1.0
) -> Product:
    """How to multiply A, (m, k), by any B, (k, n): start + times A B.

    Args:
        A: the first factor; a product reads what it holds then.
        n: columns of the second factor.
        into: (m, n), where the product goes.
        start: (m, n) or (m, 1): what the sums start at, which may be `into` itself; None for 0.
        times: of the product, where there is a start.
    Returns: a function of B that returns a function of nothing, which multiplies.
    """
    return fastest(A, n, into)(A, into, start, times)


def fastest(A: Matrix, n: int, into: Matrix) -> Way:
    """Which of the four ways to take."""
    m, k = A.shape
    if has_onednn(into) and is_worth_it(m, k, n, transposed=not A.is_contiguous()):
        return by_onednn
    if into.device.type != "cpu" or torch.get_num_threads() == 1:
        return whole
    if m * k * n < WORTH_SHARING:
        return alone
    if m * k * n >= WORTH_TALK and n >= WIDE * m:
        return whole
    if parts_of(m) > 1:
        return in_parts
    return whole


def whole(A: Matrix, into: Matrix, start: Matrix | None = None, times: float = 1.0) -> Product:
    """One product, by torch.mm, or by torch.addmm, which begins with the start."""
    if start is None:
        return lambda B: partial(torch.mm, A, B, out=into)
    return lambda B: partial(torch.addmm, start.expand_as(into), A, B, alpha=times, out=into)


def alone(A: Matrix, into: Matrix, start: Matrix | None = None, times: float = 1.0) -> Product:
    """One product, by one thread: MKL would ask for all of them, however small it is."""
    bind = whole(A, into, start, times)

    def bind_alone(B: Tensor) -> Run:
        multiply = bind(B)

        def run() -> None:
            # now: it may be another number than when the factors were bound
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                multiply()
            finally:
                torch.set_num_threads(threads)

        return run

    return bind_alone


def in_parts(A: Matrix, into: Matrix, start: Matrix | None = None, times: float = 1.0) -> Product:
    """The rows of A in equal parts; all are multiplied by the same B, which is not copied for
    that."""
    parts = parts_of(len(A))
    As = _cut(A, parts)
    intos = _cut(into, parts)
    if start is None:
        return lambda B: partial(torch.bmm, As, B.expand(parts, *B.shape), out=intos)
    starts = _cut(start.expand_as(into), parts)
    return lambda B: partial(
        torch.baddbmm, starts, As, B.expand(parts, *B.shape), alpha=times, out=intos
    )


def parts_of(m: int) -> int:
    """In how many equal parts to cut m rows: one a thread, or as many as divide them."""
    return max(parts for parts in range(1, torch.get_num_threads() + 1) if m % parts == 0)


def _cut(rows: Matrix, parts: int) -> Float[Tensor, "parts _ _"]:
    return rows.view(parts, -1, rows.shape[1])


def by_onednn(A: Matrix, into: Matrix, start: Matrix | None = None, times: float = 1.0) -> Product:
    """By what torch.compile calls for a linear layer: into memory of its own, from where it is
    fetched by a second operation."""
    if start is None:
        return lambda B: partial(lambda B_T: into.copy_(_onednn_linear(A, B_T)), B.t())
    return lambda B: partial(
        lambda B_T: torch.add(start, _onednn_linear(A, B_T), alpha=times, out=into), B.t()
    )


def _onednn_linear(x: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, W, b, "none", [], "")
    return found


def is_worth_it(m: int, k: int, n: int, transposed: bool = False) -> bool:
    """Whether oneDNN multiplies (m, k) by (k, n) faster, where it can."""
    return m * k * n >= WORTH_IT and k >= WORTH_MOVING and (not transposed or n >= WORTH_COPYING)


def linear(
    x: Float[Tensor, "N n_in"], W: Float[Tensor, "n n_in"], b: Float[Tensor, " n"]
) -> Float[Tensor, "N n"]:
    """x @ W.T + b, one sample a row, where no gradient is wanted."""
    if has_onednn(x) and len(x) * W.numel() >= WORTH_IT:
        return _onednn_linear(x, W, b)
    return torch.nn.functional.linear(x, W, b)


def has_onednn(like: Tensor) -> bool:
    """Whether oneDNN can multiply matrices of this dtype on this device: float32 on an x86 CPU, in
    most builds of torch."""
    usable = (
        like.device.type == "cpu"
        and like.dtype == torch.float32
        and platform.machine() in ("x86_64", "AMD64")
    )
    built_in = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and built_in and hasattr(torch.ops.mkldnn, "_linear_pointwise")

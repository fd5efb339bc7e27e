"""Which way of multiplying is the fastest, and from what size on: python benchmarks/products.py

The products of a training step in every shape of benchmarks/training.py, in every way that
model/products.py knows, with one thread and with all. The last column says which way
model/products.py takes where it has all of them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as train.py has it

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof.model import products
from benchmarks.training import BATCHES, SHAPES

CALLS, ROUNDS = 50, 9
WAYS = [products.whole, products.alone, products.in_parts] + [
    products.by_onednn
] * products.has_onednn(torch.empty(0))


def main(argv: list[str] | None = None) -> int:
    """Time every shape once, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        help=f"of {CALLS} calls, of which the fastest counts (default: {ROUNDS})",
    )
    given = parser.parse_args(argv)
    columns = [(threads, way) for threads in sorted({1, os.cpu_count() or 1}) for way in WAYS]
    names = [f"{way.__name__}, {threads} thread{'s' * (threads > 1)}" for threads, way in columns]
    print(f"| product | multiply-adds | {' | '.join(f'{name}, us' for name in names)} | taken |")
    print("| --- " + "| ---: " * (1 + len(columns)) + "| --- |")
    for shape in shapes():
        cells = []
        for threads, way in columns:
            torch.set_num_threads(threads)
            A, B, into, start, times = shape.memory()
            cells.append(f"{1e6 * seconds(way(A, into, start, times)(B), given.rounds):.1f}")
        taken = products.fastest(A, shape.n, into).__name__
        print(
            f"| {shape} | {shape.m * shape.k * shape.n:,} | {' | '.join(cells)} | {taken} |",
            flush=True,
        )
    return 0


@dataclass(frozen=True, order=True)
class Shape:
    """A product of a step as model/backward.py makes it, (m, k) by (k, n).

    Attributes:
        equation: "(F1)", "(B2)" or "(B4)"; "(B2) onto W" is the one of plain descent.
        first: whether the samples themselves are a factor. They have one sample a row, activations
            one a column.
    """

    equation: str
    first: bool
    m: int
    k: int
    n: int

    def __str__(self) -> str:
        return f"{self.equation}{' of samples' * self.first} {self.m} x {self.k} x {self.n}"

    def memory(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None, float]:
        """A, B, where the product goes, what its sums start at, and how often it is added to
        that."""
        m, k, n, into = self.m, self.k, self.n, torch.zeros(self.m, self.n)
        A = torch.randn(k, m).t() if self.equation == "(B4)" else torch.randn(m, k)
        as_columns = self.equation == "(B4)" or (self.equation == "(F1)") != self.first
        B = torch.randn(k, n) if as_columns else torch.randn(n, k).t()
        start = {"(F1)": torch.randn(m, 1), "(B2) onto W": into}.get(self.equation)
        return A, B, into, start, -0.5 if start is into else 1.0


def shapes() -> list[Shape]:
    """Those of every layer, each once, by equation and size."""
    found = set()
    for sizes, N in itertools.product(SHAPES, BATCHES):
        for layer, (n_in, n) in enumerate(itertools.pairwise(sizes), start=1):
            found |= {Shape("(F1)", layer == 1, n, n_in, N)}
            found |= {
                Shape(equation, layer == 1, n, N, n_in) for equation in ("(B2)", "(B2) onto W")
            }
            if layer > 1:
                found.add(Shape("(B4)", False, n_in, n, N))
    return sorted(found, key=lambda shape: (shape.equation, shape.m * shape.k * shape.n, shape))


def seconds(call: Callable[[], object], rounds: int) -> float:
    """Of one call, in the fastest round."""
    call()
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, time.perf_counter() - start)
    return best / CALLS


if __name__ == "__main__":
    sys.exit(main())

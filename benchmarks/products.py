"""Which library multiplies faster, and from what size on: python benchmarks/products.py

The products of a training step in every shape of benchmarks/training.py, by MKL (torch.mm) and by oneDNN, as model/products.py
calls them, with one thread and with all. The last column says which one model/products.py takes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as train.py has it

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.training import BATCHES, SHAPES
from model import products

CALLS, ROUNDS = 50, 9


def main(argv: list[str] | None = None) -> int:
    """Time every shape once, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of {CALLS} calls, of which the fastest counts (default: {ROUNDS})"
    )
    given = parser.parse_args(argv)
    if not products.has_onednn(torch.empty(0)):
        print("this torch has no oneDNN for float32 on this processor: torch.mm multiplies everything")
        return 0
    threads = sorted({1, os.cpu_count() or 1})
    columns = [f"{library}, {n} thread{'s' * (n > 1)}" for n in threads for library in ("MKL", "oneDNN")]
    print(f"| product | multiply-adds | {' | '.join(f'{column}, us' for column in columns)} | taken |")
    print("| --- " + "| ---: " * (1 + len(columns)) + "| --- |")
    for (m, k, n), transposed in shapes():
        cells, taken = [], "oneDNN" if products.is_worth_it(m, k, n, transposed) else "MKL"
        for number in threads:
            torch.set_num_threads(number)
            cells += [f"{1e6 * seconds(call, given.rounds):.1f}" for call in both(m, k, n, transposed)]
        name = f"{m} x {k} x {n}{', first transposed' * transposed}"
        print(f"| {name} | {m * k * n:,} | {' | '.join(cells)} | {taken} |", flush=True)
    return 0


def shapes() -> Iterator[tuple[tuple[int, int, int], bool]]:
    """(F1), (B2) and (B4) of every layer, each shape once; (B4) has W transposed."""
    found: dict[tuple[tuple[int, int, int], bool], None] = {}
    for sizes, N in itertools.product(SHAPES, BATCHES):
        for layer, (n_in, n) in enumerate(itertools.pairwise(sizes), start=1):
            found |= {((n, n_in, N), False): None, ((n, N, n_in), False): None}
            if layer > 1:
                found[(n_in, n, N), True] = None
    yield from sorted(found, key=lambda of: (of[1], of[0][0] * of[0][1] * of[0][2]))


def both(m: int, k: int, n: int, transposed: bool) -> list[Callable[[], Tensor]]:
    """The same product by MKL and by oneDNN."""
    A, B, into = torch.randn((k, m) if transposed else (m, k)), torch.randn(k, n), torch.empty(m, n)
    A, B_T = A.t() if transposed else A, B.t()
    return [lambda: torch.mm(A, B, out=into), lambda: products.by_onednn(A, B, B_T)]


def seconds(call: Callable[[], Tensor], rounds: int) -> float:
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

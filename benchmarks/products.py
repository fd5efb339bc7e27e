"""Which way of multiplying is the fastest, and from what size on: python benchmarks/products.py

The products of a training step in every shape of benchmarks/training.py, in every way that model/products.py knows, with one thread
and with all. The last column says which way model/products.py takes where it has all of them.
"""

from __future__ import annotations

import argparse
import itertools
import math
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
WAYS = [products.whole, products.alone, products.in_parts] + [products.by_onednn] * products.has_onednn(torch.empty(0))


def main(argv: list[str] | None = None) -> int:
    """Time every shape once, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of {CALLS} calls, of which the fastest counts (default: {ROUNDS})"
    )
    given = parser.parse_args(argv)
    columns = [(threads, way) for threads in sorted({1, os.cpu_count() or 1}) for way in WAYS]
    names = [f"{way.__name__}, {threads} thread{'s' * (threads > 1)}" for threads, way in columns]
    print(f"| product | multiply-adds | {' | '.join(f'{name}, us' for name in names)} | taken |")
    print("| --- " + "| ---: " * (1 + len(columns)) + "| --- |")
    for (m, k, n), transposed, times in shapes():
        A, B, into = torch.randn((k, m) if transposed else (m, k)), torch.randn(k, n), torch.zeros(m, n)
        A, cells = A.t() if transposed else A, []
        for threads, way in columns:
            torch.set_num_threads(threads)
            cells.append(f"{1e6 * seconds(way(A, into, times)(B), given.rounds):.1f}")
        name = f"{m} x {k} x {n}{', first transposed' * transposed}{', added' * (times is not None)}"
        print(f"| {name} | {m * k * n:,} | {' | '.join(cells)} | {products.fastest(A, n, into, times).__name__} |", flush=True)
    return 0


def shapes() -> Iterator[tuple[tuple[int, int, int], bool, float | None]]:
    """(F1), (B2) and (B4) of every layer, each shape once; (B2) also as plain descent adds it to W, and (B4) has W transposed."""
    found: dict[tuple[tuple[int, int, int], bool, bool], None] = {}
    for sizes, N in itertools.product(SHAPES, BATCHES):
        for layer, (n_in, n) in enumerate(itertools.pairwise(sizes), start=1):
            found |= {((n, n_in, N), False, False): None, ((n, N, n_in), False, False): None, ((n, N, n_in), False, True): None}
            if layer > 1:
                found[(n_in, n, N), True, False] = None
    for shape, transposed, added in sorted(found, key=lambda of: (*of[1:], math.prod(of[0]))):
        yield shape, transposed, -0.5 if added else None


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

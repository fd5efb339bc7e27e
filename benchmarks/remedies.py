"""The table of remedies: which change cures the original network, and which does not.

python -m benchmarks.remedies [--seeds 10] [--steps 5000] [--lr 1]

The network of the question: 4-50-50-2 on four pictures of 2x2 pixels, full-batch descent, and one
bug in its gradients, a buffer of da that is never set back to zero. A seed counts as cured if all
four pictures are labelled right after the last step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backproof.checks import by_hand
from backproof.checks.by_hand import Backward, Forward
from backproof.checks.heads import Head
from backproof.model.command_line import finite, whole_number
from backproof.model.network import ROW_CONSTANTS

# horizontal twice, vertical twice
X = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=np.float64)
Y = np.array([0, 0, 1, 1])
SIZES = (4, 50, 50, 2)
Layers = dict[int, np.ndarray]


@dataclass(frozen=True)
class Remedy:
    """What is changed of the original: its weights, its buffer, its head."""

    name: str
    weights: str = "row-constant"
    stale: bool = True
    output: str = "sigmoid"
    cost: str = "quadratic"


REMEDIES = (
    Remedy("nothing changed"),
    Remedy("softmax and cross-entropy alone", output="softmax", cost="cross-entropy"),
    Remedy("the buffer reset alone", stale=False),
    Remedy("random weights around zero alone", weights="around-zero"),
    Remedy("random, but all positive, and the buffer reset", weights="positive", stale=False),
    Remedy("random around zero and the buffer reset", weights="around-zero", stale=False),
    Remedy(
        "the same with softmax and cross-entropy", "around-zero", False, "softmax", "cross-entropy"
    ),
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=whole_number(1), default=10, help="networks for each remedy (default: 10)"
    )
    parser.add_argument(
        "--steps", type=whole_number(1), default=5000, help="full-batch steps (default: 5000)"
    )
    parser.add_argument(
        "--lr", type=finite(above=0.0), default=1.0, help="learning rate (default: 1)"
    )
    args = parser.parse_args(argv)
    print(
        f"4-50-50-2, {args.steps} steps at learning rate {args.lr:g}, seeds 0 to "
        f"{args.seeds - 1}, numpy {np.__version__}\n"
    )
    print("\n".join(table(args.seeds, args.steps, args.lr)))
    return 0


def table(seeds: int, steps: int, learning_rate: float) -> Iterator[str]:
    """The lines of the table, in Markdown."""
    yield f"| {'what is changed':<47} | {'all four right':>14} |\n| {'-' * 47} | {'-' * 13}: |"
    for remedy in REMEDIES:
        cured = sum(cures(remedy, seed, steps, learning_rate) for seed in range(seeds))
        yield f"| {remedy.name:<47} | {f'{cured} of {seeds}':>14} |"


def cures(remedy: Remedy, seed: int, steps: int, learning_rate: float) -> bool:
    """Whether the network labels all four pictures right after training."""
    W, b = train(remedy, seed, steps, learning_rate)
    return bool(
        (
            by_hand.forward(X, W, b, head=Head(remedy.output, remedy.cost)).p.argmax(axis=1) == Y
        ).all()
    )


def train(remedy: Remedy, seed: int, steps: int, learning_rate: float) -> tuple[Layers, Layers]:
    """Full-batch descent, with the buffer as the remedy has it."""
    W, b = weights(remedy.weights, seed)
    carried: Layers = {}
    # a stale buffer grows until it overflows; that is the finding
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            back = gradients(remedy, W, b, carried)
            for layer in W:
                W[layer] -= learning_rate * back.dW[layer]
                b[layer] -= learning_rate * back.db[layer]
    return W, b


def gradients(remedy: Remedy, W: Layers, b: Layers, carried: Layers) -> Backward:
    """The right ones, or the original's, which leave in `carried` what its buffer holds."""
    passed = by_hand.forward(X, W, b, head=Head(remedy.output, remedy.cost))
    back = by_hand.backward(passed, W, Y, head=Head(remedy.output, remedy.cost))
    return stale(passed, back, W, carried) if remedy.stale else back


def stale(passed: Forward, back: Backward, W: Layers, carried: Layers) -> Backward:
    """The backward pass whose buffer of da is added to, sample after sample and step after step,
    but never set back to zero."""
    L = len(W)
    dz, da, dW, db = {L: back.dz[L]}, {}, {L: back.dW[L]}, {L: back.db[L]}
    for layer in range(L - 1, 0, -1):
        da[layer] = np.cumsum(dz[layer + 1] @ W[layer + 1], axis=0) + carried.get(layer, 0.0)
        carried[layer] = da[layer][-1]
        dz[layer] = da[layer] * passed.a[layer] * (1 - passed.a[layer])
        dW[layer], db[layer] = dz[layer].T @ passed.a[layer - 1], dz[layer].sum(axis=0)
    return Backward(dz, da, dW, db)


def weights(kind: str, seed: int) -> tuple[Layers, Layers]:
    """Draw W and b: as the original did, all positive but each on its own, or around zero with
    variance 1/n_in (b: 1)."""
    random, W, b = np.random.default_rng(seed), {}, {}
    for layer, (n_in, n) in enumerate(pairwise(SIZES), start=1):
        if kind == "row-constant":
            W[layer] = np.repeat(random.choice(ROW_CONSTANTS, size=(n, 1)), n_in, axis=1)
            b[layer] = np.full(n, random.choice(ROW_CONSTANTS))
        elif kind == "positive":
            W[layer], b[layer] = (
                random.uniform(0.1, 0.8, size=(n, n_in)),
                random.uniform(0.1, 0.8, size=n),
            )
        else:
            W[layer], b[layer] = (
                random.normal(size=(n, n_in)) / np.sqrt(n_in),
                random.normal(size=n),
            )
    return W, b


if __name__ == "__main__":
    sys.exit(main())

"""Plain gradient descent on the hand-written gradients, in NumPy: what the pages and benchmarks
train with.

train.py trains with torch. This is the shortest program that learns, in the precision in which
claims such as "exactly 0.0" can be made, and it is the same on every machine that rounds alike.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks import by_hand
from backproof.checks.heads import Head
from backproof.checks.learning.finding import Progress

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64

    Layers = dict[int, Float64[np.ndarray, "..."]]


def steps(
    W: Mapping[int, np.ndarray],
    b: Mapping[int, np.ndarray],
    x: Float64[np.ndarray, "N n_0"],
    y: Int64[np.ndarray, " N"],
    *,
    output: str,
    cost: str,
    learning_rate: float,
    count: int,
) -> tuple[Layers, Layers]:
    """Take `count` full-batch steps: W - learning_rate * dW, b - learning_rate * db.

    Args:
        W, b: weights and biases by layer; they are not changed.
        x, y: all samples and labels.
        output, cost: the head.
        learning_rate: length of a step per unit of gradient.
        count: how many.
    Returns: W and b afterwards.
    """
    W = _copies(W)
    b = _copies(b)
    for _ in range(count):
        step(W, b, x, y, output=output, cost=cost, learning_rate=learning_rate)
    return W, b


def step(
    W: Layers,
    b: Layers,
    x: np.ndarray,
    y: np.ndarray,
    *,
    output: str,
    cost: str,
    learning_rate: float,
) -> tuple[Layers, Layers]:
    """One step on one batch, W and b changed in place; returns dW and db."""
    passed = by_hand.forward(x, W, b, head=Head(output))
    back = by_hand.backward(passed, W, y, head=Head(output, cost))
    for layer in W:
        W[layer] -= learning_rate * back.dW[layer]
        b[layer] -= learning_rate * back.db[layer]
    return back.dW, back.db


def epochs(
    W: Layers,
    b: Layers,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    output: str,
    cost: str,
    learning_rate: float,
    batch: int,
    count: int,
    seed: int,
) -> Iterator[Progress]:
    """Train in shuffled mini-batches, W and b changed in place, and report each epoch, the
    untrained network first.

    Args:
        W, b: weights and biases by layer, float64.
        train, test: samples and labels of each.
        output, cost, learning_rate: as for `steps`.
        batch: samples in a step; the last one of an epoch may be smaller.
        count: epochs.
        seed: of the shuffling.
    Yields: the progress after epochs 0 to `count`.
    """
    random = np.random.default_rng(seed)
    head = {"output": output, "cost": cost}
    yield _progress(0, W, b, train, test, head, 0.0)
    for epoch in range(1, count + 1):
        before = _flat(W, b)
        order = random.permutation(len(train[1]))
        for first in range(0, len(order), batch):
            rows = order[first : first + batch]
            step(W, b, train[0][rows], train[1][rows], learning_rate=learning_rate, **head)
        moved = np.linalg.norm(_flat(W, b) - before)
        length = np.linalg.norm(before)
        yield _progress(
            epoch, W, b, train, test, head, float(moved / length) if length else float("inf")
        )


def _progress(
    epoch: int,
    W: Layers,
    b: Layers,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    head: dict[str, str],
    moved: float,
) -> Progress:
    (train_loss, train_accuracy), (test_loss, test_accuracy) = (
        evaluate(W, b, x, y, **head) for x, y in (train, test)
    )
    return Progress(epoch, train_loss, test_loss, train_accuracy, test_accuracy, moved)


def evaluate(
    W: Layers, b: Layers, x: np.ndarray, y: np.ndarray, *, output: str, cost: str
) -> tuple[float, float]:
    """Mean loss, and the part of the samples whose largest output is that of their class."""
    passed = by_hand.forward(x, W, b, head=Head(output))
    losses = by_hand.losses(passed.z[len(W)], y, head=Head(output, cost))
    return float(losses.mean()), float((passed.p.argmax(axis=1) == y).mean())


def _copies(layers: Mapping[int, np.ndarray]) -> Layers:
    return {layer: np.array(array, dtype=np.float64) for layer, array in layers.items()}


def _flat(W: Layers, b: Layers) -> np.ndarray:
    return np.concatenate([array.ravel() for array in (*W.values(), *b.values())])

"""Adam, for a script whose update is no plain descent: it stands in for whatever that is, and
learns from most first weights from which plain descent does not.

Source: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1
with its own settings.
"""

from __future__ import annotations

import numpy as np

from backproof.checks.learning import passes
from backproof.checks.learning.by_doing import Step
from backproof.checks.learning.given import Given
from backproof.checks.learning.passes import Layers

FIRST = 0.9  # how much of the mean of gradients is kept
SECOND = 0.999  # the same of that of their squares
SMALLEST = 1e-8  # beside the root of it


def adam_step(given: Given) -> Step:
    """Adam with our own gradients: (W, b, rows, rate) -> (W, b). From the given weights a training
    begins anew."""
    moments: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}
    count = 0

    def step(W: Layers, b: Layers, rows: np.ndarray, rate: float) -> tuple[Layers, Layers]:
        nonlocal count
        if W is given.W:
            moments.clear()
            count = 0
        count += 1
        back = passes.run(given.x[rows], given.Y[rows], W, b, given.shape)
        moved_W = {layer: W[layer] - rate * moved("W", layer, back.dW[layer]) for layer in W}
        moved_b = {layer: b[layer] - rate * moved("b", layer, back.db[layer]) for layer in b}
        return moved_W, moved_b

    def moved(kind: str, layer: int, gradient: np.ndarray) -> np.ndarray:
        zero = np.zeros_like(gradient)
        mean, square = moments.get((kind, layer), (zero, zero))
        mean = FIRST * mean + (1 - FIRST) * gradient
        square = SECOND * square + (1 - SECOND) * gradient**2
        moments[kind, layer] = mean, square
        length = np.sqrt(square / (1 - SECOND**count)) + SMALLEST
        return np.asarray(mean / (1 - FIRST**count) / length)

    return step

"""What the right pass makes of z, and of p and the targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backproof.checks import by_hand
from backproof.checks.activations import Activation, named
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import Page


def hidden(page: Page, layer: int) -> Activation:
    """The activation of a hidden layer."""
    return page.problem.activation[layer]


def output(page: Page) -> Callable[[np.ndarray], np.ndarray]:
    """What makes p of the logits."""
    head = page.problem.head
    return lambda z: by_hand.output_of(z, head)


def dz_of_output(page: Page) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """What the right head makes of an output and its targets: dz[L], as large as the candidate's
    gradients; None where that cannot be made of p alone."""
    weight = page.weight
    head = page.problem.head
    if head.equation in ("(B1)", "(B9)"):
        return lambda p, Y: weight * (p - Y)
    if not head.is_quadratic:
        return None
    scale = weight if head.cost == "half-quadratic" else 2 * weight
    if head.is_softmax:
        return lambda p, Y: scale * p * (p - Y - ((p - Y) * p).sum(axis=1, keepdims=True))
    slope = _slope_of_output(page)
    return lambda p, Y: scale * (p - Y) * slope(p)


def _slope_of_output(page: Page) -> Callable[[np.ndarray], np.ndarray]:
    """h' of an element-wise output, of p where that is enough; else at the right logits."""
    name = page.problem.head.output
    made = {"sigmoid": lambda p: p * (1 - p), "tanh": lambda p: 1 - p**2}
    if name in made:
        return made[name]
    z = page.values[Quantity("z", page.problem.L)]
    right = named(name).h_prime(z, page.values[Quantity("p")])
    return lambda p: right

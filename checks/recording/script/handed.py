"""The gradients that an optimizer is handed, where it evens out their sizes, as Adam does: what is
taken off shows no more of them than their signs.

At the first step every entry of a weight moves against the sign of its gradient. The first array in
the shape of a weight that has all of those signs, made between the forward pass and the update, is
the gradient, as large as the script makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script import losses
from backproof.checks.recording.script.layers import Layer
from backproof.checks.recording.script.readings import Reading

FEWEST = 6  # entries whose signs agree by no accident, among the few arrays of one shape
NEAR = 1e-6


@dataclass(frozen=True)
class Handed:
    """Gradients as lines make them.

    Attributes:
        gradients: by quantity, in the project's shapes.
        factor: of those that are right, by what they are larger than of the mean loss; 1 where none
            is.
    """

    gradients: dict[Quantity, np.ndarray]
    factor: float


def handed(best: Reading) -> Handed | None:
    """The gradients of a step; None where any was not seen, or all sizes come through."""
    lost = {quantity: change.lost for quantity, change in best.changes.items()}
    large = [array for array in lost.values() if array.size >= FEWEST]
    if not large or not all(losses.is_adaptive(array) for array in large):
        return None
    found: dict[Quantity, np.ndarray] = {}
    for quantity, array in lost.items():
        gradient = _first(best, quantity, array)
        if gradient is None:
            return None
        found[quantity] = gradient
    factors = [
        float(np.vdot(found[one], best.page.values[one]) / np.vdot(right, right))
        for one, right in best.page.values.items()
        if best.seen.get(one) and right.any()
    ]
    if any(abs(one - factors[0]) > NEAR * abs(factors[0]) for one in factors):
        return None
    return Handed(found, factors[0] if factors else 1.0)


def _first(best: Reading, quantity: Quantity, lost: np.ndarray) -> np.ndarray | None:
    """The first array that has the signs of what was lost; zeros where nothing was."""
    if not lost.any():
        return np.zeros(lost.shape)
    layer = best.found.layers[(quantity.layer or best.L) - 1]
    since = best.passes[0].ended
    for made in best.found.archive.made:
        if since <= made.time <= best.step.after:
            array = _laid(made.value, quantity, layer, lost.shape)
            if array is not None and np.array_equal(np.sign(array), np.sign(lost)):
                return array
    return None


def _laid(
    value: np.ndarray, quantity: Quantity, layer: Layer, shape: tuple[int, ...]
) -> np.ndarray | None:
    """An array that lies as a parameter does, in the project's shape; None where it does not."""
    if quantity.kind == "db" and layer.ones is None:
        return value.reshape(shape) if value.size == np.prod(shape) else None
    if value.ndim != 2 or value.shape != layer.W.versions[0].value.shape:
        return None
    W, b = layer.split(value, None)
    return W if quantity.kind == "dW" else b

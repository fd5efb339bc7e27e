"""What learning depends on of an activation, of any: its slope at a weighted sum, on which sides it
is flat, and whether the way that people write it can overflow."""

from __future__ import annotations

import numpy as np

from backproof.checks.activations import Activation

FAR = 40.0  # from here on whatever flattens is flat to rounding
FLAT = 1e-3  # of the largest slope


def slope(activation: Activation, z: np.ndarray) -> np.ndarray:
    """h' at weighted sums."""
    return activation.h_prime(z, activation.h(z))


def flat_sides(activation: Activation) -> str:
    """Where nothing gets through: "both" sides, the "left" one, or "none"."""
    slopes = np.abs(slope(activation, np.array([-FAR, FAR])))
    left, right = (slopes < FLAT * activation.steepest).tolist()
    if left and right:
        return "both"
    if left:
        return "left"
    return "none"

"""What may be made of z: which activation makes one recorded array of another."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from backproof.checks import by_hand
from backproof.checks.activations import ACTIVATIONS, Activation, named

COMMON = ("sigmoid", "tanh", "relu", "leaky-relu", "softmax")  # tried where z itself is not kept
TRIED = ("sigmoid", "tanh", "relu", "leaky-relu", "elu", "softplus", "silu", "gelu", "gelu-tanh")
OUTPUTS = ("softmax", *TRIED)
FEWEST_SLOPES = 2  # negative entries that show the slope of a leaky ReLU


@lru_cache(maxsize=64)
def functions(K: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What may be made of z, by its name; of a single output no softmax."""
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        name: ACTIVATIONS[name].h for name in (*TRIED, "identity")
    }
    if K > 1:
        found["softmax"] = by_hand.softmax
    return found


def between(z: np.ndarray, a: np.ndarray, near: float) -> Activation | None:
    """The activation that makes an array of another one, such as a leaky ReLU of any slope.

    Args:
        z, a: one sample a row.
        near: how near is the same, relative to the largest entry.
    """
    if z.shape != a.shape:
        return None
    largest = float(np.abs(a).max(initial=0))
    with np.errstate(all="ignore"):
        for name in (*TRIED, "identity"):
            made = ACTIVATIONS[name].h(z)
            if np.abs(made - a).max(initial=0) <= near * float(np.abs(made).max(initial=0)):
                return ACTIVATIONS[name]
    slope = _slope(z, a, near * largest)
    return None if slope is None else named("leaky-relu", slope)


def _slope(z: np.ndarray, a: np.ndarray, off: float) -> float | None:
    """By what the negative entries are multiplied, where the others stay as they are."""
    below = z < 0
    if int(below.sum()) < FEWEST_SLOPES or np.abs(a - z)[~below].max(initial=0) > off:
        return None
    at = int(np.abs(z[below]).argmax())
    slope = float(a[below][at] / z[below][at])
    if not 0 < slope < 1 or np.abs(a - slope * z)[below].max() > off:
        return None
    rounded = float(f"{slope:.6g}")
    if np.abs(a - rounded * z)[below].max() > off:
        return slope
    return rounded

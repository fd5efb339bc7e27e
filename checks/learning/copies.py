"""How many units of a layer are no copies of each other."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

    Layers = dict[int, Float64[np.ndarray, "..."]]

# relative distance below which two units are one: 1000 roundings of float32, 10,000 times closer
# than any two drawn ones
COPY = 1e-4
# random directions on which units are compared: two different ones agree on all of them with odds
# of COPY**16
DIRECTIONS = 16
MOST_PAIRED = 4096  # units that are compared two and two


def distinct_units(
    incoming: Float64[np.ndarray, "n n_in"],
    b: Float64[np.ndarray, " n"],
    outgoing: Float64[np.ndarray, "n_out n"],
) -> int:
    """How many units of a layer are no copies of each other.

    A copy has the same weights in, the same bias and the same weights out: then its activation is
    the same, and what comes back to it, so it receives the same gradient for ever. The same weights
    in alone prove nothing: zero W[1] under a random W[2] separates.

    Args:
        incoming: W[layer].
        b: b[layer].
        outgoing: W[layer + 1].
    Returns: the number of groups.
    """
    features = np.column_stack([_scaled(np.column_stack([incoming, b])), _scaled(outgoing.T)])
    seen = features @ _directions(features.shape[1]) / np.sqrt(features.shape[1] * DIRECTIONS)
    square = (seen**2).sum(axis=1)
    if len(seen) > MOST_PAIRED:
        # Pairs would take more memory than there is. Copies differ by rounding, so they lie in one
        # cell of a grid that is so much coarser.
        cell = 10 * np.sqrt(COPY**2 + 1e-14 * square.max())
        return len(np.unique(np.floor(seen / cell), axis=0))
    distance = square[:, None] + square - 2 * seen @ seen.T
    # the copy with the lowest number
    first = (distance <= COPY**2 + 1e-14 * square.max()).argmax(axis=1)
    return int((first == np.arange(len(first))).sum())


@lru_cache(maxsize=8)  # a training looks at the same layers again and again
def _directions(count: int) -> Float64[np.ndarray, "count D"]:
    """Any fixed directions will do."""
    return np.random.default_rng(0).normal(size=(count, DIRECTIONS))


def _scaled(rows: np.ndarray) -> np.ndarray:
    """In units of the root mean square of all entries; zeros stay zeros."""
    size = np.sqrt((rows**2).mean())
    if size > 0:
        return rows / size
    return rows

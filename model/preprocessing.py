"""What happens to a sample before the network sees it: x -> (x - mean) / scale."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Inexact, Real

# numbers that are computed at once: half a MiB of float64, which a core keeps in its cache
BLOCK = 1 << 16


@dataclass(frozen=True)
class Preprocessing:
    """x -> (x - mean) / scale, kept with the run so that label.py does the same.

    Args:
        mean: of each feature.
        scale: of each feature, never 0.
    Raises: ValueError if a scale is 0 or a number isn't finite.
    """

    mean: Float64[np.ndarray, " n_0"]
    scale: Float64[np.ndarray, " n_0"]

    def __post_init__(self) -> None:
        if not (
            np.isfinite(self.mean).all() and np.isfinite(self.scale).all() and self.scale.all()
        ):
            raise ValueError(
                "expected a finite mean and a finite scale other than 0 for each feature"
            )

    def __call__(
        self, x: Real[np.ndarray, "N n_0"], dtype: DTypeLike = np.float64
    ) -> Inexact[np.ndarray, "N n_0"]:
        """The network's input, computed in float64 and then rounded to `dtype`.

        Raises: ValueError if a row of x has not n_0 numbers.
        """
        if x.shape[1:] != self.mean.shape:
            raise ValueError(
                f"expected rows of {len(self.mean)} numbers, got an array of shape {x.shape}"
            )
        result = np.empty(x.shape, dtype)
        rows = max(1, BLOCK // x.shape[1])
        for start in range(0, len(x), rows):
            result[start : start + rows] = (x[start : start + rows] - self.mean) / self.scale
        return result


def standardisation(x: Real[np.ndarray, "N n_0"]) -> Preprocessing:
    """Bring each feature of x to mean 0 and standard deviation 1, a constant one to 0."""
    mean = x.mean(axis=0, dtype=np.float64)
    deviation = x.std(axis=0, dtype=np.float64)
    constant = x.min(axis=0) == x.max(axis=0)  # where rounding may leave a deviation of 1e-17
    return Preprocessing(
        np.where(constant, x[0], mean), np.where(constant | (deviation == 0), 1.0, deviation)
    )


def scaling(n_0: int, scale: float) -> Preprocessing:
    """Divide every feature by the same number."""
    return Preprocessing(np.zeros(n_0), np.full(n_0, scale))

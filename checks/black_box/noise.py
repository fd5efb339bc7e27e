"""How much of a function's value is noise: rounding, or whatever makes it differ from run to run.

Evaluate f at equally spaced points and take differences of differences. A smooth function's k-th
difference shrinks with the k-th power of the spacing, noise does not: the k-th difference of
independent noise of standard deviation sigma has the variance sigma**2 * (2k)! / (k!)**2. So each
column of the difference table gives an estimate of sigma, and the first column from which three in
a row agree is believed (Moré and Wild, Estimating Computational Noise, SIAM J. Sci. Comput. 33,
2011).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

Spacing = Literal["good", "too small", "too large"]

POINTS = (
    9  # the paper recommends 7 at least; 9 give its three columns in a row four more to choose from
)
AGREEMENT = 4.0  # the paper's factor within which three neighbouring columns must agree
RESOLUTION = 12**-0.5  # standard deviation of rounding to the nearest of a grid of spacing 1


@dataclass(frozen=True)
class Noise:
    """The noise of a function around a point.

    Attributes:
        level: its standard deviation, in the unit of the function; 0 where the values show none.
        spacing: whether the points were spaced so that the level can be believed.
        columns: the estimate of each column of the difference table, for who wants to look.
    """

    level: float
    spacing: Spacing
    columns: tuple[float, ...] = ()


def estimate(values: Float64[np.ndarray, " M"]) -> Noise:
    """The noise of a function from its values at M equally spaced points.

    Args:
        values: f(x), f(x + h), ..., f(x + (M - 1) h) along any line; 4 or more.
    Returns: the level; "too small" a spacing if half of the values repeat their neighbour, "too
        large" if the values differ in their first digit or no three columns agree, and then the
        smallest column is the level, because trends only add to it.
    Raises: ValueError for fewer than 4 values.
    Source: Moré and Wild 2011; their gamma_k is (k!)**2 / (2k)!.
    """
    if len(values) < 4:
        raise ValueError(f"expected 4 values or more, got {len(values)}")
    columns = []
    changes_sign = []
    gamma = 1.0
    table = np.asarray(values, dtype=np.float64)
    for k in range(1, len(values)):
        table = np.diff(table)
        gamma *= 0.5 * k / (2 * k - 1)
        columns.append(float(np.sqrt(gamma * np.mean(table**2))))
        changes_sign.append(bool(table.min() < 0 < table.max()))
    if np.count_nonzero(np.diff(values) == 0) >= len(values) / 2:
        return Noise(min(columns), "too small", tuple(columns))
    spread = float(np.ptp(values))
    largest = float(np.abs(values).max())
    for k in range(len(columns) - 2):
        three = columns[k : k + 3]
        if changes_sign[k] and max(three) <= AGREEMENT * min(three) and spread <= 0.1 * largest:
            return Noise(columns[k], "good", tuple(columns))
    return Noise(min(columns), "too large", tuple(columns))


def along(f: Callable[[float], float], spacing: float, at_0: float, attempts: int = 2) -> Noise:
    """The noise of f along a line, with another spacing where the first was wrong.

    Args:
        f: the function, of the distance along the line.
        spacing: first guess of the distance between points; 1e-4 of the distance over which f bends
            is good.
        at_0: f(0), which the caller has already.
        attempts: how many spacings to try, each for POINTS - 1 evaluations: a hundred times more,
            or less, as in the paper.
    Returns: the first good estimate, or the largest of all: to overrate noise hides small errors,
    to underrate it invents them.
    """
    found = []
    for _ in range(attempts):
        half = POINTS // 2
        values = np.array([at_0 if j == 0 else f(j * spacing) for j in range(-half, half + 1)])
        found.append(estimate(values) if np.isfinite(values).all() else Noise(0.0, "too large"))
        if found[-1].spacing == "good":
            return found[-1]
        spacing *= 100 if found[-1].spacing == "too small" else 0.01
    return max(found, key=lambda noise: noise.level)


def of_rounding(values: Float64[np.ndarray, " M"] | float, eps: float) -> float:
    """The least noise that values of this size can have: each is rounded to a grid of spacing eps
    times its magnitude."""
    return RESOLUTION * eps * float(np.abs(values).max())

"""How much rounding a sum may carry: rules 2 and 3 of checks/bound.py, over units and over
samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

TINY = float(np.finfo(np.float64).tiny)
UNDERFLOWN = 1e-280  # a sum of squares of numbers of about 1 below this may lack some of them
BLOCKS = 16  # partial sums that are looked at in each sum; those of a shorter sum are all


def root_sum_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """sqrt(x**2 @ y**2), each row of x scaled by its largest entry, so that hardly a square
    underflows: rule 2."""
    largest = largest_along(x, 1)
    scaled = x / largest
    return largest * _root(scaled**2 @ y**2, lambda: np.abs(scaled) @ np.abs(y))


def _root(squares: np.ndarray, plain_sums: Callable[[], np.ndarray]) -> np.ndarray:
    """The roots of sums of squares; where squares may have underflowed, the sum of what was squared
    in their place, which is larger: a row's largest entry may meet a zero, and leave a sum to
    entries too small to be squared."""
    roots = np.sqrt(squares)
    lost = squares < UNDERFLOWN
    if lost.any():
        roots[lost] = plain_sums()[lost]
    return roots


def linear(E: np.ndarray, W: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """The error of a @ W from the errors E of a: independent ones and copies in squares, a common
    one with the signs of W."""
    return np.hypot(root_sum_squares(E * np.sqrt(copies), W), E @ W)


def summing(
    x: np.ndarray,
    y: np.ndarray,
    products: np.ndarray,
    copies: np.ndarray,
    first_term: np.ndarray | float = 0.0,
) -> np.ndarray:
    """What rounding the partial sums and the products of x @ y amounts to, in units of eps; some
    libraries start with the bias.

    The partial sums are those at the end of each of BLOCKS blocks, each as often as its block is
    long.
    """
    n = x.shape[1]
    width = -(-x.shape[1] // BLOCKS)
    blocks = -(-n // width)
    padding = blocks * width - n
    if padding:
        x = np.pad(x, ((0, 0), (0, padding)))
        y = np.pad(y, ((0, padding), (0, 0)))
    of_blocks = x.reshape(len(x), blocks, width).transpose(1, 0, 2) @ y.reshape(blocks, width, -1)
    # a running sum, in half the time of np.cumsum
    up_to = np.tri(blocks) @ of_blocks.reshape(blocks, -1)
    partial = np.abs(up_to.reshape(of_blocks.shape)) + np.abs(first_term)
    largest = np.maximum(np.maximum(partial.max(axis=0), products), TINY)
    partial /= largest
    squares = width * (partial**2).sum(axis=0) - padding * partial[-1] ** 2
    squares = _alike(copies) * squares + (1 + n / BLOCKS) * (products / largest) ** 2
    return largest * np.sqrt(squares)


def _alike(copies: np.ndarray) -> float:
    """Adding the same number again and again rounds the same way each time: m equal terms err m
    half eps, not sqrt(m) eps."""
    return max(1.0, float(copies.sum()) / len(copies) / 4)


def copies_of(rows: np.ndarray) -> np.ndarray:
    """How many rows are the same as each row, itself included, to twelve digits of the largest
    entry: rule 3.

    Rows are compared by their products with one fixed vector of mean square 1: equal rows have
    equal products, and others have unequal ones but by a chance of one in 1e12.
    """
    digits = np.round(rows @ _weights(rows.shape[1]) / max(float(np.abs(rows).max()), 1e-300), 12)
    ascending = np.sort(digits)
    if (ascending[1:] > ascending[:-1]).all():  # nearly always, and in a fifth of the time
        return np.ones(len(digits), dtype=np.int64)
    _, which, counts = np.unique(digits, return_inverse=True, return_counts=True)
    return counts[which.reshape(-1)]


@lru_cache(maxsize=16)
def _weights(n: int) -> np.ndarray:
    """cos of the squares of whole numbers, of mean square 1: no sum of some of them is a sum of
    others."""
    return np.cos(np.arange(n) ** 2) * np.sqrt(2)


def largest_along(x: np.ndarray, axis: int) -> np.ndarray:
    """The largest magnitude along an axis, never 0, to divide by."""
    return np.maximum(np.abs(x).max(axis=axis, keepdims=True), TINY)


def over_samples(
    dz: np.ndarray,
    dz_error: np.ndarray,
    magnitude: np.ndarray,
    samples: np.ndarray,
    a: np.ndarray,
    a_error: np.ndarray | None,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """E of dW and db: (B2) and (B3), sums over N samples, whose order is random; `samples` says how
    many are alike.

    The k-th partial sum of numbers p in random order has the mean square k (N - k) / (N (N - 1))
    sum(p**2) + k (k - 1) / (N (N - 1)) sum(p)**2. Over all k that is (N + 1) / 6 sum(p**2) + (N +
    1) / 3 sum(p)**2, so no partial sum need be computed. Columns are scaled by their largest entry,
    so that hardly a square underflows.
    """
    n = largest_along(np.maximum(magnitude, dz_error), 0)
    n_in = largest_along(a if a_error is None else np.maximum(a, a_error), 0)
    often = _alike(samples) * (len(dz) + 1)
    of_dz = samples[:, None] * (dz_error / n) ** 2 + eps**2 * (often / 6 + 1) * (magnitude / n) ** 2
    scaled = a / n_in
    total = (dz / n).T @ scaled
    squares = of_dz.T @ scaled**2
    if a_error is not None:
        squares += (samples[:, None] * (magnitude / n) ** 2).T @ (a_error / n_in) ** 2
    squares += eps**2 * often / 3 * total**2

    def plain_sums() -> np.ndarray:
        off = samples[:, None] * dz_error + eps * np.sqrt(often / 6 + 1) * magnitude
        sums = (off / n).T @ np.abs(scaled) + eps * np.sqrt(often / 3) * np.abs(total)
        if a_error is not None:
            sums += (samples[:, None] * magnitude / n).T @ (a_error / n_in)
        return sums

    db = (dz / n).sum(axis=0)
    return (
        n.T * n_in * (_root(squares, plain_sums) + 2 * eps * np.abs(total)),
        n[0] * (np.sqrt(of_dz.sum(axis=0) + eps**2 * often / 3 * db**2) + 2 * eps * np.abs(db)),
    )

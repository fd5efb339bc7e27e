"""How light each pixel is -> ink: 1 where a stroke is and 0 on the paper, and whether there are
strokes at all.

The paper is whatever most of the picture is, so polarity needs no guess about colours. Its level
may vary smoothly over the picture, as it does under a lamp. What differs from it is ink.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float64, Int64

FLOOR = 0.1  # of full ink: less is an artefact of JPEG
# pixels a side at which the picture as a whole is judged: strokes still show, fine noise averages
# out
COARSE = 64
SPECK = 0.05  # a piece with this share of the largest piece's ink is a stroke; with less it is dirt


def separate(grey: Float64[np.ndarray, "h w"]) -> tuple[Float64[np.ndarray, "h w"], float, float]:
    """Tell ink from paper.

    Args:
        grey: lightness, 0 to 1.
    Returns: the ink; the contrast of the strokes to the paper, in the unit of `grey`; and how
        uneven the paper is, seen from afar: the median of |lightness - paper| over the paper, in
        units of that contrast.
    """
    far = pooled(grey, np.add)
    coefficients = _paper(far)
    unevenness = _unevenness(np.abs(far - _surface(coefficients, far.shape)))
    paper = _surface(coefficients, grey.shape)
    difference = grey - paper
    strokes = np.abs(difference) > _otsu(np.abs(difference))
    # dark strokes: they reflect a share of the light, so where less falls they differ by less
    if difference[strokes].sum() < 0:
        difference = -difference / np.maximum(paper / paper.max(), 0.1)
    contrast = float(np.quantile(difference[strokes], 0.9)) if strokes.any() else 0.0
    ink = np.clip(difference / (contrast or 1.0), 0, 1)
    return np.where(ink < FLOOR, 0.0, ink), contrast, unevenness


def clean(ink: Float64[np.ndarray, "h w"]) -> tuple[Float64[np.ndarray, "h w"], int]:
    """Drop specks of dirt: the ink without them, and how many pieces it has."""
    pieces = _connected(pooled(ink, np.maximum) > 0)
    sums = np.bincount(pieces.ravel(), pooled(ink, np.add).ravel())
    sums[0] = 0  # where there is no ink
    kept = sums >= SPECK * sums.max()
    kept[0] = True
    rows, columns = (
        np.searchsorted(_starts(n, max(ink.shape)), np.arange(n), side="right") - 1
        for n in ink.shape
    )
    return ink * kept[pieces][np.ix_(rows, columns)], int(kept.sum()) - 1


def crossings(ink: Float64[np.ndarray, "h w"]) -> float:
    """How many strokes a row or column within the bounding box crosses, on average; 0 without ink.

    It is the length of the outlines over that of the bounding box. Seen from afar thin strokes
    vanish from the mean of a block, and narrow gaps from its maximum, so the larger count of the
    two is taken.
    """
    return max(_crossings(pooled(ink[box(ink > 0.5)], how) > 0.5) for how in (np.add, np.maximum))


def box(strokes: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The bounding box of what is true; everything where nothing is."""
    rows = np.flatnonzero(strokes.any(axis=1))
    columns = np.flatnonzero(strokes.any(axis=0))
    if not len(rows):
        return slice(None), slice(None)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def pooled(
    array: Float64[np.ndarray, "h w"], how: np.ufunc, side: int = COARSE
) -> Float64[np.ndarray, "h2 w2"]:
    """Seen from afar: blocks of pixels, at most `side` a side, become their mean (np.add) or their
    maximum (np.maximum)."""
    rows, columns = (_starts(n, max(array.shape), side) for n in array.shape)
    blocks = how.reduceat(how.reduceat(array, rows, axis=0), columns, axis=1)
    sizes = [
        np.diff(starts, append=n) for starts, n in zip((rows, columns), array.shape, strict=True)
    ]
    if how is np.add:
        return blocks / np.outer(*sizes)
    return blocks


def _crossings(strokes: Bool[np.ndarray, "h w"]) -> float:
    outline = np.pad(strokes, 1)
    edges = np.count_nonzero(np.diff(outline, axis=0)) + np.count_nonzero(np.diff(outline, axis=1))
    return edges / (2 * sum(strokes.shape))


def _starts(n: int, longest: int, side: int = COARSE) -> Int64[np.ndarray, " blocks"]:
    """Where the blocks of a side of n pixels start, when the longest side is divided into at most
    `side` blocks."""
    blocks = min(n, max(1, round(n * side / longest)))
    return np.arange(blocks) * n // blocks


def _paper(far: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, " 6"]:
    """The paper's lightness as a quadratic surface over the picture; constant unless the surface
    halves what it leaves over."""
    level, paper = _level(far)
    constant = np.array([level, 0, 0, 0, 0, 0])
    monomials = _monomials(far.shape)
    for _ in range(5):  # fit to what is paper, see again what is paper: settles after two or three
        surface = np.linalg.lstsq(monomials[paper], far[paper], rcond=None)[0]
        difference = np.abs(far - monomials @ surface)
        paper = difference <= _otsu(difference)
    left_over = np.median(np.abs(far - level)[paper])
    if np.median(difference[paper]) < left_over / 2:
        return surface
    return constant


def _level(far: Float64[np.ndarray, "h w"]) -> tuple[float, Bool[np.ndarray, "h w"]]:
    """The lightness of the paper, and where it is: most of the picture or, where that is close,
    most of its edge."""
    paper = far > _otsu(far)
    share = paper.mean()
    if 1 / 3 < share < 2 / 3:
        share = np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]]).mean()
    paper = paper if share >= 0.5 else ~paper
    return float(np.median(far[paper])), paper


def _unevenness(difference: Float64[np.ndarray, "h w"]) -> float:
    strokes = difference > _otsu(difference)
    if strokes.any():
        return float(np.median(difference[~strokes]) / np.quantile(difference[strokes], 0.9))
    return 0.0


def _surface(
    coefficients: Float64[np.ndarray, " 6"], shape: tuple[int, ...]
) -> Float64[np.ndarray, "h w"]:
    """The quadratic surface at every pixel, or its constant."""
    if coefficients[1:].any():
        return _monomials(shape) @ coefficients
    return np.full(shape, coefficients[0])


def _monomials(shape: tuple[int, ...]) -> Float64[np.ndarray, "h w 6"]:
    """1, y, x, yy, yx and xx at the centre of every pixel; the picture's sides are -1 and 1,
    whatever its resolution."""
    y, x = np.meshgrid(*((2 * np.arange(n) + 1) / n - 1 for n in shape), indexing="ij")
    return np.stack([np.ones(shape), y, x, y * y, y * x, x * x], axis=-1)


def _otsu(values: Float64[np.ndarray, "h w"]) -> float:
    """The threshold that divides the values into two groups, each as uniform as possible.

    Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE Trans. SMC 9, 1979,
    equation (18).
    """
    if np.ptp(values) < 1e-9:  # only rounding tells them apart
        return float(values.max())
    count, edges = np.histogram(values, bins=256)
    below = np.cumsum(count)
    total = values.size
    sums = np.cumsum(count * (edges[1:] + edges[:-1]) / 2)
    inside = (below > 0) & (below < total)
    below = below[inside]
    sums_below = sums[inside]
    edges = edges[1:][inside]
    between = (sums[-1] * below / total - sums_below) ** 2 / (below * (total - below))
    # all of a gap between two levels: its middle
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[best].mean())


def _connected(occupied: Bool[np.ndarray, "h w"]) -> Int64[np.ndarray, "h w"]:
    """A number for every piece whose pixels touch, by a side or by a corner, counted from 1; 0
    elsewhere."""
    labels = np.where(occupied, np.arange(1, occupied.size + 1).reshape(occupied.shape), 0)
    while True:  # the largest number of a piece spreads to all of it
        padded = np.pad(labels, 1)
        rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
        spread = np.where(
            occupied, np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]), 0
        )
        if np.array_equal(spread, labels):
            return np.unique(np.append(labels, 0), return_inverse=True)[1][:-1].reshape(
                labels.shape
            )
        labels = spread

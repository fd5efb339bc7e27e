"""Strokes, once they are ink: the width of the pen, slant, and resampling."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.ink import box

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float64

# of full ink, where the bounding box begins: redrawn MNIST digits come back with the smallest error
EDGE = 0.3
# width of a stroke, in pixels of the 20x20 box: seven in ten of MNIST's digits are between, 2.4 is
# the median
PEN = (
    2.0,
    3.5,
)
FINE = 8  # pixels in which a stroke's width is changed, per pixel of the box


def cropped(ink: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h2 w2"]:
    """The strokes within their bounding box, as a pen of a width within PEN would have drawn them.

    Reduced to a few pixels, a thin line would turn into a faint one, which no network has seen.

    Args:
        ink: 1 on the strokes, 0 on the paper, and not empty.
    """
    crop = ink[box(ink > EDGE)]
    scale = 20 * FINE / max(crop.shape)
    fine = np.pad(resized(crop, *(max(1, round(n * scale)) for n in crop.shape)), 2 * FINE)
    fine /= fine.max()
    on = fine > 0.5
    edges = np.count_nonzero(np.diff(on, axis=0)) + np.count_nonzero(np.diff(on, axis=1))
    # area over length; a line that isn't straight has pi/4 of its pixels' edges
    width = 2 * on.sum() / (np.pi / 4 * edges)
    steps = round((np.clip(width, PEN[0] * FINE, PEN[1] * FINE) - width) / 2)
    if steps == 0:
        return crop
    for _ in range(abs(steps)):
        fine = _spread(fine) if steps > 0 else -_spread(-fine)
    return fine[box(fine > EDGE)]


def _spread(fine: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Each pixel becomes the largest of its 3x3 surroundings."""
    padded = np.pad(fine, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def dilated(bitmap: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Turn on what lies above, below, left or right of a pixel that is on."""
    padded = np.pad(bitmap, 1)
    return bitmap | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def eroded(bitmap: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Turn off what has a pixel that is off, or the edge of the bitmap, above, below, left or right
    of it."""
    padded = np.pad(bitmap, 1)
    return bitmap & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def upright(bitmap: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Shift rows until the leftmost pixels near the top and near the bottom lie in one column."""
    rows = np.flatnonzero(bitmap.any(axis=1))
    # the very first and last rows are noisy
    top = rows[0] + 2
    bottom = rows[-1] - 2
    if top >= bottom or not (bitmap[top].any() and bitmap[bottom].any()):
        return bitmap
    slope = (int(bitmap[top].argmax()) - int(bitmap[bottom].argmax())) / (bottom - top)
    shifts = np.rint((np.arange(len(bitmap)) - len(bitmap) // 2) * slope).astype(int)
    padded = np.pad(bitmap, ((0, 0), (len(bitmap), len(bitmap))))
    return np.stack(
        [
            np.roll(row, shift)[len(bitmap) : -len(bitmap)]
            for row, shift in zip(padded, shifts, strict=True)
        ]
    )


def resized(
    ink: Float64[np.ndarray, "h w"], height: int, width: int, *, separately: bool = False
) -> Float64[np.ndarray, "h2 w2"]:
    """Resampled with anti-aliasing; `separately`, each new pixel is the mean of its own old ones
    and of no others."""
    from PIL import Image

    how = Image.Resampling.BOX if separately else Image.Resampling.HAMMING
    picture = Image.fromarray(ink.astype(np.float32)).resize((width, height), how)
    return np.asarray(picture, dtype=np.float64).clip(0, 1)

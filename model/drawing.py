"""A picture that somebody drew -> what the data set's network expects as its input.

`read` makes ink of whatever the file was: 1 on the strokes, 0 on the paper. Then the strokes are treated as those of the data
set were, `as_mnist` or `as_digits`, and `as_text` shows in a terminal what the network sees.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.command_line import BadInput
from model.ink import box, clean, crossings, pooled, separate
from model.picture_file import SUFFIXES, lightness

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float64, Real, UInt8

__all__ = ["SUFFIXES", "as_digits", "as_mnist", "as_text", "for_network", "read"]

FAINTEST = 0.1  # of the range from black to white: fainter strokes drown in what paper and cameras do by themselves
UNEVEN = 0.1  # of the contrast, see model.ink.separate: plain paper has 0, noise of any distribution about 0.2
CROSSINGS = 3.0  # strokes that a line through the drawing crosses: MNIST has 1.5, at most 2.3; noise has 4 and more
PIECES = 8  # strokes that don't touch: a 5 may have 2; specks have dozens
EDGE = 0.3  # of full ink, where the bounding box begins: restores redrawn MNIST digits best
PEN = (2.0, 3.5)  # width of a stroke, in pixels of the 20x20 box: three in four of MNIST lie between; their median is 2.4
FINE = 8  # pixels in which a stroke's width is changed, per pixel of the box
BITMAP = (32, 20)  # pixels that a character of the 8x8 digits fills in its 32x32 bitmap
ERODE, DILATE = (560, 412), (108, 256)  # pixels on: beyond these the bitmap is thinned or thickened, once for each
SHADES = " ░▒▓█"


def read(path: Path) -> Float64[np.ndarray, "h w"]:
    """The ink of a picture file, whatever its mode, polarity, transparency and orientation.

    Args:
        path: a PNG, JPEG, BMP, GIF or WebP file.
    Returns: 1 on the strokes, 0 on the paper; at most 1024 pixels a side.
    Raises: BadInput if it is missing, no picture, too large, blank, or neither paper nor strokes.
    """
    ink, contrast, unevenness = separate(lightness(path))
    _require_contrast(path, contrast)
    ink, pieces = clean(ink)
    if unevenness > UNEVEN or pieces > PIECES or crossings(ink) > CROSSINGS:
        raise BadInput(
            f"{path}: expected strokes on a plain background, got what looks like a photograph or noise. "
            "Crop it to one drawing, or draw it again."
        )
    return ink


def as_mnist(ink: Float64[np.ndarray, "h w"]) -> UInt8[np.ndarray, "28 28"]:
    """Treat the strokes as MNIST's were: fitted into 20x20 pixels, their shape kept, and their centre of mass in the centre.

    The centre is pixel 14 of 0..27: that is where MNIST has it, within half a pixel. Strokes much thinner or thicker than MNIST's
    are given its width first, because a thin line would turn into a faint one.

    Args:
        ink: 1 on the strokes, 0 on the paper.
    Returns: 255 on the strokes.
    Source: LeCun, Cortes and Burges, The MNIST Database of Handwritten Digits.
    """
    crop = _with_pen(ink[box(ink > EDGE)])
    height, width = (max(1, round(20 * n / max(crop.shape))) for n in crop.shape)
    strokes = _resized(crop, height, width)
    mass = strokes.sum()
    y, x = (strokes.sum(axis=1 - axis) @ np.arange(n) / mass for axis, n in enumerate(strokes.shape))
    field = np.zeros((68, 68))  # so wide that strokes with a far-off centre of mass still fit, and are cut below
    top, left = 20 + int(np.floor(14.5 - y)), 20 + int(np.floor(14.5 - x))
    field[top : top + height, left : left + width] = strokes
    return np.rint(255 * field[20:48, 20:48]).astype(np.uint8)


def as_digits(ink: Float64[np.ndarray, "h w"]) -> UInt8[np.ndarray, "8 8"]:
    """Treat the strokes as those of the 8x8 digits were: a 32x32 bitmap, and how many of each 4x4 block's pixels are on.

    NIST's programs, which made the bitmap, stretch a character to 20x32 pixels, whatever its shape; thin it or thicken it where
    more or fewer pixels are on than in most; and shift its rows so that it stands upright.

    Args:
        ink: 1 on the strokes, 0 on the paper.
    Returns: 0 to 16.
    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998; Garris and others, NIST Form-Based Handprint
        Recognition System, NISTIR 5469, 1994.
    """
    crop = _with_pen(ink[box(ink > EDGE)])
    bitmap = np.pad(_resized(crop, *BITMAP) > 0.5, ((0, 0), (6, 6)))
    on = np.count_nonzero(bitmap)
    for limit in ERODE:
        bitmap = ~_dilated(~bitmap) if on > limit else bitmap
    for limit in DILATE:
        bitmap = _dilated(bitmap) if on < limit else bitmap
    return _upright(bitmap).reshape(8, 4, 8, 4).sum(axis=(1, 3)).astype(np.uint8)


def for_network(path: Path, picture: tuple[int, int] | None, data: str, largest: float = 255.0) -> Float64[np.ndarray, " n_0"]:
    """A picture file as one raw row of a run's data set, to be preprocessed like any other row.

    28x28 pixels are treated as MNIST, 8x8 as the digits. For another size the whole picture is scaled: what is dark on a light
    edge, or light on a dark one, becomes large numbers.

    Args:
        path: the picture.
        picture: (height, width) of the data set's pictures; None where its rows are no pictures.
        data: the data set's name.
        largest: raw value of full ink, for sizes other than 28x28 and 8x8 and for data sets other than mnist and digits.
    Raises: BadInput as `read` does, and for a network that was not trained on pictures.
    """
    if picture is None:
        raise BadInput(
            f"{path}: expected numbers for a network that was trained on the table {data}, got a picture. "
            "Give a row of numbers, or choose a run that was trained on pictures with --run."
        )
    if picture == (28, 28):
        row, full = as_mnist(read(path)), 255.0
    elif picture == (8, 8):
        row, full = as_digits(read(path)), 16.0
    else:
        row, full = _whole(path, *picture), 1.0
    return row.ravel() * ((full if data in ("mnist", "digits") else largest) / full)


def as_text(row: Real[np.ndarray, " n_0"], picture: tuple[int, int]) -> list[str]:
    """What the network sees, drawn with block characters: two a pixel where 80 columns are enough, otherwise one.

    Args:
        row: raw values, one picture.
        picture: its (height, width).
    """
    pixels = np.asarray(row, dtype=np.float64).reshape(picture)
    pixels = pooled(pixels, np.add, 80) if max(picture) > 80 else pixels
    low, high = min(pixels.min(), 0.0), pixels.max()
    shade = np.rint((pixels - low) / ((high - low) or 1.0) * (len(SHADES) - 1)).astype(int)
    repeat = 2 if pixels.shape[1] <= 40 else 1
    return ["".join(SHADES[i] * repeat for i in line).rstrip() for line in shade]


def _whole(path: Path, height: int, width: int) -> Float64[np.ndarray, "h w"]:
    """The whole picture: 1 where it differs most from its edge, 0 where least."""
    grey = lightness(path)
    _require_contrast(path, float(np.ptp(grey)))
    grey = (grey - grey.min()) / np.ptp(grey)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return _resized(1 - grey if edge.mean() >= 0.5 else grey, height, width)


def _require_contrast(path: Path, contrast: float) -> None:
    if contrast < FAINTEST:
        raise BadInput(f"{path}: expected a drawing, got a blank picture. Draw with more contrast to the background.")


def _with_pen(crop: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h2 w2"]:
    """The strokes as a pen of a width within PEN would have drawn them."""
    scale = 20 * FINE / max(crop.shape)
    fine = np.pad(_resized(crop, *(max(1, round(n * scale)) for n in crop.shape)), 2 * FINE)
    fine /= fine.max()
    on = fine > 0.5
    edges = np.count_nonzero(np.diff(on, axis=0)) + np.count_nonzero(np.diff(on, axis=1))
    width = 2 * on.sum() / (np.pi / 4 * edges)  # area over length; a line that isn't straight has pi/4 of its pixels' edges
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


def _dilated(bitmap: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Turn on what lies above, below, left or right of a pixel that is on."""
    padded = np.pad(bitmap, 1)
    return bitmap | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _upright(bitmap: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Shift rows until the leftmost pixels near the top and near the bottom lie in one column."""
    rows = np.flatnonzero(bitmap.any(axis=1))
    top, bottom = rows[0] + 2, rows[-1] - 2  # the very first and last rows are noisy
    if top >= bottom or not (bitmap[top].any() and bitmap[bottom].any()):
        return bitmap
    slope = (int(bitmap[top].argmax()) - int(bitmap[bottom].argmax())) / (bottom - top)
    shifts = np.rint((np.arange(len(bitmap)) - len(bitmap) // 2) * slope).astype(int)
    padded = np.pad(bitmap, ((0, 0), (len(bitmap), len(bitmap))))
    return np.stack([np.roll(row, shift)[len(bitmap) : -len(bitmap)] for row, shift in zip(padded, shifts, strict=True)])


def _resized(ink: Float64[np.ndarray, "h w"], height: int, width: int) -> Float64[np.ndarray, "h2 w2"]:
    """Resampled with anti-aliasing."""
    from PIL import Image

    resized = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.HAMMING)
    return np.asarray(resized, dtype=np.float64).clip(0, 1)

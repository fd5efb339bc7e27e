"""A picture that somebody drew -> what the data set's network expects as its input.

`read` makes ink of whatever the file was: 1 on the strokes, 0 on the paper. Then the strokes are
treated as those of the data set were, `as_mnist` or `as_digits`, and `as_text` shows in a terminal
what the network sees.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.command_line import BadInput
from backproof.model.files.picture_file import SUFFIXES, lightness
from backproof.model.ink import clean, crossings, pooled, separate
from backproof.model.strokes import cropped, dilated, eroded, resized, upright

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Real, UInt8

__all__ = ["SUFFIXES", "as_digits", "as_mnist", "as_text", "for_network", "read"]

# of the range from black to white: fainter strokes drown in what paper and cameras do by themselves
FAINTEST = 0.1
# of the contrast, see model.ink.separate: plain paper has 0, noise of any distribution about 0.2
UNEVEN = 0.1
# strokes that a line through the drawing crosses: MNIST has 1.5, at most 2.3; noise has 4 and more
CROSSINGS = 3.0
PIECES = 8  # strokes that don't touch: a 5 may have 2; specks have dozens
BITMAP = (32, 20)  # pixels that a character of the 8x8 digits fills in its 32x32 bitmap
# pixels on: beyond these the bitmap is thinned or thickened, once for each
ERODE = (560, 412)
DILATE = (108, 256)
SHADES = " ░▒▓█"
PLAIN_SHADES = " .:+#"
COLUMNS = 80  # of a terminal


def read(path: Path) -> Float64[np.ndarray, "h w"]:
    """The ink of a picture file, whatever its mode, polarity, transparency and orientation.

    Args:
        path: a PNG, JPEG, BMP, GIF or WebP file.
    Returns: 1 on the strokes, 0 on the paper; at most 1024 pixels a side.
    Raises: BadInput if it is missing, no picture, too large, blank, or not strokes on paper: noise
        always is refused, a photograph unless it shows something simple before a plain background.
    """
    ink, contrast, unevenness = separate(lightness(path))
    _require_contrast(path, contrast)
    ink, pieces = clean(ink)
    if unevenness > UNEVEN or pieces > PIECES or crossings(ink) > CROSSINGS:
        raise BadInput(
            f"{path}: expected strokes on a plain background, got what looks like a photograph or "
            "noise. "
            "Crop it to one drawing, or draw it again."
        )
    return ink


def as_mnist(ink: Float64[np.ndarray, "h w"]) -> UInt8[np.ndarray, "28 28"]:
    """Treat the strokes as MNIST's were: fitted into 20x20 pixels, their shape kept, and their
    centre of mass in the centre.

    The centre is pixel 14 of 0..27: that is where MNIST has it, within half a pixel. Strokes much
    thinner or thicker than MNIST's are given its width first, because a thin line would turn into a
    faint one.

    Args:
        ink: 1 on the strokes, 0 on the paper.
    Returns: 255 on the strokes.
    Source: LeCun, Cortes and Burges, The MNIST Database of Handwritten Digits.
    """
    crop = cropped(ink)
    height, width = (max(1, round(20 * n / max(crop.shape))) for n in crop.shape)
    strokes = resized(crop, height, width)
    mass = strokes.sum()
    y, x = (
        strokes.sum(axis=1 - axis) @ np.arange(n) / mass for axis, n in enumerate(strokes.shape)
    )
    # so wide that strokes with a far-off centre of mass still fit, and are cut below
    field = np.zeros((68, 68))
    top = 20 + int(np.floor(14.5 - y))
    left = 20 + int(np.floor(14.5 - x))
    field[top : top + height, left : left + width] = strokes
    return np.rint(255 * field[20:48, 20:48]).astype(np.uint8)


def as_digits(ink: Float64[np.ndarray, "h w"]) -> UInt8[np.ndarray, "8 8"]:
    """Treat the strokes as those of the 8x8 digits were: a 32x32 bitmap, and how many of each 4x4
    block's pixels are on.

    NIST's programs, which made the bitmap, stretch a character to 20x32 pixels, whatever its shape;
    thin it or thicken it where more or fewer pixels are on than in most; and shift its rows so that
    it stands upright.

    Args:
        ink: 1 on the strokes, 0 on the paper.
    Returns: 0 to 16.
    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998; Garris and others,
        NIST Form-Based Handprint Recognition System, NISTIR 5469, 1994.
    """
    crop = cropped(ink)
    bitmap = np.pad(resized(crop, *BITMAP) > 0.5, ((0, 0), (6, 6)))
    on = np.count_nonzero(bitmap)
    for limit in ERODE:
        bitmap = eroded(bitmap) if on > limit else bitmap
    for limit in DILATE:
        bitmap = dilated(bitmap) if on < limit else bitmap
    return upright(bitmap).reshape(8, 4, 8, 4).sum(axis=(1, 3)).astype(np.uint8)


def for_network(
    path: Path, picture: tuple[int, int] | None, data: str, largest: float | None = None
) -> Float64[np.ndarray, " n_0"]:
    """A picture file as one raw row of a run's data set, to be preprocessed like any other row.

    28x28 pixels are treated as MNIST, 8x8 as the digits. For another size the whole picture is
    scaled to it, with large numbers for what is dark on a light edge or light on a dark one.

    Args:
        path: the picture.
        picture: (height, width) of the data set's pictures; None where its rows are no pictures.
        data: the data set's name.
        largest: the data set's number for full ink; None for 255 (28x28), 16 (8x8) or 1.
    Raises: BadInput as `read` does, and for a network that was not trained on pictures.
    """
    if picture is None:
        raise BadInput(
            f"{path}: expected numbers for a network that was trained on {data}, which has no "
            "pictures, got a picture. "
            "Give a row of numbers, or choose another run with --run."
        )
    if picture == (28, 28):
        row = as_mnist(read(path))
        full = 255.0
    elif picture == (8, 8):
        row = as_digits(read(path))
        full = 16.0
    else:
        row = _whole(path, *picture)
        full = 1.0
    return row.ravel() * ((largest or full) / full)


def as_text(
    row: Real[np.ndarray, " n_0"], picture: tuple[int, int], encoding: str = "utf-8"
) -> list[str]:
    """What the network sees, as block characters: two a pixel while 80 columns are enough,
    otherwise one, reduced to 80.

    Args:
        row: raw values of one picture.
        picture: its (height, width).
        encoding: of the terminal, `sys.stdout.encoding`; one without block characters gets plain
            ones.
    """
    pixels = np.asarray(row, dtype=np.float64).reshape(picture)
    if max(picture) > COLUMNS:
        pixels = pooled(pixels, np.add, COLUMNS)
    low = min(pixels.min(), 0.0)
    high = pixels.max()
    if SHADES.encode(encoding, "ignore").decode(encoding) == SHADES:
        shades = SHADES
    else:
        shades = PLAIN_SHADES
    level = np.rint((pixels - low) / ((high - low) or 1.0) * (len(shades) - 1)).astype(int)
    repeat = 2 if 2 * pixels.shape[1] <= COLUMNS else 1
    return ["".join(shades[i] * repeat for i in line).rstrip() for line in level]


def _whole(path: Path, height: int, width: int) -> Float64[np.ndarray, "h w"]:
    """The whole picture: 1 where it differs most from its edge, 0 where least."""
    grey = lightness(path)
    _require_contrast(path, float(np.ptp(grey)))
    grey = (grey - grey.min()) / np.ptp(grey)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return resized(1 - grey if edge.mean() >= 0.5 else grey, height, width, separately=True)


def _require_contrast(path: Path, contrast: float) -> None:
    if contrast < FAINTEST:
        raise BadInput(
            f"{path}: expected a drawing, got a blank picture. Draw with more contrast to the "
            "background."
        )

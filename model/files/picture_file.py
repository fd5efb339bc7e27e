"""A picture file -> how light each of its pixels is, whatever its format, mode, orientation and
transparency.

Pillow is imported where a file is opened, so that labelling numbers doesn't wait for it.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.command_line import BadInput

if TYPE_CHECKING:
    from PIL import Image
if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
LARGEST = 64_000_000  # pixels of a file: 256 MiB once unpacked, and more than a telephone takes
LONG_SIDE = 1024  # pixels that are kept: a digit that is a twentieth of the picture still has 50
# of the range from black to white, or from clear to opaque: what is below counts as constant
VARIES = 0.1
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


def lightness(path: Path) -> Float64[np.ndarray, "h w"]:
    """How light each pixel is, upright, reduced to at most LONG_SIDE pixels a side.

    Of a coloured picture it is the lightness or the colour channel that varies most, so that red on
    green has contrast too. Where the opacity draws the strokes, they are dark and the clear part is
    light.

    Args:
        path: a PNG, JPEG, BMP, GIF or WebP file.
    Returns: 0 is black, 1 is white.
    Raises: BadInput if the file is missing, unreadable, no picture, broken, or too large.
    """
    rgba = _pixels(path) / 255
    colours = rgba[:, :, :3]
    opacity = rgba[:, :, 3]
    if np.ptp(opacity) >= VARIES:
        if _opacity_is_ink(colours, opacity):
            return 1 - opacity
        paper = np.median(colours[opacity > opacity.max() / 2], axis=0)
        colours = colours * opacity[:, :, None] + paper * (1 - opacity[:, :, None])
    elif opacity.max() < VARIES:
        return np.ones(opacity.shape)
    channels = [colours @ LUMA, *np.moveaxis(colours, 2, 0)]
    return max(channels, key=np.std)


def _opacity_is_ink(
    colours: Float64[np.ndarray, "h w 3"], opacity: Float64[np.ndarray, "h w"]
) -> bool:
    """Whether strokes lie on a clear ground; otherwise something is drawn on an opaque card whose
    surroundings are clear.

    Strokes have one colour, or they leave much of their bounding box clear; a card fills its own
    and shows two colours.
    """
    opaque = opacity > opacity.max() / 2
    one_colour = np.ptp(colours[opaque], axis=0).max() < 0.5
    rows = np.flatnonzero(opaque.any(axis=1))
    columns = np.flatnonzero(opaque.any(axis=0))
    box = opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bool(one_colour or box.mean() < 2 / 3)


def _pixels(path: Path) -> np.ndarray:
    """(h, w, 4): red, green, blue and opacity, 0..255, upright and reduced."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    expected = f"{path}: expected a PNG, JPEG, BMP, GIF or WebP picture"
    with warnings.catch_warnings():
        # about metadata that nobody will look at, and about sizes that are checked here
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > LARGEST:
                    raise Image.DecompressionBombError
                upright = ImageOps.exif_transpose(_eight_bits(image))
                return np.asarray(
                    upright.convert("RGBA").reduce(-(-max(upright.size) // LONG_SIDE))
                )
        except FileNotFoundError:
            raise BadInput(f"{expected}, got no such file. Check its name.") from None
        except UnidentifiedImageError:
            raise BadInput(f"{expected}, got something else. Save it as PNG.") from None
        except Image.DecompressionBombError:
            raise BadInput(
                f"{expected} of at most {LARGEST:,} pixels, got more. Make it smaller."
            ) from None
        except (
            OSError,
            SyntaxError,
            ValueError,
        ) as error:  # what Pillow's readers raise for a file that is cut short or garbled
            reason = getattr(error, "strerror", None) or error
            raise BadInput(f"{expected}, got: {reason}. Save it again as PNG.") from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits a pixel -> 8, keeping the most significant; any other picture as it is."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    reduced = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    reduced.info = image.info
    return reduced

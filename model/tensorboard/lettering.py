"""Text -> how dark each pixel is, out of signs that were drawn once.

The signs of the Latin, Greek and Cyrillic alphabets come with the project (glyphs.npz, drawn by
docs/glyphs.py): laying signs side by side takes a sixteenth of the time in which Pillow writes a
number, and a table of confusions holds a hundred. Other signs are drawn when a class is called by
them, as far as the font that comes with Pillow has them.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt8

FILE = Path(__file__).with_name("glyphs.npz")
# ASCII, then Latin-1 and Latin Extended-A, Greek, Cyrillic: all that the fonts have of these
ASCII = "".join(map(chr, range(ord(" "), ord("~") + 1)))
BLOCKS = ((0x00A0, 0x017F), (0x0370, 0x03FF), (0x0400, 0x045F), (0x0490, 0x0491))
# of the letters, and of a line: pixels
SIZE = 12
HIGH = 16
LEVELS = 3  # ink: 0 is paper, 3 is full


@lru_cache(maxsize=4096)  # counts and names come again in every picture
def written(text: str) -> UInt8[np.ndarray, "16 w"]:
    """A line of text: 0..3 for every pixel, to be read alone."""
    if text:
        return np.hstack([_sign(sign) for sign in text])
    return np.zeros((HIGH, 0), dtype=np.uint8)


def width(text: str) -> int:
    """Of a line of text, in pixels."""
    return written(text).shape[1]


def drawn(sign: str, font: Any) -> UInt8[np.ndarray, "16 w"]:
    """A sign as Pillow draws it in one of its fonts, as wide as its advance or its ink."""
    from PIL import Image, ImageDraw

    left, _, right, _ = font.getbbox(sign)
    left = min(0, left)
    right = max(right, font.getlength(sign))
    image = Image.new("L", (max(1, int(np.ceil(right - left))), HIGH))
    ImageDraw.Draw(image).text((-left, 0), sign, fill=255, font=font)
    return np.rint(np.asarray(image) * (LEVELS / 255)).astype(np.uint8)


@cache
def _sign(sign: str) -> UInt8[np.ndarray, "16 w"]:
    known = _known()
    if sign in known:
        return known[sign]
    return drawn(sign, _other_font())


@cache
def _known() -> dict[str, UInt8[np.ndarray, "16 w"]]:
    with np.load(FILE, allow_pickle=False) as arrays:
        signs = map(chr, arrays["signs"].tolist())
        return dict(zip(signs, np.hsplit(arrays["ink"], arrays["ends"].astype(int)), strict=False))


@cache
def _other_font() -> Any:
    """What Pillow brings along."""
    from PIL import ImageFont

    return ImageFont.load_default(SIZE)

"""Text -> how dark each pixel is, out of signs that were drawn once.

The signs of ASCII come with the project (glyphs.npz, drawn by docs/glyphs.py), so that a picture of
numbers waits for no library; other signs are drawn when a class is called by them, in the font that
comes with matplotlib.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt8

FILE = Path(__file__).with_name("glyphs.npz")
SIGNS = "".join(map(chr, range(ord(" "), ord("~") + 1)))
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
        return dict(zip(SIGNS, np.hsplit(arrays["ink"], arrays["ends"].astype(int)), strict=False))


@cache
def _other_font() -> Any:
    """DejaVu Sans, which has the letters of most languages of Europe and the Near East; matplotlib
    itself is not imported."""
    from PIL import ImageFont

    package = find_spec("matplotlib")
    folders = list(package.submodule_search_locations or []) if package else []
    for path in (Path(folder) / "mpl-data/fonts/ttf/DejaVuSans.ttf" for folder in folders):
        if path.exists():
            return ImageFont.truetype(str(path), SIZE - 1)  # its letters are larger
    return ImageFont.load_default(SIZE)

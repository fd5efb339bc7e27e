"""A picture of at most 256 colours, and its PNG: an eighth of the work of true colour, and it is
drawn while training waits.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt8

# Pillow's levels 6 and 9 take four times as long and save an eighth of the bytes
COMPRESSION = 1


@dataclass(frozen=True)
class Picture:
    """Numbers of colours, and the colours (red, green and blue, 0..255) in their order."""

    pixels: UInt8[np.ndarray, "h w"]
    palette: UInt8[np.ndarray, "n 3"]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @cached_property
    def png(self) -> bytes:
        """The content of a PNG file. Pillow is imported when the first one is asked for."""
        from PIL import Image

        image = Image.fromarray(self.pixels)
        image.putpalette(self.palette.tobytes())
        content = io.BytesIO()
        image.save(content, "PNG", compress_level=COMPRESSION)
        return content.getvalue()

"""A picture of at most 256 colours, and its PNG: an eighth of the work of true colour, and it is
drawn while training waits.

Source: Portable Network Graphics (PNG) Specification, third edition, W3C 2025: sections 5.3
(chunks) and 11.2 (IHDR, PLTE, IDAT).
"""

from __future__ import annotations

import struct
import sys
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt8

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# the kind of colours, and bits a pixel
INDEXED = 3
DEPTH = 8


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
        """The content of a PNG file. Runs of one colour are all that is compressed: it takes a
        third of the time of more."""
        width, height = self.size
        lines = np.zeros((height, 1 + width), dtype=np.uint8)  # before each, the filter: none
        lines[:, 1:] = self.pixels
        compressor = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
        data = compressor.compress(lines.tobytes()) + compressor.flush()
        head = struct.pack(">IIBBBBB", width, height, DEPTH, INDEXED, 0, 0, 0)
        chunks = (
            (b"IHDR", head),
            (b"PLTE", self.palette.tobytes()),
            (b"IDAT", data),
            (b"IEND", b""),
        )
        return SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )

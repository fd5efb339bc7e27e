"""Castagnoli's cyclic redundancy check, which every record of an event file carries, at NumPy's
speed.

A check sum is the remainder of the bytes, read as a polynomial over {0, 1}, divided by 0x1EDC6F41,
lowest bit first: it is linear. So the remainder of a row of 128 bytes is the xor of what each byte
leaves at its place, which one table knows. Then neighbours are joined, two and two: the remainder
of `left right` is that of `left 00...0` xor that of `right`, and following zeros is a 32x32 matrix.
A loop over bytes took longer than drawing.

Source: RFC 3720, appendix B.4 has the check sums of 32 zeros, of 32 ones and of 0..31, which the
tests compare.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt32

REVERSED = 0x82F63B78  # 0x1EDC6F41, lowest bit first
ROW = 128  # bytes: their table of 128 KiB stays in a core's own cache
BLOCK = 64  # rows at once: the numbers of their places stay there, too
SHORT = 200  # bytes for which the loop is faster
BITS = np.arange(32, dtype=np.uint32)


def crc32c(data: bytes) -> int:
    """The check sum of some bytes."""
    if len(data) < SHORT:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
        return crc ^ 0xFFFFFFFF
    rows = -(-len(data) // ROW)
    padded = np.zeros(rows * ROW, dtype=np.uint8)  # leading zeros leave no remainder
    padded[-len(data) :] = np.frombuffer(data, dtype=np.uint8)
    padded[-len(data) : len(padded) - len(data) + 4] ^= (
        0xFF  # as if the division began with 0xFFFFFFFF
    )
    blocks = np.split(padded.reshape(rows, ROW), range(BLOCK, rows, BLOCK))
    remainders = np.zeros(1 << (rows - 1).bit_length(), dtype=np.uint32)
    remainders[-rows:] = np.concatenate(
        [np.bitwise_xor.reduce(OF_PLACE.take(block + PLACES), axis=1) for block in blocks]
    )
    level = 0
    while len(remainders) > 1:
        remainders = _times(_zeros(level), remainders[::2]) ^ remainders[1::2]
        level += 1
    return int(remainders[0]) ^ 0xFFFFFFFF


def _times(
    matrix: UInt32[np.ndarray, " 32"], vectors: UInt32[np.ndarray, " n"]
) -> UInt32[np.ndarray, " n"]:
    """A matrix, given by its columns, times each vector, modulo 2; a vector's bits are its
    entries."""
    chosen = np.where(vectors[:, None] >> BITS & 1, matrix, np.uint32(0))
    product: UInt32[np.ndarray, " n"] = np.bitwise_xor.reduce(chosen, axis=1)
    return product


@cache
def _zeros(level: int) -> UInt32[np.ndarray, " 32"]:
    """The matrix of 2**level rows of zeros: each is the one before, squared."""
    if level:
        return _times(_zeros(level - 1), _zeros(level - 1))
    columns = np.uint32(1) << BITS
    for _ in range(ROW):
        columns = _followed(columns)
    return columns


def _followed(remainders: UInt32[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    """What is left when a zero byte follows."""
    return OF_BYTE[remainders & 0xFF] ^ remainders >> 8


def _of_byte() -> UInt32[np.ndarray, " 256"]:
    """What each byte leaves behind."""
    remainder = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        remainder = remainder >> np.uint32(1) ^ (remainder & np.uint32(1)) * np.uint32(REVERSED)
    return remainder


def _of_place() -> UInt32[np.ndarray, " n"]:
    """What each byte leaves behind at each place of a row, the first place first."""
    places = [OF_BYTE]
    for _ in range(ROW - 1):
        places.append(_followed(places[-1]))
    return np.concatenate(places[::-1])


OF_BYTE = _of_byte()
TABLE: list[int] = OF_BYTE.tolist()
OF_PLACE = _of_place()
PLACES = 256 * np.arange(ROW)  # where each place begins in it

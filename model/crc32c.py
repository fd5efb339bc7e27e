"""Castagnoli's cyclic redundancy check, which every record of an event file carries, at NumPy's speed.

A check sum is the remainder of the bytes, read as a polynomial over {0, 1}, divided by 0x1EDC6F41, lowest bit first: it is linear.
So rows of 64 bytes are divided side by side, and then neighbours are joined, two and two: the remainder of `left right` is
that of `left 00...0` xor that of `right`, and following zeros is a 32x32 matrix. A loop over bytes took longer than drawing.

Source: RFC 3720, appendix B.4 has the check sums of 32 zeros, of 32 ones and of 0..31, which the tests compare.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt32

REVERSED = 0x82F63B78  # 0x1EDC6F41, lowest bit first
ROW = 64  # bytes
SHORT = 4096  # bytes for which the loop is faster
BITS = np.arange(32, dtype=np.uint32)


def crc32c(data: bytes) -> int:
    """The check sum of some bytes."""
    if len(data) < SHORT:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
        return crc ^ 0xFFFFFFFF
    rows = 1 << (-(-len(data) // ROW) - 1).bit_length()
    padded = np.zeros(rows * ROW, dtype=np.uint8)  # leading zeros leave no remainder
    padded[-len(data) :] = np.frombuffer(data, dtype=np.uint8)
    padded[-len(data) : len(padded) - len(data) + 4] ^= 0xFF  # as if the division began with 0xFFFFFFFF
    remainders = np.zeros(rows, dtype=np.uint32)
    for column in padded.reshape(rows, ROW).T:
        remainders = OF_BYTE[(remainders ^ column) & 0xFF] ^ remainders >> 8
    zeros = OF_ROW
    while len(remainders) > 1:
        remainders = _times(zeros, remainders[::2]) ^ remainders[1::2]
        zeros = _times(zeros, zeros)
    return int(remainders[0]) ^ 0xFFFFFFFF


def _times(matrix: UInt32[np.ndarray, " 32"], vectors: UInt32[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    """A matrix, given by its columns, times each vector, modulo 2; a vector's bits are its entries."""
    chosen = np.where(vectors[:, None] >> BITS & 1, matrix, np.uint32(0))
    product: UInt32[np.ndarray, " n"] = np.bitwise_xor.reduce(chosen, axis=1)
    return product


def _of_byte() -> UInt32[np.ndarray, " 256"]:
    """What each byte leaves behind."""
    remainder = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        remainder = remainder >> np.uint32(1) ^ (remainder & np.uint32(1)) * np.uint32(REVERSED)
    return remainder


def _of_row() -> UInt32[np.ndarray, " 32"]:
    """The matrix of 64 zero bytes: that of one, squared six times."""
    columns = np.uint32(1) << BITS
    matrix = OF_BYTE[columns & 0xFF] ^ columns >> 8
    for _ in range(6):
        matrix = _times(matrix, matrix)
    return matrix


OF_BYTE = _of_byte()
TABLE: list[int] = OF_BYTE.tolist()
OF_ROW = _of_row()

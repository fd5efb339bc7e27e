"""Reading what somebody names, within limits: a device without an end, a pipe that nobody writes to
or a file that unpacks to a thousand times its size must not take the machine's memory or wait for
ever.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import warnings
import zlib
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Shaped

MEBIBYTE = 1 << 20
# of a table: MNIST as text has 110 MiB, and what Python makes of it is a few times as large
MOST_TEXT = 256 * MEBIBYTE
MOST_LINES = 4_000_000
MOST_NUMBERS = 1 << 27  # of an array: 1 GiB as float64


def content_of(path: Path, most: int = MOST_TEXT) -> bytes:
    """All of a regular file.

    Args:
        path: the file; a link to one, too.
        most: bytes that are read.
    Raises: OSError, with a reason for people, if there is none, it is larger, or it is a device, a
    pipe or a folder.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"a file of more than {most // MEBIBYTE:,} MiB", os.fspath(path))
    return content


def open_regular(path: Path) -> BufferedReader:
    """A regular file, open for reading.

    Raises: OSError, with a reason for people, for anything else; it never waits.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    return os.fdopen(descriptor, "rb")


def unpacked(packed: bytes, most: int) -> bytes:
    """The content of a .gz file that holds one member or several.

    Raises: OSError, EOFError or zlib.error if it is none, or has more bytes than `most`.
    """
    parts: list[bytes] = []
    left = most
    while packed:
        if packed[:2] != b"\x1f\x8b":
            if parts and not packed.strip(b"\0"):  # padding, as tapes have it
                break
            raise OSError(f"Not a gzipped file ({packed[:2]!r})")
        machine = zlib.decompressobj(wbits=31)
        parts.append(machine.decompress(packed, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise OSError(f"more than {most // MEBIBYTE:,} MiB")
        if not machine.eof:
            raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        packed = machine.unused_data
    if not parts:
        raise EOFError("an empty file")
    return b"".join(parts)


def load_array(file: BufferedIOBase | IO[bytes], size: int) -> Shaped[np.ndarray, "..."]:
    """The array of an .npy file, whose size is compared with what its head promises before any
    memory is asked for. Nothing is unpickled.

    Args:
        file: open at its start, and able to go back there.
        size: bytes that it holds.
    Raises: ValueError, EOFError and others that NumPy raises for broken files.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that overflow, in heads that lie
        shape, dtype = _head(file)
        count = 1
        for length in shape:
            count *= length
        if count > MOST_NUMBERS:
            raise ValueError(f"an array of {count:,} numbers, more than {MOST_NUMBERS:,}")
        if count * dtype.itemsize > size:
            raise ValueError(f"{size:,} bytes for an array of shape {shape}")
        file.seek(0)
        array: Any = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _head(file: BufferedIOBase | IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type."""
    if file.read(2) == b"PK":
        raise ValueError("NpzFile")
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version in (
        (2, 0),
        (3, 0),
    ):  # the third has names in UTF-8; NumPy has no reader for its head alone
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format")
    return shape, dtype

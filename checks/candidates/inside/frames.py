"""What crosses the channel between the checker and a candidate's process: a line of JSON and raw
arrays, behind a length.

Nothing is pickled: whatever the candidate writes on the channel, reading it can only succeed or
raise ValueError, and costs no more memory than the arrays that it holds.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

LENGTH = struct.Struct("<Q")  # stands before every frame
DTYPES = ("<f8", "<i8")  # all that crosses the channel
# bytes of the line of JSON: parsed, it may take thirty times as much memory
LONGEST_HEADER = 2**20

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]


def pack(header: Header, arrays: Arrays) -> bytes:
    """One frame without its length: a line of JSON that lists the arrays, then their bytes."""
    listed = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    return b"".join(
        [
            json.dumps(header | {"arrays": listed}).encode(),
            b"\n",
            *(array.tobytes() for array in arrays.values()),
        ]
    )


def unpack(frame: bytes) -> tuple[Header, Arrays]:
    """The inverse of pack, for frames that may hold anything.

    Raises: ValueError for whatever pack did not write.
    """
    end = frame.find(b"\n", 0, LONGEST_HEADER)
    if end < 0:
        raise ValueError(f"no header within {LONGEST_HEADER} bytes")
    body = memoryview(frame)[end + 1 :]
    try:
        header = json.loads(frame[:end])
        listed = header.pop("arrays")
        arrays = {}
        at = 0
        for name, dtype, shape in listed:
            if dtype not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
                raise ValueError(f"array of {dtype} and shape {shape}")
            size = 8 * int(np.prod(shape, dtype=object))
            arrays[str(name)] = np.frombuffer(body[at : at + size], dtype).reshape(shape).copy()
            at += size
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return header, arrays

"""Files that are either the old one or the new one, never half of either; and what is no file is
written straight to.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

__all__ = [
    "STANDARD_OUTPUT",
    "replaceable",
    "temporaries_of",
    "write_atomically",
    "write_output",
]

STANDARD_OUTPUT = "-"
READABLE = 0o644  # mkstemp makes private files; what we write is there to be read
# what a system says that does not force folders to disk: Windows, and some network file systems
REFUSALS = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP, errno.EPERM}


def write_output(path: Path, content: bytes) -> None:
    """Write what somebody asked for to the place that they named.

    A regular file, or one that is not there yet, is replaced in one step; a link is followed; a
    device, a pipe and "-", which is standard output, are written straight to.

    Args:
        path: the place.
        content: all of it.
    Raises: OSError if it cannot be written; a regular file then is what it was.
    """
    if str(path) == STANDARD_OUTPUT:
        _straight(1, content)
        return
    try:
        there = path.stat()
    except FileNotFoundError:
        write_atomically(Path(os.path.realpath(path)), content)
        return
    stream = _stream_of(there)
    if stream is not None:
        _straight(stream, content)
    elif stat.S_ISREG(there.st_mode):
        write_atomically(Path(os.path.realpath(path)), content, stat.S_IMODE(there.st_mode))
    else:
        with path.open("wb", buffering=0) as file:
            _all_of(file.fileno(), content)


def replaceable(path: Path) -> bool:
    """Whether `write_output` would put a new file there: nothing is there yet, or a regular file
    that is none of our own streams."""
    try:
        there = path.stat()
    except OSError:
        return True
    return stat.S_ISREG(there.st_mode) and _stream_of(there) is None


def write_atomically(path: Path, content: bytes, mode: int = READABLE) -> None:
    """Replace a file's content in one step: write beside it, force it to disk, rename.

    Args:
        path: a regular file, or none yet; its folder must exist.
        content: all of it.
        mode: who may read and write the file.
    Raises: OSError if it cannot be written; the old content then stands.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def temporaries_of(path: Path) -> list[Path]:
    """What programs that were killed while they wrote this file left beside it."""
    name = re.compile(rf"\.{re.escape(path.name)}(\.[a-z0-9_]{{8}})?")
    try:
        return [other for other in path.parent.iterdir() if name.fullmatch(other.name)]
    except OSError:
        return []


def _stream_of(there: os.stat_result) -> int | None:
    """1 or 2 where this is the file that our own output or errors go to, as /dev/stdout may be."""
    for descriptor in (1, 2):
        try:
            own = os.fstat(descriptor)
        except OSError:
            continue
        if os.path.samestat(own, there) and not stat.S_ISCHR(there.st_mode):
            return descriptor
    return None


def _straight(descriptor: int, content: bytes) -> None:
    """Into an open stream, behind what was printed before."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    _all_of(descriptor, content)


def _all_of(descriptor: int, content: bytes) -> None:
    """Every byte: a pipe takes as many at a time as it has room for."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to disk, where the system does that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in REFUSALS:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
    finally:
        os.close(descriptor)

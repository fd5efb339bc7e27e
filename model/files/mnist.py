"""The MNIST files: found in a folder or fetched from the public mirror, verified, and read.

The format is IDX: two zero bytes, the type (8 is uint8), the number of dimensions, each dimension
as a big-endian uint32, then the numbers. Mirrors wrap the same bytes into different .gz files, so
what is verified is the MD5 and the SHA-256 of the unpacked bytes.
"""

from __future__ import annotations

import hashlib
import math
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.model.atomic import write_atomically
from backproof.model.command_line import BadInput
from backproof.model.files.reading import MEBIBYTE, content_of, unpacked

if TYPE_CHECKING:
    from urllib.request import OpenerDirector
if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import UInt8

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MD5 = {  # of the unpacked bytes
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SHA256 = {  # of the bytes with each MD5, which alone can be forged
    "6bbc9ace898e44ae57da46a324031adb": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "a25bea736e30d166cdddb491f175f624": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "2646ac647ad5339dbf082846283269ea": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "27ae3e4e09519cfbb04c329615203637": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}
MOST_PACKED = 32 * MEBIBYTE
MOST_UNPACKED = 64 * MEBIBYTE  # the largest has 45
TIMEOUT_S = 30
CHUNK = 1 << 16  # bytes between two movements of the progress bar
REPLACE = "Remove it, and fetch it with --download."
RETRY = "Try again later, or copy the file into the folder yourself."


def read_mnist(
    folder: Path, download: bool = False, mirror: str = MIRROR, md5: Mapping[str, str] = MD5
) -> dict[str, UInt8[np.ndarray, "*shape"]]:
    """Read the four files, verified, fetching those that are missing if `download`.

    Args:
        folder: where they are or shall be, as `train-images-idx3-ubyte` or
            `train-images.idx3-ubyte`, plain or `.gz`.
        download: whether to fetch what is missing.
        mirror: address of a folder that has them as `.gz`, with its final slash.
        md5: what the files are called -> MD5 of their unpacked bytes.
    Returns: each name's array: images (N, 28, 28), labels (N,).
    Raises: BadInput if a file is missing, corrupt, or cannot be fetched.
    """
    found = {name: _find(folder, name) for name in md5}
    missing = [name for name, path in found.items() if path is None]
    if missing and not download:
        raise BadInput(
            f"{folder}: expected the {len(md5)} MNIST files, plain or .gz, got none called "
            f"{', '.join(missing)}. "
            f"Add --download to fetch them from {mirror} into {folder}, or name their folder with "
            "--data-dir."
        )
    for name in missing:
        found[name] = fetch(name, folder, mirror, md5[name])
    return {
        name: parse_idx(_content(path, md5[name]), path)
        for name, path in found.items()
        if path is not None
    }


def parse_idx(content: bytes, where: object) -> UInt8[np.ndarray, "*shape"]:
    """The array in an unpacked IDX file of uint8, read-only, without a copy.

    Args:
        content: the whole file.
        where: its name, for the error.
    Raises: BadInput if this is no IDX file of uint8, or has more or fewer numbers than it says.
    """
    start = 4 + 4 * content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = np.frombuffer(content[4:start], ">u4").tolist() if 4 < start <= len(content) else []
    if not shape or len(content) != start + math.prod(shape):
        raise BadInput(
            f"{where}: expected a whole IDX file of uint8, got {len(content)} bytes that start "
            "with "
            f"{content[:4].hex() or 'nothing'}. {REPLACE}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def fetch(name: str, folder: Path, mirror: str, md5: str) -> Path:
    """Fetch one file as `.gz`; it gets its name only once its unpacked bytes are verified.

    Args:
        name: what the file is called, without `.gz`.
        folder: made if it doesn't exist.
        mirror: address of the folder that has it.
        md5: of the unpacked bytes.
    Returns: the path of the new file.
    Raises: BadInput if it cannot be fetched, is corrupt, or cannot be written; nothing is left
    behind.
    """
    packed = _get(f"{mirror}{name}.gz")
    _require(_unpacked(packed, f"{mirror}{name}.gz", RETRY), md5, f"{mirror}{name}.gz", RETRY)
    path = folder / f"{name}.gz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, packed)
    except OSError as error:
        raise BadInput(
            f"{folder}: expected a folder to write to, got: {error.strerror}. Choose one with "
            "--data-dir."
        ) from None
    return path


def _get(address: str) -> bytes:
    """The body of the answer, with a progress bar where standard error is a terminal."""
    from http.client import HTTPException  # here, because every other start would pay for them
    from urllib.error import HTTPError

    from tqdm import tqdm

    body = bytearray()
    try:
        with _opener(address).open(address, timeout=TIMEOUT_S) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            if total > MOST_PACKED:
                raise ValueError(f"one of {total:,} bytes")
            title = address.rpartition("/")[2]
            with tqdm(
                total=total or None, desc=title, unit="B", unit_scale=True, disable=None
            ) as bar:
                while chunk := answer.read(CHUNK):
                    body += chunk
                    bar.update(len(chunk))
                    if len(body) > MOST_PACKED:
                        raise ValueError(f"more than {MOST_PACKED:,} bytes")
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise BadInput(f"{address}: expected the file, got: {error}. {RETRY}") from None
    if total and len(body) != total:
        raise BadInput(f"{address}: expected {total} bytes, got {len(body)}. {RETRY}")
    return bytes(body)


def _opener(address: str) -> OpenerDirector:
    """What asks for an address over HTTP, and follows the answer to no other protocol: from https
    to https alone."""
    from urllib.error import URLError
    from urllib.request import (
        HTTPRedirectHandler,
        Request,
        build_opener,
    )

    allowed = ("https",) if address.startswith("https:") else ("https", "http")

    class Redirects(HTTPRedirectHandler):
        """A redirect to an address that is as well protected."""

        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            """The request that follows, or a refusal."""
            scheme = newurl.partition(":")[0].lower()
            if scheme not in allowed:
                fp.close()
                raise URLError(f"a redirect to {scheme}, where {' or '.join(allowed)} is expected")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener: OpenerDirector = build_opener(Redirects)
    return opener


def _find(folder: Path, name: str) -> Path | None:
    """The file under one of its four names."""
    dotted = name.replace("-idx", ".idx")
    candidates = [folder / spelling for spelling in (name, f"{name}.gz", dotted, f"{dotted}.gz")]
    try:
        return next((path for path in candidates if path.is_file()), None)
    except OSError as error:  # one that may not be searched
        raise BadInput(
            f"{folder}: expected the folder of the MNIST files, got: {error.strerror}. Name "
            "another with --data-dir."
        ) from None


def _content(path: Path, md5: str) -> bytes:
    """The file's unpacked bytes, verified."""
    try:
        content = content_of(path, MOST_UNPACKED)
    except OSError as error:
        raise BadInput(
            f"{path}: expected a readable file, got: {error.strerror}. Check its permissions."
        ) from None
    if path.suffix == ".gz":
        content = _unpacked(content, path, REPLACE)
    _require(content, md5, path, REPLACE)
    return content


def _unpacked(packed: bytes, where: object, advice: str) -> bytes:
    try:
        return unpacked(packed, MOST_UNPACKED)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{where}: expected a whole .gz file, got: {error}. {advice}") from None


def _require(content: bytes, md5: str, where: object, advice: str) -> None:
    """Raise BadInput unless the bytes have this MD5, and the SHA-256 that belongs to it."""
    came = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if came != md5:
        raise BadInput(f"{where}: expected unpacked bytes with MD5 {md5}, got {came}. {advice}")
    sha256 = SHA256.get(md5)
    came = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, came):
        raise BadInput(
            f"{where}: expected unpacked bytes with SHA-256 {sha256}, got {came}. {advice}"
        )

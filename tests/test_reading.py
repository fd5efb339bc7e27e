"""What is named is read within limits: no bomb unpacks, no device is read without end, nothing
waits."""

import gzip
import io
import os
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from backproof.model.command_line import BadInput
from backproof.model.files.npz_file import read_npz
from backproof.model.files.reading import MEBIBYTE, content_of, load_array, unpacked

ROOT = Path(__file__).parents[1]


def test_a_file_is_read_up_to_a_limit(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("f")
    assert content_of(tmp_path / "link", 3) == b"abc"
    with pytest.raises(OSError, match="a file of more than 0 MiB"):
        content_of(tmp_path / "f", 2)


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "f"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no regular file"):
        content_of(path)


@pytest.mark.parametrize("members", [[b"a" * 100], [b"a", b"", b"bc"]], ids=["one", "three"])
def test_gzip_members_are_unpacked_as_gzip_does(members):
    packed = b"".join(map(gzip.compress, members))
    assert unpacked(packed, 100) == gzip.decompress(packed)
    assert unpacked(packed + bytes(7), 100) == gzip.decompress(packed)
    with pytest.raises(EOFError, match="ended before"):
        unpacked(packed[:-3], 100)


def test_a_gzip_bomb_is_refused_before_it_unpacks():
    bomb = gzip.compress(bytes(200 * MEBIBYTE), 9)
    assert len(bomb) < MEBIBYTE
    with pytest.raises(OSError, match="more than 1 MiB"):
        unpacked(bomb, MEBIBYTE)


def header(shape):
    """An .npy file that promises this shape, and holds nothing."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("shape", ["(1000000,)", f"({10**9},)", f"({2**62}, {2**62})", "(-1, -1)"])
def test_an_array_whose_head_lies_takes_no_memory(shape):
    content = header(shape)
    with pytest.raises(ValueError, match=r"array|bytes|shape|dimensions"):
        load_array(io.BufferedReader(io.BytesIO(content)), len(content))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(6.0).reshape(2, 3), version)
    size = file.tell()
    file.seek(0)
    assert load_array(io.BufferedReader(file), size).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_an_npz_bomb_is_refused(tmp_path):
    """600 KiB that would become 5 GiB."""
    path = tmp_path / "bomb.npz"
    head = header(f"({600 * MEBIBYTE},)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("y.npy", header("(0,)"))
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(head)
            for _ in range(20):
                member.write(bytes(MEBIBYTE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match="more than 134,217,728"):
        read_npz(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_endless_standard_input_ends():
    command = [
        sys.executable,
        "-c",
        (
            "import sys; sys.path.insert(0, sys.argv[1]); from backproof.model import rows\n"
            "rows.MOST_TEXT = 1000\n"
            "try: rows._standard_input()\n"
            "except rows.BadInput as error: print(error)"
        ),
        str(ROOT),
    ]
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run(command, stdin=endless, capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith(b"standard input: expected at most 1,000 letters, got more.")

"""Files are the old one or the new one, whatever happens in between."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backproof.model import atomic
from backproof.model.atomic import write_atomically

ROOT = Path(__file__).parents[1]


def test_a_new_file_holds_exactly_what_was_written(tmp_path):
    write_atomically(tmp_path / "f", b"\0new\xff")
    assert (tmp_path / "f").read_bytes() == b"\0new\xff"
    assert os.listdir(tmp_path) == ["f"]


def test_an_old_file_is_replaced_and_others_may_read_it(tmp_path):
    (tmp_path / "f").write_bytes(b"old and longer")
    write_atomically(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o644


@pytest.mark.parametrize("where", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize(
    "error", [OSError("disk full"), KeyboardInterrupt()], ids=["OSError", "Ctrl-C"]
)
def test_a_failure_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch, where, error):
    (tmp_path / "f").write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(atomic.os, where, fail)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_content_is_on_disk_before_the_rename_and_the_rename_before_the_return(
    tmp_path, monkeypatch
):
    order = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(
            atomic.os,
            name,
            lambda *args, name=name, original=original: (order.append(name), original(*args))[1],
        )
    write_atomically(tmp_path / "f", b"new")
    assert order == ["fsync", "replace", "fsync"]


def test_a_process_killed_between_write_and_rename_leaves_the_old_file(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    program = (
        "import os, signal, sys; from pathlib import Path; from backproof.model import atomic\n"
        "atomic.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write_atomically(Path(sys.argv[1]), b'new')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "f")], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_atomically(tmp_path / "none" / "f", b"new")
    assert str(tmp_path / "none") in str(error.value.filename)

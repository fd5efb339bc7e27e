"""Files are the old one or the new one, whatever happens in between."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backproof.model import atomic
from backproof.model.atomic import temporaries_of, write_atomically, write_output

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


def test_an_output_to_a_link_goes_to_the_file_behind_it(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "target").chmod(0o600)
    (tmp_path / "link").symlink_to("target")
    write_output(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600
    (tmp_path / "nowhere").symlink_to("made")
    write_output(tmp_path / "nowhere", b"new")
    assert (tmp_path / "made").read_bytes() == b"new"
    assert (tmp_path / "nowhere").is_symlink()


def test_an_output_to_a_pipe_is_read_from_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    content = os.urandom(200_000)  # more than a pipe holds
    with (tmp_path / "copy").open("wb") as copy:
        reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=copy)
    write_output(tmp_path / "pipe", content)
    assert reader.wait(timeout=60) == 0
    assert (tmp_path / "copy").read_bytes() == content
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_an_output_to_a_device_leaves_it_one():
    write_output(Path("/dev/null"), b"x" * 100_000)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if Path("/dev/full").exists():
        with pytest.raises(OSError, match="No space"):
            write_output(Path("/dev/full"), b"x")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_an_output_to_standard_output_comes_after_what_was_printed(tmp_path, name, kind):
    program = (
        "import sys; from pathlib import Path; from backproof.model.atomic import write_output\n"
        "print('before'); write_output(Path(sys.argv[1]), b'content\\n'); print('after')"
    )
    with (tmp_path / "out").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program, name],
            cwd=ROOT,
            stdout=subprocess.PIPE if kind == "pipe" else file,
            check=True,
        )
    came = done.stdout if kind == "pipe" else (tmp_path / "out").read_bytes()
    assert came == b"before\ncontent\nafter\n"


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_system_that_does_not_force_folders_to_disk_is_left_alone(tmp_path, monkeypatch, call):
    original = getattr(os, call)

    def refuse(what, *arguments):
        folder = what == tmp_path if call == "open" else stat.S_ISDIR(os.fstat(what).st_mode)
        if folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(what, *arguments)

    monkeypatch.setattr(atomic.os, call, refuse)
    write_atomically(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_disk_that_fails_to_keep_a_rename_is_told(tmp_path, monkeypatch):
    original = os.fsync

    def fail(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        original(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_atomically(tmp_path / "f", b"new")


def test_what_killed_programs_left_is_found_and_nothing_else(tmp_path):
    for name in (".f.abcd_123", ".f", ".f.txt", "f", ".g.abcd_123", ".f.abcd_1234"):
        (tmp_path / name).touch()
    assert {path.name for path in temporaries_of(tmp_path / "f")} == {".f.abcd_123", ".f"}

"""A command of ours in a process of its own, quickly: a copy of one that has imported everything,
in a folder of its own, with a time limit, and everything that it said."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("faulty_disk.c")
LIMIT_S = 60
HUNG = -signal.SIGALRM
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Fault:
    """What happens at which call that changes a file below `folder`.

    Attributes:
        folder: the run's.
        call: its number, from 1 on; 0 for none.
        what: a negative number of faulty_disk.c, or an error number.
        for_good: whether every later call fails, too: the disk stays full.
    """

    folder: Path
    call: int = 0
    what: int = 0
    for_good: bool = False


@dataclass(frozen=True)
class Done:
    """What came of a command.

    Attributes:
        code: its exit code; negative, the signal that it died of.
        out, err: what it printed.
        calls: that changed files below the fault's folder; 0 where none was given.
    """

    code: int
    out: str
    err: str
    calls: int = 0

    @property
    def traceback(self) -> bool:
        """Whether Python told people where our code failed."""
        return "Traceback" in self.err or "Backproof's own" in self.err

    @property
    def one_line(self) -> bool:
        """Whether it refused in one line."""
        return self.err.count("\n") == 1


def shim() -> ctypes.CDLL | None:
    """The disk that fails, where it was loaded before the C library."""
    path = os.environ.get("LD_PRELOAD", "")
    if not path.endswith("faulty_disk.so"):
        return None
    return ctypes.CDLL(path)


def restart_with_shim(argv: list[str]) -> None:
    """Compile the disk that fails and start this program anew upon it. Returns where there is no
    compiler, or no such thing as LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        return
    folder = Path(tempfile.mkdtemp(prefix="faulty_disk."))
    library = folder / "faulty_disk.so"
    flags = ["-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run([compiler, *flags], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, *argv])


def remove_shim() -> None:
    """Remove what `restart_with_shim` compiled."""
    path = Path(os.environ.get("LD_PRELOAD", ""))
    if path.name == "faulty_disk.so":
        shutil.rmtree(path.parent, ignore_errors=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="reliability.")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tried(run: Callable[[], int], folder: Path, fault: Fault | None = None) -> Done:
    """Run something in a copy of this process.

    Args:
        run: returns an exit code.
        folder: where it runs; what it says is kept beside it.
        fault: of its disk.
    """
    said = {name: folder.with_name(f"{folder.name}.{name}") for name in ("out", "err", "calls")}
    child = os.fork()
    if not child:
        _be(run, folder, said, fault)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    text = {name: _text(path) for name, path in said.items()}
    for path in said.values():
        path.unlink(missing_ok=True)
    return Done(code, text["out"], text["err"], int(text["calls"] or 0))


def _text(path: Path) -> str:
    if path.exists():
        return path.read_text(errors="replace")
    return ""


def _be(run: Callable[[], int], folder: Path, said: dict[str, Path], fault: Fault | None) -> None:
    """The child: never returns."""
    from backproof.model.program import as_program

    code = 70
    try:
        signal.alarm(LIMIT_S)
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(said[name], os.O_CREAT | os.O_WRONLY, 0o644), descriptor)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        library = shim()
        if fault and library:
            library.faulty_arm(os.fsencode(fault.folder), fault.call, fault.what, fault.for_good)
        code = as_program(run, "command")
        if fault and library:
            calls = library.faulty_count()
            library.faulty_arm(b"", 0, 0, 0)
            said["calls"].write_text(str(calls))
        sys.stderr.flush()
    finally:
        os._exit(code)

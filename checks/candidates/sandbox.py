"""A candidate's process, from outside: started once, spoken to over a channel, limited, and ended
as a whole.

It has a time for its import, for each call, and for all calls; memory, processor time, file size
and a number of processes; a few of our environment's variables; and where bubblewrap works, no
sight of anything but Python, its packages and its own folder. What it prints is kept in part.
isolation.py, tree.py, channel.py and output.py do one of these each.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import backproof
from backproof.checks.candidates.channel import Channel, started_with
from backproof.checks.candidates.inside.frames import LENGTH, Arrays, Header, pack, unpack
from backproof.checks.candidates.isolation import Isolation, Walls, isolation
from backproof.checks.candidates.output import Output, Reader
from backproof.checks.candidates.scratch import Scratch, bytes_in
from backproof.checks.candidates.source import Source, read
from backproof.checks.candidates.tree import Tree

LARGEST_FRAME = 2**27  # bytes that an answer may have: 128 MiB
POLL_S = 0.05  # how often a process that works is looked at
WEIGH_S = 0.5  # between two looks at how much it has written
LINE_S = 0.5  # in which one that hangs says where
END_S = 0.5  # in which its output ends when it has been killed
# the folder from which `backproof` is imported
HOME = Path(backproof.__file__).resolve().parents[1]
BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from backproof.checks.candidates.inside.process "
    "import main; "
    "del sys.path[0]; main(sys.argv[2:])"
)
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
}
# of our environment, what Python needs to start and to find its packages, and no secrets
PASSED_ON = (
    "BACKPROOF_PRETEND CONDA_PREFIX HOME LANG LC_ALL LC_CTYPE LD_LIBRARY_PATH PATH PYTHONPATH "
    "SYSTEMDRIVE SYSTEMROOT TEMP TMP TMPDIR TZ USERPROFILE VIRTUAL_ENV WINDIR"
).split()


@dataclass(frozen=True)
class Limits:
    """What a candidate may use: seconds of the clock for one call, bytes, files, and processes.

    Its import may take three times as long as a call, because torch takes seconds on a busy
    machine; all calls together six times.
    """

    call_s: float = 10.0
    memory_bytes: int = 2**32
    file_bytes: int = 2**28
    files: int = 512
    processes: int = 64

    def of_the_system(self) -> dict[str, int]:
        """By their names in `resource`, for the process to set."""
        return {
            "DATA": self.memory_bytes,
            "CPU": int(9 * self.call_s) + 10,
            "FSIZE": self.file_bytes,
            "NOFILE": self.files,
            "CORE": 0,
        }


@dataclass(frozen=True)
class Manner:
    """How a candidate is run.

    Attributes:
        isolate: "auto", "always" or "never", as isolation.py has it.
        alone: whether it sees, of its folder, only itself and what it imports.
        definitions_only: whether its imports, definitions and constants alone are executed.
        why_not: why there is no isolation, where that is known already.
        watch: whether it is a script, which is run as it is and recorded.
        arguments: what its sys.argv holds after its name.
        scratch: a copy of its folder, which it is to see in the place of it.
    """

    isolate: str = "auto"
    alone: bool = False
    definitions_only: bool = False
    why_not: str = ""
    watch: bool = False
    arguments: tuple[str, ...] = ()
    scratch: Scratch | None = None


class Ended(Exception):
    """The process is no more; the text is a clause such as "gradients did not return within 10
    s"."""


class Sandbox:
    """One candidate's process; a context manager, so that it ends in any case.

    Attributes:
        source: what was read of it.
        path: of its file.
        text: its source, for those who search it.
        out, err: what it printed.
        isolation: what stands between it and the machine.
        noted: what its process told of it beside its answers: the packages that it "imported", the
            "engine" that computed its derivatives, modules that were "replaced", lines "left_out".
    """

    def __init__(
        self, candidate: Source | Path, limits: Limits, manner: Manner | None = None
    ) -> None:
        self.manner = manner or Manner()
        self.source = candidate if isinstance(candidate, Source) else read(candidate)
        self.limits = limits
        self.isolation = isolation(self.manner.isolate, self.manner.why_not)
        if self.manner.scratch and not self.isolation.program:
            self.source = self.manner.scratch.moved(self.source)
        self.path = self.source.path
        self.text = self.source.text
        self.out = Output()
        self.err = Output()
        self.noted: Header = {}
        self._spent_s = 0.0
        self._ended = ""
        self._weighed = 0.0  # when the copy of its folder was last looked at
        self._least_bytes = bytes_in(self.manner.scratch.folder) if self.manner.scratch else 0
        self._marked = 0  # bytes of its standard error that are not about what it does now
        self._process, self._channel = _started(self.source, limits, self.manner, self.isolation)
        self._tree = Tree(self._process)
        assert self._process.stdin is not None  # PIPE
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            Reader(self._process.stdout, self.out),
            Reader(self._process.stderr, self.err),
        )
        with contextlib.suppress(OSError):  # it is gone: receiving says how
            self._process.stdin.write(self._channel.token + b"\n")
            self._process.stdin.flush()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tree.kill()
        self._channel.close()
        for reader in self._readers:
            reader.close(END_S)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def hello(self) -> Header:
        """What the source defines, or a complaint: the first frame, after the import.

        Raises: Ended if there was none.
        """
        return self._heard()[0]

    def _heard(self) -> tuple[Header, Arrays]:
        """The first frame."""
        limit_s = 3 * self.limits.call_s
        deadline = time.monotonic() + limit_s
        what = "importing it"
        while not self._channel.connect(POLL_S):
            if self._tree.is_dead():
                self._end(self._died(what))
            if time.monotonic() > deadline:
                self._end(self._hung(what, limit_s))
        # a source may be larger than the channel holds before its other end is read
        sending = threading.Thread(target=self._send, args=[self.source.content], daemon=True)
        sending.start()
        found = self._receive(what, deadline - time.monotonic(), limit_s)
        sending.join()
        return found

    def watched(self) -> tuple[Header, Arrays]:
        """What the lines of a script made.

        Raises: Ended if its process did not survive it.
        """
        header, arrays = self._heard()
        scratch = self.manner.scratch
        return scratch.back(header) if scratch else header, arrays

    def call(self, header: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """One call of one function.

        Raises: Ended if the process did not survive it, now or earlier.
        """
        if self._ended:
            raise Ended(self._ended)
        start = time.monotonic()
        limit_s = min(self.limits.call_s, 6 * self.limits.call_s - self._spent_s)
        self._marked = self.err.count
        self._send(pack(header | {"limit_s": limit_s}, arrays))
        try:
            return self._receive(header["call"], limit_s, limit_s)
        finally:
            self._spent_s += time.monotonic() - start

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # it is gone or does not read: receiving says how
            self._channel.send(frame, self.limits.call_s)

    def _receive(self, what: str, left_s: float, limit_s: float) -> tuple[Header, Arrays]:
        """One frame, within the time that is left of a limit."""
        deadline = time.monotonic() + left_s
        buffer = bytearray()
        expected: int | None = None
        while True:
            if expected is None and len(buffer) >= LENGTH.size:
                expected = LENGTH.size + self._length(buffer, what)
            if expected is not None and len(buffer) >= expected:
                return self._unpacked(bytes(buffer[LENGTH.size :]), what)
            if time.monotonic() > deadline:
                self._end(self._hung(what, limit_s))
            part = self._channel.receive(POLL_S)
            if part is None:
                self._look_at(what)
            elif part:
                buffer += part
            else:
                self._end(self._died(what))

    def _look_at(self, what: str) -> None:
        """End it if it is dead, or takes too much of the machine."""
        if self._tree.is_dead():
            self._end(self._died(what))
        members = self._tree.members()
        if len(members) > self.limits.processes:
            self._end(f"{what} started more than {self.limits.processes} processes")
        if self._tree.memory_bytes(members) > self.limits.memory_bytes:
            gib = self.limits.memory_bytes / 2**30
            self._end(f"{what} took more than {gib:g} GiB of memory")
        if self.manner.scratch and time.monotonic() > self._weighed + WEIGH_S:
            self._weighed = time.monotonic()
            if bytes_in(self.manner.scratch.folder) > self._least_bytes + self.limits.file_bytes:
                mib = self.limits.file_bytes >> 20
                self._end(f"{what} wrote more than {mib} MiB beside the script")

    def _length(self, buffer: bytearray, what: str) -> int:
        length = int(LENGTH.unpack(buffer[: LENGTH.size])[0])
        if length > LARGEST_FRAME:
            self._end(f"{what} gave an answer of {length} bytes; expected at most {LARGEST_FRAME}")
        return length

    def _unpacked(self, frame: bytes, what: str) -> tuple[Header, Arrays]:
        try:
            header, arrays = unpack(frame)
        except ValueError:
            self._end(f"{what} wrote on the pipe between its process and the checker")
            raise
        for reader in self._readers:
            reader.catch_up()
        told = ("imported", "engine", "replaced", "left_out")
        self.noted |= {name: header[name] for name in told if name in header}
        return header, arrays

    def _end(self, clause: str) -> None:
        self._tree.kill()
        self._ended = clause
        raise Ended(clause)

    def _hung(self, what: str, limit_s: float) -> str:
        """The clause on one that takes too long; its interpreter writes where it is."""
        until = time.monotonic() + LINE_S
        while not self._traced() and time.monotonic() < until:
            time.sleep(0.01)
        if limit_s < self.limits.call_s:
            return (
                f"all calls together took longer than {6 * self.limits.call_s:g} "
                f"s{self._where('the last was at')}"
            )
        return f"{what} did not return within {limit_s:g} s{self._where('it was at')}"

    def _died(self, what: str) -> str:
        """The clause on one whose process is gone."""
        deadline = time.monotonic() + 1
        while not self._tree.is_dead() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._tree.kill()
        for reader in self._readers:
            reader.close(END_S)
        code = self._process.returncode
        if self.isolation.program and code > 128:
            code = 128 - code  # bubblewrap tells a signal as a shell does
        if code == -getattr(signal, "SIGXCPU", 0) and code:
            return f"{what} used up all of its processor time{self._where('it was at')}"
        if code < 0:
            name = _signal_name(-code)
            reason = ", as the system does when memory runs out" if name == "SIGKILL" else ""
            return (
                f"{what} crashed: its process was ended by {name}{reason}{self._where('it was at')}"
            )
        crashed = self._where("it was at")
        return f"{what} ended its process with exit code {code} instead of returning{crashed}"

    def _traced(self) -> list[tuple[str, str]]:
        """The lines that the interpreter wrote about what it does now, the innermost first."""
        new = min(len(self.err.tail), self.err.count - self._marked)
        text = self.err.tail[len(self.err.tail) - new :].decode(errors="replace")
        at = text.rfind("(most recent call first)")
        if at < 0:
            return []
        return re.findall(r'File "(.+?)", line (\d+) in ', text[at:])

    def _where(self, words: str) -> str:
        """ ", it was at line 7 of loop.py (while True:)", from what faulthandler wrote; "" if it
        wrote nothing."""
        for file, line in self._traced():
            if Path(file).is_relative_to(self.path.parent):
                text = self.source.line_of(file, int(line))[:80]
                quoted = f" ({text})" if text else ""
                return f"; {words} line {line} of {Path(file).name}{quoted}"
        return ""


def _started(
    source: Source, limits: Limits, manner: Manner, isolation: Isolation
) -> tuple[subprocess.Popen[bytes], Channel]:
    """The process, behind walls where there are some, and the channel to it."""
    settings = {
        "path": str(source.path),
        "notebook": source.is_notebook,
        "definitions_only": manner.definitions_only,
        "watch": manner.watch,
        "arguments": manner.arguments,
        # by the clock on the wall, which both have, because starting Python takes a part of it
        "import_until": time.time() + 3 * limits.call_s,
        "limits": limits.of_the_system(),
    }
    walls = None
    if isolation.program:
        walls = Walls(
            isolation.program, source, _ours(), alone=manner.alone, scratch=manner.scratch
        )

    def command(where: int | list[object]) -> list[str]:
        python = [sys.executable, "-P", "-B", "-u", "-c", BOOT, str(HOME)]
        before = walls.command if walls else []
        return [*before, *python, json.dumps(settings | {"channel": where})]

    try:
        return started_with(
            subprocess.Popen,
            command,
            walls.descriptors if walls else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=source.path.parent,
            env=_environment(os.environ),
        )
    finally:
        if walls:
            walls.close()


def _ours() -> list[Path]:
    """What the candidate's process imports of this project."""
    return [HOME / name for name in ("backproof", "checks", "model") if (HOME / name).is_dir()]


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: ours[name] for name in PASSED_ON if name in ours} | QUIET


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

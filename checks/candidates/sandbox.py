"""A candidate's process, from outside: started once, spoken to over a socket, limited, and killed
as a whole.

It has a time for its import, for each call, and for all calls; memory, processor time and file
size; and a process group of its own, so that whatever it starts ends with it. What it prints is
kept in part. This keeps accidents away from the checker. It is no wall against malice: the process
runs with the rights of whoever started it.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import backproof
from backproof.checks.candidates.inside.frames import LENGTH, Arrays, Header, pack, unpack

LARGEST_FRAME = 2**28  # bytes that an answer may have: 256 MiB
KEPT = 4096  # characters of output kept from the beginning, and from the end
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
}


@dataclass(frozen=True)
class Limits:
    """What a candidate may use: seconds of the clock for one call, and bytes.

    Its import may take three times as long as a call, because torch takes seconds on a busy
    machine; all calls together six times.
    """

    call_s: float = 10.0
    memory_bytes: int = 2**32
    file_bytes: int = 2**28


class Ended(Exception):
    """The process is no more; the text is a clause such as "gradients did not return within 10
    s"."""


class Output:
    """The beginning and the end of what came out of a stream, and how much it was."""

    def __init__(self) -> None:
        self.head = b""
        self.tail = b""
        self.count = 0

    def add(self, part: bytes) -> None:
        """Remember what fits."""
        self.head += part[: KEPT - len(self.head)]
        self.tail = (self.tail + part)[-KEPT:]
        self.count += len(part)


class Sandbox:
    """One candidate's process; a context manager, so that it ends in any case."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path.resolve()
        self.limits = limits
        self.out = Output()
        self.err = Output()
        self._spent_s = 0.0
        self._ended = ""
        self._channel, theirs = socket.socketpair()
        everything_s = int(9 * limits.call_s) + 10
        settings = {
            "DATA": limits.memory_bytes,
            "CPU": everything_s,
            "FSIZE": limits.file_bytes,
            "CORE": 0,
        }
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-B",
                "-u",
                "-c",
                BOOT,
                str(HOME),
                str(theirs.fileno()),
                str(self.path),
                json.dumps(settings),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            cwd=self.path.parent,
            env=os.environ | QUIET,
        )
        theirs.close()
        self._streams = selectors.DefaultSelector()
        self._streams.register(self._channel, selectors.EVENT_READ)
        for stream, output in ((self._process.stdout, self.out), (self._process.stderr, self.err)):
            assert stream is not None  # PIPE above
            self._streams.register(stream, selectors.EVENT_READ, output)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kill()
        self._streams.close()
        self._channel.close()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def hello(self) -> Header:
        """What the file defines, or a complaint: the first frame, after the import.

        Raises: Ended if there was none.
        """
        return self._receive("importing it", 3 * self.limits.call_s)[0]

    def call(self, header: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """One call of one function.

        Raises: Ended if the process did not survive it, now or earlier.
        """
        if self._ended:
            raise Ended(self._ended)
        start = time.monotonic()
        left_s = 6 * self.limits.call_s - self._spent_s
        frame = pack(header, arrays)
        with contextlib.suppress(OSError):  # it is gone or does not read: receiving says how
            self._channel.settimeout(self.limits.call_s)
            self._channel.sendall(LENGTH.pack(len(frame)) + frame)
        try:
            return self._receive(header["call"], min(self.limits.call_s, left_s))
        finally:
            self._spent_s += time.monotonic() - start

    def _receive(self, what: str, limit_s: float) -> tuple[Header, Arrays]:
        """One frame, while whatever is printed is read along."""
        deadline = time.monotonic() + limit_s
        buffer = bytearray()
        while True:
            if len(buffer) >= LENGTH.size and len(buffer) >= LENGTH.size + self._length(
                buffer, what
            ):
                self._read_output(0.0)
                return self._unpacked(bytes(buffer[LENGTH.size :]), what)
            if (left_s := deadline - time.monotonic()) <= 0:
                self._end(self._hung(what, limit_s))
            if self._read_output(min(left_s, 0.2)):
                try:
                    part = self._channel.recv(2**20)
                except OSError:
                    part = b""
                if not part:
                    self._end(self._died(what))
                buffer += part
            elif self._is_dead():
                self._end(self._died(what))

    def _length(self, buffer: bytearray, what: str) -> int:
        length = int(LENGTH.unpack(buffer[: LENGTH.size])[0])
        if length > LARGEST_FRAME:
            self._end(f"{what} gave an answer of {length} bytes; expected at most {LARGEST_FRAME}")
        return length

    def _unpacked(self, frame: bytes, what: str) -> tuple[Header, Arrays]:
        try:
            return unpack(frame)
        except ValueError:
            self._end(f"{what} wrote on the pipe between its process and the checker")
            raise

    def _read_output(self, timeout_s: float) -> bool:
        """Read what was printed within a time; True as soon as something came over the socket."""
        for key, _ in self._streams.select(timeout_s):
            if key.data is None:
                return True
            if part := os.read(key.fd, 2**16):
                key.data.add(part)
            else:
                self._streams.unregister(key.fileobj)
        return False

    def _end(self, clause: str) -> None:
        self._kill()
        self._ended = clause
        raise Ended(clause)

    def _hung(self, what: str, limit_s: float) -> str:
        """The clause on one that takes too long; a signal makes it say where it is."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + 0.3
        while (left_s := until - time.monotonic()) > 0 and not self._read_output(left_s):
            pass
        if limit_s < self.limits.call_s:
            return (
                f"all calls together took longer than {6 * self.limits.call_s:g} "
                f"s{self._where('the last was at')}"
            )
        return f"{what} did not return within {limit_s:g} s{self._where('it was at')}"

    def _died(self, what: str) -> str:
        """The clause on one whose process is gone."""
        deadline = time.monotonic() + 1
        while not self._is_dead() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._read_output(0.1)
        self._kill()
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            return f"{what} used up all of its processor time{self._where('it was at')}"
        if code < 0:
            name = signal.Signals(-code).name
            reason = ", as the system does when memory runs out" if name == "SIGKILL" else ""
            return (
                f"{what} crashed: its process was ended by {name}{reason}{self._where('it was at')}"
            )
        return f"{what} ended its process with exit code {code} instead of returning"

    def _where(self, words: str) -> str:
        """ ", it was at line 7 of loop.py (while True:)", from what faulthandler wrote; "" if it
        wrote nothing."""
        text = self.err.tail.decode(errors="replace")
        for file, line in re.findall(
            r'File "(.+?)", line (\d+) in ', text[text.rfind("(most recent call first)") :]
        ):
            if Path(file).is_relative_to(self.path.parent):
                source = linecache.getline(file, int(line)).strip()[:80]
                return f"; {words} line {line} of {Path(file).name}" + (
                    f" ({source})" if source else ""
                )
        return ""

    def _is_dead(self) -> bool:
        """Whether the process has ended; it is left to be reaped, so that its group's number stays
        taken."""
        if self._process.returncode is not None:
            return True
        return (
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        )

    def _kill(self) -> None:
        """End the whole group, then reap its leader."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

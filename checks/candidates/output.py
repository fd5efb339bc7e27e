"""What a candidate's process prints: read along by threads, so that it is never held up, and kept
in part."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import IO

KEPT = 4096  # characters of output kept from the beginning, and from the end
CATCH_UP_S = 0.2  # for what was printed before an answer to be read
BLIND_S = 0.002  # the same where the system does not tell whether a pipe is empty


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


class Reader:
    """A thread that reads a pipe to its end."""

    def __init__(self, stream: IO[bytes], output: Output) -> None:
        self._stream = stream
        self._output = output
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed under it
            descriptor = self._stream.fileno()
            while self._holds_something(None):
                with self._reading:
                    part = os.read(descriptor, 2**16)
                    self._output.add(part)
                if not part:
                    break

    def _holds_something(self, within_s: float | None) -> bool:
        """Whether a read would not wait. Windows cannot ask a pipe: there, a read may."""
        try:
            return bool(select.select([self._stream], [], [], within_s)[0])
        except (OSError, ValueError):
            return True

    def catch_up(self) -> None:
        """Return when all that has been printed so far has been read, as far as the system lets us
        know."""
        until = time.monotonic() + CATCH_UP_S
        while self._thread.is_alive() and time.monotonic() < until:
            if not self._reading.acquire(timeout=BLIND_S):
                return  # in a read that waits: there was nothing
            try:
                if not self._holds_something(0.0):
                    return
            finally:
                self._reading.release()
            time.sleep(0)

    def close(self, within_s: float) -> None:
        """Wait for the end, which comes when no process has the pipe open any more; one that has
        escaped us may keep it open, and then so do we."""
        self._thread.join(within_s)
        if not self._thread.is_alive():
            self._stream.close()

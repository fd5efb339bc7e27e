"""The checker's end of the channel to a candidate's process: one connected socket, handed down
where the system can, or else a connection through the machine's own address."""

from __future__ import annotations

import hmac
import secrets
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from backproof.checks.candidates.inside.frames import LENGTH

PIECE = 2**20  # bytes read at a time
LOOPBACK = "127.0.0.1"
GREETING_S = 1.0  # to say the token in


class Channel:
    """Both of its ends, until the process has its own.

    Attributes:
        where: what the process must be told, as JSON, to find its end.
        token: what it has to say first where it connects, one line.
        inherited: descriptors that it must be given.
    """

    def __init__(self, *, handed_down: bool) -> None:
        self.token = secrets.token_hex(16).encode()
        self._ours: socket.socket | None = None
        self._theirs: socket.socket | None = None
        self._listening: socket.socket | None = None
        self.where: int | list[object]
        self.inherited: tuple[int, ...] = ()
        if handed_down:
            self._ours, self._theirs = socket.socketpair()
            self.where = self._theirs.fileno()
            self.inherited = (self._theirs.fileno(),)
        else:
            self._listening = socket.create_server((LOOPBACK, 0))
            self.where = list(self._listening.getsockname()[:2])

    def started(self) -> None:
        """The process has inherited its end: only it should have it open."""
        if self._theirs is not None:
            self._theirs.close()
            self._theirs = None

    def connect(self, within_s: float) -> bool:
        """Whether the process is connected; waits for it a little while."""
        if self._ours is not None:
            return True
        assert self._listening is not None  # __init__ made one of the two
        self._listening.settimeout(within_s)
        try:
            connected, _ = self._listening.accept()
        except (BlockingIOError, TimeoutError):
            return False
        if not self._says_the_token(connected):
            connected.close()
            return False
        self._ours = connected
        self._listening.close()
        return True

    def _says_the_token(self, connected: socket.socket) -> bool:
        connected.settimeout(GREETING_S)
        said = b""
        try:
            while len(said) < len(self.token):
                part = connected.recv(len(self.token) - len(said))
                if not part:
                    return False
                said += part
        except OSError:
            return False
        return hmac.compare_digest(said, self.token)

    def send(self, frame: bytes, within_s: float) -> None:
        """One frame, its length first.

        Raises: OSError if the process is gone, or does not read.
        """
        assert self._ours is not None
        self._ours.settimeout(within_s)
        self._ours.sendall(LENGTH.pack(len(frame)) + frame)

    def receive(self, within_s: float) -> bytes | None:
        """Some bytes, none at the end, or None if nothing came in time."""
        assert self._ours is not None
        self._ours.settimeout(within_s)
        try:
            return self._ours.recv(PIECE)
        except (BlockingIOError, TimeoutError):
            return None
        except OSError:
            return b""

    def close(self) -> None:
        """All that is open."""
        for end in (self._ours, self._theirs, self._listening):
            if end is not None:
                end.close()


def started_with(
    start: Callable[..., subprocess.Popen[bytes]],
    command: Callable[[int | list[object]], Sequence[str]],
    descriptors: Sequence[int],
    **settings: Any,
) -> tuple[subprocess.Popen[bytes], Channel]:
    """A process and the channel to it: its end handed down, or where the system refuses to, as
    Windows does, found by connecting.

    Args:
        start: subprocess.Popen.
        command: what to run, given where its end of the channel is.
        descriptors: further ones that it must inherit.
        settings: of Popen.
    """
    channel = Channel(handed_down=True)
    try:
        inherited = (*channel.inherited, *descriptors)
        process = start(command(channel.where), pass_fds=inherited, **settings)
    except ValueError:
        channel.close()
        channel = Channel(handed_down=False)
        process = start(command(channel.where), **settings)
    channel.started()
    return process, channel

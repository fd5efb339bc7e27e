"""The candidate's end of the channel to the checker: one connected socket, and frames behind their
lengths."""

from __future__ import annotations

import os
import socket

from backproof.checks.candidates.inside.frames import LENGTH

PIECE = 2**20  # bytes read at a time


def opened(where: int | list[object], token: bytes) -> socket.socket:
    """The socket that the checker made for this process.

    Args:
        where: the number of an inherited descriptor; or, on a system that hands down none, the
            address and port on which the checker listens.
        token: what the checker expects to hear from whoever connects there.
    """
    if isinstance(where, int):
        return socket.socket(fileno=where)
    address, port = where
    channel = socket.create_connection((str(address), int(str(port))))
    channel.sendall(token)
    return channel


def send(channel: socket.socket, frame: bytes) -> None:
    """One frame, its length first."""
    channel.sendall(LENGTH.pack(len(frame)) + frame)


def receive(channel: socket.socket) -> bytes | None:
    """One frame, or None when the other side has closed the channel."""
    length = _exactly(channel, LENGTH.size)
    if length is None:
        return None
    return _exactly(channel, LENGTH.unpack(length)[0])


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        part = channel.recv(min(count - len(found), PIECE))
        if not part:
            return None
        found += part
    return bytes(found)


def standard_input_taken() -> tuple[bytes, int]:
    """The line that the checker wrote on standard input, and the descriptor on which that went.

    The checker never closes its end of it, so it ends when the checker does. What the candidate
    finds as its standard input is empty.
    """
    line = bytearray()
    while (sign := os.read(0, 1)) not in (b"", b"\n"):
        line += sign
    lifeline = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return bytes(line), lifeline

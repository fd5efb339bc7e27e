"""Summaries -> a TensorBoard event file: an epoch in one write, so that a killed process leaves
whole epochs behind.

The file is a row of records: the length (8 bytes, little-endian), its masked CRC-32C (4), an Event
as a protocol buffer, and that one's masked CRC-32C (4). torch's SummaryWriter makes the same file
with an event, a queue and a thread for every single number; here an epoch is one event.

Source: TensorFlow, "TFRecord and tf.train.Example", section "TFRecords format details".
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

PREFIX = "events.out.tfevents."
# bytes around an event: its length and the length's check sum; the event's check sum
HEADER = 12
FOOTER = 4


class EventFile:
    """A new event file in a run's folder.

    Args:
        folder: the run's.
        resumed_after: the epoch that the run goes on from: what older files say of later ones is
            cut off; None for a new run.
    Raises: OSError if the folder cannot be written.
    """

    def __init__(self, folder: Path, resumed_after: int | None = None) -> None:
        older = event_files(folder)
        if resumed_after is not None:
            for path in older:
                cut(path, after=resumed_after)
        self.path = folder / f"{PREFIX}{_stamp(older):010d}.{socket.gethostname()}.{os.getpid()}"
        # a record is with the operating system when write() returns
        self._file = self.path.open("xb", buffering=0)
        self._append([Event(file_version="brain.Event:2")])
        # a TensorBoard that is running has read what was cut off: tell it to forget that
        if resumed_after is not None:
            self._append(
                [Event(step=resumed_after + 1, session_log=SessionLog(status=SessionLog.START))]
            )

    def write(self, values: Sequence[Any], step: int, graph: Any = None) -> None:
        """Add summaries.

        Args:
            values: of type Summary.Value.
            step: the epoch.
            graph: a GraphDef to go with them.
        """
        events = [Event(summary=Summary(value=values), step=step)] if values else []
        self._append(
            [*events, *([Event(graph_def=graph.SerializeToString())] if graph is not None else [])]
        )

    def close(self) -> None:
        """No more events."""
        self._file.close()

    def _append(self, events: Iterable[Any]) -> None:
        now = time.time()
        for event in events:
            event.wall_time = now
        self._file.write(b"".join(record(event.SerializeToString()) for event in events))


def event_files(folder: Path) -> list[Path]:
    """A run's event files in the order in which TensorBoard reads them."""
    return sorted(folder.glob(f"{PREFIX}*"))


def record(data: bytes) -> bytes:
    """An event as it stands in the file."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each whole record begins, and its event; the rest of a torn one is left out."""
    at = 0
    while at + HEADER <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        end = at + HEADER + length + FOOTER
        if end > len(content):
            return
        yield at, content[at + HEADER : end - FOOTER]
        at = end


def cut(path: Path, after: int) -> None:
    """Shorten an event file to what it says up to an epoch, and to whole records: later epochs come
    again."""
    content = path.read_bytes()
    end = 0
    for at, data in records(content):
        if Event.FromString(data).step > after:
            break
        end = at + HEADER + len(data) + FOOTER
    if end < len(content):
        os.truncate(path, end)


def _masked(data: bytes) -> bytes:
    """The check sum, rotated and shifted as the format has it, so that a check sum of check sums is
    still one."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _stamp(older: Sequence[Path]) -> int:
    """Seconds since 1970, but later than every older file's: TensorBoard reads files in the order
    of their names."""
    stamps = [path.name.removeprefix(PREFIX).split(".")[0] for path in older]
    return max([int(time.time()), *(int(stamp) + 1 for stamp in stamps if stamp.isdigit())])

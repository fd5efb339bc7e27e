"""Summaries -> a TensorBoard event file: an epoch in one write, so that a killed process leaves
whole epochs behind.

The file is a row of records: the length (8 bytes, little-endian), its masked CRC-32C (4), an Event
as a protocol buffer, and that one's masked CRC-32C (4). torch's SummaryWriter makes the same file
with an event, a queue and a thread for every single number; here an epoch is one event.

Source: TensorFlow, "TFRecord and tf.train.Example", section "TFRecords format details".
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
from google.protobuf.message import DecodeError
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
    Attributes:
        remarks: what is to be said of older files, in a line each.
    Raises: OSError if the folder cannot be written.
    """

    def __init__(self, folder: Path, resumed_after: int | None = None) -> None:
        older = event_files(folder)
        self.remarks: list[str] = []
        if resumed_after is not None:
            self.remarks = [
                remark for path in older if (remark := shortened(path, after=resumed_after))
            ]
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


class Damaged(Exception):
    """A record whose check sum is not that of its bytes."""


def records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each whole record begins, and its event; the rest of a torn one is left out.

    Raises: Damaged at the first record with a wrong check sum.
    """
    at = 0
    while at + HEADER <= len(content):
        head = content[at : at + HEADER]
        (length,) = struct.unpack_from("<Q", head)
        if head[-FOOTER:] != _masked(head[:-FOOTER]):
            raise Damaged(f"a wrong check sum at byte {at}")
        end = at + HEADER + length + FOOTER
        if end > len(content):
            return
        data = content[at + HEADER : end - FOOTER]
        if content[end - FOOTER : end] != _masked(data):
            raise Damaged(f"a wrong check sum at byte {at + HEADER + length}")
        yield at, data
        at = end


def shortened(path: Path, after: int) -> str:
    """Shorten an event file to what it says up to an epoch, and to whole records: later epochs come
    again. A damaged file is set aside, and what it holds up to the damage takes its place.

    Returns: what is to be said of it; "" where it was whole.
    """
    content = path.read_bytes()
    try:
        end = _end_of(content, after)
    except Damaged as damage:
        aside = _aside(path)
        os.replace(path, aside)
        whole = content[: _end_of(content, after, damaged=True)]
        path.write_bytes(whole)
        return (
            f"{path}: expected an event log that is whole, got {damage}. It was set aside as "
            f"{aside.name}; the charts keep what it holds up to there."
        )
    if end < len(content):
        os.truncate(path, end)
    return ""


def _end_of(content: bytes, after: int, *, damaged: bool = False) -> int:
    """Where the records up to an epoch end.

    Args:
        content: of an event file.
        after: the epoch.
        damaged: whether to stop at the first wrong check sum instead of raising.
    Raises: Damaged.
    """
    end = 0
    try:
        for at, data in records(content):
            if _step_of(data) > after:
                break
            end = at + HEADER + len(data) + FOOTER
    except Damaged:
        if not damaged:
            raise
    return end


def _step_of(data: bytes) -> int:
    """The epoch of an event. Raises: Damaged where the bytes are none."""
    try:
        return int(Event.FromString(data).step)
    except DecodeError:
        raise Damaged("a record that is no event") from None


def _aside(path: Path) -> Path:
    """A free name that TensorBoard does not read: it reads every file that has "tfevents" in its
    name."""
    names = (path.with_name(f"damaged-{number}.events") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


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

"""A process and all that it has started: how many they are, how much memory they hold, and their
end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
ROUNDS = 5  # of looking for what was started while the others were being ended


class Tree:
    """Its root is a child of ours. Linux is asked itself, other systems through psutil."""

    def __init__(self, root: subprocess.Popen[bytes]) -> None:
        self._root = root

    def members(self) -> list[int]:
        """The numbers of the root and of all processes under it that are still under it."""
        if _linux_lists_children():
            return [self._root.pid, *_below(self._root.pid)]
        return [self._root.pid, *_below_through_psutil(self._root.pid)]

    def memory_bytes(self, members: list[int]) -> int:
        """What all of them hold in memory, shared memory included."""
        return sum(map(_resident_bytes, members))

    def is_dead(self) -> bool:
        """Whether the root has ended. Where the system allows, it is left to be reaped, so that its
        number stays taken."""
        if self._root.returncode is not None:
            return True
        if hasattr(os, "waitid"):
            seen = os.waitid(os.P_PID, self._root.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return seen is not None
        return self._root.poll() is not None

    def kill(self) -> None:
        """End all of them, then reap the root."""
        if self._root.returncode is None:
            for _ in range(ROUNDS):
                members = self.members()
                self._kill_group()
                for pid in members[1:]:
                    _kill_one(pid)
                if len(members) <= 1:
                    break
        with contextlib.suppress(OSError):
            self._root.kill()
        self._root.wait()

    def _kill_group(self) -> None:
        """The root leads a group of its own, which what it starts belongs to as well."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._root.pid, signal.SIGKILL)


def _kill_one(pid: int) -> None:
    """What has left the group, or has none."""
    with contextlib.suppress(OSError):
        # without signals, os.kill ends a process whatever the number
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _linux_lists_children() -> bool:
    return os.path.isdir("/proc/self/task")


def _below_through_psutil(pid: int) -> list[int]:
    """The same where there is no /proc; none where psutil is not installed."""
    try:
        import psutil
    except ImportError:
        return []
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def _below(pid: int) -> Iterator[int]:
    """Children, their children, and so on."""
    for listed in PROC.glob(f"{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in listed.read_text().split():
                yield int(child)
                yield from _below(int(child))


def _resident_bytes(pid: int) -> int:
    """0 for a process that has ended."""
    if _linux_lists_children():
        try:
            pages = (PROC / str(pid) / "statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    try:
        import psutil
    except ImportError:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0

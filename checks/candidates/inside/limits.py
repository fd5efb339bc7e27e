"""What a candidate's process may use, how it ends together with the checker, and how it says where
it hangs.

What a system does not have is left out: the checker watches the clock and the memory itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2), on Linux


class Hangs:
    """Where the interpreter writes at which line it is, when a call takes too long or crashes."""

    def __init__(self) -> None:
        # a copy, which stays when the candidate closes or replaces its standard error
        self._descriptor = os.dup(2)
        faulthandler.enable(self._descriptor)

    @contextlib.contextmanager
    def told_within(self, limit_s: float) -> Iterator[None]:
        """Write the line shortly before the checker's patience ends."""
        # the checker began to count before this process did
        before_s = max(0.9 * limit_s, limit_s - 0.2, 0.01)
        faulthandler.dump_traceback_later(before_s, file=self._descriptor)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def limit(limits: Mapping[str, int]) -> None:
    """Set limits on this process where the system has them.

    Args:
        limits: by the end of their names in `resource`, such as {"CPU": 100}.
    """
    try:
        import resource
    except ImportError:  # Windows has none
        return
    for name, wanted in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        reached = wanted
        if hard != resource.RLIM_INFINITY:
            reached = min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some; the checker watches
            resource.setrlimit(kind, (reached, reached))


def end_with_the_checker(lifeline: int) -> None:
    """See to it that this process does not outlive the checker, not even one that is killed.

    Args:
        lifeline: a descriptor on which nothing ever comes, and which ends when the checker does.
    """
    if not _killed_by_the_system():
        threading.Thread(target=_end_at_the_end_of, args=[lifeline], daemon=True).start()


def _killed_by_the_system() -> bool:
    """Whether Linux will kill this process when the one that started it ends."""
    if not sys.platform.startswith("linux") or not hasattr(signal, "SIGKILL"):
        return False
    try:
        prctl = ctypes.CDLL(None).prctl
    except (AttributeError, OSError):
        return False
    return bool(prctl(DEATH_SIGNAL, signal.SIGKILL) == 0)


def _end_at_the_end_of(lifeline: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(lifeline, 1):
            pass
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # and with it what the candidate has started
    os._exit(1)

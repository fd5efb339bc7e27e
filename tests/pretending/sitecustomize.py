"""Python imports this at its start: with BACKPROOF_PRETEND=windows or macos it takes away what
Python lacks there, so that Linux shows what becomes of the checker without it.

What cannot be taken away is how these systems count memory, end processes and name exit codes.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
from typing import Any

SYSTEM = os.environ.get("BACKPROOF_PRETEND", "")
KILL = int(signal.SIGKILL)
ON_WINDOWS = {
    "SIGABRT",
    "SIGFPE",
    "SIGILL",
    "SIGINT",
    "SIGSEGV",
    "SIGTERM",
    "SIG_DFL",
    "SIG_IGN",
}


def without_proc() -> None:
    """No /proc, no prctl(2), no bubblewrap."""
    import contextlib
    import ctypes
    import shutil

    with contextlib.suppress(ImportError):
        import psutil  # noqa: F401  as long as it finds what it needs on Linux
    isdir = os.path.isdir
    found = ctypes.CDLL.__getattr__

    def no_proc(path: Any) -> bool:
        return not str(path).startswith("/proc") and isdir(path)

    def no_prctl(library: ctypes.CDLL, name: str) -> Any:
        if name == "prctl":
            raise AttributeError(name)
        return found(library, name)

    which = shutil.which
    shutil.which = lambda name, *more, **settings: (  # type: ignore[assignment]
        None if name == "bwrap" else which(name, *more, **settings)
    )
    os.path.isdir = no_proc  # type: ignore[assignment]
    ctypes.CDLL.__getattr__ = no_prctl  # type: ignore[method-assign]


def without_limits_on_memory() -> None:
    """macOS has `resource`, and refuses this."""
    import resource

    setrlimit = resource.setrlimit

    def refusing(kind: int, limits: tuple[int, int]) -> None:
        if kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
            raise ValueError("current limit exceeds maximum limit")
        setrlimit(kind, limits)

    resource.setrlimit = refusing  # type: ignore[assignment]


def without_groups_and_signals() -> None:
    """What belongs to POSIX alone."""
    import faulthandler
    import multiprocessing.popen_fork

    kill = os.kill

    def always_kill(pid: int, number: int) -> None:
        kill(pid, KILL)

    def kill_child(child: Any, *_: object) -> None:
        if child.returncode is None:
            kill(child.pid, KILL)

    subprocess.Popen.kill = kill_child  # type: ignore[method-assign]
    subprocess.Popen.terminate = kill_child  # type: ignore[method-assign]
    multiprocessing.popen_fork.Popen.kill = kill_child
    multiprocessing.popen_fork.Popen.terminate = kill_child
    os.kill = always_kill
    for name in ("killpg", "getpgid", "setsid", "fork", "forkpty", "set_blocking", "O_NONBLOCK"):
        delattr(os, name)
    for name in [name for name in vars(signal) if name.startswith("SIG")]:
        if name not in ON_WINDOWS:
            delattr(signal, name)
    for name in ("alarm", "setitimer", "pthread_sigmask", "sigwait"):
        delattr(signal, name)
    del faulthandler.register
    sys.modules["resource"] = None  # type: ignore[assignment]


def without_inheritance() -> None:
    """Popen hands down no descriptors, and knows no sessions."""
    start = subprocess.Popen.__init__

    def started(child: subprocess.Popen[bytes], *arguments: Any, **settings: Any) -> None:
        if settings.get("pass_fds"):
            raise ValueError("pass_fds not supported on Windows.")
        settings.pop("start_new_session", None)
        start(child, *arguments, **settings)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


def without_looking_at_pipes() -> None:
    """`select` takes sockets alone, and a folder cannot be opened."""
    choose = select.select
    opened = os.open

    def sockets_alone(*arguments: Any) -> Any:
        for one in [one for waiting in arguments[:3] for one in waiting]:
            number = one if isinstance(one, int) else one.fileno()
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                raise OSError(10038, "An operation was attempted on something that is not a socket")
        return choose(*arguments)

    def no_folders(path: Any, *arguments: Any, **settings: Any) -> int:
        if os.path.isdir(path) and not settings.get("dir_fd"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments, **settings)

    import shutil

    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    select.select = sockets_alone
    os.open = no_folders  # type: ignore[assignment]


if SYSTEM in ("windows", "macos"):
    without_proc()
    del os.waitid
if SYSTEM == "macos":
    without_limits_on_memory()
if SYSTEM == "windows":
    without_groups_and_signals()
    without_inheritance()
    without_looking_at_pipes()

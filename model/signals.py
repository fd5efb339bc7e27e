"""How a program ends when somebody tells it to: once, cleanly, and with everything that it has
started."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# what a terminal that closes, a supervisor and a time limit send
TOLD_TO_END = ("SIGTERM", "SIGHUP")


class ToldToEnd(BaseException):
    """A signal asked the program to end; raised, so that whatever must be cleaned up is.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


@contextmanager
def ending_once() -> Iterator[None]:
    """Within this, the first Ctrl-C raises KeyboardInterrupt, and SIGTERM or SIGHUP raise
    ToldToEnd, which ends the program by that signal when everything has been cleaned up.

    Whatever comes after the first one changes nothing, so that it cannot break off the cleaning up.
    A signal that was ignored before, as under nohup, stays ignored. Outside the main thread, where
    Python handles no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled: dict[int, object] = {}

    def end(number: int, _: FrameType | None) -> None:
        for one in handled:
            signal.signal(one, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise ToldToEnd(number)

    numbers = [getattr(signal, name) for name in TOLD_TO_END if hasattr(signal, name)]
    for number in [signal.SIGINT, *numbers]:
        before = signal.getsignal(number)
        if before is signal.SIG_IGN or before is None:
            continue
        handled[number] = before
    for number in handled:
        signal.signal(number, end)
    told: ToldToEnd | None = None
    try:
        yield
    except ToldToEnd as error:
        told = error
    finally:
        _put_back(handled)
    if told is not None:
        signal.signal(told.number, signal.SIG_DFL)
        os.kill(os.getpid(), told.number)
        raise told  # where the signal does not end the program


def _put_back(handled: dict[int, object]) -> None:
    for number, before in handled.items():
        if callable(before) or isinstance(before, signal.Handlers):
            signal.signal(number, before)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """A process that is started within this does not hear Ctrl-C, from its very beginning."""
    mask: Callable[[int, set[int]], set[int]] | None = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def never_hear_interrupts() -> None:
    """For a process that is ended by the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

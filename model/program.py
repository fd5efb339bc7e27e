"""What a program owes its surroundings: streams that are open, signals that end it within two
seconds with nothing left behind, and an exit code that says what happened.

Only a process of its own is treated so. Called from a notebook or a test, `main(argv)` changes
neither signals nor streams.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

BAD_INPUT = 2
INTERRUPTED = 130
# a second Ctrl-C within this time is taken for the first; after it, somebody means it
IMPATIENCE_S = 1.5
SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux' prctl
GLANCE_S = 0.5  # between two looks at whether the parent is still there


class Ended(BaseException):
    """Another program asked this one to end: with SIGTERM, or SIGHUP when its terminal closed."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class _Signals:
    """How signals are answered at the moment.

    Attributes:
        program: what the process is called in what is said.
        abandon: whether they may end the process on the spot: there is nothing to clean up.
        first_at: when the first signal came that is being answered; None before.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.abandon = True
        self.first_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler of all of them."""
        now = time.monotonic()
        if self.first_at is not None and now - self.first_at < IMPATIENCE_S:
            return
        interrupted = number == signal.SIGINT
        again = self.first_at is not None
        self.first_at = now
        if interrupted and (self.abandon or again):
            _say(self.program, "interrupted.")
            os._exit(INTERRUPTED)
        if interrupted:
            raise KeyboardInterrupt
        if self.abandon or again:
            _die_of(number)
        raise Ended(number)


_current: _Signals | None = None


def begin(program: str) -> None:
    """Open the streams that are closed, and answer signals: to be called before anything that takes
    long is imported.

    Args:
        program: what it is called as.
    """
    global _current
    open_streams()
    if _current is not None:
        _current.program = program
        return
    _current = _Signals(program)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        # what is ignored, as under nohup, stays so
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _current)


def as_program(main: Callable[[], int], program: str) -> int:
    """Run `main` as the whole of a process, and return its exit code.

    Whatever happens is one line and one of the codes 0, 1, 2, 130; after SIGTERM or SIGHUP the
    process dies of that signal, as whoever sent it expects. An exception that nobody foresaw is our
    own fault, and not the code that says "your gradients are wrong".
    """
    begin(program)
    assert _current is not None
    _current.abandon = False
    try:
        code = main()
    except SystemExit as left:  # argparse has said why
        code = left.code if isinstance(left.code, int) else BAD_INPUT
    except KeyboardInterrupt:
        _say(program, "interrupted.")
        code = INTERRUPTED
    except Ended as ended:
        _say(program, f"ended by {ended}.")
        _flushed(program)
        _die_of(ended.number)
        raise AssertionError("the process is dead") from None
    except OSError as error:
        code = _unusable(program, error)
    except MemoryError:
        _say(program, "expected memory enough, got none. Give a smaller network or fewer rows.")
        code = BAD_INPUT
    except Exception:
        import traceback

        with suppress(Exception):
            traceback.print_exc()
        _say(program, "this is a fault of Backproof's own, and says nothing of what was given.")
        code = BAD_INPUT
    code = _flushed(program) or code
    # all is done; what Python still does on its way out takes no Ctrl-C
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


@contextmanager
def abandoning() -> Iterator[None]:
    """While this lasts, signals end the program on the spot: an exception in the midst of an import
    comes out as any other, and there is nothing to clean up."""
    if _current is None:
        yield
        return
    before = _current.abandon
    _current.abandon = True
    try:
        yield
    finally:
        _current.abandon = before


def open_streams() -> None:
    """Open closed standard streams on the null device, so that no file of ours gets their number;
    and let what a console cannot show be escaped instead of refused."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def die_with_parent(parent: int | None = None) -> None:
    """Let this process be killed when its parent is gone, however that ended.

    By the kernel where it does that (Linux), else by a thread that looks every half second.

    Args:
        parent: the parent's number, where it was known before this process began; a parent that was
            gone by then is noticed, too.
    """
    expected = parent or os.getppid()
    import ctypes

    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        watched = prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0) == 0
    except (OSError, AttributeError, TypeError):
        watched = False
    if os.getppid() != expected:
        os._exit(INTERRUPTED)
    if not watched:
        threading.Thread(target=_watch, args=(expected,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(GLANCE_S)
    os._exit(INTERRUPTED)


def _unusable(program: str, error: OSError) -> int:
    """The exit code for a file, a folder or a stream that cannot be used. A reader who has gone, as
    `| head -1` does, is nothing to complain of, and counts as an interruption."""
    where = error.filename2 or error.filename
    if where is None:
        _give_up_output()
    if isinstance(error, BrokenPipeError):
        return INTERRUPTED
    reason = error.strerror or str(error) or type(error).__name__
    place = _shown(where) if where is not None else "the output"
    _say(program, f"{place}: expected something that can be used, got: {reason}. Name another.")
    return BAD_INPUT


def _flushed(program: str) -> int:
    """Bring out what was printed; 0, or the exit code where nobody could take it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        return _unusable(program, error)
    except ValueError:  # closed by somebody
        return 0
    return 0


def _give_up_output() -> None:
    """What standard output still holds must not fail once more when Python ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _shown(where: object) -> str:
    if isinstance(where, bytes):
        return os.fsdecode(where)
    return str(where)


def _say(program: str, message: str) -> None:
    """One line, past Python's own buffers, which a signal may have found in use."""
    with suppress(OSError, RuntimeError, ValueError):
        sys.stderr.flush()
    line = " ".join(f"{program}: {message}".split())
    with suppress(OSError):
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))


def _die_of(number: int) -> None:
    """End as the signal ends a program that does not answer it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

"""What the three programs share: one-line errors, exit codes, and converters that explain what they
expected.

Exit codes: 0 good; 1 the thing that was checked is wrong, or training diverged; 2 bad usage or bad
    input; 130 interrupted.
"""

import argparse
import gc
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from backproof.model.packages import lacking
from backproof.model.pasted import called
from backproof.model.program import abandoning

GOOD = 0
WRONG = 1
BAD_INPUT = 2
INTERRUPTED = 130
LARGEST = 1e30  # magnitude of a number typed: itself and its tenfold stay finite in float32


class BadInput(Exception):
    """Something that came from outside cannot be used. The text says what was expected, what came,
    and what to do."""


class Parser(argparse.ArgumentParser):
    """argparse whose every refusal is one line and exit code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and usage, to whom it concerns: argparse itself is silent about a full device."""
        if message:
            (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        """Print `<program>: <message>` and exit with 2."""
        complain(self.prog, _plain(message, self.prog))
        raise SystemExit(BAD_INPUT)


def counted(count: int, what: str) -> str:
    """ "1 epoch", "2 epochs"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def complain(program: str, message: object) -> None:
    """Print one line on standard error, whatever line breaks the message has."""
    line = f"{program}: {' '.join(str(message).split())}"
    with suppress(OSError):  # nobody who could read it
        print(line, file=sys.stderr)


def unwritable(program: str, error: OSError) -> int:
    """Say what could not be written, and return the exit code. A reader who has gone, as
    `| head -1` does, is nothing to complain of, and counts as an interruption."""
    where = error.filename2 or error.filename
    if where is None:  # what standard output still holds must not fail once more when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if isinstance(error, BrokenPipeError):
        return INTERRUPTED
    complain(
        program,
        f"{where or 'the output'}: expected a file or folder that can be written, got: "
        f"{error.strerror}. Free or rename it.",
    )
    return BAD_INPUT


@contextmanager
def importing() -> Iterator[None]:
    """Look for no garbage while something is imported, nor in it later: it stays, and there is so
    much of it that looking through it takes a third of importing torch."""
    collects = gc.isenabled()
    before = len(sys.modules)
    gc.disable()
    try:
        with abandoning():
            yield
    except ModuleNotFoundError as error:
        if sentence := lacking(error):
            raise BadInput(sentence) from None
        raise
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if collects:
            gc.enable()


def folder(text: str) -> Path:
    """A converter that refuses the empty name, which an unset shell variable leaves: it would mean
    the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected the name of a folder, got {text!r}.")
    return Path(text)


def one_of(*choices: str) -> Callable[[str], str]:
    """A converter that accepts exactly these words."""

    def convert(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(choices)}, got {text!r}.")
        return text

    return convert


def whole_number(at_least: int, at_most: int = 2**32 - 1) -> Callable[[str], int]:
    """A converter for whole numbers within bounds."""

    def convert(text: str) -> int:
        try:
            number = int(_plainly(text))
        except ValueError:
            number = at_least - 1
        if not at_least <= number <= at_most:
            bounds = f"of at most {at_most}" if number > at_most else f"of at least {at_least}"
            raise argparse.ArgumentTypeError(
                f"expected a whole number {bounds}, got {text.strip()!r}."
            )
        return number

    return convert


def finite(at_least: float = -math.inf, above: float = -math.inf) -> Callable[[str], float]:
    """A converter for numbers that float32 holds, optionally bounded from below (`above` excludes
    its bound)."""
    if above > -math.inf:
        condition = f" above {above:g}"
    elif at_least > -math.inf:
        condition = f" of at least {at_least:g}"
    else:
        condition = ""

    def convert(text: str) -> float:
        try:
            number = float(_plainly(text))
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= at_least and number > above):
            raise argparse.ArgumentTypeError(f"expected a finite number{condition}, got {text!r}.")
        if abs(number) > LARGEST:
            raise argparse.ArgumentTypeError(
                f"expected a number of at most {LARGEST:g}, got {text!r}."
            )
        return number

    return convert


def _plainly(text: str) -> str:
    """The same, if nobody but Python reads a number in it: 1_000, or digits of other scripts.

    Raises: ValueError otherwise.
    """
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text


def _plain(message: str, program: str) -> str:
    """argparse's own wording, turned into: where, what was expected, what came, what to do."""
    advice = f"See {called(program)} --help."
    if unknown := re.fullmatch(r"unrecognized arguments: (.*)", message):
        return f"expected the flags of --help, got {unknown[1]}. {advice}"
    if missing := re.fullmatch(r"argument (\S+): expected (at least one|one) argument", message):
        return f"{missing[1]}: expected {missing[2]} value, got none. {advice}"
    if absent := re.fullmatch(r"the following arguments are required: (.*)", message):
        return f"expected {absent[1]}, got nothing. {advice}"
    return f"{message.removeprefix('argument ')} {advice}"

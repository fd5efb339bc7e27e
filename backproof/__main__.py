"""The commands of an installed Backproof: check, train, label, explain, equation, examples."""

from __future__ import annotations

import os
import sys
from typing import Protocol


class Program(Protocol):
    """A program's `main`: its flags, and what it is called as -> its exit code."""

    def __call__(self, argv: list[str], *, program: str) -> int:
        """Run it."""


USAGE = """\
usage: backproof COMMAND ...

commands
  check      your own backprop: right; or right under another convention; or wrong, here;
             without a file, Backproof itself
  train      train a network whose gradients are checked as it learns
  label      label inputs with a trained network
  explain    one sample through the network, every equation with its numbers
  equation   the derivation of one equation, such as B5, which a verdict names
  examples   files that people could have written, to be copied and checked

`backproof COMMAND --help` says what each takes.
"""


def main(argv: list[str] | None = None) -> int:
    """The first word chooses the program; the rest is the program's own."""
    _look_nowhere_else()
    if argv is None:
        return _alone(sys.argv[1:])
    words = argv
    if words and words[0] in COMMANDS:
        return _run(words[0], words[1:])
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if words[0] == "--version":
        from backproof import __version__

        print(f"backproof {__version__}")
        return 0
    known = ", ".join(COMMANDS)
    print(
        f"backproof: expected one of {known}, got {words[0]!r}. See backproof --help.",
        file=sys.stderr,
    )
    return 2


def _alone(words: list[str]) -> int:
    """`main` as the whole of a process: it answers signals, and its streams are open."""
    from backproof.model.program import as_program

    return as_program(lambda: main(words), " ".join(["backproof", *words[:1]]))


def _run(command: str, argv: list[str]) -> int:
    from backproof.model.command_line import BAD_INPUT, BadInput, complain, importing

    try:
        with importing():
            program = COMMANDS[command]()
    except BadInput as error:
        complain(f"backproof {command}", error)
        return BAD_INPUT
    return program(argv, program=f"backproof {command}")


def _look_nowhere_else() -> None:
    """Take the current folder off the path: `python -m backproof` puts it there, and learners call
    their files model.py. Where it is the folder of this package, it comes last: the processes that
    are started look for us on the same path."""
    here = os.path.realpath(os.getcwd())
    home = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))
    entries = [entry for entry in sys.path if entry and os.path.realpath(entry) != here]
    sys.path[:] = [*entries, home] if home == here else entries


def _check() -> Program:
    from backproof.checks.__main__ import main

    return main


def _explain() -> Program:
    from backproof.checks.walkthrough.command import main

    return main


def _train() -> Program:
    from backproof.train import main

    return main


def _label() -> Program:
    from backproof.label import main

    return main


def _equation() -> Program:
    from backproof.checks.pages.equations import main

    return main


def _examples() -> Program:
    from backproof.checks.pages.examples import main

    return main


COMMANDS = {
    "check": _check,
    "train": _train,
    "label": _label,
    "explain": _explain,
    "equation": _equation,
    "examples": _examples,
}

if __name__ == "__main__":
    sys.exit(main())

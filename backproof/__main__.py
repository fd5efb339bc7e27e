"""backproof check|train|label|explain: commands that find their own modules in any folder."""

from __future__ import annotations

import os
import sys

USAGE = """\
usage: backproof COMMAND ...

commands
  check      your own backprop: right; or right under another convention; or wrong, here;
             without a file, Backproof itself
  train      train a network whose gradients are checked as it learns
  label      label inputs with a trained network
  explain    one sample through the network, every equation with its numbers

`backproof COMMAND --help` says what each takes.
"""


def main(argv: list[str] | None = None) -> int:
    """The first word chooses the program; the rest is the program's own."""
    words = sys.argv[1:] if argv is None else argv
    _look_nowhere_else()
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
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


def _look_nowhere_else() -> None:
    """Take the current folder off the path: `python -m backproof` puts it there, and learners call
    their files model.py."""
    here = os.getcwd()
    sys.path[:] = [
        entry for entry in sys.path if entry and os.path.realpath(entry) != os.path.realpath(here)
    ]


def _check(argv: list[str]) -> int:
    from backproof.checks.__main__ import main as check

    return check(argv, program="backproof check")


def _explain(argv: list[str]) -> int:
    from backproof.checks.__main__ import main as check

    return check(["--explain", *argv], program="backproof explain")


def _train(argv: list[str]) -> int:
    from backproof.train import main as train

    return train(argv, program="backproof train")


def _label(argv: list[str]) -> int:
    from backproof.label import main as label

    return label(argv, program="backproof label")


COMMANDS = {"check": _check, "train": _train, "label": _label, "explain": _explain}

if __name__ == "__main__":
    sys.exit(main())

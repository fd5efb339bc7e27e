"""Commands that are printed for somebody to paste: they call the Python that runs this, and the
programs where they are, from the folder in which somebody is."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from backproof.model.packages import OURS, checkout


def python() -> str:
    """The word that calls the interpreter that runs: `python` where that finds it, else its
    path."""
    if _finds("python"):
        return "python"
    return _from_here(Path(sys.executable))


def tool(name: str, module: str) -> list[str]:
    """The words that call a program which a package has installed beside the interpreter.

    Args:
        name: of its command.
        module: that `python -m` runs in its place where the command is not found.
    """
    if _finds(name):
        return [name]
    return [python(), "-m", module]


def command(name: str) -> list[str]:
    """The words that call `backproof NAME`."""
    return [*tool(OURS, OURS), name]


def script(name: str) -> list[str]:
    """The words that call NAME.py of the checkout, or the command of that name where this is
    none."""
    root = checkout()
    if root is None:
        return command(name)
    return [python(), _from_here(root / f"{name}.py")]


def called(program: str) -> str:
    """A program by its name, such as "train.py", "python -m checks" or "backproof check", as it is
    called."""
    first, *rest = shlex.split(program)
    if first.endswith(".py"):
        return shlex.join([python(), first])
    if first == OURS:
        return shlex.join([*tool(OURS, OURS), *rest])
    return shlex.join([python(), *rest])


def _finds(name: str) -> bool:
    """Whether a word that is typed calls what lies beside the interpreter: an environment's python
    is a link to another one, so that folders are compared and not files."""
    found = shutil.which(name)
    return found is not None and _folder(found) == _folder(sys.executable)


def _folder(path: str) -> str:
    return os.path.realpath(os.path.dirname(path))


def _from_here(path: Path) -> str:
    """A path as somebody would type it in the current folder, if that is still there."""
    try:
        here = Path.cwd()
    except OSError:
        return str(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

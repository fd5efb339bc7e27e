"""A candidate's source: read once, with a limit, from a file that may be anything by the time it is
read."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backproof.checks.candidates.inside.definitions import without_the_rest
from backproof.checks.candidates.notebook import NotANotebook, cells_as_written, code_cells

LARGEST_FILE = 2**21  # bytes; the longest module of Python's own library has a tenth of it
LARGEST_NOTEBOOK = 2**25  # bytes, with the pictures in it
ENDINGS = (".py", ".ipynb")
CELLS_APART = "\f"  # which no cell holds: Python takes it for a blank


class Unreadable(Exception):
    """A path that is no candidate: what was expected, what came, what to do, in one line."""


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        path: of the file, absolute.
        content: a file's bytes; a notebook's code cells, encoded, with `CELLS_APART` between them.
        is_notebook: whether it is one.
        notes: what was left out of a notebook, or is twice in it.
        cells: of a notebook, its code cells as they stand in it.
    """

    path: Path
    content: bytes
    is_notebook: bool = False
    notes: Sequence[str] = field(default_factory=tuple)
    cells: Sequence[str] = field(default_factory=tuple)

    @property
    def text(self) -> str:
        """For those who search it."""
        return self.content.decode("utf-8-sig", errors="replace").replace(CELLS_APART, "\n")

    @property
    def lines(self) -> list[str]:
        """Line 1 stands at 0. Of a notebook, those of all cells one after the other."""
        return self.text.splitlines()

    @property
    def does_more_than_define(self) -> bool:
        """Whether anything at its top level is no import, definition or constant."""
        try:
            tree = ast.parse(self.text)
        except (SyntaxError, ValueError):
            return False
        return bool(without_the_rest(tree))

    def line_of(self, filename: str, number: int) -> str:
        """The text of a line that a traceback names, or "" where it is none of this source's."""
        text = self.content.decode("utf-8-sig", errors="replace")
        found = text.splitlines()
        if self.is_notebook:
            cell = filename.rpartition(" ")[2]
            cells = text.split(CELLS_APART)
            if not cell.isdecimal() or not 1 <= int(cell) <= len(cells):
                return ""
            found = cells[int(cell) - 1].splitlines()
        elif filename != str(self.path):
            return ""
        if 1 <= number <= len(found):
            return found[number - 1].strip()
        return ""


def read(path: Path) -> Source:
    """The source of a candidate, a Python file or a notebook.

    Raises: Unreadable if the path is neither, cannot be read, or is larger than any program is.
    """
    if path.is_dir():
        raise Unreadable(
            f"expected Python files, got the folder {path}. Name the files in it: {path}/*.py."
        )
    kind = "a Python file (.py) or a notebook (.ipynb)"
    if path.suffix not in ENDINGS:
        found = "something else" if os.path.lexists(path) else "nothing there"
        raise Unreadable(f"expected {kind}, got {path}, {found}. Check the name.")
    is_notebook = path.suffix == ".ipynb"
    limit = LARGEST_NOTEBOOK if is_notebook else LARGEST_FILE
    try:
        content = _bytes_of(path, limit)
    except FileNotFoundError as error:
        raise Unreadable(f"expected {kind}, got {path}, nothing there. Check the name.") from error
    except OSError as error:
        why = error.strerror or "unreadable"
        raise Unreadable(
            f"expected a file that can be read, got {path} ({why}). Change its permissions."
        ) from error
    except ValueError as error:
        raise Unreadable(f"expected {kind}, got {path}, {error}. Check the name.") from error
    if len(content) > limit:
        advice = "Clear its outputs." if is_notebook else "Name the program itself."
        raise Unreadable(f"expected a file of at most {limit >> 20} MiB, got {path}. {advice}")
    if not is_notebook:
        return Source(_absolute(path), content)
    try:
        cells, notes = code_cells(content)
    except NotANotebook as error:
        raise Unreadable(f"expected a notebook, got {path}: {error}. Save it again.") from error
    written = cells_as_written(content)
    return Source(_absolute(path), CELLS_APART.join(cells).encode(), True, notes, written)


def _absolute(path: Path) -> Path:
    """Without "..", through which a folder behind walls could not be reached."""
    return Path(os.path.abspath(path))


def _bytes_of(path: Path, limit: int) -> bytes:
    """At most one byte more than the limit. What is opened is asked what it is, not the name: a
    pipe or a device may have taken its place.

    Raises: ValueError if it is no regular file.
    """
    without_waiting = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | without_waiting | getattr(os, "O_NOCTTY", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("something else")
        return file.read(limit + 1)

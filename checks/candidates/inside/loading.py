"""A candidate's source made into a module: its pieces executed one after the other, under a name
and on a path of imports as if Python had imported it from its folder."""

from __future__ import annotations

import ast
import linecache
import os
import sys
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backproof.checks.candidates.inside.definitions import without_the_rest

CELL = ", cell "  # stands between a notebook's path and the number of one of its code cells


@dataclass(frozen=True)
class Piece:
    """What is executed in one go: a whole file, or one code cell of a notebook.

    Attributes:
        filename: of its code: the file's path, for a cell with its number behind it.
        source: text, or bytes that say themselves how they are encoded.
    """

    filename: str
    source: str | bytes


def pieces_of(path: str, frame: bytes, *, is_notebook: bool) -> list[Piece]:
    """What the checker sent: a file as it is, or a notebook's cells with a form feed between
    them."""
    if not is_notebook:
        return [Piece(path, frame)]
    cells = frame.decode().split("\f")
    return [Piece(f"{path}{CELL}{number}", cell) for number, cell in enumerate(cells, start=1)]


def search_beside(path: str) -> None:
    """Let the candidate import what lies beside it: after Python's own modules, so that a file
    random.py there breaks nothing, and before what has been installed."""
    folder = os.path.dirname(path)
    here = [index for index, entry in enumerate(sys.path) if _is_installed(entry)]
    sys.path.insert(min(here, default=len(sys.path)), folder)


def _is_installed(entry: str) -> bool:
    return os.path.basename(os.path.normpath(entry)) in ("site-packages", "dist-packages")


def module_named_after(path: str) -> types.ModuleType:
    """An empty module, known to Python under the name of the file where no other has it."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = "candidate"
    if stem.isidentifier() and stem not in sys.modules and stem not in sys.stdlib_module_names:
        name = stem
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    return module


def run(pieces: Iterable[Piece], module: types.ModuleType, *, definitions_only: bool) -> list[str]:
    """Execute all of it in the module.

    Returns: which lines were left out, where definitions alone were asked for.
    """
    left_out: list[str] = []
    for piece in pieces:
        remember_lines(piece)
        tree = ast.parse(piece.source, piece.filename)
        if definitions_only:
            left_out += [f"{line} of {_name(piece)}" for line in without_the_rest(tree)]
        code = compile(tree, piece.filename, "exec", dont_inherit=True)
        exec(code, vars(module))
    return left_out


def remember_lines(piece: Piece) -> None:
    """Let tracebacks and `inspect` quote the lines that were checked, whatever becomes of the
    file."""
    text = decoded(piece.source)
    linecache.cache[piece.filename] = (
        len(text),
        None,
        text.splitlines(keepends=True),
        piece.filename,
    )


def decoded(source: str | bytes) -> str:
    """A source's text, for reading and quoting; what cannot be decoded is marked."""
    if isinstance(source, str):
        return source
    return source.decode("utf-8-sig", errors="replace")


def text_of(pieces: Sequence[Piece]) -> str:
    """All pieces as one text, for those who search it."""
    return "\n".join(decoded(piece.source) for piece in pieces)


def _name(piece: Piece) -> str:
    return os.path.basename(piece.filename)

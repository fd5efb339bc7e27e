"""A Jupyter notebook as a candidate: its code cells, as Python."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

MAGIC = ("%", "!", "?")  # what a line begins with that is for IPython, not for Python
# cells that are Python in spite of their first line
PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%python", "%%python3", "%%prun")


class NotANotebook(Exception):
    """The file holds none; the text says what it holds."""


def code_cells(content: bytes) -> tuple[list[str], list[str]]:
    """The code cells of a notebook, with what is not Python taken out, line for line.

    Args:
        content: of the file.
    Returns: the cells in their order, and what is to be told: which lines were left out, and which
        names are defined twice.
    Raises: NotANotebook if it is no JSON, has no cells, or none with code.
    """
    sources = cells_as_written(content)
    notes = []
    plain = []
    for number, source in enumerate(sources, start=1):
        code, left_out = without_magic(source)
        plain.append(code)
        if left_out:
            notes.append(f"cell {number}: left out what is for IPython: {left_out[0]}")
    return plain, notes + list(_defined_twice(plain))


def cells_as_written(content: bytes) -> list[str]:
    """The code cells of a notebook in their order, what is for IPython included.

    Raises: NotANotebook as `code_cells` does.
    """
    try:
        found: Any = json.loads(content)
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        raise NotANotebook("it is no JSON") from error
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list):
        raise NotANotebook("it has no cells")
    sources = [_source(cell).replace("\f", " ") for cell in cells if _is_code(cell)]
    if not any(source.strip() for source in sources):
        raise NotANotebook("it has no cell with code in it")
    return sources


def _is_code(cell: object) -> bool:
    return isinstance(cell, dict) and cell.get("cell_type") == "code"


def _source(cell: dict[str, Any]) -> str:
    """A string, or a list of lines: a notebook has either."""
    source = cell.get("source", "")
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    if isinstance(source, str):
        return source
    return ""


def without_magic(source: str) -> tuple[str, list[str]]:
    """A cell with IPython's own lines made into `pass`, and those lines.

    A line is taken out only where Python cannot read it: `% b` may go on an expression.
    """
    lines = source.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%"):
        if not first.startswith(PYTHON_CELLS):
            return "\n" * max(0, len(lines) - 1), [first]
        lines[lines.index(first)] = ""
    left_out: list[str] = []
    for _ in range(len(lines)):
        at = _unreadable_line(lines)
        if at is None or not _is_magic(lines[at]):
            break
        left_out.append(lines[at].strip())
        _take_out(lines, at)
    return "\n".join(lines), left_out


def _unreadable_line(lines: Sequence[str]) -> int | None:
    """The index of the line at which Python stops, or None if it can read all of them."""
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as error:
        if error.lineno and error.lineno <= len(lines):
            return error.lineno - 1
    except ValueError:  # a NUL in it
        pass
    return None


def _is_magic(line: str) -> bool:
    text = line.strip()
    value = text.partition("=")[2].strip()
    return text.startswith(MAGIC) or text.endswith("?") or value.startswith(("%", "!"))


def _take_out(lines: list[str], at: int) -> None:
    """Replace a line, and those that go on it, by statements that do nothing."""
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    name, assigned, _ = lines[at].partition("=")
    goes_on = lines[at].rstrip().endswith("\\")
    if assigned and name.strip().isidentifier():
        lines[at] = f"{name}= None"
    else:
        lines[at] = f"{indent}pass"
    while goes_on and at + 1 < len(lines):
        at += 1
        goes_on = lines[at].rstrip().endswith("\\")
        lines[at] = ""


def _defined_twice(cells: Sequence[str]) -> list[str]:
    """A sentence for each function or class that two cells define."""
    where: dict[str, list[int]] = {}
    for number, cell in enumerate(cells, start=1):
        try:
            statements = ast.parse(cell).body
        except (SyntaxError, ValueError):
            continue
        for statement in statements:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                where.setdefault(statement.name, []).append(number)
    return [
        f"cells {numbers[0]} and {numbers[-1]} both define {name}; the last one counts"
        for name, numbers in where.items()
        if numbers[0] != numbers[-1]
    ]

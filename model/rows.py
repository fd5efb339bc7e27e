"""What somebody wants labelled -> rows of raw numbers, each with a name: typed numbers, .csv and
.npy files, standard input."""

from __future__ import annotations

import csv
import io
import itertools
import os
import sys
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.command_line import LARGEST, BadInput
from backproof.model.files.csv_text import read_text
from backproof.model.files.reading import MOST_TEXT, load_array, open_regular
from backproof.model.files.tables import shown

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

TABLES = (".csv", ".npy")
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Rows:
    """Rows to label, in the order given.

    Attributes:
        names: what each row is called in the answer: the numbers themselves, or file:line.
        x: raw values, one row an input.
        refusals: what is to be said of inputs that could not be read while others could.
    """

    names: list[str]
    x: Float64[np.ndarray, "M n_0"]
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What a network takes.

    Attributes:
        n_0: how many numbers.
        columns: their names, where it was trained on a table that has some.
        run: its folder, for what is said when they do not fit.
    """

    n_0: int
    run: Path
    columns: tuple[str, ...] = ()


def read_rows(inputs: Sequence[str], expected: Expected) -> Rows:
    """Read every input.

    Args:
        inputs: numbers, which together are one row; or names of tables; or "-" for rows on standard
            input.
        expected: what the network takes. A table with a header is put into the order of the
            network's columns.
    Raises: BadInput for text, a missing or empty file, a wrong number of numbers, or numbers that
    are not finite.
    """
    typed = [_number(text) for text in inputs]
    if None in typed and any(number is not None for number in typed):
        wrong = inputs[typed.index(None)]
        raise BadInput(
            f"expected {expected.n_0} numbers, or files alone, got {wrong!r} among numbers. "
            "Correct it, or leave it out."
        )
    if typed and None not in typed:
        x = np.array([typed], dtype=np.float64)
        _check(x, ["the command line"], expected)
        return Rows([" ".join(text.strip() for text in inputs)], x)
    parts = [_read(name, expected) for name in inputs]
    return joined(parts)


def joined(parts: Sequence[Rows]) -> Rows:
    """One after the other."""
    names = itertools.chain.from_iterable(part.names for part in parts)
    return Rows(list(names), np.concatenate([part.x for part in parts]))


def _number(text: str) -> float | None:
    try:
        # Python reads 1_000, tables don't
        if "_" in text:
            return None
        return float(text)
    except ValueError:
        return None


def _read(name: str, expected: Expected) -> Rows:
    """One table."""
    if name == STANDARD_INPUT:
        lines, x = _parse("standard input", _standard_input(), expected)
        called = "-"
    else:
        path = Path(name)
        if path.suffix.lower() not in TABLES:
            raise BadInput(
                f"expected {expected.n_0} numbers, a {' or '.join(TABLES)} file, or - for standard "
                f"input, got {name!r}. See --help."
            )
        if path.suffix.lower() == ".npy":
            lines, x = _array(path, expected)
        else:
            lines, x = _parse(name, read_text(path), expected)
        called = path.name
    names = [f"{called}:{line}" for line in lines]
    _check(x, names, expected)
    return Rows(names, x)


def _standard_input() -> str:
    """All of it. Raises BadInput where it is no text."""
    try:
        text = sys.stdin.read(MOST_TEXT + 1).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x}"
        raise BadInput(
            f"standard input: expected UTF-8 text, got byte {byte}. Save it as UTF-8."
        ) from None
    if len(text) > MOST_TEXT:
        raise BadInput(
            f"standard input: expected at most {MOST_TEXT:,} letters, got more. Give fewer rows at "
            "a time."
        )
    return text


def _array(path: Path, expected: Expected) -> tuple[Sequence[int], np.ndarray]:
    """Rows of an .npy file; one row may be a vector, and a stack of pictures is flattened."""
    try:
        with open_regular(path) as file:
            array = load_array(file, os.fstat(file.fileno()).st_size)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        raise BadInput(
            f"{path}: expected an .npy file of numbers, got {_reason(error)}. Write it with "
            "numpy.save."
        ) from error
    if not (
        isinstance(array, np.ndarray) and array.dtype.kind in "buif" and array.size and array.ndim
    ):
        raise BadInput(
            f"{path}: expected an array of numbers, one row an input, got {_kind(array)}. Write "
            "it with numpy.save."
        )
    x = array.reshape(1, -1) if array.ndim == 1 else array.reshape(len(array), -1)
    return range(1, len(x) + 1), x.astype(np.float64)


def _parse(name: str, text: str, expected: Expected) -> tuple[Sequence[int], np.ndarray]:
    """Line numbers and numbers of a text: NumPy's fast reader, and where it stumbles a slow one
    that finds the line."""
    first = text.lstrip().split("\n", 1)[0]
    if not first:
        raise BadInput(
            f"{name}: expected rows of {expected.n_0} numbers, got an empty file. Put one input on "
            "a line."
        )
    separator = next((mark for mark in (",", ";", "\t") if mark in first), None)
    names = _names(first, separator)
    # a row with a slip in it is no header
    header = all(_number(name) is None for name in names) or (
        bool(expected.columns) and set(names) >= set(expected.columns)
    )
    order = _order(name, names, expected) if header else None
    full: Sequence[int] = [
        line for line, content in enumerate(text.split("\n"), 1) if content.strip()
    ][header:]
    if not full:
        raise BadInput(
            f"{name}: expected rows of {expected.n_0} numbers below the header, got none. Put one "
            "input on a line."
        )
    try:
        x = np.loadtxt(
            io.StringIO(text),
            delimiter=separator,
            ndmin=2,
            comments=None,
            skiprows=_lines_of(text, header),
        )
    except ValueError:
        full, x = _parse_slowly(name, text, separator, header, expected)
    if order is not None and x.shape[1] == len(order):
        x = x[:, order]
    return full, x


def _names(line: str, separator: str | None) -> list[str]:
    """The fields of a first line, without quotes around them."""
    if separator is None:
        fields = line.split()
    else:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def _order(name: str, names: Sequence[str], expected: Expected) -> list[int] | None:
    """Where each of the network's columns stands in a table with a header; None where the network
    knows no names.

    Raises: BadInput where one is missing, comes twice, or is unknown.
    """
    columns = expected.columns
    if not columns or list(names) == list(columns):
        return None
    advice = f"Name the columns as the data of {expected.run}: {shown(', '.join(columns))}."
    for column in columns:
        if names.count(column) != 1:
            came = "two" if column in names else "none"
            raise BadInput(
                f"{name}: expected one column called {shown(column)}, got {came}. {advice}"
            )
    unknown = next((column for column in names if column not in columns), None)
    if unknown is not None:
        raise BadInput(
            f"{name}: expected the columns that the network was trained on, got one more, "
            f"{shown(unknown)}. Remove it."
        )
    return [names.index(column) for column in columns]


def _lines_of(text: str, header: bool) -> int:
    """How many lines to skip: those up to and with the header."""
    if header:
        return text[: len(text) - len(text.lstrip())].count("\n") + 1
    return 0


def _parse_slowly(
    name: str, text: str, separator: str | None, header: bool, expected: Expected
) -> tuple[Sequence[int], np.ndarray]:
    """Line by line, to say which one is wrong."""
    full = [(line, content) for line, content in enumerate(text.split("\n"), 1) if content.strip()][
        header:
    ]
    for line, content in full:
        fields = content.strip().split(separator)
        wrong = next((field.strip() for field in fields if _number(field) is None), None)
        if wrong is not None:
            raise BadInput(
                f"{name} line {line}: expected numbers alone, got {wrong!r}. Correct it, or "
                "remove the column."
            )
        if len(fields) != expected.n_0:
            raise BadInput(_wrong_count(f"{name} line {line}", len(fields), expected))
    raise BadInput(
        f"{name}: expected rows of {expected.n_0} numbers, got something NumPy cannot read. Put "
        "one input on a line."
    )


def _check(x: np.ndarray, names: Sequence[str], expected: Expected) -> None:
    """As many numbers as the network takes, all finite."""
    if x.shape[1] != expected.n_0:
        raise BadInput(_wrong_count(names[0], x.shape[1], expected))
    usable = np.abs(x) <= LARGEST
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        came = f"{x[row, column]:g} in place {column + 1}"
        raise BadInput(
            f"{names[row]}: expected finite numbers of at most {LARGEST:g}, got {came}. Correct it."
        )


def _wrong_count(where: str, count: int, expected: Expected) -> str:
    return (
        f"{where}: expected {expected.n_0} numbers for the network in {expected.run}, got {count}. "
        f"Give {expected.n_0}, or choose another run with --run."
    )


def _kind(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype} of shape {array.shape}"
    return type(array).__name__


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]

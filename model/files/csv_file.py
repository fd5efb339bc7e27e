"""A CSV file -> Table: numbers, and in the last column the label.

Header: the first line, if none of its features is a number, or if it counts 0, 1, 2, ... and its
label is the only one that is no number. NumPy reads the plain file; the careful reader, which takes
quotes too, reads what NumPy refuses and knows the line of every error.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.command_line import BadInput
from backproof.model.files.csv_text import Record, read_text, records_of, separator_of
from backproof.model.files.tables import (
    LARGEST,
    VALUE,
    Table,
    all_numbers,
    encode,
    quantities,
    shown,
    value,
)

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64


@dataclass(frozen=True)
class Rows:
    """The rows as they came, with the number of each one's line."""

    lines: list[int]
    x: Float64[np.ndarray, "N n_0"]
    labels: list[str]
    columns: tuple[str, ...]


def read_csv(path: Path, values: bool = False) -> Table:
    """Read a table whose last column is the label.

    Args:
        path: UTF-8 text, with or without header, quotes and byte order mark.
        values: whether labels that are all numbers are numbers to predict, not names of classes.
    Returns: float64 features and encoded labels.
    Raises: BadInput with file, line and column for whatever cannot be used.
    """
    rows = read_rows(path)
    if values and all_numbers(set(rows.labels)):
        return Table(rows.x, quantities(rows.labels, path), (VALUE,), columns=rows.columns)
    y, classes = encode(rows.labels, path)
    return Table(rows.x, y, classes, columns=rows.columns)


def read_rows(path: Path) -> Rows:
    """The rows of a table, whatever its labels may be good for: finite features, and no label
    missing.

    Raises: BadInput with file, line and column for whatever cannot be used.
    """
    text = read_text(path)
    separator = separator_of(text)
    records = records_of(path, text, separator)
    first = next(records, None)
    if first is None:
        raise BadInput(
            f"{path}: expected rows of numbers and a label, got empty fields. Fill them in."
        )
    columns = _header(path, first)
    rows = _quick(text, separator, len(first[1]), columns)
    if rows is None:
        rows = _careful(
            path, records if columns else chain([first], records), len(first[1]), columns
        )
    rows = _without_numeric_header(rows, first)
    _check_features(path, rows)
    _check_labels(path, rows)
    return rows


def _header(path: Path, first: Record) -> tuple[str, ...]:
    """The features' names, or () where the first line is a row; half of each is refused, so that no
    row is lost."""
    line, (*features, label) = first
    if not features:
        raise BadInput(
            f"{path}, line {line}: expected at least 2 columns, numbers and then a label, got 1: "
            f"{shown(label)}. "
            "Separate the columns with commas, semicolons or tabs."
        )
    names = [field for field in features if not _is_number(field)]
    if names and len(names) < len(features):
        number = next(field for field in features if _is_number(field))
        raise BadInput(
            f"{path}, line {line}: expected numbers, or a header of names, got {shown(names[0])} "
            f"and {shown(number)}. "
            "Correct the number, or give every column a name."
        )
    return tuple(names)


def _is_number(field: str) -> bool:
    """Whether the field is meant as a number, NaN and infinity among them."""
    return not math.isnan(value(field)) or field.lower().lstrip("+-") == "nan"


def _quick(text: str, separator: str, width: int, columns: tuple[str, ...]) -> Rows | None:
    """The rows through NumPy's parser, or None where it takes the careful reader to understand or
    to refuse them."""
    kept = [(line, row) for line, row in enumerate(text.split("\n"), 1) if row.strip()][
        bool(columns) :
    ]
    if not kept or any('"' in row or row.count(separator) != width - 1 for _, row in kept):
        return None
    parts = [row.rpartition(separator) for _, row in kept]
    x = _numbers([features for features, _, _ in parts], separator)
    if x is None:
        return None
    return Rows([line for line, _ in kept], x, [label.strip() for _, _, label in parts], columns)


def _numbers(rows: list[str], separator: str) -> np.ndarray | None:
    """float64, or None; whole numbers are parsed as such, which takes NumPy a quarter of the
    time."""
    if not all(row.strip() for row in rows):  # which NumPy would pass over
        return None
    whole = not any(mark in row for row in rows for mark in ".eEnN")
    try:
        parsed = np.loadtxt(
            rows, np.int64 if whole else np.float64, comments=None, delimiter=separator, ndmin=2
        )
    except ValueError:
        return None
    return parsed.astype(np.float64)


def _careful(path: Path, records: Iterator[Record], width: int, columns: tuple[str, ...]) -> Rows:
    """The rows one field at a time. Raises BadInput at the first that cannot be used."""
    lines = []
    features = []
    labels = []
    for line, fields in records:
        if len(fields) != width:
            raise BadInput(
                f"{path}, line {line}: expected {width} fields, as in the first line, got "
                f"{len(fields)}. "
                "Add what is missing, quote a field that holds the separator, or remove the line."
            )
        features.append(_features(path, line, fields[:-1], columns))
        labels.append(fields[-1])
        lines.append(line)
    if not lines:
        raise BadInput(
            f"{path}: expected rows below the header, got none. Add rows of numbers, each with "
            "its label."
        )
    return Rows(lines, np.stack(features), labels, columns)


def _features(path: Path, line: int, fields: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """A row's numbers. Raises BadInput at the first field that is none."""
    numbers = [value(field) for field in fields]
    for column, field in enumerate(fields):
        if math.isnan(numbers[column]) and not _is_number(field):
            place = _place(path, line, column, columns)
            came = shown(field) if field else "an empty field"
            comma = re.fullmatch(r"[-+]?\d*,\d+", field)
            advice = "Write decimals with a point." if comma else "Correct it, or remove the row."
            raise BadInput(f"{place}: expected a number, got {came}. {advice}")
    return np.array(numbers, dtype=np.float64)


def _place(path: Path, line: int, column: int, columns: Sequence[str]) -> str:
    """File, line and column, counted from 1, as an editor or a spreadsheet counts them."""
    name = f" ({columns[column]})" if columns and columns[column] else ""
    return f"{path}, line {line}, column {column + 1}{name}"


def _without_numeric_header(rows: Rows, first: Record) -> Rows:
    """pandas names columns 0, 1, 2, ...: such a first row is a header where all labels are numbers
    but its own."""
    label, *labels = rows.labels
    counts = rows.x[0].tolist() == list(range(rows.x.shape[1]))
    if rows.columns or not (
        counts and label and not _is_number(label) and labels and all_numbers(set(labels))
    ):
        return rows
    return replace(
        rows,
        lines=rows.lines[1:],
        x=rows.x[1:],
        labels=rows.labels[1:],
        columns=tuple(first[1][:-1]),
    )


def _check_features(path: Path, rows: Rows) -> None:
    """Raise BadInput at the first feature that is not finite, or too large."""
    if rows.x.min() >= -LARGEST and rows.x.max() <= LARGEST:
        return
    for row, column in np.argwhere(~(np.abs(rows.x) <= LARGEST))[:1].tolist():
        place = _place(path, rows.lines[row], column, rows.columns)
        raise BadInput(
            f"{place}: expected a finite number of at most {LARGEST:g}, got "
            f"{rows.x[row, column]:g}. Correct it, or remove the row."
        )


def _check_labels(path: Path, rows: Rows) -> None:
    """Raise BadInput at the first label that is missing: "nan" is a name among names, but none
    among numbers."""
    names = set(rows.labels)
    missing = {name for name in names if not name or (_is_number(name) and not all_numbers([name]))}
    if not all_numbers(names - missing):
        missing &= {""}
    for line, label in zip(rows.lines, rows.labels, strict=True):
        if label in missing:
            came = shown(label) if label else "an empty field"
            raise BadInput(
                f"{path}, line {line}: expected a label in the last column, got {came}. Fill it "
                "in, or remove the row."
            )

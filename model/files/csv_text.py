"""A CSV file -> its text, the separator, and the fields of each row with the number of the line.

The separator is a tab if the first line has one outside quotes, else a semicolon, else a comma.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from backproof.model.command_line import BadInput
from backproof.model.files.reading import MOST_LINES, content_of

Record = tuple[int, list[str]]  # a line's number, counted from 1, and its fields


def read_text(path: Path) -> str:
    """The file's text, with \\n at every line's end.

    Args:
        path: text in UTF-8, with or without byte order mark.
    Raises: BadInput if there is no such file, if it is blank, or if it is not UTF-8.
    """
    try:
        text = content_of(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = f"0x{error.object[error.start]:02x}"
        raise BadInput(
            f"{path}, line {line}: expected UTF-8 text, got byte {byte}. Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise BadInput(
            f"{path}: expected a CSV file, got: {error.strerror}. Check the path."
        ) from None
    if not text.strip():
        raise BadInput(f"{path}: expected rows of numbers, got an empty file. Check the path.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MOST_LINES:
        raise BadInput(
            f"{path}: expected at most {MOST_LINES:,} lines, got {text.count(chr(10)):,}. Give "
            "fewer, or save them with numpy.savez."
        )
    return text


def separator_of(text: str) -> str:
    """What stands between the fields of the first line that isn't blank."""
    first = next(line for line in text.split("\n") if line.strip())
    unquoted = re.sub('"[^"]*"', "", first)
    return next((mark for mark in "\t;" if mark in unquoted), ",")


def records_of(path: Path, text: str, separator: str) -> Iterator[Record]:
    """Every row that holds anything: the number of its first line, and its fields without spaces
    around them.

    Args:
        path: where the text came from, for the error.
        text: the file's, with \\n at every line's end.
        separator: what stands between fields.
    Raises: BadInput where quotes don't match.
    """
    lines = (f"{line}\n" for line in text.split("\n"))
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        advice = "Close the quote, and write a quote inside of quotes twice."
        raise BadInput(
            f"{path}, line {line}: expected fields, quoted or not, got: {error}. {advice}"
        ) from None

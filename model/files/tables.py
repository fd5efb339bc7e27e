"""What every table becomes once it has been read, and which labels can be classes.

`model/files/csv_file.py` and `model/files/npz_file.py` read; both hand their labels to `encode`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.model.command_line import BadInput

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64, Real

SMALL = 20  # rows below which a table is a toy: nobody's regression, and too short to split
LARGEST = 1e30  # magnitude of a feature: its square stays finite in float64, and itself in float32


@dataclass(frozen=True)
class Table:
    """A table as its file has it: raw numbers, labels in [0, K), and the names of the K classes; or
    numbers to predict, (N, 1), and the name of that output.

    `picture` is (height, width) where a row is a picture, `columns` the features' names where the
    file has a header.
    """

    x: Real[np.ndarray, "N n_0"]
    y: Int64[np.ndarray, " N"] | Float64[np.ndarray, "N 1"]
    classes: tuple[str, ...]
    picture: tuple[int, int] | None = None
    columns: tuple[str, ...] = ()


def encode(labels: Sequence[str], where: object) -> tuple[Int64[np.ndarray, " N"], tuple[str, ...]]:
    """Number the labels: text in alphabetical order; where all labels are numbers, in numerical
    order.

    A class is called what its label says. Only among numbers are "1" and "1.0" one class, under the
    shorter spelling.

    Args:
        labels: one text a row.
        where: the file, for the error.
    Returns: y, the class of each row in [0, K); the K names.
    Raises: BadInput where the labels cannot be classes: one class only, or a quantity to predict.
    """
    spellings = dict.fromkeys(labels)
    numeric = all_numbers(spellings)
    key: Callable[[str], Any] = value if numeric else str
    names: dict[Any, str] = {}
    for text in sorted(spellings, key=len):
        names.setdefault(key(text), _plain(text) if numeric else text)
    ordered = sorted(names)
    refuse(
        len(labels),
        [names[one] for one in ordered],
        where,
        numeric and any(one % 1 for one in ordered),
    )
    number_of = {text: ordered.index(key(text)) for text in spellings}
    return np.array([number_of[text] for text in labels], dtype=np.int64), tuple(
        names[one] for one in ordered
    )


VALUE = "value"  # what the one output is called that predicts a number


def quantities(labels: Sequence[str], where: object) -> Float64[np.ndarray, "N 1"]:
    """Labels that are numbers, as numbers to predict.

    Args:
        labels: one text a row.
        where: the file, for the error.
    Raises: BadInput where they are too few, all the same, or too large.
    """
    y = np.array([float(value(text)) for text in labels], dtype=np.float64)[:, None]
    if len(y) < 2 or (y == y[0]).all():
        raise BadInput(
            f"{where}: expected at least 2 different numbers to predict, got {len(y)} rows with "
            f"{shown(labels[0])}. Add rows with another value."
        )
    if np.abs(y).max() > LARGEST:
        raise BadInput(
            f"{where}: expected numbers of at most {LARGEST:g} to predict, got "
            f"{np.abs(y).max():g}. Correct it, or remove the row."
        )
    return y


def refuse(rows: int, names: Sequence[str], where: object, fractional: bool = False) -> None:
    """Raise BadInput unless these are classes: at least two of them and, but for toys, two rows for
    each."""
    classes = len(names)
    if classes < 2:
        came = f"one class in {rows} rows, {names[0]!r}" if names else "no rows"
        raise BadInput(
            f"{where}: expected labels of at least 2 classes, got {came}. Add rows of another "
            "class."
        )
    if 2 * classes <= rows or (rows < SMALL and not fractional):
        return
    kind = "fractional numbers, as in regression" if fractional else "labels that hardly repeat"
    raise BadInput(
        f"{where}: expected classes that repeat, at most one for every two rows, got {kind}: "
        f"{classes} different ones "
        f"in {rows} rows, such as {shown(names[0])} and {shown(names[1])}. "
        "Give classes as labels, such as ranges of the value, or add --output linear to predict "
        "numbers."
    )


def all_numbers(texts: Iterable[str]) -> bool:
    """Whether every text is a finite number."""
    return all(math.isfinite(value(text)) for text in texts)


def value(text: str) -> int | float:
    """The number that the text spells, exactly where it is whole; NaN where it spells none."""
    try:
        number = math.nan if "_" in text else float(text)  # Python reads 1_000, tables don't
    except ValueError:
        return math.nan
    if math.isfinite(number) and text.lstrip("+-").isdecimal():
        return int(text)
    return number


def shown(text: object) -> str:
    """What came, in quotes and on one line, cut where it is long."""
    quoted = repr(text)
    if len(quoted) <= 40:
        return quoted
    return f"{quoted[:36]}...{quoted[-1]}"


def _plain(text: str) -> str:
    """The label itself, but 1.000000000000000000e+00, as NumPy's savetxt writes it, reads 1."""
    number = value(text)
    if "e" in text.lower() and number % 1 == 0:
        return str(int(number))
    return text

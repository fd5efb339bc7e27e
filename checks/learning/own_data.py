"""Somebody's data in a file: x and y, and if they like the weights and the learning rate that they
train with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backproof.model.command_line import BadInput
from backproof.model.files.csv_file import read_rows
from backproof.model.files.npz_file import features, read_arrays
from backproof.model.files.tables import LARGEST, all_numbers, value

X_NAMES = ("x", "X", "inputs", "data")
Y_NAMES = ("y", "Y", "labels", "targets", "target")
RATE_NAMES = ("learning_rate", "lr", "rate")
WEIGHTS = ("W", "w")  # what the names of weights begin with, and those of biases
BIASES = ("b",)


@dataclass(frozen=True)
class OwnData:
    """What stands in the file.

    Attributes:
        x, y: samples as rows, and labels, one-hot rows or values; all finite, as many of one as of
            the other.
        W, b: first weights and biases by name, such as "W1"; empty where there are none.
        rate: the learning rate, if it is there; finite and above 0.
    """

    x: np.ndarray
    y: np.ndarray
    W: dict[str, np.ndarray]
    b: dict[str, np.ndarray]
    rate: float | None


def read_own_data(path: Path) -> OwnData:
    """Read an .npz with arrays x and y (and W1, b1, W2, ..., learning_rate), or a .csv whose last
    column is y.

    Raises: BadInput for a file that is not there, is neither, or holds what cannot be used.
    """
    readers = {".npz": _of_npz, ".csv": _of_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(
            f"--data: expected a .npz with x and y, or a .csv, got {path}. Save both with "
            "np.savez(FILE, x=x, y=y)."
        )
    try:
        return reader(path)
    except BadInput as error:
        raise BadInput(f"--data: {error}") from error


def _of_npz(path: Path) -> OwnData:
    arrays = read_arrays(path, _is_wanted)
    x = features(path, _one_of(arrays, X_NAMES, path))[0]
    y = _targets(path, _one_of(arrays, Y_NAMES, path), len(x))
    weights = {name: array for name, array in arrays.items() if name.startswith(WEIGHTS)}
    biases = {name: array for name, array in arrays.items() if name.startswith(BIASES)}
    for name, array in (weights | biases).items():
        if array.dtype.kind not in "buif":
            raise BadInput(
                f"{path}: expected numbers in {name}, got {array.dtype}. Save weights and biases "
                "as arrays of numbers."
            )
    return OwnData(x, y, weights, biases, _rate(path, arrays))


def _is_wanted(name: str) -> bool:
    return name in (*X_NAMES, *Y_NAMES, *RATE_NAMES) or name.startswith((*WEIGHTS, *BIASES))


def _one_of(arrays: Mapping[str, np.ndarray], names: tuple[str, ...], path: Path) -> np.ndarray:
    for name in names:
        if name in arrays:
            return arrays[name]
    came = ", ".join(arrays) or "none that is known"
    raise BadInput(
        f"{path}: expected an array called {names[0]}, got {came}. Save both with np.savez(FILE, "
        "x=x, y=y)."
    )


def _targets(path: Path, y: np.ndarray, rows: int) -> np.ndarray:
    """Checked y; names of classes are numbered in alphabetical order."""
    if y.dtype.kind not in "buifUS" or y.ndim not in (1, 2) or not y.size:
        raise BadInput(
            f"{path}: expected labels, one-hot rows or values in y, got shape {y.shape} of "
            f"{y.dtype}. Give one label a sample, or one row."
        )
    if len(y) != rows:
        raise BadInput(
            f"{path}: expected as many targets as samples, got {rows} rows of x and {len(y)} of y. "
            "Keep them together when you cut or shuffle."
        )
    if y.dtype.kind in "US":
        return np.unique(y, return_inverse=True)[1].reshape(y.shape)
    if y.dtype.kind == "b":
        return y.astype(np.int64)
    bad = np.argwhere(~(np.abs(y.astype(np.float64)) <= LARGEST))
    if len(bad):
        came = y[tuple(bad[0])]
        raise BadInput(
            f"{path}: expected finite numbers of at most {LARGEST:g} in y, got {came:g} in row "
            f"{bad[0][0]}. Correct it, or remove the row."
        )
    return y


def _rate(path: Path, arrays: Mapping[str, np.ndarray]) -> float | None:
    """The learning rate, in the bounds that a training has."""
    for name in RATE_NAMES:
        if name not in arrays:
            continue
        found = arrays[name]
        if found.size == 1 and found.dtype.kind in "uif":
            rate = float(found.item())
            if 0 < rate <= LARGEST:
                return rate
        came = str(found.tolist())[:40]
        raise BadInput(
            f"{path}: expected one finite number above 0 as {name}, got {came}. Save the one that "
            "you train with, or none."
        )
    return None


def _of_csv(path: Path) -> OwnData:
    rows = read_rows(path)
    if all_numbers(set(rows.labels)):
        y = np.array([float(value(label)) for label in rows.labels])
        return OwnData(rows.x, _targets(path, y, len(rows.x)), {}, {}, None)
    y = np.unique(rows.labels, return_inverse=True)[1]
    return OwnData(rows.x, y, {}, {}, None)

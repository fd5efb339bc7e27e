"""Somebody's data in a file: x and y, and if they like the weights and the learning rate that they
train with."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

X_NAMES = ("x", "X", "inputs", "data")
Y_NAMES = ("y", "Y", "labels", "targets", "target")
RATE_NAMES = ("learning_rate", "lr", "rate")


@dataclass(frozen=True)
class OwnData:
    """What stands in the file.

    Attributes:
        x, y: samples as rows, and labels, one-hot rows or values.
        W, b: first weights and biases by name, such as "W1"; empty where there are none.
        rate: the learning rate, if it is there.
    """

    x: np.ndarray
    y: np.ndarray
    W: dict[str, np.ndarray]
    b: dict[str, np.ndarray]
    rate: float | None


def read_own_data(path: Path) -> OwnData:
    """Read an .npz with arrays x and y (and W1, b1, W2, ..., learning_rate), or a .csv whose last
    column is y.

    Raises: ValueError, in one line, for a file that is not there, is neither, or lacks one of them.
    """
    try:
        if path.suffix == ".npz":
            return _of_npz(path)
        if path.suffix == ".csv":
            return _of_csv(path)
    except OSError as error:
        raise ValueError(f"--data: expected a file, got {path}: {error.strerror}.") from error
    raise ValueError(
        f"--data: expected a .npz with x and y, or a .csv, got {path.name}. Save both with "
        "np.savez(FILE, x=x, y=y)."
    )


def _of_npz(path: Path) -> OwnData:
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (ValueError, EOFError, KeyError) as error:
        raise ValueError(
            f"--data: expected arrays of numbers in {path.name}, got {type(error).__name__}. Save "
            "them with np.savez(FILE, x=x, y=y), nothing else in it."
        ) from error
    x = _one_of(arrays, X_NAMES, path)
    y = _one_of(arrays, Y_NAMES, path)
    rate = next((float(arrays[name]) for name in RATE_NAMES if name in arrays), None)
    weights = {name: array for name, array in arrays.items() if name.startswith(("W", "w"))}
    biases = {name: array for name, array in arrays.items() if name.startswith("b")}
    return OwnData(x, y, weights, biases, rate)


def _one_of(arrays: dict[str, Any], names: tuple[str, ...], path: Path) -> np.ndarray:
    for name in names:
        if name in arrays:
            return np.asarray(arrays[name])
    raise ValueError(
        f"--data: expected an array called {names[0]} in {path.name}, got {', '.join(arrays)}. "
        "Save both with np.savez(FILE, x=x, y=y)."
    )


def _of_csv(path: Path) -> OwnData:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = [row for row in csv.reader(lines) if row]
    if rows and not all(_number(cell) for cell in rows[0][:-1]):
        rows = rows[1:]  # a header
    if not rows:
        raise ValueError(f"--data: expected rows of numbers in {path.name}, got none.")
    try:
        x = np.array([[float(cell) for cell in row[:-1]] for row in rows])
    except ValueError as error:
        raise ValueError(f"--data: expected rows of numbers in {path.name}: {error}.") from error
    last = [row[-1] for row in rows]
    if all(_number(cell) for cell in last):
        y = np.array([float(cell) for cell in last])
    else:
        y = np.unique(last, return_inverse=True)[1]
    return OwnData(x, y, {}, {}, None)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

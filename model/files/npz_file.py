"""An NPZ file -> Table: `x`, one sample a row or one picture; `y`, its class; optionally `classes`,
their names."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from backproof.model.command_line import BadInput
from backproof.model.files.reading import load_array, open_regular
from backproof.model.files.tables import (
    LARGEST,
    VALUE,
    Table,
    all_numbers,
    encode,
    quantities,
    refuse,
    shown,
)

UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path, values: bool = False) -> Table:
    """Read a table that NumPy's `savez` wrote; nothing in it is unpickled.

    Args:
        path: a file with `x`, (N, n_0) or (N, height, width), and `y`, (N,) of whole numbers or
            text. With `classes`, (K,) of names, `y` is in [0, K) or one of the names.
        values: whether numbers in y are numbers to predict, not classes.
    Returns: the features, uint8 where they are stored so and float64 otherwise, and encoded labels.
    Raises: BadInput for whatever cannot be used.
    """
    arrays = read_arrays(path, WANTED.__contains__)
    if not {"x", "y"} <= arrays.keys():
        came = " and ".join(arrays) or "neither"
        raise BadInput(
            f"{path}: expected arrays x and y, got {came}. Save them with numpy.savez(file, x=x, "
            "y=y)."
        )
    x, picture = features(path, arrays["x"])
    given = arrays["y"]
    if values and given.dtype.kind in "uif" and given.shape in ((len(x),), (len(x), 1)):
        numbers = [repr(float(number)) for number in given.ravel()]
        if all_numbers(numbers):
            return Table(x, quantities(numbers, path), (VALUE,), picture)
    y, classes = _classes(path, _labels(path, arrays["y"], len(x)), arrays)
    return Table(x, y, classes, picture)


WANTED = ("x", "y", "classes")


def read_arrays(path: Path, is_wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """The arrays that matter, by name; whatever else the file holds is not looked at.

    Args:
        path: of the file.
        is_wanted: whether an array of that name matters.
    Raises: BadInput if there is no such file, or if it cannot be read.
    """
    try:
        with open_regular(path) as file:
            if not zipfile.is_zipfile(file):
                raise BadInput(
                    f"{path}: expected an .npz file, got another kind of file. Check the path, or "
                    "save x and y with numpy.savez."
                )
            with zipfile.ZipFile(file) as archive:
                stored = [name for name in archive.namelist() if name.endswith(".npy")]
                names = [name.removesuffix(".npy") for name in stored]
                return {name: _array(archive, f"{name}.npy") for name in names if is_wanted(name)}
    except FileNotFoundError:
        raise BadInput(
            f"{path}: expected an .npz file, got nothing under that name. Check the path, or save "
            "x and y with numpy.savez."
        ) from None
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadInput(
            f"{path}: expected arrays of numbers or text, got: {reason}. Save them anew with "
            "numpy.savez."
        ) from None


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One of them: its head is compared with the size that the archive states before it is
    unpacked."""
    with archive.open(name) as member:
        array = load_array(member, archive.getinfo(name).file_size)
        member.read(1)  # to the end, where the check sum is compared
    return array


def features(path: Path, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Checked x as (N, n_0), and the shape of its pictures."""
    if x.dtype.kind not in "buif":
        raise BadInput(
            f"{path}: expected real numbers in x, got dtype {x.dtype}. Convert them, "
            "x.astype(float)."
        )
    if x.ndim not in (2, 3) or 0 in x.shape:
        raise BadInput(
            f"{path}: expected x of shape (N, n_0) or (N, height, width), none of them 0, got "
            f"{x.shape}. Reshape it."
        )
    rows = x.reshape(len(x), -1).astype(np.uint8 if x.dtype in (bool, np.uint8) else np.float64)
    for row, column in np.argwhere(~(np.abs(rows) <= LARGEST))[:1]:
        raise BadInput(
            f"{path}: expected finite numbers of at most {LARGEST:g} in x, got "
            f"{rows[row, column]:g} in row {row}. "
            "Correct it, or remove the row."
        )
    return rows, (x.shape[1], x.shape[2]) if x.ndim == 3 else None


def _labels(path: Path, y: np.ndarray, rows: int) -> list[str]:
    """Checked y as text."""
    if y.shape != (rows,):
        raise BadInput(
            f"{path}: expected y of shape ({rows},), one label for each row of x, got {y.shape}. "
            "Give class numbers or names, y.argmax(axis=1) where y is one-hot."
        )
    if y.dtype.kind in "US":
        return _texts(path, y)
    if y.dtype.kind not in "buif":
        raise BadInput(
            f"{path}: expected whole numbers or text in y, got dtype {y.dtype}. Convert the labels."
        )
    # up to there, every whole float is exact
    for label in y[~((y >= 0) & (y < 2**53) & (np.floor(y) == y))][:1]:
        raise BadInput(
            f"{path}: expected whole numbers of at least 0 in y, got {label}. Number the classes "
            "from 0, or name them with text."
        )
    return [str(label) for label in y.astype(np.int64).tolist()]


def _classes(
    path: Path, labels: Sequence[str], arrays: dict[str, np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels in [0, K), and the K names: those of the file, or else the labels themselves."""
    if "classes" not in arrays:
        return encode(labels, path)
    names = _texts(path, arrays["classes"].ravel())
    if len(names) < 2 or len(set(names)) < len(names):
        raise BadInput(
            f"{path}: expected at least 2 different names in classes, got {shown(names)}. Correct "
            "them."
        )
    if arrays["y"].dtype.kind in "US":
        known = names
    else:
        known = [str(number) for number in range(len(names))]
    if unknown := sorted(set(labels) - set(known)):
        raise BadInput(
            f"{path}: expected labels {known[0]} to {known[-1]} in y, one for each of the "
            f"{len(names)} classes, "
            f"got {shown(unknown[0])}. Correct y, or add the class."
        )
    refuse(len(labels), sorted(set(labels)), path)
    number_of = {label: number for number, label in enumerate(known)}
    return np.array([number_of[label] for label in labels], dtype=np.int64), tuple(names)


def _texts(path: Path, names: np.ndarray) -> list[str]:
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]
    except UnicodeDecodeError:
        raise BadInput(
            f"{path}: expected names in UTF-8, got other bytes. Save them as text, not bytes."
        ) from None

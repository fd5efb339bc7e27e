"""A name or a file -> Dataset: samples, labels, class names, the split, and what the network
expects as its input."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from backproof.model.command_line import BadInput
from backproof.model.files.csv_file import read_csv
from backproof.model.files.mnist import read_mnist
from backproof.model.files.npz_file import read_npz
from backproof.model.files.tables import SMALL, Table
from backproof.model.preprocessing import Preprocessing, scaling, standardisation

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Inexact, Int64, Real

    Answers = Int64[np.ndarray, " N"] | Inexact[np.ndarray, "N 1"]

__all__ = ["Dataset", "Preprocessing", "load", "split"]

TEST_SHARE = 0.2
DIGITS = Path(__file__).with_name("digits.npz")
READERS = {".csv": read_csv, ".npz": read_npz}


@dataclass(frozen=True)
class Dataset:
    """Samples as they are stored, and how to split and preprocess them.

    Args:
        name: "digits", "bars", "mnist", or the file's stem.
        x: raw values, one sample a row: uint8 for pictures, float64 for tables.
        y: the class of each sample, in [0, K); or the number to predict of each, (N, 1), raw.
        classes: the K names; of a number to predict, what it is called.
        preprocessing: fitted on the training samples alone.
        train: indices of the training samples.
        test: indices of the test samples.
        picture: (height, width) where a row is a picture.
        columns: names of the n_0 features where the file has a header.
        answers: what the network is taught of a number to predict, (y - mean) / scale; None for
            classes.
    """

    name: str
    x: Real[np.ndarray, "N n_0"]
    y: Int64[np.ndarray, " N"] | Float64[np.ndarray, "N 1"]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    train: Int64[np.ndarray, " n_train"]
    test: Int64[np.ndarray, " n_test"]
    picture: tuple[int, int] | None
    columns: tuple[str, ...] = ()
    answers: Preprocessing | None = None

    @cached_property
    def digest(self) -> str:
        """12 hex digits that change with any sample, label or class name: they tell whether a run
        had the same data."""
        sha = hashlib.sha256()
        for array in (self.x, self.y):
            sha.update(f"{array.shape} {array.dtype.str} ".encode())
            sha.update(np.ascontiguousarray(array).data)
        sha.update("\0".join(self.classes).encode())
        return sha.hexdigest()[:12]

    def training(
        self, dtype: DTypeLike = np.float64
    ) -> tuple[Inexact[np.ndarray, "N n_0"], Answers]:
        """The training samples, preprocessed, and their labels, or what is taught of numbers."""
        return self.preprocessing(self.x[self.train], dtype), self._taught(self.train, dtype)

    def testing(
        self, dtype: DTypeLike = np.float64
    ) -> tuple[Inexact[np.ndarray, "N n_0"], Answers]:
        """The test samples, preprocessed, and their labels, or what is taught of numbers."""
        return self.preprocessing(self.x[self.test], dtype), self._taught(self.test, dtype)

    def _taught(self, rows: Int64[np.ndarray, " M"], dtype: DTypeLike) -> Answers:
        if self.answers is None:
            return self.y[rows]
        return self.answers(self.y[rows], dtype)


def load(
    data: str,
    data_dir: Path | None = None,
    download: bool = False,
    *,
    values: bool = False,
) -> Dataset:
    """Load a data set by name, or a table by its path.

    Args:
        data: "digits", "bars", "mnist", or the path of a .csv or .npz file.
        data_dir: the folder of the MNIST files; data/mnist if None.
        download: fetch the MNIST files that are missing.
        values: whether a table's labels, if they are numbers, are to be predicted as such.
    Raises: BadInput if there is no such data set, or if its files cannot be used.
    """
    if data == "mnist":
        return _mnist(data_dir or Path("data/mnist"), download)
    if data in ("digits", "bars"):
        if data == "digits":
            return _digits()
        return _bars()
    path = Path(data)
    if path.suffix.lower() not in READERS:
        raise BadInput(
            f"expected digits, bars, mnist, a .csv or a .npz file, got {data!r}. Choose one of "
            "the names, or give a file's path."
        )
    # a name that is not UTF-8 would be refused by TensorBoard
    name = path.stem.encode(errors="backslashreplace").decode()
    return _from_table(name, READERS[path.suffix.lower()](path, values))


def split(
    y: Answers,
) -> tuple[Int64[np.ndarray, " n_train"], Int64[np.ndarray, " n_test"]]:
    """Divide samples into 80% for training and 20% for test, every class alike, always in the same
    way. Numbers to predict are one class.

    A class keeps at least one sample for training. Fewer than 20 samples aren't divided: each is
    for training and for test.

    Args:
        y: the class of each sample, or the number to predict.
    Returns: indices of the training samples, and of the test samples, in ascending order.
    """
    samples = np.arange(len(y))
    if len(y) < SMALL:
        return samples, samples
    if y.ndim == 2:
        y = np.zeros(len(y), dtype=np.int64)
    # the generator whose numbers NumPy promises never to change
    order = np.random.RandomState(0).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]  # class by class
    count = np.bincount(y)
    n = np.repeat(count, count)  # size of the sample's class
    place = samples - np.repeat(np.cumsum(count) - count, count)  # 0..n-1 within it
    share = np.where(place < n - 1, (place + 0.5) / n, 1)
    test = np.sort(order[np.argsort(share, kind="stable")[: round(TEST_SHARE * len(y))]])
    return np.setdiff1d(samples, test), test


def _bars() -> Dataset:
    """The four pictures of the question that started the project."""
    x = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=np.uint8)
    y = np.array([0, 0, 1, 1])
    samples = np.arange(4)
    return Dataset(
        "bars", x, y, ("horizontal", "vertical"), scaling(4, 1.0), samples, samples, (2, 2)
    )


def _digits() -> Dataset:
    """The embedded digits: see digits.NOTICE.md."""
    with np.load(DIGITS, allow_pickle=False) as arrays:
        x = arrays["x"]
        y = arrays["y"].astype(np.int64)
    halves = Preprocessing(np.full(64, 8.0), np.full(64, 8.0))  # paper is -1, ink is 1
    return Dataset("digits", x, y, tuple("0123456789"), halves, *split(y), (8, 8))


def _mnist(folder: Path, download: bool) -> Dataset:
    """The standard split: 60,000 for training, 10,000 for test."""
    arrays = read_mnist(folder, download)
    x = np.concatenate(
        [arrays[f"{part}-images-idx3-ubyte"].reshape(-1, 784) for part in ("train", "t10k")]
    )
    y = np.concatenate([arrays[f"{part}-labels-idx1-ubyte"] for part in ("train", "t10k")]).astype(
        np.int64
    )
    train, test = np.split(np.arange(len(y)), [len(arrays["train-labels-idx1-ubyte"])])
    return Dataset("mnist", x, y, tuple("0123456789"), scaling(784, 255.0), train, test, (28, 28))


def _from_table(name: str, table: Table) -> Dataset:
    """Tables are standardised; pictures are divided by their largest value, so that no pixel that
    is rarely lit dominates."""
    train, test = split(table.y)
    fitted = table.x[train]
    if table.picture:
        preprocessing = scaling(fitted.shape[1], float(np.abs(fitted).max()) or 1.0)
    else:
        preprocessing = standardisation(fitted)
    return Dataset(
        name,
        table.x,
        table.y,
        table.classes,
        preprocessing,
        train,
        test,
        table.picture,
        table.columns,
        standardisation(table.y[train]) if table.y.ndim == 2 else None,
    )

"""What can be measured on x and the targets alone, before there is any network: no judgement here,
of_data.py judges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backproof.checks.learning.related import Relation, attained, classes_of, relation

# rows of which duplicates, counters and sizes are looked for; more than that are taken evenly
MOST_DATA_ROWS = 20_000
# of the distinct rows have a value of their own in a column that was measured, not counted
MEASURED = 0.95
FEW = 50  # distinct rows that a network may learn by heart


@dataclass(frozen=True)
class DataSigns:
    """The samples as they are, and what can be asked of them.

    Attributes:
        x: one sample a row, finite.
        Y: targets, a row each.
        classes: whether the targets are classes.
    """

    x: np.ndarray
    Y: np.ndarray
    classes: bool

    @classmethod
    def of(cls, x: np.ndarray, Y: np.ndarray, *, classes: bool) -> DataSigns:
        """Of at most MOST_DATA_ROWS samples, taken evenly."""
        if len(x) > MOST_DATA_ROWS:
            rows = np.linspace(0, len(x) - 1, MOST_DATA_ROWS).astype(np.int64)
            return cls(x[rows], Y[rows], classes)
        return cls(x, Y, classes)

    @cached_property
    def labels(self) -> np.ndarray:
        """The class of each sample, where targets are classes."""
        return classes_of(self.Y)

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Of each class that occurs, most frequent first."""
        counts = np.unique(self.labels, return_counts=True)[1]
        return np.sort(counts)[::-1] / len(self.labels)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Of each column, the root mean square of what is not zero in it; 0 for a column of
        zeros."""
        squares = np.square(self.x).sum(axis=0)
        occupied = np.maximum((self.x != 0).sum(axis=0), 1)
        return np.sqrt(squares / occupied)

    @cached_property
    def constant(self) -> np.ndarray:
        """The columns that say the same for every sample."""
        return np.flatnonzero(self.x.max(axis=0) == self.x.min(axis=0))

    @cached_property
    def relation(self) -> Relation:
        """Between targets and inputs."""
        return relation(self.x, self.Y, classes=self.classes)

    @cached_property
    def attained(self) -> float:
        """Which part of the samples could be labelled right: all of a few rows that do not
        contradict each other, else what neighbours or kernels say."""
        if self.copies.distinct <= FEW:
            return float(not self.copies.contradicting)
        return attained(self.x, self.Y)

    @cached_property
    def copies(self) -> Copies:
        """Rows that occur more than once."""
        rows, which, counts = np.unique(self.x, axis=0, return_inverse=True, return_counts=True)
        which = which.reshape(-1)
        N = len(self.x)
        pairs = float((counts * (counts - 1.0)).sum() / 2)
        chance = 1.0
        measured = False
        for column in rows.T:
            shares = np.unique(column, return_counts=True)[1] / len(rows)
            chance *= float(np.square(shares).sum())
            measured = measured or len(shares) > MEASURED * len(rows)
        contradicting = 0
        if self.classes:
            told = np.unique(np.column_stack([which, self.labels]), axis=0)
            several = np.bincount(told[:, 0], minlength=len(counts)) > 1
            contradicting = int(several.sum())
        expected = chance * N * (N - 1) / 2
        if measured and rows.shape[1] > 1:
            expected = 0.0  # a measured number does not come twice by chance
        return Copies(len(counts), N, pairs, expected, contradicting)

    @cached_property
    def counters(self) -> list[int]:
        """The columns that number the rows: whole numbers, no two alike, hardly any left out."""
        N = len(self.x)
        found = []
        for column in range(self.x.shape[1]):
            values = self.x[:, column]
            whole = bool((values == np.rint(values)).all())
            reach = float(values.max() - values.min())
            if whole and reach < SPARSE * N and len(np.unique(values)) == N:
                found.append(column)
        return found

    @cached_property
    def answers(self) -> list[int]:
        """The columns that are the target in other words: one value for each class."""
        if not self.classes:
            return [
                column
                for column in range(self.x.shape[1])
                if self.Y.shape[1] == 1 and _same_line(self.x[:, column], self.Y[:, 0])
            ]
        K = len(self.frequencies)
        found = []
        for column in range(self.x.shape[1]):
            values, which = np.unique(self.x[:, column], return_inverse=True)
            if len(values) == K:
                pairs = np.column_stack([which.reshape(-1), self.labels])
                if len(np.unique(pairs, axis=0)) == K:
                    found.append(column)
        return found


# of the rows' numbers at most so many are missing: a table of which a random half was held back
SPARSE = 2.5


@dataclass(frozen=True)
class Copies:
    """Rows that occur more than once.

    Attributes:
        distinct, rows: how many rows differ, of how many.
        pairs: of equal rows.
        expected: such pairs if every column were drawn on its own from the values that distinct
            rows have in it; none where one of several columns was measured.
        contradicting: rows that occur with more than one label.
    """

    distinct: int
    rows: int
    pairs: float
    expected: float
    contradicting: int


def _same_line(column: np.ndarray, target: np.ndarray) -> bool:
    """Whether the one is the other, moved and stretched."""
    spread = column.std() * target.std()
    if not spread:
        return False
    moved = (column - column.mean()) * (target - target.mean())
    return bool(abs(moved.mean() / spread) > 1 - 1e-12)

"""Which entries of a gradient are wrong, from slopes along directions.

Along a direction u a wrong gradient is off by the sum of u[i] * error[i]. The check measured that
sum for two directions. If one entry alone is wrong, the two sums are in the ratio of its two
weights, and hardly another entry has that ratio. So an entry is suspected as long as it alone
explains every sum. Each further sum, over random weights of the suspects, leaves as many times
fewer of them as its error bar is smaller than it, and one more, over the last of them alone, proves
it. Where nobody alone explains the sums, the direction is cut in half: one half is measured, the
other is what remains of the sum. A wrong entry costs at most 2 log2(P) evaluations of the loss,
mostly 2 to 8.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64

# wrong entries that are looked for one by one; more are a pattern, and one of them is enough to
# name
MOST_NAMED = 4
# evaluations granted for an entry of the smallest tensor: below 256 entries 2 log2(P) is less than
# it takes
FEWEST = 16
# error bars that lie between the whole sum and nothing, where one entry is asked which of both it
# is
PROOF = 8.0
# of the error bars, which are eight standard deviations of noise: two are enough to say whom to ask
# first
LIKELY = 1 / 4

PART = 1 << 16  # entries that are suspected at a time, so that large tensors need no more memory


@dataclass(frozen=True)
class Off:
    """By how much the claimed slopes along the two directions are off, over a set of entries, and
    the error bars of that."""

    by: tuple[float, float]
    bars: tuple[float, float]

    @property
    def seen(self) -> bool:
        """Whether something is wrong beyond the error bars."""
        return abs(self.by[0]) > self.bars[0] or abs(self.by[1]) > self.bars[1]

    def minus(self, part: Off) -> Off:
        """What remains for the other entries; bars add up."""
        by, bars = zip(
            *(
                (a - b, s + t)
                for a, b, s, t in zip(self.by, part.by, self.bars, part.bars, strict=True)
            ),
            strict=True,
        )
        return Off(by, bars)


@dataclass(frozen=True)
class Found:
    """Wrong entries and their errors.

    Attributes:
        errors: flat index -> claimed minus true derivative, with the sign of "claimed is too
            large".
        complete: whether these explain all that is off.
    """

    errors: dict[int, float]
    complete: bool


# (flat indices, a weight for each, an error bar that is enough or 0) -> by how much the claimed
# slope along that direction is off, its error bar, and how many evaluations that took
Measure = Callable[[np.ndarray, np.ndarray, float], tuple[float, float, int]]


class Search:
    """Suspicion and proof; halving where there is more than one culprit.

    Args:
        weights: the two directions.
        measure: asks the black box.
    """

    def __init__(self, weights: Sequence[Float64[np.ndarray, " P"]], measure: Measure) -> None:
        self.weights = weights
        self.measure = measure
        self.random = np.random.default_rng(len(weights[0]))
        self.errors: dict[int, float] = {}
        self.complete = True
        self.evaluations = 0
        self.cost = 2
        self.allowed = max(FEWEST, 2 * math.log2(max(2, len(weights[0]))))

    def run(self, off: Off) -> Found:
        """Find the wrong entries, given by how much both directions are off over all of them."""
        self._search(np.arange(len(self.weights[0])), off)
        return Found(self.errors, self.complete)

    def _search(self, entries: Int64[np.ndarray, " k"], off: Off) -> None:
        if not off.seen:
            return
        if len(entries) == 1:
            self._name(int(entries[0]), off)
            return
        if self._spent():
            self.complete = False
            return
        culprit = self._alone(entries, off)
        if culprit is not None:
            self._name(culprit, off)
            return
        if self._spent():
            self.complete = False
            return
        half = entries[: len(entries) // 2]
        part = self._both(half)
        self._search(half, part)
        self._search(entries[len(entries) // 2 :], off.minus(part))

    def _name(self, entry: int, off: Off) -> None:
        """Its error, from the direction that shows it better."""
        better = int(abs(off.by[1]) * off.bars[0] > abs(off.by[0]) * off.bars[1])
        self.errors[entry] = float(off.by[better] / self.weights[better][entry])

    def _spent(self) -> bool:
        """2 log2(P) evaluations for each wrong entry that was found, and for the next."""
        return len(self.errors) >= MOST_NAMED or self.evaluations + self.cost > self.allowed * (
            len(self.errors) + 1
        )

    def _alone(self, entries: Int64[np.ndarray, " k"], off: Off) -> int | None:
        """The entry that alone explains both sums, proved; None if there is none, or too little is
        left to find it."""
        suspicion = self._suspicion(entries, off)
        while (left := suspicion <= 1).any() and not self._spent():
            entries = entries[left]
            suspicion = suspicion[left]
            likely = int(np.argmin(suspicion))
            if len(entries) == 1 or int((suspicion <= LIKELY).sum()) == 1:
                if self._proved(int(entries[likely]), off):
                    return int(entries[likely])
                suspicion[likely] = np.inf
                continue
            u = self.random.uniform(-1.5, 1.5, size=len(entries))
            by, bar = self._difference(entries, u)
            better = int(abs(off.by[1]) * off.bars[0] > abs(off.by[0]) * off.bars[1])
            share = u / self.weights[better][entries]
            suspicion = np.maximum(
                suspicion,
                np.abs(by - share * off.by[better]) / (bar + np.abs(share) * off.bars[better]),
            )
        return None

    def _suspicion(self, entries: Int64[np.ndarray, " k"], off: Off) -> Float64[np.ndarray, " k"]:
        """For each entry, by how many error bars the two sums contradict that it alone is wrong."""
        (r, s), (r_bar, s_bar) = off.by, off.bars
        found = np.empty(len(entries))
        for begin in range(0, len(entries), PART):
            some = entries[begin : begin + PART]
            u = self.weights[0][some]
            v = self.weights[1][some]
            bars = r_bar * np.abs(v) + s_bar * np.abs(u)
            found[begin : begin + PART] = np.abs(r * v - s * u) / bars
        return found

    def _proved(self, entry: int, off: Off) -> bool:
        """Whether this entry alone is off by the whole sum, and not by nothing."""
        by, bar = self._difference(
            np.array([entry]), self.weights[0][[entry]], abs(off.by[0]) / PROOF
        )
        return abs(off.by[0] - by) <= off.bars[0] + bar and abs(by) > bar

    def _both(self, entries: Int64[np.ndarray, " k"]) -> Off:
        (r, r_bar), (s, s_bar) = (
            self._difference(entries, self.weights[which][entries]) for which in (0, 1)
        )
        return Off((r, s), (r_bar, s_bar))

    def _difference(
        self,
        entries: Int64[np.ndarray, " k"],
        weights: Float64[np.ndarray, " k"],
        enough: float = 0.0,
    ) -> tuple[float, float]:
        by, bar, self.cost = self.measure(entries, weights, enough)
        self.evaluations += self.cost
        return by, bar

"""Which entries of a gradient are wrong, from slopes along directions.

Along a direction u a wrong gradient is off by the sum of u[i] * error[i]. The check measured that sum for two directions. If
one entry alone is wrong, the two sums are in the ratio of its two weights, and hardly another entry has that ratio: the index is
read off, and one more difference along the suspects alone proves it. Otherwise the direction is cut in half; one half is
measured, the other is what remains of the sum. A wrong entry costs at most 2 log2(P) evaluations of the loss, mostly 2 or 4.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64

MOST_NAMED = 4  # wrong entries that are looked for one by one; more are a pattern, and one of them is enough to name
FEWEST = (
    16  # evaluations that are granted for an entry of even the smallest tensor: below 256 entries 2 log2(P) is less than it takes
)
TELLING = 8  # suspects are followed where they are so many times fewer than the entries that they come from


@dataclass(frozen=True)
class Off:
    """By how much the claimed slopes along the two directions are off, over a set of entries, and the error bars of that."""

    by: tuple[float, float]
    bars: tuple[float, float]

    @property
    def seen(self) -> bool:
        """Whether something is wrong beyond the error bars."""
        return abs(self.by[0]) > self.bars[0] or abs(self.by[1]) > self.bars[1]

    def minus(self, part: Off) -> Off:
        """What remains for the other entries; bars add up."""
        by, bars = zip(*((a - b, s + t) for a, b, s, t in zip(self.by, part.by, self.bars, part.bars, strict=True)), strict=True)
        return Off(by, bars)


@dataclass(frozen=True)
class Found:
    """Wrong entries and their errors.

    Attributes:
        errors: flat index -> claimed minus true derivative, with the sign of "claimed is too large".
        complete: whether these explain all that is off.
    """

    errors: dict[int, float]
    complete: bool


# (flat indices, which direction) -> by how much the claimed slope is off along that direction restricted to these entries, its
# error bar, and how many evaluations that took
Measure = Callable[[np.ndarray, int], tuple[float, float, int]]


class Search:
    """Halving, with the short cut of reading off the index.

    Args:
        weights: the two directions, (2, P).
        measure: asks the black box.
    """

    def __init__(self, weights: Float64[np.ndarray, "2 P"], measure: Measure) -> None:
        self.weights, self.measure = weights, measure
        self.errors: dict[int, float] = {}
        self.complete, self.evaluations, self.cost = True, 0, 2
        self.allowed = max(FEWEST, 2 * math.log2(max(2, weights.shape[1])))

    def run(self, off: Off) -> Found:
        """Find the wrong entries, given by how much both directions are off over all of them."""
        self._search(np.arange(self.weights.shape[1]), off)
        return Found(self.errors, self.complete)

    def _search(self, entries: Int64[np.ndarray, " k"], off: Off) -> None:
        if not off.seen:
            return
        if len(entries) == 1:
            self.errors[int(entries[0])] = float(off.by[0] / self.weights[0, entries[0]])
            return
        if self._spent():
            self.complete = False
            return
        suspects = self._suspects(entries, off)
        if 0 < len(suspects) <= max(1, len(entries) / TELLING) and self._alone(suspects, off):
            return
        half = entries[: len(entries) // 2]
        part = self._ask(half)
        self._search(half, part)
        self._search(entries[len(entries) // 2 :], off.minus(part))

    def _spent(self) -> bool:
        """2 log2(P) evaluations for each wrong entry that was found, and for the next."""
        return len(self.errors) >= MOST_NAMED or self.evaluations + self.cost > self.allowed * (len(self.errors) + 1)

    def _suspects(self, entries: Int64[np.ndarray, " k"], off: Off) -> Int64[np.ndarray, " j"]:
        """The entries any one of which alone would explain both sums."""
        u, v = self.weights[:, entries]
        (r, s), (r_bar, s_bar) = off.by, off.bars
        return entries[np.abs(r * v - s * u) <= r_bar * np.abs(v) + s_bar * np.abs(u)]

    def _alone(self, suspects: Int64[np.ndarray, " j"], off: Off) -> bool:
        """Whether one of the suspects alone is wrong: measured, then halved until it is named."""
        by, bar = self._difference(suspects, 0)
        if abs(off.by[0] - by) > off.bars[0] + bar or abs(by) <= bar:
            return False
        while len(suspects) > 1:
            if self._spent():
                self.complete = False
                return True
            half = suspects[: len(suspects) // 2]
            by, bar = self._difference(half, 0)
            inside, outside = abs(off.by[0] - by) <= off.bars[0] + bar, abs(by) <= bar
            if inside == outside:  # too noisy to tell, or several after all: never guess
                self.complete = False
                return True
            suspects = half if inside else suspects[len(suspects) // 2 :]
        self.errors[int(suspects[0])] = float(off.by[0] / self.weights[0, suspects[0]])
        return True

    def _ask(self, entries: Int64[np.ndarray, " k"]) -> Off:
        (r, r_bar), (s, s_bar) = self._difference(entries, 0), self._difference(entries, 1)
        return Off((r, s), (r_bar, s_bar))

    def _difference(self, entries: Int64[np.ndarray, " k"], which: int) -> tuple[float, float]:
        by, bar, self.cost = self.measure(entries, which)
        self.evaluations += self.cost
        return by, bar

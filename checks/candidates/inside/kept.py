"""The arrays that a recorder keeps, each once, and where and when lines made them.

A loop that fills an array, entry by entry or row by row, makes thousands of versions of it. Of
those only the last is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MOST_ENTRIES = 20_000  # arrays that are kept
MOST_BYTES = 2**26
FILLED = 1_000  # entries of an array of which only the last version is kept while it is filled
FEW = 0.2  # of its entries, which one line changes while it is filled
BETWEEN = 4  # entries that the loop makes beside each version


@dataclass
class Kept:
    """Arrays by the place of the line that made them.

    Attributes:
        entries: (time, site, array, caller's line, slot), in the order in which they were made.
        arrays: each array once, as float64.
        precisions: the type in which each came.
        limit: what was left out because a limit was reached, in words.
    """

    entries: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)
    precisions: list[str] = field(default_factory=list)
    limit: str = ""

    def __post_init__(self) -> None:
        self._bytes = 0
        self._array_of: dict[object, int] = {}
        self._mark_of: dict[int, object] = {}
        self._count_of: dict[int, int] = {}  # entries of each array

    def keep(self, value: np.ndarray, mark: object, made: tuple[int, int, int, int]) -> bool:
        """Keep an array; whether it is more than another version of one that is being filled.

        Args:
            value: what a line made.
            mark: what tells it from others.
            made: time, site, caller's line and slot.
        """
        time, site, caller, slot = made
        index = self._array_of.get(mark)
        if index is None:
            at = self._filled(value, site, slot)
            if at is not None:
                index = self._replace(at, value, mark)
                self.entries.append((time, site, index, caller, slot))
                return False
            if self._bytes + 8 * value.size > MOST_BYTES or len(self.entries) >= MOST_ENTRIES:
                self._refuse(f"{len(self.entries):,} arrays were kept", self._bytes)
                return True
            index = len(self.arrays)
            self.arrays.append(np.array(value, dtype=np.float64))
            self.precisions.append(value.dtype.str[1:])
            self._marked(index, mark)
            self._bytes += 8 * value.size
        if len(self.entries) >= MOST_ENTRIES:
            self._refuse(f"{MOST_ENTRIES:,} arrays were kept")
            return True
        self._count_of[index] = self._count_of.get(index, 0) + 1
        self.entries.append((time, site, index, caller, slot))
        return True

    def _filled(self, value: np.ndarray, site: int, slot: int) -> int | None:
        """Which of the last entries is the same array before the same line changed a few of its
        entries, while nothing as large was made; None where none is."""
        if slot < 0 or value.size < FILLED:
            return None
        for back, entry in enumerate(self.entries[: -2 - BETWEEN : -1], start=1):
            before = self.arrays[entry[2]]
            if (entry[1], entry[4]) == (site, slot):
                if before.shape != value.shape or self._count_of[entry[2]] > 1:
                    return None
                is_filled = np.count_nonzero(before != value) <= FEW * value.size
                return len(self.entries) - back if is_filled else None
            if before.size >= value.size:
                return None
        return None

    def _replace(self, at: int, value: np.ndarray, mark: object) -> int:
        """Put an array in the place of another, whose entry goes; its number."""
        index = self.entries.pop(at)[2]
        del self._array_of[self._mark_of[index]]
        self.arrays[index] = np.array(value, dtype=np.float64)
        self._marked(index, mark)
        return index

    def _marked(self, index: int, mark: object) -> None:
        self._array_of[mark] = index
        self._mark_of[index] = mark

    def _refuse(self, first: str, count: int | None = None) -> None:
        size = "" if count is None else f" ({count / 2**20:.0f} MiB)"
        self.limit = self.limit or f"only the first {first}{size}"

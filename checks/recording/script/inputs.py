"""Recorded arrays as an input of a layer: one sample a row, with or without the 1 of the bias."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.inside.recording import INDEX, Made


@dataclass(frozen=True)
class Input:
    """An array that may be what a layer takes.

    Attributes:
        made: as it was recorded first.
        rows: one sample a row, without the 1 of the bias.
        columns: whether samples are columns in the script.
    """

    made: Made
    rows: np.ndarray
    columns: bool

    @property
    def place(self) -> tuple[str, bool]:
        """What the script calls it, whichever element of a list it is; and how it lies."""
        return INDEX.sub("[...]", self.name), self.columns

    @property
    def name(self) -> str:
        """What the script calls it."""
        return self.made.site.name


class Inputs:
    """All that may be an input, by its width."""

    def __init__(self, made: Sequence[Made]) -> None:
        self._by_width: dict[int, list[Input]] = {}
        self._known: dict[tuple[int, int | None], list[Input]] = {}
        seen: set[int] = set()
        for one in made:
            value = one.value
            if value.ndim not in (1, 2) or id(value) in seen:
                continue
            seen.add(id(value))
            for turned in _turned(one):
                self._by_width.setdefault(turned.rows.shape[1], []).append(turned)

    def of(self, width: int, ones: int | None, until: int) -> list[Input]:
        """Those of a width that were there by some time.

        Args:
            width: entries a sample.
            ones: where a column of ones stands beside them, 0 or -1, which may be left out; None
                for nowhere.
            until: when.
        """
        some = self._of(width, ones)
        return some[: bisect_right(some, until, key=lambda one: one.made.time)]

    def _of(self, width: int, ones: int | None) -> list[Input]:
        if (width, ones) not in self._known:
            some = list(self._by_width.get(width, ()))
            if ones is not None:
                some += self._beside(width, ones)
            self._known[width, ones] = sorted(some, key=lambda one: one.made.time)
        return self._known[width, ones]

    def _beside(self, width: int, ones: int) -> Iterator[Input]:
        """Those with a column of ones more, without it."""
        for one in self._by_width.get(width + 1, ()):
            if (one.rows[:, ones] == 1).all():
                rest = np.delete(one.rows, ones % (width + 1), axis=1)
                yield Input(one.made, rest, one.columns)


def _turned(made: Made) -> Iterator[Input]:
    """An array with its rows, and with its columns, as samples."""
    value = made.value
    if value.ndim == 1:
        yield Input(made, value[None], False)
        return
    yield Input(made, value, False)
    yield Input(made, value.T, True)

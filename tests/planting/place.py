"""Where a bug goes, and one form of one bug: what the files of this package that list them are
written with.

A form says which edits make it, and what a checker may rightly call it: its own id, and the ids of
other bugs that are the same program under another name (e p(1 - p) at a softmax is the diagonal of
its Jacobian, and also the quadratic cost's delta).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from planting.draft import Edit
from planting.spec import Spec
from planting.words import Words


@dataclass(frozen=True)
class Form:
    """One way to write one bug into one file."""

    id: str
    name: str
    edits: tuple[Edit, ...]
    also: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """The file that a bug goes into: its spec, how many layers it will have, and what is free to
    choose."""

    spec: Spec
    L: int
    random: np.random.Generator

    @property
    def words(self) -> Words:
        return Words(self.spec)

    @property
    def weight(self) -> str:
        """What follows a delta to make it the mean's."""
        return " / N" if self.spec.reduction == "mean" and self.spec.divides == "delta" else ""

    @property
    def K(self) -> int | None:
        """How many classes, where that is built in."""
        return self.spec.sizes[-1] if self.spec.sizes else None

    @property
    def quadratic(self) -> bool:
        return "quadratic" in self.spec.cost

    @property
    def two(self) -> str:
        return "2 * " if self.spec.cost == "quadratic" else ""

    @property
    def body(self) -> bool:
        return self.spec.style != "recursive"

    def some(self, first: int, last: int) -> tuple[int, ...] | None:
        """Layers first..last, all of them (None) or a few."""
        layers = range(first, last + 1)
        if len(layers) < 2 or self.random.random() < 0.5:
            return None
        size = int(self.random.integers(1, len(layers)))
        return tuple(
            sorted(int(i) for i in self.random.choice(list(layers), size=size, replace=False))
        )

    def one(self, first: int, last: int) -> tuple[int, ...]:
        return (int(self.random.integers(first, last + 1)),)

    def pick(self, *choices: object) -> object:
        return choices[int(self.random.integers(len(choices)))]


Forms = Iterator[Form]
CATALOGUE: list[Callable[[Place], Forms]] = []


def enter(forms: Callable[[Place], Forms]) -> Callable[[Place], Forms]:
    CATALOGUE.append(forms)
    return forms

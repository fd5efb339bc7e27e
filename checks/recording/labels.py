"""Which line of a file makes which quantity, and under which name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Recording, Series
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import GIVEN, Match, Page

FEWEST = 2  # numbers of a vector that must be found one by one


@dataclass(frozen=True)
class Label:
    """A place in a file, and what it was seen to make.

    Attributes:
        site: the line and the name.
        match: which quantity, and in which form.
        time: when it was made first.
        factor: what the quantity is multiplied by there, as it is written; "" for 1.
    """

    site: Site
    match: Match
    time: int
    factor: str = ""

    @property
    def quantity(self) -> Quantity:
        """What is made there."""
        return self.match.quantity

    @property
    def is_of_layers(self) -> bool:
        """Whether there is one of the quantity for each layer, so that an index may say which."""
        return self.quantity.layer is not None


@dataclass(frozen=True)
class Labels:
    """All that was recognised of one recording, in the order in which it was made."""

    page: Page
    found: tuple[Label, ...]

    @cached_property
    def names(self) -> dict[Quantity, str]:
        """What the person calls each quantity: the name under which it was made first, and a whole
        one before a part."""
        found: dict[Quantity, str] = {}
        for whole in (True, False):
            for label in self.found:
                if label.site.kind in ("value", "edit") and whole == (
                    label.match.form.sample is None
                ):
                    found.setdefault(label.quantity, label.site.name)
        return found

    def without(self, names: frozenset[str]) -> Labels:
        """Without what some names hold."""
        return replace(self, found=tuple(one for one in self.found if one.site.name not in names))

    def on_line(self, file: str, line: int) -> list[Label]:
        """What one line makes."""
        return [one for one in self.found if (one.site.file, one.site.line) == (file, line)]


def label(recording: Recording, page: Page) -> Labels:
    """Compare everything that was recorded with the equations."""
    found: list[Label] = []
    sums = _places_of_sums(recording, page)
    for made in recording.made:
        for match in _fitting(page.matches(made.value, made.eps), made.site, sums):
            found.append(Label(made.site, match, made.time, page.written(match.factor)))
    for series in recording.series:
        found += _of_series(series, page)
    found.sort(key=lambda one: one.time)
    once: dict[tuple[Site, Quantity], Label] = {}
    for one in found:
        once.setdefault((one.site, one.quantity), one)
    return Labels(page, tuple(once.values()))


def _places_of_sums(recording: Recording, page: Page) -> set[tuple[Site, str]]:
    """Where db was seen as a sum over samples: a single sample's row there is a part of db."""
    found = set()
    for made in recording.made:
        for match in page.matches(made.value, made.eps) if page.N > 1 else ():
            if match.quantity.kind == "db":
                found.add((made.site, "db"))
    return found


def _fitting(matches: Sequence[Match], site: Site, sums: set[tuple[Site, str]]) -> list[Match]:
    """Of several quantities with the same numbers, the one that is computed first; what is given is
    made by no line."""
    if not matches or matches[0].quantity.kind in GIVEN:
        return []
    if (site, "db") in sums:
        return [match for match in matches if match.quantity.kind == "db"]
    exact = [match for match in matches if match.form.sample is None] or list(matches)
    kinds = {match.quantity.kind for match in exact}
    if {"dz", "db"} <= kinds:  # a single sample: both are the same numbers
        return [match for match in exact if match.quantity.kind in ("dz", "db")][:2]
    return exact[:1]


def _of_series(series: Series, page: Page) -> Iterator[Label]:
    """Quantities whose numbers appear one by one, under one name on one line."""
    for quantity, value in page.values.items():
        rows = value if value.ndim == 2 and quantity.kind not in ("dW", "db") else value[None]
        for sample, row in enumerate(rows):
            time = _time_of_all(series, row, page, quantity)
            if time is not None:
                whole = quantity.kind in ("dW", "db") or len(rows) == 1
                form = next(
                    form
                    for form in page.forms[np.squeeze(row).shape]
                    if form.quantity == quantity and form.sample == (None if whole else sample)
                )
                yield Label(series.site, Match(form), time)
                break


def _time_of_all(series: Series, row: np.ndarray, page: Page, quantity: Quantity) -> int | None:
    """When the first of a vector's numbers was there, if all of them came."""
    wanted = row.reshape(-1)
    wanted = wanted[wanted != 0]
    if len(wanted) < min(FEWEST, row.size) or len(wanted) == 0:
        return None
    factors = page.factors if quantity.is_backward else (1.0,)
    return series.time_of_multiple(wanted, tuple(factors))

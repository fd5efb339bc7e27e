"""The numbers that stand in a script, or that it holds: its rate may be one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from backproof.checks.candidates.inside.recording import Recording
from backproof.checks.recording.page import Page

NEAR = 1e-6
NEAR_SHORT = 1e-4  # of rates that are read off four-byte numbers
LARGEST = 1e300
FEW = 3  # values of one name, as rates have and losses have not


@dataclass(frozen=True)
class Convention:
    """What a script may minimise in place of the mean loss.

    Attributes:
        summed: the sum over the samples.
        outputs: the mean over the outputs, too: their number, else 1.
        halved: 2 for half of it, 0.5 for twice as much.
        factor: by what the rate of the mean loss is multiplied to be the one that is written.
    """

    summed: bool
    outputs: float
    halved: float
    factor: float


@dataclass(frozen=True)
class Rate:
    """A rate of a step.

    Attributes:
        eta: as it is written.
        rate: of the mean loss, which it comes to.
        convention: what makes the difference, where that is known.
    """

    eta: float
    rate: float
    convention: Convention | None = None

    @staticmethod
    def of_mean(rate: float) -> Rate:
        """Of the mean loss itself."""
        return Rate(rate, rate)


class Written:
    """All numbers of a script.

    Args:
        recording: of it.
    """

    def __init__(self, recording: Recording) -> None:
        held = [series.values for series in recording.series if len(series.values) < FEW]
        single = [made.value.reshape(-1) for made in recording.made if made.value.size == 1]
        literal = [np.array(list(_literals(text))) for text in recording.sources.values()]
        self.literals = np.unique(np.concatenate([np.zeros(0), *literal]))
        self.values = np.unique(np.concatenate([np.zeros(1), *held, *single, self.literals]))
        short = any(made.eps > 1e-12 for made in recording.made)
        self._near = NEAR_SHORT if short else NEAR

    def has(self, value: float) -> bool:
        """Whether it is one of them."""
        at = np.searchsorted(self.values, value)
        around = self.values[max(0, at - 1) : at + 1]
        return bool((np.abs(around - value) <= self._near * abs(value)).any())

    def is_literal(self, value: float) -> bool:
        """Whether it stands in the text itself."""
        return bool((np.abs(self.literals - value) <= self._near * abs(value)).any())

    def has_rate(self, rate: float, page: Page) -> bool:
        """Whether a rate of the mean loss is one of them, or of a sum, or halved."""
        return any(self.has(rate * factor) for factor in conventional(page))

    def rate_of(self, rate: float, page: Page) -> Rate | None:
        """The literal that a rate of the mean loss is, which was read off rounded numbers; the one
        that takes the fewest conventions; None where none is."""
        for one in conventions(page):
            eta = rate * one.factor
            off = np.abs(self.literals - eta)
            if (off <= self._near * abs(eta)).any():
                written = float(self.literals[off.argmin()])
                return Rate(written, written / one.factor, one)
        return None


def conventions(page: Page) -> list[Convention]:
    """A sum over samples in place of their mean, a mean over the outputs, a square halved or not;
    the usual first."""
    N = float(page.N)
    K = float(page.problem.sizes[-1])
    found = []
    for outputs, halved, summed in product((1.0, K), (1.0, 2.0, 0.5), (False, True)):
        factor = outputs * halved / (N if summed else 1.0)
        found.append(Convention(summed, outputs, halved, factor))
    return found


def conventional(page: Page) -> set[float]:
    """By what the rate that is written may be multiplied to be that of the mean loss, inverted."""
    return {one.factor for one in conventions(page)}


def _literals(text: str) -> Iterator[float]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST:
            yield float(value)

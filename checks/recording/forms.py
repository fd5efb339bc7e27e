"""The forms in which a program may hold a quantity, and all of one shape held against an array at
once.

A program that takes samples one by one makes thousands of small arrays, each of which may be any
row of any quantity: so the forms of a shape are the rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.quantities import Quantity


@dataclass(frozen=True)
class Form:
    """One way to hold a quantity.

    Attributes:
        quantity: which.
        value: its numbers, without axes of length 1.
        sample: which sample alone, or None for all.
        with_bias: whether the bias, or the 1 that goes with it, stands beside.
    """

    quantity: Quantity
    value: np.ndarray
    sample: int | None = None
    with_bias: bool = False

    def lying(self, shape: tuple[int, ...]) -> Iterator[tuple[bool, np.ndarray]]:
        """Its numbers as they lie in an array of that shape: as they are, or transposed (then with
        True), or as both, where they are square."""
        if self.value.shape == shape:
            yield False, self.value
        if self.value.ndim > 1 and self.value.T.shape == shape:
            yield True, self.value.T


class FormsOfShape:
    """Every form that an array of one shape may have.

    Attributes:
        lying: each form, and whether it lies transposed in the array; in the order given.

    Args:
        shape: of the array.
        forms: that have that shape, as they are or transposed.
    """

    def __init__(self, shape: tuple[int, ...], forms: Iterable[Form]) -> None:
        self.lying: list[tuple[Form, bool]] = []
        rows = []
        for form in forms:
            for transposed, value in form.lying(shape):
                if value.any():
                    self.lying.append((form, transposed))
                    rows.append(value.reshape(-1))
        self._rows = np.array(rows)
        if rows:
            self._at = np.abs(self._rows).argmax(axis=1)
            self._largest = self._rows[np.arange(len(rows)), self._at]

    def multiples(self, array: np.ndarray, close: float) -> Iterator[tuple[Form, bool, float]]:
        """The forms of which an array is a multiple: each with whether it is transposed, and the
        factor; as `ratio` of page.py finds it for one.

        Args:
            array: of that shape, finite.
            close: how far apart two numbers may be, relative to the array's largest.
        """
        if not self.lying:
            return
        flat = array.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            factors = flat[self._at] / self._largest
            off = np.abs(flat - factors[:, None] * self._rows).max(axis=1)
        fitting = (off <= close * np.abs(flat).max()) & (factors != 0)
        for index in np.flatnonzero(fitting):
            form, transposed = self.lying[index]
            yield form, transposed, float(factors[index])

"""A loss of NumPy arrays as a black box: a plain function and plain arrays, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backproof.checks.black_box.box_base import Box
from backproof.checks.black_box.claimed_slope import ClaimedSlope


class ArrayBox(Box):
    """A loss as a function of arrays, which are moved in place and put back.

    Args:
        loss: computes it from the arrays' present values.
        arrays: what it depends on, float64 or float32.
    """

    def __init__(self, loss: Callable[[], Any], arrays: Sequence[np.ndarray]) -> None:
        super().__init__()
        self.loss = loss
        self.arrays = arrays
        self.at_0 = [array.copy() for array in arrays]

    def value(self) -> Any:
        """The loss at the arrays' present values, one number.

        Raises: TypeError for a loss that is no real number; ValueError for several.
        """
        self.evaluations += 1
        found = self.loss()
        number = np.asarray(found)
        if number.dtype.kind != "f":
            raise TypeError(
                f"loss: expected a real number, got {_word(found)}. Return the loss as a float."
            )
        if number.size != 1:
            raise ValueError(
                f"loss: expected one number, got shape {number.shape}. Take its mean or sum."
            )
        return number.reshape(())[()]

    def count(self) -> int:
        """How many arrays there are."""
        return len(self.arrays)

    def shape(self, i: int) -> tuple[int, ...]:
        """Of one of them."""
        return self.arrays[i].shape

    def eps_of(self, i: int) -> float:
        """Of the numbers in it."""
        return float(np.finfo(self.arrays[i].dtype).eps)

    def mean_square(self, i: int) -> float:
        """Of its values."""
        value = self.at_0[i].astype(np.float64)
        return float(np.mean(value**2)) if value.size else 1.0

    def vector(self, i: int, values: np.ndarray) -> np.ndarray:
        """Numbers in its shape."""
        return np.asarray(values, dtype=np.float64)

    def numbers(self, vector: np.ndarray) -> np.ndarray:
        """A vector's numbers, one after the other."""
        return vector.reshape(-1)

    def dot(self, first: np.ndarray, second: np.ndarray) -> float:
        """The sum of the products of two vectors."""
        return float(np.sum(first * second))

    def norm(self, first: np.ndarray, second: np.ndarray) -> float:
        """The norm of the products of two vectors, without squaring what is too large or too small
        for it."""
        products = first * second
        largest = float(np.abs(products).max()) if products.size else 0.0
        if not largest or not math.isfinite(largest):
            return largest
        return largest * float(np.sqrt(np.sum((products / largest) ** 2)))

    def moved(self, said: ClaimedSlope, t: float) -> tuple[float, float]:
        """The loss when one array is moved by t along a direction, and what is claimed that it
        changes by."""
        i = said.i
        array = self.arrays[i]
        array[...] = self.at_0[i] + t * said.u
        distance = array.astype(np.float64) - self.at_0[i]
        return self._value_there([i]), self.dot(distance, said.gradient)

    def moved_together(self, t: float, directions: Sequence[np.ndarray]) -> float:
        """The loss when all arrays are moved."""
        for i, u in enumerate(directions):
            self.arrays[i][...] = self.at_0[i] + t * u
        return self._value_there(range(len(self.arrays)))

    def put_back(self) -> None:
        """Give every array its own values again."""
        for array, value in zip(self.arrays, self.at_0, strict=True):
            array[...] = value

    def _value_there(self, moved: Sequence[int]) -> float:
        """The loss at moved values, which are put back; NaN outside of its domain, where it
        raises."""
        try:
            with np.errstate(all="ignore"):
                return float(self.value())
        except MemoryError:
            raise
        except Exception as error:
            lines = str(error).splitlines()
            self.left_domain = f"{type(error).__name__}: {lines[0] if lines else ''}"
            return math.nan
        finally:
            for i in moved:
                self.arrays[i][...] = self.at_0[i]


def _word(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return f"{type(value).__name__} {value!r}"[:80]

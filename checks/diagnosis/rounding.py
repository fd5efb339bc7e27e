"""What rounding allows an answer to one question to be off: by the precision in which it came, and
by what it cost to read it off a step."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from backproof.checks.bugs.setting import Setting
from backproof.checks.candidates.candidate import Answer
from backproof.checks.quantities import Quantities, Quantity

# relative: far above what rounding leaves of a factor, far below 1/7 against 0.14
CLOSE = 1e-6
CLOSE_FLOAT32 = 1e-3


class Rounding:
    """How far a correct candidate's answer may be from the correct numbers.

    Args:
        setting: of the question.
        answer: what came, of which its precision and what reading it cost count.
    """

    def __init__(self, setting: Setting, answer: Answer) -> None:
        self._setting = setting
        self._answer = answer
        self._largest: dict[str, float] = {}

    @cached_property
    def bounds(self) -> Quantities:
        """Between the correct value and a correct candidate's, entry by entry."""
        answer = self._answer
        found: Quantities = {}
        for dtype in {"float64", answer.precision, *answer.shorter.values()}:
            for name, value in self._setting.problem.bounds(dtype).items():
                if dtype in ("float64", self.precision(name)):
                    found[name] = found.get(name, 0.0) + value * self._size(name)
        return {name: value + answer.rounding.get(name, 0.0) for name, value in found.items()}

    def _size(self, name: str) -> float:
        """By what a quantity of the mean is multiplied under the candidate's conventions."""
        if Quantity.parse(name).is_backward:
            return self._setting.weight * self._setting.N
        return 1.0

    def largest(self, name: str) -> float:
        """The largest bound of any entry of a quantity, in its own unit."""
        if name not in self._largest:
            self._largest[name] = float(self.bounds[name].max())
        return self._largest[name]

    def unread(self, name: str) -> float:
        """How small a gradient may be and still be lost in reading it off a step."""
        return float(np.max(self._answer.rounding.get(name, 0.0)))

    def precision(self, name: str) -> str:
        """In which a quantity came."""
        return self._answer.shorter.get(name, self._answer.precision)

    def eps(self, name: str) -> float:
        """Of the precision in which a quantity came."""
        return float(np.finfo(self.precision(name)).eps)

    def close(self, name: str) -> float:
        """How far a factor read off a quantity may be from what made it, relative."""
        if self.precision(name) == "float64":
            return CLOSE
        return CLOSE_FLOAT32

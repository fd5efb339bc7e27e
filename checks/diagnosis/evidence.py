"""What a candidate answered, and how far off each number may be by rounding."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from checks import bound, by_hand
from checks.candidates.candidate import Answer
from checks.diagnosis.probes import Probe
from checks.quantities import Quantities
from checks.suspects.wrong_pass import Pass, Setting

# A prediction is compared more generously than the right answer, because a suspect's rounding is bounded by no analysis: 16 times
# the bound of the right pass, grown with the prediction, and 64 eps of the largest entry. That is 1e-14 of a gradient, where the
# nearest two suspects of the catalogue are 1.6e-7 apart.
GENEROUS, OF_LARGEST = 16.0, 64.0
CLOSE, CLOSE_FLOAT32 = 1e-6, 1e-3  # relative: far above what rounding leaves of a factor, far below 1/7 against 0.14
FAR = 1e6  # bounds: nothing that `allowed` permits is as far off, and nearly every wrong suspect is farther


@dataclass
class Evidence:
    """One answered question.

    Attributes:
        probe: what was asked.
        answer: what came.
        given: dW and db by name, as they came; None where the whole answer is a complaint.
    """

    probe: Probe
    answer: Answer
    given: Quantities | None = None
    _largest: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.answer.dW is not None:
            self.given = {f"dW[{layer}]": value for layer, value in self.answer.dW.items()}
            self.given |= {f"db[{layer}]": value for layer, value in (self.answer.db or {}).items()}

    @property
    def setting(self) -> Setting:
        """The question in the terms of the mathematics."""
        return self.probe.setting

    @property
    def is_of_gradients(self) -> bool:
        """Whether dW and db were asked for, rather than the output or the intermediates."""
        return self.probe.role not in ("forward", "intermediates")

    @property
    def compared(self) -> dict[str, np.ndarray | None]:
        """What came, by the names of what was expected; None for what is missing. Nothing where all is a complaint."""
        if self.is_of_gradients:
            return {quantity: self.given.get(quantity) for quantity in self.setting.gradients} if self.given is not None else {}
        if self.probe.role == "forward":
            return {"p": self.answer.p} if self.answer.p is not None else {}
        return {name: value for name, value in (self.answer.steps or {}).items() if name in self.bounds}

    def expected(self, quantity: str) -> np.ndarray:
        """The right value."""
        return self.right.p if quantity == "p" else self.right.named(quantity)

    @cached_property
    def is_wrong(self) -> bool:
        """Whether anything that came is out of bounds, of another shape, or missing."""
        return any(not self._within(quantity, given) for quantity, given in self.compared.items())

    def _within(self, quantity: str, given: np.ndarray | None) -> bool:
        right = self.expected(quantity)
        return given is not None and given.shape == right.shape and bool((np.abs(given - right) <= self.bounds[quantity]).all())

    @cached_property
    def right(self) -> Pass:
        """The pass without any bug."""
        return Pass(self.setting)

    @cached_property
    def bounds(self) -> Quantities:
        """What rounding explains between the right value and a correct candidate's, in the precision in which it answered."""
        problem, scale = self.setting.problem, self.setting.weight * self.setting.N
        passed = by_hand.forward(problem.x, problem.W, problem.b, output=problem.output)
        settled = {"output": problem.output, "cost": problem.cost}
        found: Quantities = {}
        for dtype in ("float64", self.answer.precision):
            for name, value in bound.rounding(passed, problem.W, problem.b, problem.y, **settled, dtype=dtype).items():
                backward = name not in ("p", "losses") and not name.startswith(("z", "a["))
                found[name] = found.get(name, 0.0) + value * (scale if backward else 1.0)
        return {name: value + self.answer.rounding.get(name, 0.0) for name, value in found.items()}

    @cached_property
    def eps(self) -> float:
        """Of the precision in which it answered."""
        return float(np.finfo(self.answer.precision).eps)

    def largest_bound(self, quantity: str) -> float:
        """Of any entry."""
        if quantity not in self._largest:
            self._largest[quantity] = float(self.bounds[quantity].max())
        return self._largest[quantity]

    def wrong(self, quantity: str) -> bool:
        """Whether a gradient is out of bounds, of another shape, or absent."""
        return not self._within(quantity, (self.given or {}).get(quantity))

    @cached_property
    def wrongs(self) -> frozenset[str]:
        """Every gradient that is wrong."""
        if self.given is None or not self.is_of_gradients:
            return frozenset()
        return frozenset(quantity for quantity in self.setting.gradients if self.wrong(quantity))

    def came(self, quantity: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """What was given; a single number as often as a prediction repeats it, a column or a row as the line that it is."""
        given = (self.given or {}).get(quantity)
        if given is not None and given.size == 1:
            return np.full(shape, given.reshape(-1)[0])
        return given.reshape(shape) if given is not None and max(given.shape, default=0) == given.size == np.prod(shape) else given

    def equals(self, quantity: str, predicted: np.ndarray) -> bool:
        """Whether what came is what was predicted, to within rounding."""
        given = self.came(quantity, predicted.shape)
        if given is None or given.shape != predicted.shape:
            return False
        return not self.far(quantity, given, predicted) and bool(
            (np.abs(given - predicted) <= self.allowed(quantity, predicted)).all()
        )

    def far(self, quantity: str, given: np.ndarray, predicted: np.ndarray) -> bool:
        """Far out of any bound: what nearly every suspect is, seen without computing the bound of each entry."""
        largest = max(float(np.abs(given).max(initial=0)), float(np.abs(predicted).max(initial=0)))
        limit = FAR * (largest + 1) * max(self.largest_bound(quantity), self.eps * largest)
        return float(np.abs(given - predicted).max(initial=0)) > limit

    def allowed(self, quantity: str, predicted: np.ndarray) -> np.ndarray:
        """How far an answer may be from a suspect's prediction, entry by entry; see GENEROUS."""
        right, limit = self.right.named(quantity), self.bounds[quantity]
        largest = float(np.abs(predicted).max(initial=0.0))
        growth = max(1.0, largest / max(float(np.abs(right).max()), float(limit.max())))
        if limit.shape != predicted.shape:
            limit = np.full(predicted.shape, limit.max())
        elif predicted.ndim == 1 and np.ptp(predicted) == 0:
            limit = np.full(predicted.shape, limit.sum())  # one number for all units has the rounding of them all
        return GENEROUS * growth * limit + OF_LARGEST * self.eps * largest

"""What a candidate answered, and how far off each number may be by rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from backproof.checks.bugs.register import Variant
from backproof.checks.bugs.wrong_pass import Pass, Setting
from backproof.checks.candidates.candidate import Answer
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.quantities import Quantities, Quantity

# A prediction is compared more generously than the right answer, because a suspect's rounding is
# bounded by no analysis: 16 times the bound of the right pass, grown with the prediction, and 64
# eps of the largest entry. That is 1e-14 of a gradient, where the nearest two suspects of the
# catalogue are 1.6e-7 apart.
GENEROUS = 16.0
OF_LARGEST = 64.0
# relative: far above what rounding leaves of a factor, far below 1/7 against 0.14
CLOSE = 1e-6
CLOSE_FLOAT32 = 1e-3
# entries: of a larger gradient, suspects are held against that many, and only what fits against all
# of them
LARGE = 4096
# bounds: nothing that `allowed` permits is as far off, and nearly every wrong suspect is farther
FAR = 1e6


@dataclass
class Evidence:
    """One answered question.

    Attributes:
        probe: what was asked.
        answer: what came.
        given: dW and db by name, as they came; None where the whole answer is a complaint.
        whole: whether every entry of a large gradient is looked at.
        of_right: what matching.py found out about the right gradients, so that it need not do so
            for every suspect.
    """

    probe: Probe
    answer: Answer
    given: Quantities | None = None
    whole: bool = False
    of_right: dict[tuple[str, bool, bool, bool, str], tuple[float | None, float, float] | None] = (
        field(default_factory=dict)
    )
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
        """What came, by the names of what was expected; None for what is missing. Nothing where all
        is a complaint."""
        if self.is_of_gradients:
            if self.given is not None:
                return {quantity: self.given.get(quantity) for quantity in self.setting.gradients}
            return {}
        if self.probe.role == "forward":
            if self.answer.p is not None:
                return {"p": self.answer.p}
            return {}
        return {
            name: value for name, value in (self.answer.steps or {}).items() if name in self.bounds
        }

    def expected(self, quantity: str) -> np.ndarray:
        """The right value."""
        if quantity == "p":
            return self.right.p
        return self.right.named(quantity)

    @cached_property
    def is_wrong(self) -> bool:
        """Whether anything that came is out of bounds, of another shape, or missing."""
        return any(not self._within(quantity, given) for quantity, given in self.compared.items())

    def _within(self, quantity: str, given: np.ndarray | None) -> bool:
        return given is not None and self.within(quantity, given, self.expected(quantity))

    def within(self, quantity: str, given: np.ndarray, expected: np.ndarray) -> bool:
        """Whether two arrays are as near to each other as rounding in the right pass leaves an
        answer to the right one."""
        limit = self.bounds[quantity]
        return given.shape == expected.shape == limit.shape and bool(
            (np.abs(given - expected) <= limit).all()
        )

    @cached_property
    def right(self) -> Pass:
        """The pass without any bug."""
        return Pass(self.setting)

    @cached_property
    def bounds(self) -> Quantities:
        """What rounding explains between the right value and a correct candidate's, in the
        precision in which it answered."""
        problem = self.setting.problem
        scale = self.setting.weight * self.setting.N
        found: Quantities = {}
        for dtype in {"float64", self.answer.precision, *self.answer.shorter.values()}:
            for name, value in problem.bounds(dtype).items():
                if dtype in ("float64", self.precision(name)):
                    backward = Quantity.parse(name).is_backward
                    found[name] = found.get(name, 0.0) + value * (scale if backward else 1.0)
        return {name: value + self.answer.rounding.get(name, 0.0) for name, value in found.items()}

    def unread(self, quantity: str) -> float:
        """How small a gradient may be and still be lost in reading it off a step."""
        return float(np.max(self.answer.rounding.get(quantity, 0.0)))

    def as_if_in(self, precision: str) -> Evidence:
        """The same answer, with all the rounding of a coarser format."""
        return Evidence(self.probe, replace(self.answer, precision=precision, shorter={}))

    def precision(self, quantity: str) -> str:
        """In which it came."""
        return self.answer.shorter.get(quantity, self.answer.precision)

    def eps(self, quantity: str) -> float:
        """Of the precision in which it came."""
        return float(np.finfo(self.precision(quantity)).eps)

    def close(self, quantity: str) -> float:
        """How far a factor read off it may be from what made it."""
        if self.precision(quantity) == "float64":
            return CLOSE
        return CLOSE_FLOAT32

    def some(self, array: np.ndarray) -> np.ndarray:
        """Columns of a large gradient, evenly spread."""
        if self.whole or array.size <= LARGE:
            return array
        return array[..., :: -(-array.size // LARGE)]

    @property
    def is_large(self) -> bool:
        """Whether some() leaves anything out."""
        return any(weights.size > LARGE for weights in self.setting.problem.W.values())

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

    @property
    def is_wrong_at_output(self) -> bool:
        """Whether a gradient of the output layer is wrong: what is made of dz[L] alone."""
        return any(quantity.endswith(f"[{self.setting.problem.L}]") for quantity in self.wrongs)

    @cached_property
    def telling_first(self) -> list[str]:
        """Every gradient, the wrong ones first: a prediction that has those right is likely to have
        all."""
        return sorted(self.setting.gradients, key=lambda quantity: quantity not in self.wrongs)

    def came(self, quantity: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """What was given; a single number as often as a prediction repeats it, a column or a row as
        the line that it is."""
        given = (self.given or {}).get(quantity)
        if given is not None and given.size == 1:
            return np.full(shape, given.reshape(-1)[0])
        if given is not None and max(given.shape, default=0) == given.size == np.prod(shape):
            return given.reshape(shape)
        return given

    def equals(self, quantity: str, predicted: np.ndarray, variant: Variant) -> bool:
        """Whether what came is what was predicted, to within rounding."""
        given = self.came(quantity, predicted.shape)
        if given is None or given.shape != predicted.shape:
            return False
        given = self.some(given)
        predicted = self.some(predicted)
        near = (variant.short and quantity.startswith("db")) or not self.far(
            quantity, given, predicted
        )
        return bool(
            near and (np.abs(given - predicted) <= self.allowed(quantity, predicted, variant)).all()
        )

    def far(
        self, quantity: str, given: np.ndarray, predicted: np.ndarray, *, times: float = 1.0
    ) -> bool:
        """Far out of any bound, or that many times it: what nearly every suspect is, seen without
        the bound of each entry."""
        largest = max(float(np.abs(given).max(initial=0)), float(np.abs(predicted).max(initial=0)))
        limit = (
            times
            * FAR
            * (largest + 1)
            * max(self.largest_bound(quantity), self.eps(quantity) * largest)
        )
        return float(np.abs(given - predicted).max(initial=0)) > limit

    def allowed(
        self, quantity: str, predicted: np.ndarray, variant: Variant | None = None
    ) -> np.ndarray:
        """How far some() of an answer may be from that of a suspect's prediction, entry by entry;
        see GENEROUS.

        Where the suspect moves entries, between dW and db even, each may carry the rounding of any
        of the layer. Where deltas are in a short format, db may be summed in it: N additions round
        by its eps times the magnitudes of all terms at most.
        """
        right = self.some(self.right.named(quantity))
        limit = self.some(self.bounds[quantity])
        if variant is not None and variant.short and quantity.startswith("db"):
            terms = np.abs(self.right.get("rows", int(quantity[3:-1]))).sum(axis=0)
            limit = limit + float(np.finfo(variant.short).eps) * self.setting.N * terms / GENEROUS
        if variant is not None and variant.moved:
            limit = np.full(
                predicted.shape,
                max(self.largest_bound(f"{kind}{quantity[2:]}") for kind in ("dW", "db")),
            )
        largest = float(np.abs(predicted).max(initial=0.0))
        growth = max(1.0, largest / max(float(np.abs(right).max()), float(limit.max())))
        if limit.shape != predicted.shape:
            limit = np.full(predicted.shape, limit.max())
        elif predicted.ndim == 1 and np.ptp(predicted) == 0:
            # one number for all units has the rounding of them all
            limit = np.full(predicted.shape, limit.sum())
        return GENEROUS * growth * limit + OF_LARGEST * self.eps(quantity) * largest


def differs_from_call_to_call(evidence: Sequence[Evidence]) -> bool:
    """Whether the first question, asked again, was answered with other numbers."""
    answers = [item.given for item in evidence if item.probe.role in ("first", "again")]
    if len(answers) < 2 or any(given is None for given in answers):
        return False
    first, again = (given or {} for given in answers)
    return first.keys() != again.keys() or any(
        not np.array_equal(first[q], again[q], equal_nan=True) for q in first
    )

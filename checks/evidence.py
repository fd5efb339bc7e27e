"""What a candidate answered, how far off each number may be by rounding, and whether a prediction explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from checks import bound, by_hand
from checks.candidate import Answer
from checks.probes import Probe
from checks.quantities import Quantities
from checks.suspects import Variant
from checks.wrong_pass import Hooks, Pass, Setting

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
        return not _far(self, quantity, given, predicted) and bool(
            (np.abs(given - predicted) <= self.allowed(quantity, predicted)).all()
        )

    def allowed(self, quantity: str, predicted: np.ndarray) -> np.ndarray:
        """How far an answer may be from a suspect's prediction, entry by entry; see GENEROUS."""
        right, limit = self.right.named(quantity), self.bounds[quantity]
        largest = float(np.abs(predicted).max(initial=0.0))
        growth = max(1.0, largest / max(float(np.abs(right).max()), float(limit.max())))
        if limit.shape != predicted.shape:
            limit = np.full(predicted.shape, limit.max())
        return GENEROUS * growth * limit + OF_LARGEST * self.eps * largest


@dataclass
class Match:
    """How a prediction explains the evidence: by which factor each gradient differs from it, and what is left.

    Attributes:
        factors: for each item of evidence and gradient, the factor; None where rounding leaves it open.
        decays: the same for the multiple of W that is added to it; only what was found.
        residual: the largest relative difference that is left.
        rates: at which W was updated too early, in units of the learning rate, wherever the answer shows it.
    """

    factors: list[tuple[Setting, dict[str, float | None]]] = field(default_factory=list)
    decays: list[tuple[Setting, dict[str, float]]] = field(default_factory=list)
    residual: float = 0.0
    rates: list[float] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether the prediction alone explains everything."""
        plain = all(factor in (None, 1.0) for _, factors in self.factors for factor in factors.values())
        return plain and not any(decays for _, decays in self.decays)


def explain(
    hooks: Hooks, evidence: list[Evidence], *, variant: Variant | None = None, free: bool = True, decay: bool = False
) -> Match | None:
    """Hold a prediction against every answer.

    Args:
        hooks: the steps that are replaced; none is the right pass.
        evidence: in the order of asking. A complaint agrees with everything, a prediction that cannot be computed only with a
            complaint or with wrong shapes.
        variant: where the rate or the sequence of calls matters.
        free: whether each gradient may carry a factor of its own.
        decay: whether it may carry a multiple of W or b, too.
    Returns: how it explains them, or None as soon as one gradient is not explained.
    """
    match, previous = Match(), None
    for item in evidence:
        run = Pass(item.setting, hooks, right=item.right, previous=previous)
        try:
            if variant is not None and variant.rate_from:
                run = _at_fitted_rate(run, item, variant.rate_from, match)
            if variant is not None and variant.in_sequence:
                previous = run
            if not _explains(run, item, match, free, decay):
                return None
        except (ValueError, IndexError, KeyError):  # NumPy's "shapes not aligned", or a layer that does not exist
            if item.given is not None and not _odd_shapes(item):
                return None
    return match if match.factors and _one_rate(match.rates) else None  # complaints alone are no evidence for anything


def _one_rate(rates: list[float]) -> bool:
    """Whether the rates can be one learning rate: they may differ by N, where one sums and the other averages, and by no more."""
    smallest, largest = min(map(abs, rates), default=1.0), max(map(abs, rates), default=1.0)
    return smallest > 0 and largest < 50 * smallest and len({rate > 0 for rate in rates}) <= 1


def _odd_shapes(item: Evidence) -> bool:
    """Whether what came does not even have the right shapes, as after a step that cannot be computed."""
    given = item.given or {}
    return any(q not in given or given[q].shape != item.right.named(q).shape for q in item.setting.gradients)


def _explains(run: Pass, item: Evidence, match: Match, free: bool, decay: bool) -> bool:
    """All gradients of one answer, the output layer's first."""
    if item.given is None:
        return True  # a complaint says nothing against a prediction; whether it is one is decided where numbers came
    factors: dict[str, float | None] = {}
    decays: dict[str, float] = {}
    for quantity in item.setting.gradients:
        predicted = run.named(quantity)
        given = item.came(quantity, predicted.shape)
        if given is None:
            if not free or not quantity.startswith("db"):
                return False
            factors[quantity] = 0.0
            continue
        if given.shape != predicted.shape:
            return False
        found = _factor(item, quantity, given, predicted, free, decay)
        if found is None:
            return False
        factors[quantity], decayed, left = found
        if decayed:
            decays[quantity] = decayed
        match.residual = max(match.residual, left)
    match.factors.append((item.setting, factors))
    match.decays.append((item.setting, decays))
    return True


def _factor(
    item: Evidence, quantity: str, given: np.ndarray, predicted: np.ndarray, free: bool, decay: bool
) -> tuple[float | None, float, float] | None:
    """(factor, multiple of W, what is left over the answer's size), or None if no factor explains the answer."""
    allowed = item.allowed(quantity, predicted)
    size = float(max(np.linalg.norm(given), np.linalg.norm(item.right.named(quantity)))) or 1.0
    if not free and _far(item, quantity, given, predicted):
        return None
    close = CLOSE if item.answer.precision == "float64" else CLOSE_FLOAT32
    unclear = float(allowed.max()) > close * float(np.abs(predicted).max())  # rounding leaves the factor open to more than `close`
    off = np.abs(given - predicted)
    if (off <= allowed).all():
        return (None, 0.0, 0.0) if unclear else (1.0, 0.0, float(np.linalg.norm(off)) / size)
    if not free or not np.isfinite(given).all() or not predicted.any():
        return None if not decay else _decayed(item, quantity, given, predicted, allowed)
    scaled = predicted / allowed  # least squares in units of what rounding explains: where all is cancellation, nothing is read off
    factor = float((given / allowed * scaled).sum() / (scaled * scaled).sum())
    left = np.abs(given - factor * predicted)
    believable = not unclear or abs(factor) < 1e3  # a huge factor on what is lost in rounding would explain anything
    if believable and (left <= allowed * max(1.0, abs(factor))).all():
        tiny = abs(factor) * float(np.abs(predicted).max()) <= float(allowed.max())
        return (None, 0.0, 0.0) if unclear else (0.0 if tiny else factor, 0.0, float(np.linalg.norm(left)) / size)
    return _decayed(item, quantity, given, predicted, allowed) if decay else None


def _far(item: Evidence, quantity: str, given: np.ndarray, predicted: np.ndarray) -> bool:
    """Far out of any bound: what nearly every suspect is, seen without computing the bound of each entry."""
    largest = max(float(np.abs(given).max(initial=0)), float(np.abs(predicted).max(initial=0)))
    return float(np.abs(given - predicted).max(initial=0)) > FAR * (largest + 1) * max(
        item.largest_bound(quantity), item.eps * largest
    )


def _decayed(
    item: Evidence, quantity: str, given: np.ndarray, predicted: np.ndarray, allowed: np.ndarray
) -> tuple[float | None, float, float] | None:
    """The answer as prediction + decay * W, and as factor * prediction + decay * W."""
    layer = int(quantity[3:-1])
    weights = item.setting.problem.W[layer] if quantity.startswith("dW") else item.setting.problem.b[layer]
    if weights.shape != predicted.shape or not weights.any() or not np.isfinite(given).all():
        return None
    size = float(np.linalg.norm(given)) or 1.0
    decay = float(((given - predicted) * weights).sum() / (weights * weights).sum())
    for factor, multiple in ((1.0, decay), *_both(given, predicted, weights)):
        left = np.abs(given - factor * predicted - multiple * weights)
        slack = allowed * max(1.0, abs(factor)) + OF_LARGEST * item.eps * abs(multiple) * float(np.abs(weights).max())
        if (left <= slack).all():
            return factor, multiple, float(np.linalg.norm(left)) / size
    return None


def _both(given: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> list[tuple[float, float]]:
    """Factor and decay by least squares, where there are more entries than unknowns."""
    if given.size < 4:
        return []
    solved = np.linalg.lstsq(np.column_stack([predicted.ravel(), weights.ravel()]), given.ravel(), rcond=None)[0]
    return [(float(solved[0]), float(solved[1]))]


def _at_fitted_rate(run: Pass, item: Evidence, layer: int, match: Match) -> Pass:
    """The pass at the rate that explains dW[layer] best; that gradient is linear in the rate."""
    quantity = f"dW[{layer}]"
    given = (item.given or {}).get(quantity)
    still, moved = run.named(quantity), run.shifted(1.0).named(quantity)
    if given is None or given.shape != still.shape or not np.isfinite(given).all():
        return run.shifted(1.0)
    slope = moved - still
    if not slope.any():
        return run
    sign, rate = 1.0, float(((given - still) * slope).sum() / (slope * slope).sum())
    if given.size >= 4:
        columns = np.column_stack([still.ravel(), slope.ravel()])
        factor, product = np.linalg.lstsq(columns, given.ravel(), rcond=None)[0]
        sign = float(np.sign(factor)) or 1.0
        if abs(abs(factor) - 1) > CLOSE and factor:
            rate = float(product / factor)
        else:  # with the factor known to be 1 or -1, one unknown is known better than two
            rate = float(((sign * given - still) * slope).sum() / (slope * slope).sum())
    if float(np.abs(slope).max()) > SHOWN * item.largest_bound(quantity):
        match.rates.append(rate / (item.setting.learning_rate or 1.0))
    return run.shifted(rate)


SHOWN = 1e6  # bounds: a rate of 1e-3 is then known to three digits

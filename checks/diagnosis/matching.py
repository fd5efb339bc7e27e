"""Whether a prediction explains the answers: alone, up to a factor for each gradient, or with a multiple of W added."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from checks.diagnosis.evidence import CLOSE, CLOSE_FLOAT32, OF_LARGEST, Evidence
from checks.suspects.register import Variant
from checks.suspects.wrong_pass import Hooks, Pass, Setting


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
    if not free and item.far(quantity, given, predicted):
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
        if unclear:
            return None, 0.0, 0.0
        rounded = item.answer.rounding.get(quantity, 0.0)
        small = bool((left > allowed * abs(factor) + rounded).any())  # no multiple of the prediction, but too small to matter
        return (0.0 if small and abs(factor) < close else factor), 0.0, float(np.linalg.norm(left)) / size
    return _decayed(item, quantity, given, predicted, allowed) if decay else None


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

"""Whether a prediction explains the answers: alone, up to a factor for each gradient, or with a
multiple of W added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backproof.checks.bugs.register import Variant
from backproof.checks.bugs.wrong_pass import Hooks, Pass, Setting
from backproof.checks.diagnosis.decay import decayed
from backproof.checks.diagnosis.evidence import GENEROUS, Evidence
from backproof.checks.diagnosis.rates import at_fitted_rate, one_rate

Row = tuple[Setting, dict[str, float | None]]


@dataclass
class Match:
    """How a prediction explains the evidence: by which factor each gradient differs from it, and
    what is left.

    Attributes:
        factors: for each item of evidence and gradient, the factor; None where rounding leaves it
            open.
        decays: the same for the multiple of W that is added to it; only what was found.
        residual: the largest relative difference that is left.
        noise: how many gradients are exactly zero where the prediction is rounding and no more.
        misfits: how many are farther from the prediction than rounding in the right pass explains.
        rates: at which W was updated too early, in units of the learning rate, wherever the answer
            shows it; and for which N.
        says_something: whether it predicts anything but zeros, which would explain nothing.
    """

    factors: list[Row] = field(default_factory=list)
    decays: list[tuple[Setting, dict[str, float]]] = field(default_factory=list)
    residual: float = 0.0
    noise: int = 0
    misfits: int = 0
    rates: list[tuple[float, int]] = field(default_factory=list)
    says_something: bool = False

    @property
    def exact(self) -> bool:
        """Whether the prediction alone explains everything."""
        plain = all(
            factor in (None, 1.0) for _, factors in self.factors for factor in factors.values()
        )
        return plain and not any(decays for _, decays in self.decays)


def explain(
    hooks: Hooks,
    evidence: list[Evidence],
    *,
    variant: Variant | None = None,
    free: bool = True,
    decay: bool = False,
    sensible: Callable[[Row], bool] | None = None,
) -> Match | None:
    """Hold a prediction against every answer.

    Args:
        hooks: the steps that are replaced; none is the right pass.
        evidence: in the order of asking. A complaint agrees with everything, a prediction that
            cannot be computed only with a complaint or with wrong shapes.
        variant: where the rate or the sequence of calls matters.
        free: whether each gradient may carry a factor of its own.
        decay: whether it may carry a multiple of W or b, too.
        sensible: of the factors of one question, whether to go on at all.
    Returns: how it explains them, or None as soon as one gradient is not explained.
    """
    match = Match()
    previous = None
    for item in evidence:
        run = Pass(item.setting, hooks, right=item.right, previous=previous)
        try:
            if variant is not None and variant.rate_from:
                run = at_fitted_rate(run, item, variant.rate_from, match.rates)
            if variant is not None and variant.in_sequence:
                previous = run
            if not _explains(run, item, match, free, decay, variant):
                return None
            if sensible and match.factors and not sensible(match.factors[-1]):
                return None
        except (
            ValueError,
            IndexError,
            KeyError,
        ):  # NumPy's "shapes not aligned", or a layer that does not exist
            if item.given is not None and not _odd_shapes(item, run):
                return None
    # nor are complaints alone evidence for anything
    if match.says_something and one_rate(match.rates):
        return match
    return None


def _odd_shapes(item: Evidence, run: Pass) -> bool:
    """Whether all that cannot be computed did not even come in the right shape."""
    given = item.given or {}
    as_due = [
        q
        for q in item.setting.gradients
        if q in given and given[q].shape == item.right.named(q).shape
    ]
    for quantity in as_due:
        try:
            run.named(quantity)
        except (ValueError, IndexError, KeyError):
            return False
    return True


def _explains(
    run: Pass, item: Evidence, match: Match, free: bool, decay: bool, variant: Variant | None
) -> bool:
    """All gradients of one answer, the output layer's first."""
    if item.given is None:
        # a complaint says nothing against a prediction; whether it is one is decided where numbers
        # came
        return True
    factors: dict[str, float | None] = {}
    decays: dict[str, float] = {}
    for quantity in item.telling_first:
        predicted = run.named(quantity)
        given = item.came(quantity, predicted.shape)
        if given is None:
            if not free or not quantity.startswith("db"):
                return False
            factors[quantity] = 0.0
            continue
        if given.shape != predicted.shape:
            return False
        found = _known_factor(item, quantity, given, predicted, free, decay, variant)
        if found is None:
            return False
        match.says_something |= bool(predicted.any())
        factors[quantity], decayed, left = found
        if decayed:
            decays[quantity] = decayed
        match.residual = max(match.residual, left)
        match.noise += (
            factors[quantity] != 0
            and not given.any()
            and bool(np.abs(predicted).max() > item.unread(quantity))
        )
        match.misfits += not item.within(quantity, given, predicted)
    match.factors.append((item.setting, factors))
    match.decays.append((item.setting, decays))
    return True


def _known_factor(
    item: Evidence,
    quantity: str,
    given: np.ndarray,
    predicted: np.ndarray,
    free: bool,
    decay: bool,
    variant: Variant | None,
) -> tuple[float | None, float, float] | None:
    """The same as _factor, which for the right prediction is computed once: most suspects leave
    most gradients as they are."""
    if predicted is not item.right.named(quantity):
        return _factor(item, quantity, given, predicted, free, decay, variant)
    key = (
        quantity,
        free,
        decay,
        variant is not None and variant.moved,
        variant.short if variant else "",
    )
    if key not in item.of_right:
        item.of_right[key] = _factor(item, quantity, given, predicted, free, decay, variant)
    return item.of_right[key]


def _factor(
    item: Evidence,
    quantity: str,
    given: np.ndarray,
    predicted: np.ndarray,
    free: bool,
    decay: bool,
    variant: Variant | None,
) -> tuple[float | None, float, float] | None:
    """(factor, multiple of W, what is left over the answer's size), or None if no factor explains
    the answer."""
    given = item.some(given)
    predicted = item.some(predicted)
    summed_short = variant is not None and bool(variant.short) and quantity.startswith("db")
    if not decay and not summed_short and _out_of_reach(item, quantity, given, predicted, free):
        return None
    allowed = item.allowed(quantity, predicted, variant)
    size = (
        float(max(np.linalg.norm(given), np.linalg.norm(item.some(item.right.named(quantity)))))
        or 1.0
    )
    close = item.close(quantity)
    # rounding leaves more than `close` open
    unclear = float(allowed.max()) > GENEROUS * close * float(np.abs(predicted).max())
    off = np.abs(given - predicted)
    if (off <= allowed).all():
        if unclear:
            return (None, 0.0, 0.0)
        return (1.0, 0.0, float(np.linalg.norm(off)) / size)
    # 0 is what a db may be multiplied by, and no dW
    nothing = quantity.startswith("dW") and not given.any()
    if not free or nothing or not np.isfinite(given).all() or not predicted.any():
        if not decay:
            return None
        return decayed(item, quantity, given, predicted, allowed)
    # least squares in units of what rounding explains: where all is cancellation, nothing is read
    # off
    scaled = predicted / allowed
    factor = float((given / allowed * scaled).sum() / (scaled * scaled).sum())
    left = np.abs(given - factor * predicted)
    # a huge factor on what is lost in rounding would explain anything
    believable = not unclear or abs(factor) < 1e3
    if believable and (left <= allowed * max(1.0, abs(factor))).all():
        if unclear:
            return None, 0.0, 0.0
        return (factor if given.any() else 0.0), 0.0, float(np.linalg.norm(left)) / size
    if decay:
        return decayed(item, quantity, given, predicted, allowed)
    return None


def _out_of_reach(
    item: Evidence, quantity: str, given: np.ndarray, predicted: np.ndarray, free: bool
) -> bool:
    """Whether the answer is far from the prediction, or from every multiple of it: seen without the
    bound of each entry."""
    if not free:
        return item.far(quantity, given, predicted)
    squares = float((predicted * predicted).sum())
    factor = float((given * predicted).sum()) / squares if squares else 0.0
    return bool(np.isfinite(factor)) and item.far(
        quantity, given, factor * predicted, times=max(1.0, abs(factor))
    )

"""Whether a prediction explains the answers: alone, up to a factor for each gradient, or with a
multiple of W added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from backproof.checks.bugs.hooked_pass import CannotBeComputed, HookedPass, Hooks
from backproof.checks.bugs.register import Variant
from backproof.checks.diagnosis.decay import Fits
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.factor import Fit, Freedom, fitted
from backproof.checks.diagnosis.rates import FittedRate, at_fitted_rate, one_rate
from backproof.checks.quantities import kind_of


@dataclass
class Match:
    """How a prediction explains the evidence: by which factor each gradient differs from it, and
    what is left.

    Attributes:
        fits: for each answered question, how each of its gradients compares.
        residual: the largest relative difference that is left.
        noise: how many gradients are exactly zero where the prediction is rounding and no more.
        misfits: how many are farther from the prediction than rounding in the correct pass
            explains.
        rates: at which W was updated too early, wherever the answer shows it.
        says_something: whether it predicts anything but zeros, which would explain nothing.
    """

    fits: list[Fits] = field(default_factory=list)
    residual: float = 0.0
    noise: int = 0
    misfits: int = 0
    rates: list[FittedRate] = field(default_factory=list)
    says_something: bool = False

    @property
    def decays(self) -> bool:
        """Whether a multiple of W is added to any gradient."""
        return any(fits.decays for fits in self.fits)

    @property
    def exact(self) -> bool:
        """Whether the prediction alone explains everything."""
        if self.decays:
            return False
        return all(set(fits.factors.values()) <= {None, 1.0} for fits in self.fits)


EXACTLY = Freedom(factor=False)
UP_TO_FACTORS = Freedom()
WITH_DECAY = Freedom(decay=True)


def explain(
    hooks: Hooks,
    evidence: list[Evidence],
    *,
    variant: Variant | None = None,
    freedom: Freedom = UP_TO_FACTORS,
    sensible: Callable[[Fits], bool] | None = None,
) -> Match | None:
    """Hold a prediction against every answer.

    Args:
        hooks: the steps that are replaced; none is the correct pass.
        evidence: in the order of asking. A complaint agrees with everything, a prediction that
            cannot be computed only with a complaint or with wrong shapes.
        variant: where the rate or the sequence of calls matters.
        freedom: what the prediction may be changed by.
        sensible: of the fits of one question, whether to go on at all.
    Returns: how it explains them, or None as soon as one gradient is not explained.
    """
    match = Match()
    previous = None
    for item in evidence:
        run = HookedPass(item.setting, hooks, correct=item.correct, previous=previous)
        try:
            if variant is not None and variant.rate_from:
                run = at_fitted_rate(run, item, variant.rate_from, match.rates)
            if variant is not None and variant.in_sequence:
                previous = run
            if not _explains(run, item, match, freedom, variant):
                return None
            if sensible and match.fits and not sensible(match.fits[-1]):
                return None
        except CannotBeComputed:
            if item.given is not None and not _odd_shapes(item, run):
                return None
    # nor are complaints alone evidence for anything
    if match.says_something and one_rate(match.rates):
        return match
    return None


def _odd_shapes(item: Evidence, run: HookedPass) -> bool:
    """Whether all that cannot be computed did not even come in the right shape."""
    for name, given in item.gradients.items():
        if name in item.setting.gradients and given.shape == item.correct.value(name).shape:
            try:
                run.value(name)
            except CannotBeComputed:
                return False
    return True


def _explains(
    run: HookedPass, item: Evidence, match: Match, freedom: Freedom, variant: Variant | None
) -> bool:
    """All gradients of one answer, the output layer's first."""
    if item.given is None:
        # a complaint says nothing against a prediction; whether it is one is decided where numbers
        # came
        return True
    found: dict[str, Fit] = {}
    for name in item.telling_first:
        predicted = run.value(name)
        given = item.came(name, predicted.shape)
        if given is None:
            if not freedom.factor or kind_of(name) != "db":
                return False
            found[name] = Fit(0.0)
            continue
        if given.shape != predicted.shape:
            return False
        fit = _fitted(item, name, given, predicted, freedom, variant)
        if fit is None:
            return False
        found[name] = fit
        match.says_something |= bool(predicted.any())
        match.residual = max(match.residual, fit.residual)
        if fit.factor != 0 and not given.any():
            match.noise += bool(np.abs(predicted).max() > item.rounding.unread(name))
        match.misfits += not item.within(name, given, predicted)
    match.fits.append(Fits(item.setting, found))
    return True


Key = tuple[str, Freedom, bool, str]
# most suspects leave most gradients as they are: how those compare is found out once for each
# answer
_OF_CORRECT: WeakKeyDictionary[HookedPass, dict[Key, Fit | None]] = WeakKeyDictionary()


def _fitted(
    item: Evidence,
    name: str,
    given: np.ndarray,
    predicted: np.ndarray,
    freedom: Freedom,
    variant: Variant | None,
) -> Fit | None:
    """The same as fitted(), which for the correct prediction is computed once."""
    if predicted is not item.correct.value(name):
        return fitted(item, name, given, predicted, freedom, variant)
    known = _OF_CORRECT.setdefault(item.correct, {})
    moved = variant is not None and variant.moved
    short = variant.short if variant is not None else ""
    key = (name, freedom, moved, short)
    if key not in known:
        known[key] = fitted(item, name, given, predicted, freedom, variant)
    return known[key]

"""At which rate W was updated too early, fitted to the gradient below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass
from backproof.checks.diagnosis.closeness import GENEROUS
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.rounding import CLOSE

# bounds: where so little depends on the rate, it is what answers of as many samples show
LOST = 1e3
SHOWN = 1e6  # bounds: a rate of 1e-3 is then known to three digits


@dataclass(frozen=True)
class FittedRate:
    """What one answer shows of the rate, in units of the learning rate, and its samples a call."""

    rate: float
    N: int


def one_rate(rates: list[FittedRate]) -> bool:
    """Whether they can be one learning rate, times N where one sums and the other averages; each is
    known to a digit or more."""
    as_they_are = [found.rate for found in rates]
    as_sums = [found.rate * found.N for found in rates]
    as_means = [found.rate / found.N for found in rates]
    return any(map(_alike, (as_they_are, as_sums, as_means)))


def _alike(rates: list[float]) -> bool:
    smallest = min(map(abs, rates), default=1.0)
    largest = max(map(abs, rates), default=1.0)
    return smallest > 0 and largest < 2 * smallest and len({rate > 0 for rate in rates}) <= 1


def at_fitted_rate(
    run: HookedPass, item: Evidence, layer: int, rates: list[FittedRate]
) -> HookedPass:
    """The pass at the rate that explains dW[layer] best; that gradient is linear in the rate."""
    name = f"dW[{layer}]"
    given = item.gradients.get(name)
    still = run.value(name)
    slope = run.shifted(1.0).value(name) - still
    if given is None or given.shape != still.shape or not np.isfinite(given).all():
        return run.shifted(1.0)
    if not slope.any():
        return run
    step = item.setting.learning_rate or 1.0
    shown = float(np.abs(slope).max()) / item.rounding.largest(name)
    known = [found.rate for found in rates if item.setting.in_call == found.N]
    if shown < LOST and known:
        return run.shifted(known[0] * step)
    rate = _fitted(given, still, slope, GENEROUS * item.rounding.largest(name))
    if shown > SHOWN:
        rates.append(FittedRate(rate / step, item.setting.in_call))
    return run.shifted(rate)


def _fitted(given: np.ndarray, still: np.ndarray, slope: np.ndarray, noise: float) -> float:
    """The rate in given = factor * (still + rate * slope), of numbers that are off by some
    noise."""
    # with the factor known to be 1 or -1, one unknown is known better than two
    for sign in (1.0, -1.0):
        rate = _at_factor(sign, given, still, slope)
        left = np.abs(sign * given - still - rate * slope)
        if float(left.max()) <= noise:
            return rate
    if given.size < 4:
        return _at_factor(1.0, given, still, slope)
    columns = np.column_stack([still.ravel(), slope.ravel()])
    factor, product = np.linalg.lstsq(columns, given.ravel(), rcond=None)[0]
    if factor and abs(abs(factor) - 1) > CLOSE:
        return float(product / factor)
    return _at_factor(float(np.sign(factor)) or 1.0, given, still, slope)


def _at_factor(factor: float, given: np.ndarray, still: np.ndarray, slope: np.ndarray) -> float:
    """The rate for a factor of 1 or -1."""
    return float(((factor * given - still) * slope).sum()) / float((slope * slope).sum())

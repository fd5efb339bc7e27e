"""At which rate W was updated too early, fitted to the gradient below it."""

from __future__ import annotations

import numpy as np

from backproof.checks.bugs.wrong_pass import Pass
from backproof.checks.diagnosis.evidence import CLOSE, Evidence

SHOWN = 1e6  # bounds: a rate of 1e-3 is then known to three digits


def one_rate(rates: list[tuple[float, int]]) -> bool:
    """Whether they can be one learning rate, times N where one sums and the other averages; each is
    known to a digit or more."""
    forms = ([rate * N**power for rate, N in rates] for power in (0, 1, -1))
    return any(_alike(form) for form in forms)


def _alike(rates: list[float]) -> bool:
    smallest = min(map(abs, rates), default=1.0)
    largest = max(map(abs, rates), default=1.0)
    return smallest > 0 and largest < 2 * smallest and len({rate > 0 for rate in rates}) <= 1


def at_fitted_rate(run: Pass, item: Evidence, layer: int, rates: list[tuple[float, int]]) -> Pass:
    """The pass at the rate that explains dW[layer] best; that gradient is linear in the rate."""
    quantity = f"dW[{layer}]"
    given = (item.given or {}).get(quantity)
    still = run.named(quantity)
    moved = run.shifted(1.0).named(quantity)
    if given is None or given.shape != still.shape or not np.isfinite(given).all():
        return run.shifted(1.0)
    slope = moved - still
    if not slope.any():
        return run
    sign = 1.0
    rate = float(((given - still) * slope).sum() / (slope * slope).sum())
    if given.size >= 4:
        columns = np.column_stack([still.ravel(), slope.ravel()])
        factor, product = np.linalg.lstsq(columns, given.ravel(), rcond=None)[0]
        sign = float(np.sign(factor)) or 1.0
        if abs(abs(factor) - 1) > CLOSE and factor:
            rate = float(product / factor)
        else:  # with the factor known to be 1 or -1, one unknown is known better than two
            rate = float(((sign * given - still) * slope).sum() / (slope * slope).sum())
    if float(np.abs(slope).max()) > SHOWN * item.largest_bound(quantity):
        rates.append((rate / (item.setting.learning_rate or 1.0), item.setting.in_call))
    return run.shifted(rate)

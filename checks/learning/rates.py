"""A short range test of learning rates: a few steps at each, from the same weights."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from backproof.checks.learning import passes
from backproof.checks.learning.by_doing import Step, each_batch
from backproof.checks.learning.given import Given

FEWEST = 6  # at each rate, where steps are slow
STEPS = (
    24  # at each rate: enough to tell a rate that throws the weights away from one that does not
)
# where those show no rate that lowers the loss: XOR is on its plateau for hundreds at the best one
PATIENT = 3000
NEARLY = 0.8  # of what the best rate gains
# half a power of ten apart, over all that people write
RATES = tuple(float(10 ** (power / 2)) for power in range(-16, 7))
# whole powers of ten first, so that a test that has to end early has seen all of the range
COARSE_FIRST = (*range(0, len(RATES), 2), *range(1, len(RATES), 2))


@dataclass(frozen=True)
class RangeTest:
    """What a few steps at each learning rate make of the loss.

    Attributes:
        start: the loss before any step.
        losses: by rate; infinite where one was not finite on the way.
        steps: at each.
    """

    start: float
    losses: dict[float, float]
    steps: int

    @property
    def best(self) -> float:
        """The smallest rate that gains nearly as much as the one after which the loss is lowest;
        NaN if none lowers it.

        What holds for a few steps need not hold for many: where samples are easily told apart, a
        few steps at a thousand times the rate that suits answer them all, and later ones throw the
        weights away.
        """
        most = max(self.start - loss for loss in self.losses.values())
        if not most > 0:
            return math.nan
        return min(rate for rate in self.losses if self.fall(rate) >= NEARLY * most)

    @property
    def gain(self) -> float:
        """By how much the loss falls at the rate at which it falls most; 0 if at none."""
        return max(0.0, *(self.start - loss for loss in self.losses.values()))

    def fall(self, rate: float) -> float:
        """By how much the loss falls at the tested rate that is nearest."""
        nearest = min(self.losses, key=lambda tested: abs(math.log(tested / rate)))
        return self.start - self.losses[nearest]


def range_test(
    given: Given,
    step: Step,
    *,
    around: float | None = None,
    limit_s: float = 3.0,
    most: int = STEPS,
) -> RangeTest:
    """Try many rates.

    Args:
        given: the network and its data.
        step: what one step does.
        around: a rate that is to be among those tested.
        limit_s: seconds, about: slow steps are fewer, and only whole powers of ten are tried.
        most: steps at each rate, if the time allows them.
    Returns: the loss after each.
    """
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        before = _loss(given, given.W, given.b)
    rates = [RATES[at] for at in COARSE_FIRST]
    if around:
        rates = [around, *(rate for rate in rates if not 0.8 < rate / around < 1.25)]
    losses: dict[float, float] = {}
    steps = STEPS
    for rate in rates:
        if len(losses) > len(RATES) // 2 and time.perf_counter() - start > limit_s:
            break
        losses[rate] = _after(given, step, rate, steps)
        if len(losses) == 1:
            each = (time.perf_counter() - start) / STEPS
            steps = max(FEWEST, min(most, int(limit_s / (len(rates) * each))))
            losses = {rate: _after(given, step, rate, steps)} if steps != STEPS else losses
    return RangeTest(before, dict(sorted(losses.items())), steps)


def _after(given: Given, step: Step, rate: float, steps: int) -> float:
    W = given.W
    b = given.b
    rows = each_batch(given)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            W, b = step(W, b, next(rows), rate)
        loss = _loss(given, W, b)
    return loss if math.isfinite(loss) else math.inf


def _loss(given: Given, W: passes.Layers, b: passes.Layers) -> float:
    some = slice(None, None, max(1, len(given.x) // 512))
    z, a = passes.forward(given.x[some], W, b, given.shape)
    L = len(W)
    return float(passes.losses(z[L], a[L], given.Y[some], given.shape).mean())

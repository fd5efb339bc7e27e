"""One step of a ladder; what two or three neighbouring ones say about the slope at 0; whether they
carry on one series.

Every slope has an error bar of two parts, noise and truncation. slopes.py climbs, and chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# standard deviations; the level is mostly known within a factor of 2, and is looked at again in
# doubt
NOISE_BAR = 8.0
# curvature of t**2 changes by (t / radius of convergence)**2: by as much only where extrapolation
# is useless anyway
GROWTH = 2.5
# n kinks within t, of random sign, put D(t) off by sqrt(n), and D(t/4) by half of that: no more is
# known
ROUGH_RESERVE = 4.0

# t -> f(t) - f(0), f(-t) - f(0), and the noise of either (std. deviation)
Probe = Callable[[float], tuple[float, float, float]]


@dataclass(frozen=True)
class Slope:
    """A slope and how far it may be off.

    Attributes:
        value: the derivative at 0.
        noise: the part of the error bar that comes from the function's noise.
        truncation: the part that comes from the steps being finite.
        steps: the steps that went into it, smallest first.
        bend: |D(t) - value| / t**2: what a single difference of step t would be off by, over t**2.
        kink: half the jump of the slope at 0; 0 for a smooth function.
        steep: whether the two smallest differ by more than noise, and the third step broke the
            series: either noise is larger than it was taken for, or the function bends over less
            than these steps span.
    """

    value: float
    noise: float
    truncation: float
    steps: tuple[float, ...]
    bend: float
    kink: float
    steep: bool = False

    @property
    def bar(self) -> float:
        """The largest error that noise and truncation explain."""
        return self.noise + self.truncation


@dataclass(frozen=True)
class Difference:
    """One central difference: its step, D(t), the error bar that noise gives it, and (f(t) + f(-t)
    - 2 f(0)) / 2t."""

    step: float
    slope: float
    noise: float
    jump: float


def difference(probe: Probe, step: float) -> Difference:
    """Two values; their errors are independent, so that of the difference is sqrt(2) times as
    large."""
    above, below, noise = probe(step)
    return Difference(
        step,
        (above - below) / (2 * step),
        NOISE_BAR * noise / (math.sqrt(2) * step),
        (above + below) / (2 * step),
    )


def breaks(rungs: Sequence[Difference]) -> bool:
    """Whether the last of three steps contradicts the two below: D does not grow like t**2, or the
    even part not like t or t**2."""
    if len(rungs) < 3:
        return False
    (least, most), (low, high) = _curvature(*rungs[:2]), _curvature(*rungs[1:])
    least = min(least * GROWTH, least / GROWTH)
    most = max(most * GROWTH, most / GROWTH)
    (near_low, near_high), (far_low, far_high) = (_even(rung) for rung in rungs[1:])
    times = rungs[2].step / rungs[1].step
    return (
        high < least
        or low > most
        or far_low > GROWTH * times**2 * near_high
        or far_high * GROWTH < times * near_low
    )


def _curvature(near: Difference, far: Difference) -> tuple[float, float]:
    """The least and the largest c in D(t) = D(0) + c t**2 that noise allows two differences to
    have."""
    change = far.slope - near.slope
    noise = far.noise + near.noise
    squares = far.step**2 - near.step**2
    return (change - noise) / squares, (change + noise) / squares


def _even(rung: Difference) -> tuple[float, float]:
    """The least and the largest |f(t) + f(-t) - 2 f(0)| / 2 that noise allows; f(0) counts twice
    there, and not at all in D."""
    size = abs(rung.jump) * rung.step
    noise = (1 + math.sqrt(2)) * rung.noise * rung.step
    return size - noise, size + noise


def smooth(rungs: Sequence[Difference]) -> Slope:
    """Richardson's extrapolation through three steps; more would gain less than the noise that
    their weights add.

    The error bar is what leaving out the smallest, or the largest, would change. That is the
    truncation of the worse of the two, and the result's own is smaller: nothing is credited to it.
    """
    steps = tuple(rung.step for rung in rungs)
    largest = rungs[-1]
    value = _at_0(rungs)
    noise = math.hypot(
        *(weight * rung.noise for weight, rung in zip(_weights(steps), rungs, strict=True))
    )
    truncation = max(abs(value - _at_0(rungs[1:])), abs(value - _at_0(rungs[:-1])))
    return Slope(
        value,
        noise,
        truncation,
        steps,
        abs(largest.slope - value) / largest.step**2,
        _kink(*rungs[:2]),
    )


def rough(rungs: Sequence[Difference]) -> Slope:
    """The difference of the smaller step of two, or of the middle one of three, as it is: where the
    function has kinks.

    What its neighbours differ from it counts ROUGH_RESERVE times, and that of both: one alone may
    be small by chance.
    """
    own = rungs[-2]
    largest = rungs[-1]
    away = max(abs(rung.slope - own.slope) for rung in rungs)
    steps = tuple(rung.step for rung in rungs)
    return Slope(
        own.slope, own.noise, ROUGH_RESERVE * away, steps, away / largest.step**2, _kink(*rungs[:2])
    )


def _at_0(rungs: Sequence[Difference]) -> float:
    """The polynomial in t**2 through these differences, at 0."""
    weights = _weights([rung.step for rung in rungs])
    return sum(weight * rung.slope for weight, rung in zip(weights, rungs, strict=True))


def _weights(steps: Sequence[float]) -> list[float]:
    """Lagrange's weights at 0 for a polynomial in t**2 through these points."""
    weights = []
    for own in steps:
        factors = [1 / (1 - (own / other) ** 2) for other in steps if other != own]
        weights.append(math.prod(factors))
    return weights


def _kink(small: Difference, large: Difference) -> float:
    """Half the jump of the slope: (f(t) + f(-t) - 2 f(0)) / 2t shrinks with t where f is smooth,
    and stays at a kink."""
    stays = (
        abs(small.jump) > 0.5 * abs(large.jump) and abs(small.jump) > 2 * math.sqrt(2) * small.noise
    )
    if stays:
        return small.jump
    return 0.0

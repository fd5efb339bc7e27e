"""The slope of a function along a line by central differences, with an error bar, from few evaluations.

Steps t, t/4, t/16 ... give slopes D(t). Where the function is smooth their errors are powers of t**2, so polynomials in t**2 are
extrapolated to t = 0 (Richardson; the choice among all extrapolations is Ridders', Advances in Engineering Software 4, 1982).
Where it has kinks nearby, such as those of ReLU, D(t) of the smallest step is taken as it is. Which steps are good nobody knows
beforehand: the search starts anywhere, moves to smaller steps while truncation dominates, to larger ones while noise does.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from checks.black_box.noise import estimate

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

RATIO = 4.0  # between neighbouring steps: five of them span a factor of 256, so a poor first guess does no harm
NOISE_BAR = 8.0  # standard deviations; the level is mostly known within a factor of 2, and `confirmed` measures it anew in doubt
DEEPEST = 4  # steps in one extrapolation; more would gain less than the noise that their weights add
SMOOTH = (6.0, 40.0)  # D(t) - D(t/4) over D(t/4) - D(t/16) is RATIO**2 = 16 for small t, whatever the function, if it is smooth
ROUGH_RESERVE = 4.0  # n kinks within t, of random sign, put D(t) off by sqrt(n), and D(t/4) by half of that: no more is known
BEYOND_DOUBT = 100.0  # times what is allowed

Sides = dict[float, tuple[float, float]]  # step -> (f(step) - f(0), f(-step) - f(0))
Probe = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Slope:
    """A slope and how far it may be off.

    Attributes:
        value: the derivative at 0.
        noise: the part of the error bar that comes from the function's noise.
        truncation: the part that comes from the steps being finite.
        steps: the steps that went into it, largest first.
        bend: |D(t) - value| / t**2: what a single difference of step t would be off by, over t**2.
        kink: half the jump of the slope at 0; 0 for a smooth function.
    """

    value: float
    noise: float
    truncation: float
    steps: tuple[float, ...]
    bend: float
    kink: float

    @property
    def bar(self) -> float:
        """The largest error that noise and truncation explain."""
        return self.noise + self.truncation


NOTHING = Slope(math.nan, math.inf, math.inf, (), math.nan, math.nan)


def slope(probe: Probe, start: float, noise: Callable[[], float], most: int = 5) -> Slope:
    """The slope at 0, with as many steps as help.

    Args:
        probe: t -> (f(t) - f(0), f(-t) - f(0)): two evaluations.
        start: the first step tried; a fraction of the distance over which f bends is good.
        noise: standard deviation of each evaluation, as far as it is known by now.
        most: steps at most, so 2 * most evaluations; twice as many where kinks ask for ever smaller steps.
    Returns: the slope with the smallest error bar; an infinite bar where no two steps gave finite values.
    """
    sides: Sides = {}
    best, last, step = NOTHING, math.inf, start
    while len(sides) < 2 * most:
        sides[step] = probe(step)
        best = _best(sides, noise())
        rough = best.truncation > best.noise
        if len(sides) >= 3:
            if (best.bar > 0.5 * last and not rough) or (len(sides) >= most and not rough):
                break  # the step before changed little, and so will the next
            last = best.bar
        step = min(sides) / RATIO if len(sides) < 3 or rough or math.isinf(best.bar) else max(sides) * RATIO
    return best


def confirmed(probe: Probe, found: Slope, allowed: float, noise: Callable[[], float]) -> Slope:
    """A slope that should be 0 within `allowed`, looked at again if it is not; beyond a hundred times that there is no doubt.

    First the noise is measured anew where the differences were taken: values that share one rounding error at the centre need not
    share it there. If that does not explain it, smaller steps are asked: kinks imitate a smooth function once, but hardly twice.
    """
    if not found.steps or not allowed < abs(found.value) < BEYOND_DOUBT * allowed:
        return found
    sides = [probe(j * found.steps[-1] / RATIO) for j in range(1, 5)]
    measured = estimate(np.array([below for _, below in reversed(sides)] + [0.0] + [above for above, _ in sides])).level
    louder = replace(found, noise=found.noise * max(1.0, measured / noise()))
    if abs(found.value) <= allowed + louder.noise - found.noise:
        return louder
    again = with_steps(probe, tuple(found.steps[-1] / RATIO**k for k in range(3)), noise)
    return louder if abs(again.value - found.value) <= again.bar + louder.bar else again


def with_steps(probe: Probe, steps: tuple[float, ...], noise: Callable[[], float]) -> Slope:
    """The slope from these steps and no others: two evaluations each."""
    sides = {step: probe(step) for step in steps}
    return _best(sides, noise())


def single_step(known: Slope, noise: float) -> tuple[float, float]:
    """The best step for one central difference along a line like this one, and the error bar that it will have.

    bar(t) = NOISE_BAR * noise / (sqrt(2) t) + 2 bend t**2 is least where its derivative vanishes; the 2 is a reserve, because
    the bend of a part of the direction need not be smaller than that of the whole.
    """
    from_noise, bend = NOISE_BAR * noise / math.sqrt(2), max(known.bend, 1e-300)
    step = (from_noise / (4 * bend)) ** (1 / 3)
    step = min(max(step, min(known.steps) / RATIO**DEEPEST), max(known.steps))
    return step, from_noise / step + 2 * bend * step**2


def _best(sides: Sides, noise: float) -> Slope:
    """The window of neighbouring steps with the smallest error bar."""
    usable = sorted((t for t in sides if np.isfinite(sides[t]).all()), reverse=True)
    windows = [usable[i:j] for i in range(len(usable)) for j in range(i + 2, min(i + DEEPEST, len(usable)) + 1)]
    found = (_extrapolate(window, sides, noise) for window in windows)
    return min(found, key=lambda slope: slope.bar, default=NOTHING)


def _extrapolate(steps: list[float], sides: Sides, noise: float) -> Slope:
    """Richardson's extrapolation through all steps, if they look smooth; the smallest step's difference, if not.

    Leaving out the largest step changes the result by the whole truncation of the rest. Leaving out the smallest should change
    it by RATIO**(2 (m - 1)) times as much; a quarter of that is granted, so that the bar does not come out small by chance.
    """
    t = np.array(steps)
    D = np.array([(sides[step][0] - sides[step][1]) / (2 * step) for step in steps])
    noises = NOISE_BAR * noise / (math.sqrt(2) * t)
    kink, m = _kink(steps[-2:], sides, noise), len(t)
    if m == 2 or not _smooth(D, noises):
        away = float(np.abs(D[:-1] - D[-1]).max())
        bend = away / t[-2] ** 2
        return Slope(float(D[-1]), float(noises[-1]), ROUGH_RESERVE * away, tuple(steps), bend, kink)
    w = _weights(t)
    value = float(w @ D)
    without_largest, without_smallest = (float(_weights(t[part]) @ D[part]) for part in (slice(1, None), slice(None, -1)))
    granted = 4 / RATIO ** (2 * (m - 1))
    truncation = max(abs(value - without_largest), abs(value - without_smallest) * granted)
    bend = max(abs(D[-1] - value) / t[-1] ** 2, abs(D[-2] - value) / t[-2] ** 2)
    return Slope(value, float(np.linalg.norm(w * noises)), truncation, tuple(steps), float(bend), kink)


def _smooth(D: Float64[np.ndarray, " m"], noises: Float64[np.ndarray, " m"]) -> bool:
    """Whether neighbouring differences shrink as those of a smooth function do, until noise hides them."""
    away = np.abs(np.diff(D))
    hidden = away[1:] <= noises[2:]
    shrinks = away[:-1] / np.maximum(away[1:], 1e-300)
    return bool((hidden | ((shrinks >= SMOOTH[0]) & (shrinks <= SMOOTH[1]))).all())


def _kink(steps: list[float], sides: Sides, noise: float) -> float:
    """Half the jump of the slope: (f(t) + f(-t) - 2 f(0)) / 2t shrinks with t where f is smooth, and stays at a kink."""
    large, small = (sum(sides[step]) / (2 * step) for step in steps)
    stays = abs(small) > 0.5 * abs(large) and abs(small) > NOISE_BAR * 2 * noise / steps[1]
    return small if stays else 0.0


def _weights(t: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Lagrange's weights at 0 for a polynomial in t**2 through the points t."""
    square = t**2
    return np.array([np.prod([other / (other - own) for other in np.delete(square, j)]) for j, own in enumerate(square)])

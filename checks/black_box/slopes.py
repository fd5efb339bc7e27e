"""The slope of a function along a line by central differences, with an error bar, from few
evaluations.

A step t gives D(t) = (f(t) - f(-t)) / 2t. Where f is smooth, D(t) is off by a power series in t**2,
and where several steps show that, a polynomial in t**2 is extrapolated to t = 0 (Richardson; the
choice among all extrapolations is Ridders', Advances in Engineering Software 4, 1982). How far that
reaches nobody knows beforehand, and large steps cannot tell: on a plateau, such as that of a
saturated sigmoid, they agree with each other to the last digit about a slope that is not the one at
0. So the steps are climbed like a ladder, from one so small that noise hides everything else, and
each rung must carry on what the two below it showed. D grows like t**2: between neighbouring steps
it changes by curvature times the difference of t**2, and the curvature is that of the rung below,
as far as noise lets it be known. The other half of the values, f(t) + f(-t) - 2 f(0), grows like
t**2, too, or like t, if 0 itself is a kink. Where a kink, a plateau or a cliff breaks either
series, that rung and all above do not count.

Equal values are no evidence: a difference of exactly 0 carries the noise of its two values like any
    other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from backproof.checks.black_box.difference_quotients import (
    NOISE_BAR,
    Difference,
    Probe,
    Slope,
    breaks,
    difference,
    rough,
    smooth,
)

# between neighbouring steps, at least: D(t) is then off 16 times as much as D(t / 4), and their
# difference shows it
RATIO = 4.0
# a part of a direction bends less than the whole, a sum over triples of entries, unless most of
# that cancelled
PART_RESERVE = 8.0
BEYOND_DOUBT = (
    10.0  # times what is allowed: by so much neither is noise misjudged nor does a kink deceive
)


NOTHING = Slope(math.nan, math.inf, math.inf, (), math.nan, math.nan)


def ladder(smallest: float, largest: float) -> tuple[float, ...]:
    """Five steps, or fewer: each halves what is left to the largest on a logarithmic scale, as long
    as RATIO lies between.

    So the smallest anchors, and most steps are where extrapolation gains most.
    """
    reach = math.log(largest / smallest)
    steps = [largest * math.exp(-reach * part) for part in (1, 1 / 2, 1 / 4, 1 / 8)]
    return (*(step for step in steps if step * RATIO <= 1.001 * largest), largest)


def closer(steps: Sequence[float]) -> tuple[float, ...]:
    """The same steps, and more in every gap, until none is wider than RATIO**2."""
    found = list(steps[:1])
    for below, above in pairwise(steps):
        parts = 1 << max(0, math.ceil(math.log2(math.log(above / below) / math.log(RATIO**2))))
        found += [below * (above / below) ** (k / parts) for k in range(1, parts)] + [above]
    return tuple(found)


def slope(probe: Probe, steps: Sequence[float], most: int = 0) -> Slope:
    """The slope at 0.

    Args:
        probe: t -> (f(t) - f(0), f(-t) - f(0), standard deviation of the noise of f there): two
            evaluations.
        steps: to be climbed, each RATIO times the one before or more; those above the first that
            breaks the series are not asked.
        most: steps at most: where noise is still most of the error bar at the top, more are put on
            top.
    Returns: the slope with the smallest error bar; an infinite bar where no two steps gave finite
    values.
    """
    seen: list[Difference] = []
    found: list[Slope] = []
    best = NOTHING
    for step in (*steps, *(steps[-1] * RATIO**k for k in range(1, most - len(steps) + 1))):
        if step > steps[-1] and best.truncation > best.noise:
            break
        seen.append(difference(probe, step))
        if not math.isfinite(seen[-1].slope) or breaks(seen[-3:]):
            break
        found += (
            [smooth(seen[-3:]), rough(seen[-3:])]
            if len(seen) > 2
            else [rough(seen)]
            if len(seen) == 2
            else []
        )
        best = min(found, key=lambda slope: slope.bar, default=NOTHING)
    if not found:
        return NOTHING
    steep = (
        len(seen) == 3
        and breaks(seen)
        and abs(seen[1].slope - seen[0].slope) > seen[0].noise + seen[1].noise
    )
    return replace(best, steep=steep)


def scatters(probe: Probe, step: float) -> bool:
    """Whether noise is larger than it was taken for: steps too small for any bend give slopes that
    differ by more."""
    one = difference(probe, step)
    two = difference(probe, 2 * step)
    return abs(one.slope - two.slope) > one.noise + two.noise


def doubtful(found: Slope, allowed: float) -> bool:
    """Whether a slope that should be 0 within `allowed` is not, but by so little that it deserves
    another look."""
    return bool(found.steps) and allowed < abs(found.value) < BEYOND_DOUBT * allowed


def confirmed(probe: Probe, found: Slope, steps: Sequence[float]) -> Slope:
    """A slope in doubt, looked at again: its ladder is climbed once more with closer rungs.

    They show, too, whether the noise is larger than it was taken for, because their differences
    scatter by it.

    Args:
        probe: as for `slope`; what it was asked before should cost nothing.
        found: the slope in doubt.
        steps: of the ladder.
    """
    within = [step for step in steps if step <= found.steps[-1]]
    rungs = [difference(probe, step) for step in closer(within)]
    again = slope(probe, [rung.step for rung in rungs])
    # the rest scatters by truncation
    noisy = [rung for rung in rungs if NOISE_BAR * again.bend * rung.step**2 < rung.noise]
    scatter = [((rung.slope - again.value) / rung.noise * NOISE_BAR) ** 2 for rung in noisy]
    return replace(
        again, noise=again.noise * max(1.0, math.sqrt(sum(scatter) / max(1, len(scatter))))
    )


def single_step(known: Sequence[Slope], noise: float, enough: float) -> tuple[float, float]:
    """The step for one central difference along a part of lines like these, and the error bar that
    it will have.

    bar(t) = NOISE_BAR * noise / (sqrt(2) t) + PART_RESERVE bend t**2 is least where its derivative
    vanishes. Where less is enough, the step is smaller, half of the bar left to the bend: the
    smaller it is, the less it depends on a guess.
    """
    from_noise = NOISE_BAR * noise / math.sqrt(2)
    bend = max(1e-300, *(slope.bend for slope in known))
    step = (from_noise / (2 * PART_RESERVE * bend)) ** (1 / 3)
    step = min(step, 2 * from_noise / enough) if enough else step
    return step, from_noise / step + PART_RESERVE * bend * step**2

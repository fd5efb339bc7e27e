"""One tensor of a black box along random directions: what is claimed about its slopes, and by how
much that is off."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.checks.black_box import slopes
from backproof.checks.black_box.box_base import Box
from backproof.checks.black_box.claimed_slope import ClaimedSlope
from backproof.checks.black_box.difference_quotients import Probe, Slope

# steps of the first direction; a ladder has as many, or fewer where the loss is noisier than
# float64
MOST = 5
EPS = float(np.finfo(np.float64).eps)
# in place of an allowance of 0: what is exactly equal is not off
TINY = float(np.finfo(np.float64).tiny)
# how much shorter the steps are made where the loss has no value at the shortest of them
SHORTER = (1.0, 1e-2, 1e-4, 1e-6)


@dataclass
class MeasuredSlopes:
    """One tensor along all directions: what was claimed, by how much it is off, what is allowed."""

    directions: list[Any] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)
    off: list[Slope] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)

    @property
    def wrong(self) -> bool:
        """Whether any direction is off by more than is allowed already."""
        return any(
            abs(off.value) > allowed for off, allowed in zip(self.off, self.allowed, strict=True)
        )

    @property
    def worst(self) -> int:
        """The direction that is furthest off in units of what is allowed."""
        ratios = [
            abs(off.value) / max(allowed, TINY)
            for off, allowed in zip(self.off, self.allowed, strict=True)
        ]
        return int(np.argmax(ratios))


def measure(
    box: Box, i: int, claimed: Any, spread: float, directions: int, seed: int
) -> MeasuredSlopes:
    """Measure slopes: the first with the whole ladder, the others with the steps that it found
    good.

    What is claimed is rounded as a gradient, and once more in its dot product with the direction:
    eps times the root of the number of terms, times their norm.

    Args:
        box: the loss, its noise already known.
        i: which of its tensors.
        claimed: its gradient, float64.
        spread: what is allowed to each entry beyond the error bar.
        directions: how many.
        seed: of the directions.
    """
    found = MeasuredSlopes()
    steps: tuple[float, ...] = ()
    random = np.random.default_rng([seed, i])
    count = int(np.prod(box.shape(i)))
    for _ in range(directions):
        u = box.direction(i, random)
        said = ClaimedSlope(box, i, u, claimed)
        probe = box.probe(said)
        off = slopes.slope(probe, steps) if steps else _climbed(box, i, probe)
        smallest = (steps or box.ladder(i))[0]
        if not box.measured and off.steps and _noisier(box, probe, smallest, off):
            box.measure_by_values(seed)
            off = slopes.slope(probe, box.ladder(i), MOST)
        steps = off.steps
        rounded = EPS * math.sqrt(count) * said.norm
        found.directions.append(u)
        found.claimed.append(said.value)
        also = rounded
        if spread:
            also += spread * math.sqrt(box.dot(u, u))
        if not abs(off.value) <= off.bar + also:
            also += box.claim_rounded(i, u)
        if slopes.doubtful(off, off.bar + also) and not found.wrong:
            off = slopes.confirmed(probe, off, box.ladder(i))
        found.off.append(off)
        found.allowed.append(off.bar + also)
    return found


def _climbed(box: Box, i: int, probe: Probe) -> Slope:
    """The slope by the steps of the ladder; by shorter ones where the loss has no value at
    those."""
    for shorter in SHORTER:
        off = slopes.slope(probe, box.ladder(i, shorter), MOST if shorter == 1 else 0)
        if off.steps:
            return off
    return off


def _noisier(box: Box, probe: Probe, smallest: float, off: Slope) -> bool:
    """Whether the loss scatters more than its noise was taken for."""
    if probe(smallest)[2] > 2 * box.noise:
        return True
    return off.steep and slopes.scatters(probe, smallest)

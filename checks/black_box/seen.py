"""One tensor of a black box along random directions: what is claimed about its slopes, and by how
much that is off."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box import slopes
from backproof.checks.black_box.box import BlackBox
from backproof.checks.black_box.rungs import Slope

# steps of the first direction; a ladder has as many, or fewer where the loss is noisier than
# float64
MOST = 5
EPS = float(torch.finfo(torch.float64).eps)
# in place of an allowance of 0: what is exactly equal is not off
TINY = float(np.finfo(np.float64).tiny)


@dataclass
class Seen:
    """One tensor along all directions: what was claimed, by how much it is off, what is allowed."""

    directions: list[Tensor] = field(default_factory=list)
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
        return int(
            np.argmax(
                [
                    abs(off.value) / max(allowed, TINY)
                    for off, allowed in zip(self.off, self.allowed, strict=True)
                ]
            )
        )


def look(box: BlackBox, i: int, claimed: Tensor, spread: float, directions: int, seed: int) -> Seen:
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
    seen = Seen()
    steps = box.ladder(i)
    most = MOST
    random = np.random.default_rng([seed, i])
    for _ in range(directions):
        u = box.direction(i, random)
        probe = box.probe(i, u, claimed)
        off = slopes.slope(probe, steps, most)
        if not box.measured and (
            probe(steps[0])[2] > 2 * box.noise or (off.steep and slopes.scatters(probe, steps[0]))
        ):
            box.measure_by_values(seed)
            off = slopes.slope(probe, box.ladder(i), MOST)
        steps, most = (off.steps, 0) if off.steps else (box.ladder(i), MOST)
        rounded = EPS * math.sqrt(u.numel()) * _norm(claimed * u)
        seen.directions.append(u)
        seen.claimed.append(float((claimed * u).sum()))
        also = rounded + box.claim_rounded(i, u) + spread * float(u.norm())
        if slopes.doubtful(off, off.bar + also) and not seen.wrong:
            off = slopes.confirmed(probe, off, box.ladder(i))
        seen.off.append(off)
        seen.allowed.append(off.bar + also)
    return seen


def _norm(values: Tensor) -> float:
    """Without squaring what is too large or too small for it."""
    largest = float(values.abs().max())
    if largest and math.isfinite(largest):
        return largest * float((values / largest).norm())
    return largest

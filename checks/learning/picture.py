"""The course of a training as one picture (SVG): the loss beside that of knowing nothing, and how
far each layer moves in a step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backproof.checks.learning.by_doing import Course

PANEL = (320.0, 180.0)  # width and height of one of the two
LEFT = 56.0
TOP = 26.0
GAP = 90.0
COLOURS = ("#1f6fb4", "#c4511b", "#2c8a4b", "#8a4fa8", "#b08a00", "#4a4a4a", "#c23b7a", "#00897b")


def picture(course: Course) -> str:
    """The two panels; a step is drawn at the logarithm of its number.

    Args:
        course: a training that was watched.
    Returns: an <svg> element that needs nothing else.
    """
    steps = [glance.step for glance in course.glances]
    losses = [glance.loss for glance in course.glances]
    layers = range(len(course.first.updates))
    updates = [[glance.updates[layer] for glance in course.glances] for layer in layers]
    width = 2 * (LEFT + PANEL[0]) + GAP
    height = TOP + PANEL[1] + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" role="img" aria-label="loss and updates, step by step" '
        'font-family="sans-serif" font-size="11" fill="currentColor">'
    ]
    parts += _panel(LEFT, "loss (dashed: knowing nothing)", steps, [losses], course.prior)
    second = LEFT + PANEL[0] + GAP
    parts += _panel(second, "change of a layer a step, of its length", steps, updates, None)
    parts += _names(second + PANEL[0] + 4, len(updates))
    return "".join([*parts, "</svg>"])


def _panel(
    left: float,
    title: str,
    steps: Sequence[int],
    lines: Sequence[Sequence[float]],
    dashed: float | None,
) -> list[str]:
    drawn = [value for value in itertools.chain(*lines) if math.isfinite(value) and value > 0]
    if dashed is not None and dashed > 0:
        drawn.append(dashed)
    if not drawn:
        return []
    low = math.log10(min(drawn))
    high = math.log10(max(drawn))
    if high - low < 0.1:
        low -= 0.05
        high += 0.05
    last = math.log10(1 + steps[-1]) or 1.0

    def across(step: int) -> float:
        return left + PANEL[0] * math.log10(1 + step) / last

    def down(value: float) -> float:
        return TOP + PANEL[1] * (high - math.log10(value)) / (high - low)

    bottom = TOP + PANEL[1]
    parts = [
        f'<text x="{left}" y="{TOP - 10}">{title}</text>',
        f'<path d="M{left} {TOP}V{bottom}H{left + PANEL[0]}" fill="none" stroke="currentColor"/>',
        f'<text x="{left - 4}" y="{TOP + 8}" text-anchor="end">{10**high:.2g}</text>',
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">{10**low:.2g}</text>',
        f'<text x="{left}" y="{bottom + 16}">0</text>',
        f'<text x="{left + PANEL[0]}" y="{bottom + 16}" text-anchor="end">{steps[-1]} steps</text>',
    ]
    for at, line in enumerate(lines):
        points = [
            f"{across(step):.1f},{down(value):.1f}"
            for step, value in zip(steps, line, strict=True)
            if math.isfinite(value) and value > 0
        ]
        colour = COLOURS[at % len(COLOURS)]
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
            'stroke-width="1.6"/>'
        )
    if dashed is not None and dashed > 0:
        parts.append(
            f'<path d="M{left} {down(dashed):.1f}H{left + PANEL[0]}" stroke="currentColor" '
            'stroke-dasharray="4 3"/>'
        )
    return parts


def _names(left: float, count: int) -> list[str]:
    return [
        f'<text x="{left}" y="{TOP + 12 + 14 * at}" fill="{COLOURS[at % len(COLOURS)]}">layer '
        f"{at + 1}</text>"
        for at in range(count)
    ]

"""Gradients against slopes along random directions; where they disagree, what it looks like and
which entry it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backproof.checks.black_box import slopes
from backproof.checks.black_box.box_base import Box
from backproof.checks.black_box.claimed_slope import ClaimedSlope
from backproof.checks.black_box.locate import Off, Search
from backproof.checks.black_box.measured_slopes import TINY, MeasuredSlopes, measure
from backproof.checks.verdict import Verdict, digits

TELLING = 8  # what is off should be so many error bars for a factor to be told
SHOWING = 4  # and so many for a single difference to show whose it is
LINE = 1e-6  # relative: what one row or its transpose explains up to that, it explains


@dataclass(frozen=True)
class Claim:
    """What is said about the gradient of one tensor.

    Attributes:
        name: of the tensor.
        gradient: float64, in the tensor's shape; zeros where there is none.
        missing: whether there is none.
        spread: what is allowed to each entry beyond the error bar, because the gradient itself
            varies.
        constant: why there is nothing to check; "" if there is.
    """

    name: str
    gradient: Any
    missing: bool = False
    spread: float = 0.0
    constant: str = ""


@dataclass(frozen=True)
class Explanation:
    """What a wrong gradient looks like, and the entry that shows it best."""

    index: tuple[int, ...]
    values: tuple[float, float]
    allowed: float
    out: int
    reason: str


def along_directions(
    box: Box, claims: Sequence[Claim], who: tuple[str, str], directions: int, seed: int
) -> list[Verdict]:
    """A verdict for every tensor.

    Args:
        box: the loss, its noise already measured.
        claims: one for each of its tensors.
        who: claims, and answers.
        directions: how many.
        seed: of the directions.
    """
    found = []
    for i, claim in enumerate(claims):
        if claim.constant:
            reason = f"untested: {claim.constant}"
            found.append(Verdict("", claim.name, "", who, "untested", reason=reason))
            continue
        measured = measure(box, i, claim.gradient, claim.spread, directions, seed)
        found.append(_judge(box, i, who, claim, measured))
    return found


def _judge(
    box: Box, i: int, who: tuple[str, str], claim: Claim, measured: MeasuredSlopes
) -> Verdict:
    worst = measured.worst
    off = measured.off[worst]
    allowed = measured.allowed[worst]
    said = measured.claimed[worst]
    values = (said, said + off.value)
    count = int(np.prod(box.shape(i)))
    if not math.isfinite(off.value) or not math.isfinite(allowed):
        why = f" ({box.left_domain})" if box.left_domain else ""
        reason = f"untested: the loss has no finite value next to the parameters{why}"
        return Verdict("", claim.name, "", who, "untested", of=count, reason=reason)
    ratio = abs(off.value) / max(allowed, TINY)
    found = Verdict(
        "", claim.name, "", who, "pass", (), values, abs(off.value), allowed, ratio, 0, count
    )
    if ratio <= 1:
        return _accepted(found, claim)
    if off.kink and abs(off.value) <= 1.1 * abs(off.kink) + allowed:
        reason = (
            f"untested: the loss has a kink here, with slopes {values[1] - off.kink:.6g} and "
            f"{values[1] + off.kink:.6g}"
        )
        return replace(found, outcome="untested", reason=reason)
    shown = _explain(box, i, claim, measured)
    error = abs(shown.values[0] - shown.values[1])
    return replace(
        found,
        outcome="fail",
        worst_index=shown.index,
        values=shown.values,
        error=error,
        allowed=shown.allowed,
        ratio=max(ratio, error / shown.allowed),
        out=shown.out,
        reason=shown.reason,
    )


def _accepted(found: Verdict, claim: Claim) -> Verdict:
    """The verdict where nothing is off by more than is allowed: "untested" if zero would have been
    accepted, too."""
    if max(abs(value) for value in found.values) > found.allowed:
        return found
    reason = f"untested: both are below {found.allowed:.1e}, which is all that can be seen"
    if claim.missing:
        reason = (
            "untested: it has no gradient, and the loss does not depend on it, as far "
            f"as {found.allowed:.1e} can be seen"
        )
    return replace(found, outcome="untested", reason=reason)


def _explain(box: Box, i: int, claim: Claim, measured: MeasuredSlopes) -> Explanation:
    """What the error looks like."""
    pattern = _factor(measured)
    if claim.missing:
        pattern = "there is no gradient (None), but the loss depends on it"
    shape = box.shape(i)
    gradient = claim.gradient
    if not pattern and _transposed(box, i, gradient, measured):
        pattern = "the gradient is the transpose of what it should be"
    if pattern:
        largest = int(abs(gradient).argmax())
        value, bar, _ = _measure(box, i, gradient, measured, np.array([largest]), np.ones(1), 0.0)
        return _at(gradient, shape, largest, value, bar, int(np.prod(shape)), pattern)
    weights = [box.numbers(u) for u in measured.directions[:2]]
    search = Search(weights, lambda *asked: _measure(box, i, gradient, measured, *asked))
    result = search.run(
        Off(
            (measured.off[0].value, measured.off[1].value),
            (measured.allowed[0], measured.allowed[1]),
        )
    )
    if not result.errors:
        worst = measured.worst
        reason = _line(box, i, gradient, measured) or (
            "many entries are off, or so little that none can be named; the values are "
            "slopes along a direction"
        )
        said = measured.claimed[worst]
        values = (said, said + measured.off[worst].value)
        return Explanation((), values, measured.allowed[worst], 0, reason)
    index = max(result.errors, key=lambda entry: abs(result.errors[entry]))
    named = [list(_unravel(entry, shape)) for entry in result.errors]
    if not result.complete:
        reason = f"at least {', '.join(map(str, named))}, and others"
        reason = _line(box, i, gradient, measured) or reason
    elif len(named) == 1:
        reason = f"one entry alone, {named[0]}"
    else:
        reason = f"{len(named)} entries alone: {', '.join(map(str, named))}"
    allowed = measured.allowed[0] / abs(float(weights[0][index]))
    return _at(gradient, shape, index, result.errors[index], allowed, len(named), reason)


def _factor(measured: MeasuredSlopes) -> str:
    """A sentence if the claim is one number times the truth along every direction; "" if not. For
    words, never for passing."""
    said = np.array(measured.claimed)
    off = np.array([slope.value for slope in measured.off])
    if not said.any():
        return "the gradient is zero, but the loss depends on it"
    if (np.abs(said) <= TELLING * np.array(measured.allowed)).any():
        return ""
    excess = off / said
    doubt = float((np.array(measured.allowed) / np.abs(said)).max())
    if np.ptp(excess) > 2 * doubt or abs(excess[0]) <= TELLING * doubt:
        return ""
    if abs(1 + excess.mean()) <= doubt:
        return "the loss does not depend on it, but the gradient says that it does"
    factor = 1 / (1 + float(excess.mean()))
    if abs(factor + 1) <= max(1e-6, doubt):
        return "the sign is reversed"
    return f"the gradient is {factor:.{digits(factor)}g} times what it should be"


def _transposed(box: Box, i: int, gradient: Any, measured: MeasuredSlopes) -> bool:
    """Whether the transpose of what is claimed explains the slopes along every direction. For
    words, never for passing."""
    shape = box.shape(i)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
        return False
    for u, said, off, allowed in zip(
        measured.directions, measured.claimed, measured.off, measured.allowed, strict=True
    ):
        slope = said + off.value
        if abs(box.dot(gradient.T, u) - slope) > allowed + LINE * abs(slope):
            return False
    return True


def _line(box: Box, i: int, gradient: Any, measured: MeasuredSlopes) -> str:
    """A sentence if one row, or one column, alone is off: what is off along a direction is then off
    along that row of it. For words, never for passing."""
    shape = box.shape(i)
    if len(shape) != 2:
        return ""
    for axis, word in enumerate(("row", "column")):
        if shape[axis] < 2:
            continue
        culprit = _culprit(box, i, gradient, measured, axis)
        if culprit is not None:
            return f"only in {word} {culprit}"
    return ""


def _culprit(box: Box, i: int, gradient: Any, measured: MeasuredSlopes, axis: int) -> int | None:
    """The one row (axis 0) or column (axis 1) that explains what is off, found by halving."""
    shape = box.shape(i)
    u = box.numbers(measured.directions[0]).reshape(shape)
    entries = np.arange(int(np.prod(shape))).reshape(shape)
    lines = np.arange(shape[axis])
    whole = measured.off[0].value
    allowed = measured.allowed[0]
    if abs(whole) <= TELLING * allowed:
        return None
    while len(lines) > 1:
        half = lines[: len(lines) // 2]
        picked = np.take(entries, half, axis=axis).ravel()
        value, bar, _ = _measure(
            box, i, gradient, measured, picked, np.take(u, half, axis=axis).ravel(), 0.0
        )
        bar = bar + allowed
        if abs(value - whole) <= bar:
            lines = half
        elif abs(value) <= bar:
            lines = lines[len(lines) // 2 :]
        else:
            return None
    return int(lines[0])


def _measure(
    box: Box,
    i: int,
    gradient: Any,
    measured: MeasuredSlopes,
    entries: np.ndarray,
    weights: np.ndarray,
    enough: float,
) -> tuple[float, float, int]:
    """By how much the slope along a direction of some entries is off; the error bar, no better than
    is enough; the evaluations.

    One central difference, if its error bar shows what is looked for; else the steps of the check.
    """
    u = np.zeros(int(np.prod(box.shape(i))))
    u[entries] = weights
    direction = box.vector(i, u.reshape(box.shape(i)))
    probe = box.probe(ClaimedSlope(box, i, direction, gradient))
    before = box.evaluations
    step, bar = slopes.single_step(measured.off, box.noise, enough)
    single = math.nan
    if SHOWING * bar <= max(abs(off.value) for off in measured.off):
        above, below, _ = probe(step)
        single = (above - below) / (2 * step)
    if math.isfinite(single):
        return single, bar, box.evaluations - before
    found = slopes.slope(probe, measured.off[0].steps)
    if not math.isfinite(found.value):
        return 0.0, math.inf, box.evaluations - before
    return found.value, found.bar, box.evaluations - before


def _at(
    gradient: Any,
    shape: tuple[int, ...],
    flat: int,
    error: float,
    allowed: float,
    out: int,
    reason: str,
) -> Explanation:
    said = float(gradient.reshape(-1)[flat])
    return Explanation(_unravel(flat, shape), (said, said + error), allowed, out, reason)


def _unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(flat, shape)) if shape else ()

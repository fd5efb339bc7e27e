"""Gradients against slopes along random directions; where they disagree, what it looks like and which entry it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from checks.black_box import slopes
from checks.black_box.box import BlackBox
from checks.black_box.locate import Off, Search
from checks.black_box.slopes import Slope
from checks.verdict import Verdict, missing

STEPS_AGAIN = 3  # of the second direction, taken from those that the first found good
TINY = float(np.finfo(np.float64).tiny)  # in place of an allowance of 0: what is exactly equal is not off
TELLING = 8  # what is off should be so many error bars, for a single difference to be enough


@dataclass
class Seen:
    """One tensor along all directions: what was claimed, by how much it is off, what is allowed."""

    directions: list[Tensor] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)
    off: list[Slope] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)

    @property
    def worst(self) -> int:
        """The direction that is furthest off in units of what is allowed."""
        return int(np.argmax([abs(off.value) / max(allowed, TINY) for off, allowed in zip(self.off, self.allowed, strict=True)]))


def along_directions(
    box: BlackBox,
    names: Sequence[str],
    gradients: Sequence[Tensor | None],
    spread: Sequence[float],
    who: tuple[str, str],
    directions: int,
    seed: int,
) -> list[Verdict]:
    """A verdict for every tensor.

    Args:
        box: the loss, its noise already measured.
        names: of its tensors.
        gradients: what is claimed; None claims that the loss does not depend on the tensor.
        spread: what is allowed to each entry beyond the error bar, because the gradient itself varies.
        who: claims, and answers.
        directions: how many.
        seed: of the directions.
    """
    found = []
    for i, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
        tensor = box.tensors[i]
        if not tensor.requires_grad or not tensor.numel():
            why = "it has no entries" if tensor.requires_grad else "requires_grad is False"
            found.append(Verdict("", name, "", who, "untested", reason=f"untested: {why}"))
            continue
        claimed = (torch.zeros(tensor.shape, device=tensor.device) if gradient is None else gradient).to(torch.float64)
        seen = _look(box, i, claimed, spread[i], directions, np.random.default_rng([seed, i]))
        found.append(_judge(box, i, name, who, claimed, seen, gradient is None))
    return found


def _look(box: BlackBox, i: int, claimed: Tensor, spread: float, directions: int, random: np.random.Generator) -> Seen:
    """Measure slopes. The dot product of claim and direction is itself rounded: eps times the root of sum, times its norm."""
    seen, steps = Seen(), None
    for _ in range(directions):
        u = box.direction(i, random)
        off = box.slope_off(i, u, claimed, steps)
        steps = steps or off.steps[-STEPS_AGAIN:]
        rounded = float(torch.finfo(torch.float64).eps) * math.sqrt(u.numel()) * float((claimed * u).norm())
        seen.directions.append(u)
        seen.claimed.append(float((claimed * u).sum()))
        also = rounded + spread * float(u.norm())
        seen.off.append(slopes.confirmed(box.probe(i, u, claimed), off, off.bar + also, lambda: box.noise))
        seen.allowed.append(seen.off[-1].bar + also)
    return seen


def _judge(box: BlackBox, i: int, name: str, who: tuple[str, str], claimed: Tensor, seen: Seen, none: bool) -> Verdict:
    worst = seen.worst
    off, allowed, said = seen.off[worst], seen.allowed[worst], seen.claimed[worst]
    if not math.isfinite(off.value) or not math.isfinite(allowed):
        return missing("", name, "", who, "the loss is not finite near the parameters, so no slope could be measured")
    ratio, values = abs(off.value) / max(allowed, TINY), (said, said + off.value)
    common = ("", name, "", who)
    if ratio <= 1:
        small = max(abs(value) for value in values) <= allowed
        outcome, reason = (
            ("untested", f"untested: both are below {allowed:.1e}, which is all that can be seen") if small else ("pass", "")
        )
        if small and none:
            reason = f"untested: it has no gradient, and the loss does not depend on it, as far as {allowed:.1e} can be seen"
        return Verdict(*common, outcome, (), values, abs(off.value), allowed, ratio, 0, claimed.numel(), reason)  # type: ignore[arg-type]
    if off.kink and abs(off.value) <= 1.1 * abs(off.kink) + allowed:
        reason = f"untested: the loss has a kink here, with slopes {values[1] - off.kink:.6g} and {values[1] + off.kink:.6g}"
        return Verdict(*common, "untested", (), values, abs(off.value), allowed, ratio, 0, claimed.numel(), reason)
    index, (first, second), entry_allowed, out, reason = _explain(box, i, claimed, seen, none)
    error = abs(first - second)
    return Verdict(
        *common,
        "fail",
        index,
        (first, second),
        error,
        entry_allowed,
        max(ratio, error / entry_allowed),
        out,
        claimed.numel(),
        reason,
    )


def _explain(
    box: BlackBox, i: int, claimed: Tensor, seen: Seen, none: bool
) -> tuple[tuple[int, ...], tuple[float, float], float, int, str]:
    """Index, both values there, what is allowed there, how many are out, and a sentence."""
    pattern = "there is no gradient (None), but the loss depends on it" if none else _factor(seen)
    if pattern:
        largest = int(claimed.abs().argmax())
        value, bar, _ = _measure(box, i, claimed, seen, np.array([largest]), 0)
        u = float(seen.directions[0].flatten()[largest])
        return _at(claimed, largest, value / u, bar / abs(u), claimed.numel(), pattern)
    weights = np.stack([u.flatten().cpu().numpy() for u in seen.directions[:2]])
    search = Search(weights, lambda entries, which: _measure(box, i, claimed, seen, entries, which))
    result = search.run(Off((seen.off[0].value, seen.off[1].value), (seen.allowed[0], seen.allowed[1])))
    if not result.errors:
        worst = seen.worst
        reason = "many entries are off, or so little that none can be named; the values are slopes along a direction"
        said = seen.claimed[worst]
        return (), (said, said + seen.off[worst].value), seen.allowed[worst], 0, reason
    index = max(result.errors, key=lambda entry: abs(result.errors[entry]))
    named = [list(_unravel(entry, claimed)) for entry in result.errors]
    if result.complete:
        reason = f"one entry alone, {named[0]}" if len(named) == 1 else f"{len(named)} entries alone: {', '.join(map(str, named))}"
    else:
        reason = f"at least {', '.join(map(str, named))}, and others"
    allowed = seen.allowed[0] / abs(float(weights[0, index]))
    return _at(claimed, index, result.errors[index], allowed, len(named), reason)


def _factor(seen: Seen) -> str:
    """A sentence if the claim is one number times the truth along every direction; "" if not. For words, never for passing."""
    said, off = np.array(seen.claimed), np.array([slope.value for slope in seen.off])
    if not said.any():
        return "the gradient is zero, but the loss depends on it"
    if (np.abs(said) <= TELLING * np.array(seen.allowed)).any():
        return ""
    excess, doubt = off / said, float((np.array(seen.allowed) / np.abs(said)).max())
    if np.ptp(excess) > 2 * doubt or abs(excess[0]) <= TELLING * doubt:
        return ""
    factor = 1 / (1 + float(excess.mean()))
    if abs(factor + 1) <= max(1e-6, doubt):
        return "the sign is reversed"
    return f"the gradient is {factor:.{_digits(factor)}g} times what it should be"


def _digits(factor: float) -> int:
    """Six, or as many more as tell a factor from 1."""
    return max(6, 2 - math.floor(math.log10(abs(factor - 1))))


def _measure(box: BlackBox, i: int, claimed: Tensor, seen: Seen, entries: np.ndarray, which: int) -> tuple[float, float, int]:
    """By how much the slope along one direction, restricted to some entries, is off; the error bar; the evaluations.

    One central difference of the best step, if its error bar shows what is looked for; else the steps of the check.
    """
    u = torch.zeros(claimed.numel(), dtype=torch.float64, device=claimed.device)
    chosen = torch.as_tensor(entries, device=u.device)
    u[chosen] = seen.directions[which].flatten()[chosen]
    probe, off = box.probe(i, u.reshape(claimed.shape), claimed), seen.off[which]
    step, bar = slopes.single_step(off, box.noise)
    if TELLING * bar > abs(off.value):
        found = slopes.with_steps(probe, off.steps[-3:], lambda: box.noise)
        return found.value, found.bar, 2 * len(off.steps[-3:])
    above, below = probe(step)
    return (above - below) / (2 * step), bar, 2


def _at(
    claimed: Tensor, flat: int, error: float, allowed: float, out: int, reason: str
) -> tuple[tuple[int, ...], tuple[float, float], float, int, str]:
    said = float(claimed.flatten()[flat])
    return _unravel(flat, claimed), (said, said + error), allowed, out, reason


def _unravel(flat: int, like: Tensor) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(flat, tuple(like.shape))) if like.dim() else ()

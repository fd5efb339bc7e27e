"""Gradients against slopes along random directions; where they disagree, what it looks like and
which entry it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box import slopes
from backproof.checks.black_box.box import BlackBox
from backproof.checks.black_box.locate import Off, Search
from backproof.checks.black_box.seen import TINY, Seen, look
from backproof.checks.verdict import Outcome, Verdict, digits, missing

TELLING = 8  # what is off should be so many error bars for a factor to be told
SHOWING = 4  # and so many for a single difference to show whose it is


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
        spread: what is allowed to each entry beyond the error bar, because the gradient itself
            varies.
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
        claimed = (
            torch.zeros(tensor.shape, device=tensor.device) if gradient is None else gradient
        ).to(torch.float64)
        seen = look(box, i, claimed, spread[i], directions, seed)
        found.append(_judge(box, i, name, who, claimed, seen, gradient is None))
    return found


def _judge(
    box: BlackBox, i: int, name: str, who: tuple[str, str], claimed: Tensor, seen: Seen, none: bool
) -> Verdict:
    worst = seen.worst
    off = seen.off[worst]
    allowed = seen.allowed[worst]
    said = seen.claimed[worst]
    if not math.isfinite(off.value) or not math.isfinite(allowed):
        return missing(
            "",
            name,
            "",
            who,
            "the loss is not finite near the parameters, so no slope could be measured",
        )
    ratio = abs(off.value) / max(allowed, TINY)
    values = (said, said + off.value)
    common = ("", name, "", who)
    if ratio <= 1:
        small = max(abs(value) for value in values) <= allowed
        outcome: Outcome = "untested" if small else "pass"
        reason = ""
        if small:
            reason = f"untested: both are below {allowed:.1e}, which is all that can be seen"
        if small and none:
            reason = (
                "untested: it has no gradient, and the loss does not depend on it, as far "
                f"as {allowed:.1e} can be seen"
            )
        return Verdict(
            *common, outcome, (), values, abs(off.value), allowed, ratio, 0, claimed.numel(), reason
        )
    if off.kink and abs(off.value) <= 1.1 * abs(off.kink) + allowed:
        reason = (
            f"untested: the loss has a kink here, with slopes {values[1] - off.kink:.6g} and "
            f"{values[1] + off.kink:.6g}"
        )
        return Verdict(
            *common,
            "untested",
            (),
            values,
            abs(off.value),
            allowed,
            ratio,
            0,
            claimed.numel(),
            reason,
        )
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
        value, bar, _ = _measure(box, i, claimed, seen, np.array([largest]), np.ones(1), 0.0)
        return _at(claimed, largest, value, bar, claimed.numel(), pattern)
    weights = np.stack([u.flatten().cpu().numpy() for u in seen.directions[:2]])
    search = Search(weights, lambda *asked: _measure(box, i, claimed, seen, *asked))
    result = search.run(
        Off((seen.off[0].value, seen.off[1].value), (seen.allowed[0], seen.allowed[1]))
    )
    if not result.errors:
        worst = seen.worst
        reason = (
            "many entries are off, or so little that none can be named; the values are "
            "slopes along a direction"
        )
        said = seen.claimed[worst]
        return (), (said, said + seen.off[worst].value), seen.allowed[worst], 0, reason
    index = max(result.errors, key=lambda entry: abs(result.errors[entry]))
    named = [list(_unravel(entry, claimed)) for entry in result.errors]
    if result.complete:
        if len(named) == 1:
            reason = f"one entry alone, {named[0]}"
        else:
            reason = f"{len(named)} entries alone: {', '.join(map(str, named))}"
    else:
        reason = f"at least {', '.join(map(str, named))}, and others"
    allowed = seen.allowed[0] / abs(float(weights[0, index]))
    return _at(claimed, index, result.errors[index], allowed, len(named), reason)


def _factor(seen: Seen) -> str:
    """A sentence if the claim is one number times the truth along every direction; "" if not. For
    words, never for passing."""
    said = np.array(seen.claimed)
    off = np.array([slope.value for slope in seen.off])
    if not said.any():
        return "the gradient is zero, but the loss depends on it"
    if (np.abs(said) <= TELLING * np.array(seen.allowed)).any():
        return ""
    excess = off / said
    doubt = float((np.array(seen.allowed) / np.abs(said)).max())
    if np.ptp(excess) > 2 * doubt or abs(excess[0]) <= TELLING * doubt:
        return ""
    if abs(1 + excess.mean()) <= doubt:
        return "the loss does not depend on it, but the gradient says that it does"
    factor = 1 / (1 + float(excess.mean()))
    if abs(factor + 1) <= max(1e-6, doubt):
        return "the sign is reversed"
    return f"the gradient is {factor:.{digits(factor)}g} times what it should be"


def _measure(
    box: BlackBox,
    i: int,
    claimed: Tensor,
    seen: Seen,
    entries: np.ndarray,
    weights: np.ndarray,
    enough: float,
) -> tuple[float, float, int]:
    """By how much the slope along a direction of some entries is off; the error bar, no better than
    is enough; the evaluations.

    One central difference, if its error bar shows what is looked for; else the steps of the check.
    """
    u = torch.zeros(claimed.numel(), dtype=torch.float64, device=claimed.device)
    u[torch.as_tensor(entries, device=u.device)] = torch.as_tensor(weights, device=u.device)
    probe = box.probe(i, u.reshape(claimed.shape), claimed)
    before = box.evaluations
    step, bar = slopes.single_step(seen.off, box.noise, enough)
    if SHOWING * bar > max(abs(off.value) for off in seen.off):
        found = slopes.slope(probe, seen.off[0].steps)
        return found.value, found.bar, box.evaluations - before
    above, below, _ = probe(step)
    return (above - below) / (2 * step), bar, 2


def _at(
    claimed: Tensor, flat: int, error: float, allowed: float, out: int, reason: str
) -> tuple[tuple[int, ...], tuple[float, float], float, int, str]:
    said = float(claimed.flatten()[flat])
    return _unravel(flat, claimed), (said, said + error), allowed, out, reason


def _unravel(flat: int, like: Tensor) -> tuple[int, ...]:
    if like.dim():
        return tuple(int(k) for k in np.unravel_index(flat, tuple(like.shape)))
    return ()

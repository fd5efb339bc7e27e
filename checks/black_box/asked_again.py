"""Gradients asked for again: are they the same, and do they grow with what is sent back?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.arithmetic import arithmetic
from backproof.checks.black_box.box import BlackBox, real
from backproof.checks.black_box.difference_quotients import NOISE_BAR
from backproof.checks.black_box.imitation import imitate
from backproof.checks.black_box.parts import parts
from backproof.checks.black_box.root_mean_square import root_mean_square
from backproof.checks.black_box.rounding import SPREADS
from backproof.checks.black_box.shadow import Shadow
from backproof.checks.black_box.untouched import same_bits
from backproof.checks.verdict import Verdict, judge, missing

# what is sent back a second time: a power of two, so that no digit changes, and not 1
SCALE = -0.5
# eps of the largest entry that a scaled gradient may be off: rounding again, in another order
RESCALED = 64.0


Send = Callable[[float], list[Tensor | None]]


@dataclass
class Second:
    """How one tensor's gradient compares when it is asked for again.

    Attributes:
        same: to the last bit.
        differs: by how much at most, at an entry.
        verdict: what fails, if it may not vary.
    """

    same: bool = True
    differs: float = 0.0
    verdict: Verdict | None = None


def asked_again(
    box: BlackBox, names: list[str], first: list[Tensor | None], send: Send
) -> list[Second]:
    """How the second answer compares with the first; a third decides where code is compiled on its
    first call, and is itself from then on."""
    again = send(1.0)
    found = [_compared(name, one, two) for name, one, two in zip(names, first, again, strict=True)]
    if all(second.same for second in found):
        return found
    _, third = box.gradients()
    warmed_up = [
        _compared(name, two, three) for name, two, three in zip(names, again, third, strict=True)
    ]
    if not all(second.same for second in warmed_up):
        return found
    return [
        Second(True, second.differs) if _is_rounding(second, one) else second
        for second, one in zip(found, first, strict=True)
    ]


def _is_rounding(second: Second, gradient: Tensor | None) -> bool:
    if second.same or gradient is None:
        return second.same
    largest = float(gradient.abs().max())
    return second.differs <= RESCALED * torch.finfo(gradient.dtype).eps * largest


def scaled(
    box: BlackBox, first: tuple[Tensor, list[Tensor | None]], second: list[Second], send: Send
) -> list[Verdict | None]:
    """For each gradient a verdict where it is not SCALE times itself when SCALE is sent back in
    place of 1; None where it is.

    Args:
        box: the loss.
        first: its value, and its gradients where 1 is sent back.
        second: how these compared when they were asked for again.
        send: goes back through the graph with a number.
    """
    gradients = first[1]
    try:
        others = send(SCALE)
    except Exception:  # somebody's graph that can be gone through once only is judged otherwise
        return [None] * len(gradients)
    doubtful = [
        _differs(one, other, again.differs)
        for one, other, again in zip(gradients, others, second, strict=True)
    ]
    if not any(doubtful):
        return [None] * len(gradients)
    roundings = _roundings(box, first)
    return [
        _not_scaled(one, other, rounding, again.differs) if doubt else None
        for one, other, rounding, again, doubt in zip(
            gradients, others, roundings, second, doubtful, strict=True
        )
    ]


def _differs(one: Tensor | None, other: Tensor | None, varies: float) -> bool:
    """Whether a gradient is off by more than is allowed everywhere."""
    if one is None or other is None or not one.numel():
        return False
    off = 0.0
    largest = 0.0
    for first, second in parts(one, other):
        worst = _largest(torch.sub(second, first, alpha=SCALE))
        if not math.isfinite(worst):
            return True
        off = max(off, worst)
        largest = max(largest, _largest(first))
    return off > _allowed(one.dtype, largest, varies)


def _allowed(dtype: torch.dtype, largest: float, varies: float) -> float:
    """How far an entry may be off that is asked for again, where the largest is so large."""
    info = torch.finfo(dtype)
    return RESCALED * info.eps * abs(SCALE) * largest + info.tiny + NOISE_BAR * varies


def _largest(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, torch.inf))


def _roundings(box: BlackBox, first: tuple[Tensor, list[Tensor | None]]) -> list[float]:
    """What roundings of its own operations may do to each gradient, in its worst entry; 0 where
    they cannot be repeated.

    Code that takes the logarithm of what is sent back, say, loses digits by that, and is right. The
    worst entry stands for all: where an entry is read off a coarse grid, such as that of numbers
    around 10,000, most roundings leave it where it is.
    """
    loss, gradients = first
    kinds = [gradient.dtype.to_real() for gradient in gradients if gradient is not None]
    low = max([loss.dtype, *kinds], key=lambda kind: torch.finfo(kind).eps)
    imitated = arithmetic(low, loss.device)
    changes = imitate(
        box.gradients,
        lambda run: Shadow(low, imitated, run, lift=False),
        (float(loss), gradients),
        seed=0,
    )
    found = []
    for k in range(len(gradients)):
        changed = [gradient[k] for _, gradient in changes]
        sizes = [float(change.abs().max()) for change in changed if change is not None]
        found.append(SPREADS * root_mean_square(sizes))
    return found


def _not_scaled(
    one: Tensor | None, other: Tensor | None, rounding: float, varies: float
) -> Verdict | None:
    """The verdict on a gradient in doubt: both of it are rounded."""
    assert one is not None
    assert other is not None
    pair = (f"{SCALE} sent back", f"{SCALE} times what 1 gives")
    expected = SCALE * _array(one)
    allowed = _allowed(one.dtype, _largest(one), varies) + 2 * abs(SCALE) * rounding
    bounds = np.full(expected.shape, allowed)
    verdict = judge("", "", "", pair, _array(other), expected, bounds)
    if verdict.outcome != "fail":
        return None
    reason = "the gradient does not grow with the one that is sent back: " + verdict.reason
    return replace(verdict, reason=reason)


def _compared(name: str, first: Tensor | None, second: Tensor | None) -> Second:
    pair = ("first call", "second call")
    if first is None and second is None:
        return Second()
    if first is None or second is None:
        reason = "it has a gradient only on some runs"
        return Second(False, 0.0, missing("", name, "", pair, reason))
    if same_bits(first, second):
        return Second()
    one = _array(first)
    two = _array(second)
    with np.errstate(invalid="ignore"):
        differs = float(np.nan_to_num(np.abs(one - two), nan=0.0, posinf=0.0).max())
    verdict = judge("", name, "", pair, one, two, np.zeros(one.shape))
    size = differs / max(float(np.abs(one).max()), float(torch.finfo(first.dtype).tiny))
    reason = (
        f"different on every run, by {size:.1e} of its largest entry, although the loss is the same"
    )
    return Second(False, differs, replace(verdict, outcome="fail", reason=reason))


def _array(tensor: Tensor) -> np.ndarray:
    return real(tensor.detach()).to("cpu", torch.float64).numpy()

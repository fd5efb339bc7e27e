"""What a step of plain gradient descent takes off a parameter: rate * (gradient + decay *
parameter). Which parameters go by one rate, where some go by another or by none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import ratio

CLOSE = 1e-7  # of a difference of weights, relative to its largest entry


@dataclass(frozen=True)
class Descent:
    """A change that is rate * (gradient + decay * parameter).

    Attributes:
        rate: positive; of the gradient of the mean loss.
        decay: 0 for plain descent.
        near: how near the rate of another parameter must be, relative to it.
    """

    rate: float
    decay: float
    near: float = 1e-6

    def __str__(self) -> str:
        decay = f", weight decay {self.decay:.6g}" if self.decay else ""
        return f"rate {self.rate:.6g}{decay}"


def descent(
    lost: np.ndarray, right: np.ndarray, parameter: np.ndarray, near: float
) -> Descent | None:
    """By what the correct gradient, and the parameter itself, were multiplied and taken off;
    None where what was lost is made of something else.

    Args:
        lost: what the first step took off.
        right: the gradient, of the same shape.
        parameter: its values before the step, of the same shape.
        near: how near they must be, relative to the largest entry.
    """
    largest = float(np.abs(lost).max(initial=0))
    if largest == 0:
        return None
    factor = ratio(lost, right, near)
    if factor is not None:
        return Descent(factor, 0.0, max(1e-6, 4 * near)) if factor > 0 else None
    if right.size < 4:  # two numbers fit any four
        return None
    columns = np.stack([right.reshape(-1), parameter.reshape(-1)], axis=1)
    (rate, shrinking), *_ = np.linalg.lstsq(columns, lost.reshape(-1), rcond=None)
    left = np.abs(columns @ [rate, shrinking] - lost.reshape(-1)).max()
    if rate <= 0 or shrinking <= 0 or left > 10 * near * largest:
        return None
    return Descent(float(rate), float(shrinking / rate), max(1e-6, 100 * near))


def shared_descent(
    fits: Mapping[Quantity, Descent | None],
    is_written: Callable[[float], bool],
    is_literal: Callable[[float], bool] = lambda rate: False,
) -> Descent | None:
    """The rate that most parameters share, if no other is shared by as many, or the one that the
    script holds under a name; with the weight decay that all of its W have in common. None where
    several rates would do.

    Args:
        fits: of every parameter; at least one is no None.
        is_written: whether the script holds a rate under a name, perhaps by some convention.
        is_literal: whether it holds that very rate, which decides between those that it holds.
    """
    some = [fit for fit in fits.values() if fit is not None]
    groups = {one: sum(share_rate(one, other) for other in some) for one in some}
    most = max(groups.values())
    shared = [one for one, count in groups.items() if count == most]
    written = [one for one in groups if is_written(one.rate)]
    if written and not any(one in shared for one in written):
        most = max(groups[one] for one in written)
        shared = [one for one in written if groups[one] == most]
    elif written:
        shared = [one for one in shared if one in written]
        shared = [one for one in shared if is_literal(one.rate)] or shared
    if not all(share_rate(one, shared[0]) for one in shared):
        return None
    of_weights = [
        fit
        for quantity, fit in fits.items()
        if fit is not None and quantity.kind == "dW" and share_rate(fit, shared[0])
    ]
    one_decay = bool(of_weights) and all(share_decay(one, of_weights[0]) for one in of_weights)
    best = min(shared, key=lambda one: one.near)
    return Descent(best.rate, of_weights[0].decay if one_decay else 0.0, best.near)


def by_descent(fits: Mapping[Quantity, Descent | None], shared: Descent) -> dict[Quantity, bool]:
    """Which parameters go by the shared descent; a b may go without its decay."""
    return {
        quantity: fit is not None
        and share_rate(fit, shared)
        and (fit.decay == 0 or share_decay(fit, shared))
        for quantity, fit in fits.items()
    }


def share_rate(one: Descent, other: Descent) -> bool:
    """Whether two parameters go by the same rate, as far as that can be read off."""
    return are_alike(one.rate, other.rate, max(one.near, other.near))


def share_decay(one: Descent, other: Descent) -> bool:
    """Whether two parameters shrink alike."""
    return are_alike(one.decay, other.decay, max(one.near, other.near))


def are_alike(one: float, other: float, near: float = 1e-6) -> bool:
    """Equal to six digits, or as near as it is said."""
    return abs(one - other) <= near * max(abs(one), abs(other))

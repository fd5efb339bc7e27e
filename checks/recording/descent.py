"""What a step of plain gradient descent takes off a parameter: rate * (gradient + decay *
parameter). Which parameters go by one rate, where some go by another or by none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import ratio
from backproof.checks.recording.recognise import NotRecognised

CLOSE = 1e-7  # of a difference of weights, relative to its largest entry


@dataclass(frozen=True)
class Descent:
    """A change that is rate * (gradient + decay * parameter).

    Attributes:
        rate: positive; of the gradient of the mean loss.
        decay: 0 for plain descent.
    """

    rate: float
    decay: float

    def __str__(self) -> str:
        decay = f", weight decay {self.decay:.6g}" if self.decay else ""
        return f"rate {self.rate:.6g}{decay}"


def descent(lost: np.ndarray, right: np.ndarray, parameter: np.ndarray) -> Descent | None:
    """By what the correct gradient, and the parameter itself, were multiplied and taken off;
    None where what was lost is made of something else.

    Args:
        lost: what the first step took off.
        right: the gradient, of the same shape.
        parameter: its values before the step, of the same shape.
    """
    largest = float(np.abs(lost).max(initial=0))
    if largest == 0:
        return None
    size = float(np.abs(parameter).max(initial=0))
    near = max(CLOSE, 8 * np.finfo(np.float64).eps * size / largest)
    factor = ratio(lost, right, near)
    if factor is not None:
        return Descent(factor, 0.0) if factor > 0 else None
    if right.size < 4:  # two numbers fit any four
        return None
    columns = np.stack([right.reshape(-1), parameter.reshape(-1)], axis=1)
    (rate, shrinking), *_ = np.linalg.lstsq(columns, lost.reshape(-1), rcond=None)
    left = np.abs(columns @ [rate, shrinking] - lost.reshape(-1)).max()
    if rate <= 0 or shrinking <= 0 or left > 10 * near * largest:
        return None
    return Descent(float(rate), float(shrinking / rate))


def shared_descent(
    fits: Mapping[Quantity, Descent | None], is_written: Callable[[float], bool]
) -> Descent:
    """The rate that most parameters share, if no other is shared by as many, or the one that the
    script holds under a name; with the weight decay that all of its W have in common.

    Args:
        fits: of every parameter; at least one is no None.
        is_written: whether the script holds a rate under a name.

    Raises: NotRecognised where several rates would do.
    """
    rates = [fit.rate for fit in fits.values() if fit is not None]
    groups = {one: sum(are_alike(one, other) for other in rates) for one in rates}
    most = max(groups.values())
    shared = [one for one, count in groups.items() if count == most]
    written = [one for one in groups if is_written(one)]
    if written and not any(one in shared for one in written):
        shared = [one for one in written if groups[one] == max(groups[w] for w in written)]
    elif written:
        shared = [one for one in shared if one in written]
    if not all(are_alike(one, shared[0]) for one in shared):
        raise NotRecognised("its layers go by several rates, and none of them is written in it")
    decays = [
        fit.decay
        for quantity, fit in fits.items()
        if fit is not None and quantity.kind == "dW" and are_alike(fit.rate, shared[0])
    ]
    one_decay = len(decays) > 0 and all(are_alike(decay, decays[0]) for decay in decays)
    return Descent(shared[0], decays[0] if one_decay else 0.0)


def by_descent(fits: Mapping[Quantity, Descent | None], shared: Descent) -> dict[Quantity, bool]:
    """Which parameters go by the shared descent; a b may go without its decay."""
    return {
        quantity: fit is not None
        and are_alike(fit.rate, shared.rate)
        and (fit.decay == 0 or are_alike(fit.decay, shared.decay))
        for quantity, fit in fits.items()
    }


def are_alike(one: float, other: float) -> bool:
    """Equal to six digits."""
    return abs(one - other) <= 1e-6 * max(abs(one), abs(other))

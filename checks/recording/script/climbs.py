"""Whether what a step takes off a parameter goes up the loss, though it is no multiple of the
gradient.

At the first step Adam, RMSprop and Adagrad, momentum, clipping and weight decay leave nearly every
entry the sign of its gradient. Where nearly all have the other one, it is added where it must be
taken off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.changes import Change

CLEAR = 1e-3  # of the largest entry of a gradient: of a smaller one the sign may be rounding's
NEARLY = 0.95  # of the entries: a weight decay may turn a few
FEWEST = 2  # entries that show it; of a single one, only beside others
ENOUGH = 5  # entries that two numbers do not fit by chance
FIT = 1e-6  # of what is left of a change, relative to its largest entry


def climbing(
    changes: Mapping[Quantity, Change],
    values: Mapping[Quantity, np.ndarray],
    made: Collection[Quantity],
) -> frozenset[Quantity]:
    """The parameters that go up the loss; none where no line was seen to make the gradient of any.

    Args:
        changes: what the first step took off.
        values: the gradients, among other numbers.
        made: those that lines were seen to make, whatever their sign.
    """
    up = set()
    for quantity, change in changes.items():
        due = values[quantity]
        if _has_other_signs(change.lost, due) or _is_reversed(change, due):
            up.add(quantity)
    if any(values[one].size >= FEWEST for one in up.intersection(made)):
        return frozenset(up)
    return frozenset()


def _has_other_signs(lost: np.ndarray, right: np.ndarray) -> bool:
    """Whether nearly all entries whose gradient is clear are changed the other way."""
    clear = (np.abs(right) > CLEAR * np.abs(right).max(initial=0)) & (lost != 0)
    count = int(clear.sum())
    if count < min(FEWEST, right.size):
        return False
    opposite = np.sign(lost[clear]) == -np.sign(right[clear])
    return bool(opposite.mean() >= NEARLY)


def _is_reversed(change: Change, right: np.ndarray) -> bool:
    """Whether it is minus the gradient and a multiple of the parameter, times something."""
    if right.size < ENOUGH or not change.lost.any():
        return False
    columns = np.stack([right.reshape(-1), change.before.reshape(-1)], axis=1)
    factors, *_ = np.linalg.lstsq(columns, change.lost.reshape(-1), rcond=None)
    left = np.abs(columns @ factors - change.lost.reshape(-1)).max()
    return bool(factors[0] < 0 and left <= max(FIT, change.near) * np.abs(change.lost).max())

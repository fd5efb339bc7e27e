"""What right scripts do to a step beside taking a gradient off: they pull weights towards zero, cut
entries of the gradient off, or keep the weights within a size. Such a step is no multiple of the
gradient, and no fault either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backproof.checks.recording.page import ratio
from backproof.checks.recording.script.descent import are_alike
from backproof.checks.recording.script.losses import is_sum_of

FEWEST_IN_ROW = 3  # numbers that are a multiple by no accident
FAR = 1e-3  # of a row's largest: from being a multiple itself


@dataclass(frozen=True)
class Altered:
    """A step of one parameter, and what it may be made of.

    Attributes:
        lost: what the step took off.
        before: the parameter before it.
        right: the gradient.
        rate: by which others lose theirs; None where no other shows it.
        near: how near numbers are that are the same, relative to the largest.
    """

    lost: np.ndarray
    before: np.ndarray
    right: np.ndarray
    rate: float | None
    near: float

    def explained(self) -> str:
        """What explains it, as a clause; "" for nothing."""
        if self._is_pulled():
            return "an L1 penalty would explain it"
        if self._is_cut():
            return "gradients that are clipped entry by entry would explain it"
        if self._is_kept_within():
            return "weights that are kept within a size after the update would explain it"
        return ""

    def _is_pulled(self) -> bool:
        sign = np.sign(self.before)
        parts = [self.right, sign, self.before]
        for some in (parts[:2], parts):
            enough = self.lost.size > 2 * len(some)
            if enough and is_sum_of(self.lost, some, [True] * len(some), self.near):
                return True
        return False

    def _is_cut(self) -> bool:
        """Whether all entries are the gradient's but those that have one size, and less of it."""
        sizes = np.abs(self.lost)
        largest = sizes.max()
        cut = sizes >= (1 - self.near) * largest
        rate = self._rate_of(~cut)
        if rate is None:
            return False
        return bool(
            (self.right[cut] * np.sign(self.lost[cut]) * rate >= (1 - self.near) * largest).all()
        )

    def _is_kept_within(self) -> bool:
        """Whether what came of the update was then brought to one size where it was larger: rows,
        columns, or single entries."""
        after = self.before - self.lost
        if after.ndim < 2:
            return False
        if any(_have_one_norm(after, axis, self.near) for axis in (0, 1)):
            return True
        norms = [np.linalg.norm(after, axis=axis, keepdims=True) for axis in (0, 1)]
        return any(self._is_brought(after, size) for size in (*norms, np.abs(after)))

    def _is_brought(self, after: np.ndarray, size: np.ndarray) -> bool:
        """Whether what has the largest size points to where the gradient would have led, and would
        be larger, and all else is there."""
        brought = np.broadcast_to(size >= (1 - self.near) * size.max(), after.shape)
        rate = self._rate_of(~brought)
        if rate is None:
            return False
        due = self.before - rate * self.right
        axes = [axis for axis in range(after.ndim) if size.shape[axis] != after.shape[axis]]
        larger = np.sqrt((due**2).sum(axis=tuple(axes), keepdims=True))
        off = np.abs(due * size - after * larger)[brought]
        grew = (larger < (1 - self.near) * size) & (size >= (1 - self.near) * size.max())
        return not grew.any() and bool(off.max() <= self.near * (size * larger).max())

    def _rate_of(self, at: np.ndarray) -> float | None:
        """The one rate at which some entries, and not all, lose their gradient; None where there is
        none, or another than that of the others."""
        lost = self.lost[at]
        if at.all() or np.count_nonzero(lost) < 3:
            return None
        rate = ratio(lost, self.right[at], self.near)
        if rate is None or rate <= 0:
            return None
        if self.rate is not None and not are_alike(rate, self.rate, 10 * self.near):
            return None
        return rate


def _have_one_norm(after: np.ndarray, axis: int, near: float) -> bool:
    norms = np.linalg.norm(after, axis=axis)
    return len(norms) > 1 and after.shape[axis] > 1 and bool(np.ptp(norms) <= near * norms.max())


def is_multiple_by_row(rest: np.ndarray, parts: np.ndarray, due: np.ndarray, near: float) -> bool:
    """Whether each row of what is left beside a gradient is a multiple of a part's, and the
    gradient's own is not, so that the multiple says something.

    Args:
        rest: what is left.
        parts: of which each row may be a multiple.
        due: the gradient.
        near: how near numbers are that are the same, relative to the largest.
    """
    sizes = (parts**2).sum(axis=1, keepdims=True)
    if rest.shape[1] < FEWEST_IN_ROW or not sizes.all():
        return False
    largest = np.abs(rest).max() + np.abs(due).max()
    left, own = (
        np.abs(array - (array * parts).sum(axis=1, keepdims=True) / sizes * parts).max(axis=1)
        for array in (rest, due)
    )
    has_some = np.abs(rest).max(axis=1) > near * largest
    tells = own > FAR * np.abs(due).max(axis=1)
    return bool((left <= near * largest).all() and has_some.any() and tells[has_some].all())

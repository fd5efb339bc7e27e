"""How one gradient that came compares with a prediction: as it is, times a factor, or with a
multiple of W added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.register import Variant
from backproof.checks.diagnosis.closeness import (
    GENEROUS,
    OF_LARGEST,
    allowed,
    far,
    may_be_summed_short,
    some,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import kind_of, layer_of


@dataclass(frozen=True)
class Fit:
    """An answer as factor * prediction + decay * W.

    Attributes:
        factor: 1 where the prediction is the answer; None where rounding leaves it open.
        decay: 0 where nothing is added.
        residual: what is left, over the answer's size.
    """

    factor: float | None
    decay: float = 0.0
    residual: float = 0.0


@dataclass(frozen=True)
class Freedom:
    """What a prediction may be changed by before it is held against an answer.

    Attributes:
        factor: whether each gradient may carry a factor of its own.
        decay: whether a multiple of W or b may be added to it.
    """

    factor: bool = True
    decay: bool = False


def fitted(
    item: Evidence,
    name: str,
    given: np.ndarray,
    predicted: np.ndarray,
    freedom: Freedom,
    variant: Variant | None,
) -> Fit | None:
    """How a prediction explains a gradient that came in its shape; None if it does not."""
    given = some(item, given)
    predicted = some(item, predicted)
    summed_short = may_be_summed_short(variant, name)
    if (
        not freedom.decay
        and not summed_short
        and _out_of_reach(item, name, given, predicted, freedom)
    ):
        return None
    limit = allowed(item, name, predicted, variant)
    correct = some(item, item.correct.value(name))
    size = float(max(np.linalg.norm(given), np.linalg.norm(correct))) or 1.0
    # rounding leaves more of a factor open than what tells factors apart
    unclear = float(limit.max()) > GENEROUS * item.rounding.close(name) * float(
        np.abs(predicted).max()
    )
    off = np.abs(given - predicted)
    if (off <= limit).all():
        if unclear:
            return Fit(None)
        return Fit(1.0, residual=float(np.linalg.norm(off)) / size)
    # 0 is what a db may be multiplied by, and no dW
    nothing = kind_of(name) == "dW" and not given.any()
    readable = not nothing and np.isfinite(given).all() and predicted.any()
    if freedom.factor and readable:
        found = _multiple(given, predicted, limit, size, unclear)
        if found is not None:
            return found
    if freedom.decay:
        return _decayed(item, name, given, predicted, limit)
    return None


def _multiple(
    given: np.ndarray, predicted: np.ndarray, limit: np.ndarray, size: float, unclear: bool
) -> Fit | None:
    """The answer as a multiple of the prediction, by least squares in units of what rounding
    explains: where all is cancellation, nothing is read off."""
    scaled = predicted / limit
    factor = float((given / limit * scaled).sum() / (scaled * scaled).sum())
    left = np.abs(given - factor * predicted)
    # a huge factor on what is lost in rounding would explain anything
    believable = not unclear or abs(factor) < 1e3
    if not believable or not (left <= limit * max(1.0, abs(factor))).all():
        return None
    if unclear:
        return Fit(None)
    if not given.any():
        factor = 0.0
    return Fit(factor, residual=float(np.linalg.norm(left)) / size)


def _out_of_reach(
    item: Evidence, name: str, given: np.ndarray, predicted: np.ndarray, freedom: Freedom
) -> bool:
    """Whether the answer is far from the prediction, or from every multiple of it: seen without the
    bound of each entry."""
    if not freedom.factor:
        return far(item, name, given, predicted)
    squares = float((predicted * predicted).sum())
    factor = float((given * predicted).sum()) / squares if squares else 0.0
    if not np.isfinite(factor):
        return False
    return far(item, name, given, factor * predicted, times=max(1.0, abs(factor)))


def _decayed(
    item: Evidence, name: str, given: np.ndarray, predicted: np.ndarray, limit: np.ndarray
) -> Fit | None:
    """The answer as prediction + decay * W, and as factor * prediction + decay * W."""
    problem = item.setting.problem
    weights = problem.W if kind_of(name) == "dW" else problem.b
    W = some(item, weights[layer_of(name)])
    if W.shape != predicted.shape or not W.any() or not np.isfinite(given).all():
        return None
    size = float(np.linalg.norm(given)) or 1.0
    rough = OF_LARGEST * item.rounding.eps(name)
    unit = limit + rough * np.abs(given)
    for fit in _with_decay(given / unit, predicted / unit, W / unit):
        factor = fit.factor or 0.0
        left = np.abs(given - factor * predicted - fit.decay * W)
        slack = limit * max(1.0, abs(factor)) + rough * abs(fit.decay) * float(np.abs(W).max())
        if (left <= slack).all():
            return Fit(factor, fit.decay, float(np.linalg.norm(left)) / size)
    return None


def _with_decay(given: np.ndarray, predicted: np.ndarray, W: np.ndarray) -> Iterator[Fit]:
    """Least squares in units of what rounding explains: the decay alone, then with a factor, where
    there are more entries than unknowns."""
    yield Fit(1.0, float(((given - predicted) * W).sum() / (W**2).sum()))
    if given.size >= 4:
        columns = np.column_stack([predicted.ravel(), W.ravel()])
        factor, decay = np.linalg.lstsq(columns, given.ravel(), rcond=None)[0]
        yield Fit(float(factor), float(decay))

"""Whether the step of a script that is no gradient of a known cost may be called wrong.

Weighted classes, smoothed labels and weight decay are right and give another gradient, and so does
any loss that is not known here. What is called wrong must be wrong for every loss: it climbs; or
the gradients of a softmax's logits do not sum to zero; or the output's error is multiplied by what
no loss asks for; or the script itself computes the loss whose gradient it does not take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checks.activations import ACTIVATIONS
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import Page, ratio

FITS = 1e-7  # of what is left of a difference of weights, relative to its largest entry
LEAST = 1e-6  # share that a part must have, of the largest: less is rounding
NEAR = 1e-6  # relative, as where a small number is added to a logarithm
FEWEST_MORE = 3  # entries than weights of classes, which as many always explain
FEWEST = 2  # outputs, which two numbers always explain
AS_LARGE = 1e-6  # relative, of entries that were cut off at one size


def of_other_targets(lost: np.ndarray, M: np.ndarray, page: Page) -> str:
    """Which loss of a right script explains the last layer's step, as a clause; "" for none."""
    right = page.values[Quantity("dW", page.problem.L)]
    by_class = list(_by_class(page))
    positive = [True] * len(by_class)
    if is_sum_of(lost, by_class, positive):
        return "weights of the classes would explain it"
    if is_sum_of(lost, [*by_class, M], [*positive, True]):
        return "weights of the classes with weight decay would explain it"
    Y = page.problem.Y
    K = max(Y.shape[1], 2)
    if Y.size > FEWEST and is_sum_of(lost, [right, (Y - 1 / K).T @ _input(page)], [True, True]):
        return "smoothed labels would explain it"
    return ""


def weights_of_classes(parts: Sequence[np.ndarray], whole: np.ndarray) -> list[np.ndarray]:
    """By what the part of each class is multiplied in a whole, in one array, where all are positive
    and not the same; nothing where they are not, or other numbers would do as well."""
    columns = np.stack([part.reshape(-1) for part in parts], axis=1)
    if len(columns) < len(parts) + FEWEST_MORE or not columns.any(axis=0).all():
        return []
    weights, _, rank, _ = np.linalg.lstsq(columns, whole.reshape(-1), rcond=None)
    left = np.abs(columns @ weights - whole.reshape(-1)).max()
    fits = left <= NEAR * np.abs(whole).max()
    weights = weights * np.sign(weights.sum())  # of a step up as of one down
    if not fits or rank < len(parts) or weights.min() <= LEAST * weights.max():
        return []
    return [weights] if np.ptp(weights) > LEAST * weights.max() else []


def is_wrong_for_every_loss(lost: np.ndarray, M: np.ndarray, page: Page) -> bool:
    """Whether what the last layer's weights M lost is the gradient of no loss of the output."""
    right = page.values[Quantity("dW", page.problem.L)]
    factor = ratio(lost, right, FITS)
    if factor is not None and factor < 0:
        return True
    x = _input(page)
    for mistaken in _mistaken(page):
        if is_sum_of(lost, [mistaken.T @ x], [True]) or is_sum_of(
            lost, [mistaken.T @ x, M], [True, True]
        ):
            return True
    if is_adaptive(lost) or not page.problem.head.is_softmax:
        return False
    # softmax does not see what is added to all logits, so along that no loss has a slope
    return bool(np.abs(lost.sum(axis=0)).max() > 1e-3 * np.abs(lost).max())


def is_sum_of(
    lost: np.ndarray, parts: Sequence[np.ndarray], positive: Sequence[bool], near: float = FITS
) -> bool:
    """Whether it is a sum of the parts, each times something positive where that is asked for, as
    near as is said, relative to its largest entry."""
    columns = np.stack([part.reshape(-1) for part in parts], axis=1)
    sizes = np.abs(columns).max(axis=0)
    if not sizes.all():
        return False
    factors, *_ = np.linalg.lstsq(columns / sizes, lost.reshape(-1), rcond=None)
    left = np.abs(columns / sizes @ factors - lost.reshape(-1)).max()
    fits = left <= near * np.abs(lost).max()
    largest = np.abs(factors).max()
    signs = zip(factors, positive, strict=True)
    return bool(fits and all(factor > LEAST * largest for factor, must in signs if must))


def _input(page: Page) -> np.ndarray:
    """What the last layer takes, one sample a row."""
    L = page.problem.L
    if L == 1:
        return np.asarray(page.problem.x)
    return page.values[Quantity("a", L - 1)]


def _by_class(page: Page) -> Iterator[np.ndarray]:
    """What the samples of each class give to the last layer's gradient."""
    Y = page.problem.Y
    labels = np.round(Y[:, 0]) if Y.shape[1] == 1 else Y.argmax(axis=1)
    dz = page.values[Quantity("dz", page.problem.L)]
    for label in np.unique(labels):
        yield (dz * (labels == label)[:, None]).T @ _input(page)


def _mistaken(page: Page) -> Iterator[np.ndarray]:
    """Deltas of a sigmoid's output that people write and that belong to no loss."""
    L = page.problem.L
    z = page.values[Quantity("z", L)]
    if page.problem.head.output != "sigmoid":
        return
    sigmoid = ACTIVATIONS["sigmoid"].h
    p = sigmoid(z)
    error = p - page.problem.Y
    twice = sigmoid(p)
    for slope in (z * (1 - z), twice * (1 - twice), twice, p, 1 - p, 1 - p * p):
        yield error * slope


def is_adaptive(lost: np.ndarray) -> bool:
    """Whether sizes were evened out or cut off, as by Adam or clipping: then it is no gradient."""
    sizes = np.abs(lost)
    largest = sizes.max()
    if sizes.min() >= 0.5 * largest:
        return True
    return int((sizes >= (1 - AS_LARGE) * largest).sum()) > 1

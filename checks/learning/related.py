"""Whether targets have anything to do with inputs: what an answer from the other samples alone gets
right, against what it gets right once the targets are dealt out at random.

Three such answers are asked, so that a relation is seen whatever it looks like: the nearest
neighbour (clusters, rings), a kernel regression of several widths (planes, bends, many weak
columns), and the best product of two columns (XOR among columns that say nothing). None is trained,
and in the first two no sample answers for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Inexact, Integer

MOST_NEIGHBOURS = 256  # samples whose neighbours are looked for
MOST_KERNEL = 400  # samples of a kernel regression: its cost grows with their third power
CLEAR = 8.0  # standard deviations: no chance makes them
DEALS = 200  # random deals of the labels: their standard deviation is then known to 5%
WIDTHS = (0.3, 1.0, 4.0)  # of the kernel, in units of the median distance between samples
MOST_COLUMNS = 40  # of which all products are looked at
PRODUCT_DEALS = 50
RIDGE = 0.1  # of the kernel's own diagonal


@dataclass(frozen=True)
class Relation:
    """How far targets depend on inputs.

    Attributes:
        excess: in standard deviations of targets that were dealt out at random; about 0 for those.
        samples: that were looked at.
    """

    excess: float
    samples: int


def relation(
    x: Inexact[np.ndarray, "N n_0"], Y: Float64[np.ndarray, "N K"], *, classes: bool
) -> Relation:
    """Look for any relation between inputs and targets.

    Args:
        x, Y: samples and their targets, a row each.
        classes: whether the targets are classes: the largest, or 0 and 1 of a single one.
    Returns: the excess of the answer that shows most; one that shows CLEAR is enough. An excess far
        below 0 is a relation, too: of a full table of parities every neighbour has the other label.
    """
    scaled, chosen = _some(x, Y)
    N = len(scaled)
    if N < 3 or not chosen.std():
        return Relation(0.0, N)
    strongest = 0.0
    answers: list[Callable[[], float]] = [
        lambda: _kernel(scaled, chosen),
        lambda: _products(scaled, chosen),
    ]
    if classes:
        answers.insert(0, lambda: agreement(scaled, classes_of(chosen)))
    for answer in answers:
        strongest = max(strongest, answer(), key=abs)
        if abs(strongest) > CLEAR:
            break
    return Relation(float(strongest), N)


def attained(x: Inexact[np.ndarray, "N n_0"], Y: Float64[np.ndarray, "N K"]) -> float:
    """Which part of the samples the better of neighbours and kernels labels right, leaving each
    sample out: what can be known without training anything.

    Args:
        x, Y: samples and their targets, which are classes.
    """
    scaled, chosen = _some(x, Y)
    labels = classes_of(chosen)
    best = float((labels == labels[_nearest(_distances(scaled))]).mean())
    mean = chosen.mean(axis=0)
    for smoother in _smoothers(scaled):
        said = _said_class(smoother @ (chosen - mean) + mean, chosen)
        best = max(best, float((said == labels).mean()))
    return best


def _some(x: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST_KERNEL samples, taken evenly, with standardised columns."""
    rows = np.linspace(0, len(x) - 1, min(len(x), MOST_KERNEL)).astype(np.int64)
    return standardised(np.asarray(x, np.float64)[rows]), np.asarray(Y, np.float64)[rows]


def classes_of(Y: Float64[np.ndarray, "N K"]) -> Integer[np.ndarray, " N"]:
    """The class of each row: its largest target, or of a single one which side of the middle."""
    if Y.shape[1] > 1:
        return Y.argmax(axis=1)
    middle = (Y.max() + Y.min()) / 2
    return np.asarray(Y[:, 0] > middle, np.int64)


def agreement(x: Float64[np.ndarray, "N n_0"], y: Integer[np.ndarray, " N"]) -> float:
    """How much more often a sample's nearest neighbour has its label than if labels had been dealt
    out at random.

    Args:
        x, y: samples and labels; at most 256, taken evenly, are used.
    Returns: the excess in standard deviations: about 0 where labels do not depend on inputs,
        whatever the dependence looks like. Samples are counted alike, or classes are, whichever
        shows more: a rare class is lost among samples.
    """
    rows = np.linspace(0, len(x) - 1, min(len(x), MOST_NEIGHBOURS)).astype(np.int64)
    x = x[rows].astype(np.float64)
    y = y[rows]
    nearest = _nearest(_distances(x))
    random = np.random.default_rng(0)
    often = np.maximum(np.bincount(y), 1)

    def shares(labels: np.ndarray) -> tuple[float, float]:
        agrees = labels == labels[nearest]
        return float(agrees.mean()), float((np.bincount(labels, agrees) / often).mean())

    dealt = np.array([shares(random.permutation(y)) for _ in range(DEALS)])
    excess = (np.array(shares(y)) - dealt.mean(axis=0)) / np.maximum(dealt.std(axis=0), 1 / len(y))
    return float(excess.max())


def standardised(x: Float64[np.ndarray, "N n_0"]) -> Float64[np.ndarray, "N n_0"]:
    """Every column with mean 0 and deviation 1; a constant column becomes 0."""
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def _kernel(x: np.ndarray, Y: np.ndarray) -> float:
    """The largest excess, over all widths, of the correlation between targets and what kernel
    regression says of them without their own sample."""
    random = np.random.default_rng(0)
    centred = Y - Y.mean(axis=0)
    deals = np.stack([random.permutation(centred) for _ in range(DEALS)], axis=1)
    beside = deals.reshape(len(Y), -1)
    excess = []
    for smoother in _smoothers(x):
        found = _correlation(smoother @ centred, centred)
        said = (smoother @ beside).reshape(deals.shape)
        lengths = np.sqrt(np.square(said).sum(axis=(0, 2)) * np.square(deals).sum(axis=(0, 2)))
        dealt = (said * deals).sum(axis=(0, 2)) / np.maximum(lengths, 1e-300)
        excess.append((found - dealt.mean()) / max(float(dealt.std()), 1 / len(Y)))
    return float(max(excess, key=abs))


def _products(x: np.ndarray, Y: np.ndarray) -> float:
    """The excess of the strongest correlation between a target and a product of two columns."""
    n = x.shape[1]
    if not 2 <= n <= MOST_COLUMNS:
        return 0.0
    first, second = np.triu_indices(n, 1)
    made = standardised(x[:, first] * x[:, second])
    targets = standardised(Y)
    random = np.random.default_rng(0)
    found = float(np.abs(targets.T @ made).max()) / len(x)
    dealt = []
    for _ in range(PRODUCT_DEALS):
        dealt.append(float(np.abs(random.permutation(targets).T @ made).max()) / len(x))
    return (found - float(np.mean(dealt))) / max(float(np.std(dealt)), 1 / len(x))


def _said_class(said: np.ndarray, Y: np.ndarray) -> np.ndarray:
    if Y.shape[1] > 1:
        return said.argmax(axis=1)
    return np.asarray(said[:, 0] > (Y.max() + Y.min()) / 2, np.int64)


def _smoothers(x: np.ndarray) -> list[np.ndarray]:
    """For each width the matrix that makes of all targets what the others say of each: with H the
    hat matrix of ridge regression, (H y - diag(H) y) / (1 - diag(H))."""
    distances = _distances(x)
    np.fill_diagonal(distances, 0)
    apart = distances[distances > 0]
    typical = float(np.median(apart)) if len(apart) else 1.0
    # 1 + ... is a constant, so that the mean need not be bent
    kernels = [1 + np.exp(-distances / (2 * width * typical)) for width in WIDTHS]
    found = []
    for kernel in kernels:
        hat = np.linalg.solve(kernel + RIDGE * np.eye(len(x)), kernel).T
        own = np.diag(hat).copy()
        np.fill_diagonal(hat, 0)
        found.append(hat / np.maximum(1 - own, 1e-3)[:, None])
    return found


def _correlation(said: np.ndarray, Y: np.ndarray) -> float:
    return float(
        (said * Y).sum() / max(np.sqrt(np.square(said).sum() * np.square(Y).sum()), 1e-300)
    )


def _distances(x: np.ndarray) -> np.ndarray:
    """Squared; of a sample to itself infinite."""
    square = (x**2).sum(axis=1)
    distance = square[:, None] + square - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    return distance


def _nearest(distances: np.ndarray) -> np.ndarray:
    return distances.argmin(axis=1)

"""Losses that people train with and that this project does not: what they are, and how the logits'
gradient goes, but for a factor. A script that goes down one is recognised by it, and not taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from backproof.checks.activations import named
from backproof.checks.recording.script.passes import output_of

LARGEST_GAMMA = 10


@dataclass(frozen=True)
class OwnLoss:
    """What a script minimises in place of a known cost.

    Attributes:
        derivative: what it calls the derivative of it by the logits.
        name: of the loss; "" where it is unknown.
        output: what stands behind the logits.
        targets: what it compares with; "" where that is unknown.
        values: what it comes to for each sample, as a script may compute it.
        weights: of the classes, where it has some.
        is_likely: whether more speaks for it than a derivative that others may have, too.
    """

    derivative: str
    name: str = ""
    output: str = "linear"
    targets: str = ""
    values: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)
    weights: np.ndarray | None = field(default=None, compare=False, repr=False)
    is_likely: bool = True

    def __str__(self) -> str:
        if self.name:
            return f"{self.name} against {self.targets}"
        return f"a loss of which {self.derivative} is the derivative"


@dataclass(frozen=True)
class Slope:
    """The derivative of a loss by the logits.

    Attributes:
        name: of the loss.
        values: of each sample, or more than one way to count them.
        dz: the derivative, times something positive.
        weights: of the classes, where it has some.
        needs_proof: whether the derivative alone, which is nothing but signs or counts, tells too
            little of what it is made of.
    """

    name: str
    values: tuple[np.ndarray, ...]
    dz: np.ndarray
    weights: np.ndarray | None = None
    needs_proof: bool = False


@dataclass(frozen=True)
class Setting:
    """What a loss may be made of.

    Attributes:
        output: what makes p of the logits.
        z: logits, one sample a row.
        Y: targets.
        numbers: that stand in the script.
        weights: arrays with a positive number for each class.
    """

    output: str
    z: np.ndarray
    Y: np.ndarray
    numbers: Sequence[float]
    weights: Sequence[np.ndarray]

    @property
    def p(self) -> np.ndarray:
        """What comes out."""
        return output_of(self.output, self.z)

    @property
    def slope(self) -> np.ndarray:
        """The derivative of an element-wise output."""
        activation = named(self.output)
        return activation.h_prime(self.z, activation.h(self.z))

    @property
    def shares(self) -> list[float]:
        """The numbers between 0 and 1."""
        return [one for one in self.numbers if 0 < one < 1]


def slopes(of: Setting) -> Iterator[Slope]:
    """Every loss with its gradient of the logits."""
    if of.output != "softmax":
        yield from _of_values(of)
    if (np.round(of.Y) == of.Y).all() and of.Y.min() >= 0 and of.Y.max() <= 1:
        if of.output == "softmax" and (of.Y.sum(axis=1) == 1).all():
            yield from _of_classes(of)
        elif of.output == "sigmoid":
            yield from _of_two(of)


def _of_values(of: Setting) -> Iterator[Slope]:
    error = of.p - of.Y
    size = np.abs(error)
    by_sample = (size.sum(axis=1),)
    yield Slope("absolute error", by_sample, np.sign(error) * of.slope, needs_proof=True)
    values = (np.log(np.cosh(error)).sum(axis=1),)
    yield Slope("log-cosh loss", values, np.tanh(error) * of.slope)
    for number in of.numbers:
        if size.min() < number < size.max():  # else it is a square, or absolute
            square = size**2 / 2
            values = (np.where(size <= number, square, number * (size - number / 2)).sum(axis=1),)
            clipped = np.clip(error, -number, number)
            yield Slope(f"Huber loss of {number:g}", values, clipped * of.slope)


def _of_classes(of: Setting) -> Iterator[Slope]:
    K = of.Y.shape[1]
    log_p = np.log(of.p)
    for share in of.shares:
        for others in (np.full(of.Y.shape, 1 / K), (1 - of.Y) / (K - 1)):
            smoothed = (1 - share) * of.Y + share * others
            name = f"cross-entropy with labels smoothed by {share:g}"
            yield Slope(name, (-(smoothed * log_p).sum(axis=1),), of.p - smoothed)
    for weights in of.weights:
        each = of.Y @ weights
        values = -(of.Y * log_p).sum(axis=1) * each
        dz = (of.p - of.Y) * each[:, None]
        name = "cross-entropy with weights of the classes"
        yield Slope(name, (values, values / each.mean()), dz, weights)
    true = (of.p * of.Y).sum(axis=1, keepdims=True)
    for name, values, slope in _focal(of, true):
        yield Slope(name, (values.sum(axis=1),), slope * true * (of.Y - of.p))
    yield from _hinge(of)


def _hinge(of: Setting) -> Iterator[Slope]:
    """Of all classes that come nearer to the label's than a margin."""
    lead = of.z - (of.z * of.Y).sum(axis=1, keepdims=True)
    for margin in sorted({1.0, *of.numbers}):
        if margin > 0:
            over = (lead + margin > 0) * (1 - of.Y)
            dz = over - of.Y * over.sum(axis=1, keepdims=True)
            is_any = bool((over == (lead > 0) * (1 - of.Y)).all())  # of no margin, too
            values = (((lead + margin) * over).sum(axis=1),)
            yield Slope(f"hinge loss of {margin:g}", values, dz, needs_proof=is_any)


def _of_two(of: Setting) -> Iterator[Slope]:
    log_p, log_q = np.log(of.p), np.log(1 - of.p)
    for share in of.shares:
        smoothed = (1 - share) * of.Y + share / 2
        values = -(smoothed * log_p + (1 - smoothed) * log_q).sum(axis=1)
        name = f"cross-entropy with labels smoothed by {share:g}"
        yield Slope(name, (values,), of.p - smoothed)
    for number in of.numbers:
        if number > 0 and number != 1:
            weight = 1 + (number - 1) * of.Y
            values = -(number * of.Y * log_p + (1 - of.Y) * log_q).sum(axis=1)
            name = f"cross-entropy with a weight of {number:g} for label 1"
            yield Slope(name, (values, values / weight.mean()), (of.p - of.Y) * weight)
    for weights in of.weights if of.Y.shape[1] == 1 else ():
        weight = np.where(of.Y == 1, weights[1], weights[0])
        values = -(weight * (of.Y * log_p + (1 - of.Y) * log_q)).sum(axis=1)
        name = "cross-entropy with weights of the classes"
        yield Slope(name, (values, values / weight.mean()), (of.p - of.Y) * weight, weights)
    true = np.where(of.Y == 1, of.p, 1 - of.p)
    for name, losses, slope in _focal(of, true):
        yield Slope(name, (losses.sum(axis=1),), slope * (2 * of.Y - 1) * of.slope)


def _focal(of: Setting, true: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(1 - p)^gamma times the cross-entropy, and its slope by the p of the label."""
    for gamma in of.numbers:
        if 0 < gamma <= LARGEST_GAMMA:
            rest = (1 - true) ** gamma
            slope = gamma * (1 - true) ** (gamma - 1) * np.log(true) - rest / true
            yield f"focal loss of {gamma:g}", -rest * np.log(true), slope

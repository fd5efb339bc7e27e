"""Mistakes that people make where the output is compared with its targets: what they compute is the
error of no network, whatever its loss. Where a line makes such an error, the script shows what it
is about, and that it is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.recording.script.targets import Targets


def errors(
    z: np.ndarray, p: np.ndarray, targets: Targets, is_softmax: bool
) -> Iterator[np.ndarray]:
    """Errors of an output, one sample a row, that nobody means.

    Args:
        z: logits.
        p: outputs.
        targets: labels.
        is_softmax: whether p is the softmax of z.
    """
    Y = targets.Y
    if is_softmax:
        for mistaken in _normalised(z):
            yield mistaken - Y
    others = [*_shifted(Y), *([] if targets.first is None else [targets.first])]
    for mistaken in others:
        if mistaken.shape == Y.shape and not np.array_equal(mistaken, Y):
            yield p - mistaken


def _normalised(z: np.ndarray) -> Iterator[np.ndarray]:
    """A softmax over the samples, or over all there is, the maximum of each taken off or not."""
    if len(z) < 2:
        return
    with np.errstate(all="ignore"):
        for largest in (z.max(), z.max(axis=1, keepdims=True)):
            e = np.exp(z - largest)
            yield e / e.sum(axis=0, keepdims=True)
            yield e / e.sum()


def _shifted(Y: np.ndarray) -> Iterator[np.ndarray]:
    """The targets of the neighbouring class, or of the neighbouring sample."""
    for step in (1, -1):
        if Y.shape[1] > 2:  # of two classes it is the other, as of labels that are called so
            yield np.roll(Y, step, axis=1)
        if len(Y) > 2:
            yield np.roll(Y, step, axis=0)

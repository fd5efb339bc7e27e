"""What can be measured on a network and a sample of its data, in numbers: no judgement here,
symptoms.py judges.

Everything comes out of one forward and one backward pass over at most MOST_ROWS samples.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.learning import passes
from backproof.checks.learning.activations import flat_sides
from backproof.checks.learning.layer_signs import (
    FLAT,
    LayerSigns,
    Reads,
    layer_signs,
    length,
    spread,
)
from backproof.checks.learning.passes import Passes, Shape

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Inexact, Int64, Integer

    Layers = dict[int, Float64[np.ndarray, "..."]]

# samples looked at: enough for every rule, few enough to cost no more than a few training steps
MOST_ROWS = 256


@dataclass(frozen=True)
class VitalSigns:
    """A network's numbers on a sample.

    Attributes:
        layers: one for each of 1..L.
        samples: how many were looked at.
        finite: whether every layer's weights, biases and z are finite numbers.
        loss: their mean.
        prior_loss: the loss of answering the class frequencies whatever goes in, the best of all
            constant answers.
        output_spread: the largest difference that any two samples make to any output.
        wrong: which part of the samples has an output that is both flat and wrong by more than 0.9
            of its range.
        pull: |mean of the samples' gradients of all weights and biases| over the mean of their
            lengths: near 0 where the network is at rest; NaN where all are 0.
        shape: its activations and its head.
    """

    layers: tuple[LayerSigns, ...]
    samples: int
    finite: bool
    loss: float
    prior_loss: float
    output_spread: float
    wrong: float
    pull: float
    shape: Shape


def vital_signs(
    W: Mapping[int, Inexact[np.ndarray, "_ _"]],
    b: Mapping[int, Inexact[np.ndarray, " _"]],
    x: Inexact[np.ndarray, "N n_0"],
    y: Integer[np.ndarray, " N"] | Inexact[np.ndarray, "N K"],
    *,
    output: str,
    cost: str,
    hidden: str | Sequence[str] = "sigmoid",
    of_x: Reads | None = None,
) -> VitalSigns:
    """Measure a network on at most MOST_ROWS samples, taken evenly from all of x.

    Args:
        W, b: weights and biases by layer, 1..L.
        x, y: samples as the network sees them, and their labels, or their targets, a row each.
        output, cost: the head.
        hidden: the hidden activation, or one for each hidden layer.
        of_x: what was measured of these samples before, if they are no more than that.
    Returns: the numbers, in float64.
    Raises: ValueError for no samples.
    """
    if not len(x):
        raise ValueError("expected at least one sample to look at, got none")
    if len(x) > MOST_ROWS:
        x, y = (array[evenly(len(y))] for array in (x, y))
    x = np.asarray(x, np.float64)
    W = wide(W)
    b = wide(b)
    shape = Shape.of(len(W), hidden, output, cost)
    Y = targets(y, len(b[len(b)]))
    with np.errstate(all="ignore"):  # a network that has diverged is measured like any other
        return _measure(W, b, x, Y, shape, of_x or Reads.of(x))


def wide(arrays: Mapping[int, Inexact[np.ndarray, "..."]]) -> Layers:
    """The same in float64."""
    return {layer: np.asarray(array, np.float64) for layer, array in arrays.items()}


def targets(y: np.ndarray, K: int) -> Float64[np.ndarray, "N K"]:
    """One row of targets a sample: of a label, 1 in its column; of a single output, the label."""
    if y.ndim == 2:
        return np.asarray(y, np.float64)
    if K == 1:
        return np.asarray(y[:, None], np.float64)
    return np.asarray(np.arange(K) == np.asarray(y, np.int64)[:, None], np.float64)


def evenly(N: int) -> Int64[np.ndarray, " M"]:
    """At most MOST_ROWS of N rows."""
    return np.linspace(0, N - 1, min(N, MOST_ROWS)).astype(np.int64)


def prior_loss(y: Integer[np.ndarray, " N"], classes: int, *, output: str, cost: str) -> float:
    """The loss of answering the class frequencies whatever goes in.

    Args:
        y: labels, from which the frequencies are counted.
        classes: K.
        output, cost: the head.
    Returns: the entropy of the frequencies in nats (cross-entropy; the sigmoid's is summed over K
        yes-or-no questions), or the sum of f(1 - f) (quadratic): the mean of sum (f - Y)**2.
    """
    return passes.constant_loss(targets(y, classes), Shape.of(1, (), output, cost))


def _measure(
    W: Layers, b: Layers, x: np.ndarray, Y: np.ndarray, shape: Shape, of_x: Reads
) -> VitalSigns:
    passed = passes.run(x, Y, W, b, shape)
    loss = float(passed.losses.mean())
    flow = passed.dz
    if not 0 < length(flow[len(W)]) < np.inf:
        flow = passes.probe(passed.z, W, shape)
    of_last = length(flow[len(W)])
    layers = []
    for layer in W:
        reads = of_x if layer == 1 else Reads.of(passed.a[layer - 1])
        share = length(flow[layer]) / of_last
        layers.append(layer_signs(layer, W, b, passed, shape, reads, share))
    return VitalSigns(
        tuple(layers),
        samples=len(Y),
        finite=all(layer.finite for layer in layers),
        loss=loss,
        prior_loss=passes.constant_loss(Y, shape),
        output_spread=spread(passed.p),
        wrong=_wrong(passed.p, Y, shape),
        pull=_pull(passed),
        shape=shape,
    )


def _pull(passed: Passes) -> float:
    """How much of the samples' gradients is left when they are added up."""
    squares = np.zeros(len(passed.p))
    total = 0.0
    for layer, dz in passed.dz.items():
        inputs = np.einsum("ij,ij->i", passed.a[layer - 1], passed.a[layer - 1])
        squares += np.einsum("ij,ij->i", dz, dz) * (1 + inputs)
        total += length(passed.dW[layer]) ** 2 + length(passed.db[layer]) ** 2
    lengths = float(np.sqrt(squares).sum())
    return float(np.sqrt(total)) / lengths if lengths else np.nan


def _wrong(p: np.ndarray, Y: np.ndarray, shape: Shape) -> float:
    """Which part of the samples has an output that is both flat and wrong."""
    activation = shape.output_activation
    if shape.output != "softmax" and flat_sides(activation) != "both":
        return 0.0
    reach = activation.highest - activation.lowest if shape.output != "softmax" else 1.0
    low = activation.lowest if shape.output != "softmax" else 0.0
    scaled = (p - low) / reach
    off = np.abs(scaled - (Y - low) / reach).max(axis=1) > 0.9
    return float((_flat(scaled, (Y - low) / reach) & off).mean())


def _flat(p: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Which samples' p(1 - p) are flat, also compared to those at the class frequencies, which many
    classes make small."""
    f = Y.mean(axis=0)
    at_prior = float((f * (1 - f)).max())
    return (p * (1 - p)).max(axis=1) < min(FLAT, at_prior / 5)

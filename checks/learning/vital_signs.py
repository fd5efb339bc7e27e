"""What can be measured on a network and a sample of its data, in numbers: no judgement here,
symptoms.py judges.

Everything comes out of one forward and one backward pass over at most MOST_ROWS samples. Per-sample
gradients need no loop over
samples: a sample's dW[l] is the outer product of its dz[l] and its a[l-1], so its norm is the
    product of theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.learning import passes
from backproof.checks.learning.activations import flat_sides, slope
from backproof.checks.learning.passes import Passes, Shape
from backproof.checks.learning.related import agreement

__all__ = ["agreement"]

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Inexact, Int64, Integer

    Layers = dict[int, Float64[np.ndarray, "..."]]

# samples looked at: enough for every rule, few enough to cost no more than a few training steps
MOST_ROWS = 256
FLAT = (
    0.02  # a(1 - a) below this: less than a twelfth of the slope at 0.5, reached where |z| > 3.87
)
# relative distance below which two units are one: 1000 roundings of float32, 10,000 times closer
# than any two drawn ones
COPY = 1e-4
# random directions on which units are compared: two different ones agree on all of them with odds
# of COPY**16
DIRECTIONS = 16
MOST_PAIRED = 4096  # units that are compared two and two
# of a response: layers as drawn have one of 1/sqrt(n_in), and blind ones less than a hundredth of
# this
SEES = 0.01
# the slope of silu and gelu dips to -0.10 and -0.13 before it dies: only below all of that is a
# unit dead
DIP = 0.15


@dataclass(frozen=True)
class LayerSigns:
    """One layer's numbers.

    Attributes:
        layer: 1..L.
        units: how many it has.
        distinct: how many of them differ in the weights that come in, the bias or the weights that
            go out; None for the output.
        saturation: which part of its slopes is below FLAT, in units in which the steepest is 1/4: a
            sigmoid's is a(1 - a); of a softmax, p(1 - p).
        passed: how much of the error that arrives the slopes pass on, from 0 to 1 (all at their
            steepest): sum |dz| over sum |da| times the steepest slope; of the output the same of
            dp, and 1 under cross-entropy, which cancels the slope.
        dead: how many hidden units are flat for every sample on their left, so that no sample can
            teach them; 0 where nothing is flat on the left alone.
        share: the length of all samples' dz over that of the last layer's; where that is 0, of what
            a unit gradient at the outputs would make.
        size: the largest |z|.
        drawn: the root mean square of W in units of 1/sqrt(n_in), which keeps sizes as they are.
        spread: the largest difference that any two samples make to any of its units, a or p.
        input_spread: the same of what the layer reads.
        response: |W d| over |W||d| where d is how samples differ in what the layer
            reads: 0 for a layer that cannot see it.
        gradient_response: the same of dW, in units of the samples' own gradients: 0 where descent
            will not change that; NaN where all of them are 0, and where the response is above SEES:
            then nobody asks.
        cancellation: |mean of the samples' gradients of W| over the mean of their
            lengths; NaN where all are 0.
        gradient: the length of dW.
        zero: whether all of W is 0.
        finite: whether W, b and z are finite numbers.
    """

    layer: int
    units: int
    distinct: int | None
    saturation: float
    passed: float
    dead: int
    share: float
    size: float
    drawn: float
    spread: float
    input_spread: float
    response: float
    gradient_response: float
    cancellation: float
    gradient: float
    zero: bool
    finite: bool


@dataclass(frozen=True)
class Reads:
    """What a layer reads, measured.

    Attributes:
        lengths: of each sample.
        variation: the length of all that is left of them without their mean.
        spread: the largest difference that any two samples make.
    """

    lengths: Float64[np.ndarray, " N"]
    variation: float
    spread: float

    @classmethod
    def of(cls, a: Float64[np.ndarray, "N n"]) -> Reads:
        """Measure x, or the activations of a layer."""
        return cls(np.sqrt(np.einsum("ij,ij->i", a, a)), _length(a - a.mean(axis=0)), _spread(a))


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


def distinct_units(
    incoming: Float64[np.ndarray, "n n_in"],
    b: Float64[np.ndarray, " n"],
    outgoing: Float64[np.ndarray, "n_out n"],
) -> int:
    """How many units of a layer are no copies of each other.

    A copy has the same weights in, the same bias and the same weights out: then its activation is
    the same, and what comes back to it, so it receives the same gradient for ever. The same weights
    in alone prove nothing: zero W[1] under a random W[2] separates.

    Args:
        incoming: W[layer].
        b: b[layer].
        outgoing: W[layer + 1].
    Returns: the number of groups.
    """
    features = np.column_stack([_scaled(np.column_stack([incoming, b])), _scaled(outgoing.T)])
    seen = features @ _directions(features.shape[1]) / np.sqrt(features.shape[1] * DIRECTIONS)
    square = (seen**2).sum(axis=1)
    if len(seen) > MOST_PAIRED:
        # Pairs would take more memory than there is. Copies differ by rounding, so they lie in one
        # cell of a grid that is so much coarser.
        cell = 10 * np.sqrt(COPY**2 + 1e-14 * square.max())
        return len(np.unique(np.floor(seen / cell), axis=0))
    distance = square[:, None] + square - 2 * seen @ seen.T
    # the copy with the lowest number
    first = (distance <= COPY**2 + 1e-14 * square.max()).argmax(axis=1)
    return int((first == np.arange(len(first))).sum())


@lru_cache(maxsize=8)  # a training looks at the same layers again and again
def _directions(count: int) -> Float64[np.ndarray, "count D"]:
    """Any fixed directions will do."""
    return np.random.default_rng(0).normal(size=(count, DIRECTIONS))


def _measure(
    W: Layers, b: Layers, x: np.ndarray, Y: np.ndarray, shape: Shape, of_x: Reads
) -> VitalSigns:
    passed = passes.run(x, Y, W, b, shape)
    loss = float(passed.losses.mean())
    flow = passed.dz
    if not 0 < _length(flow[len(W)]) < np.inf:
        flow = passes.probe(passed.z, W, shape)
    of_last = _length(flow[len(W)])
    layers = []
    for layer in W:
        reads = of_x if layer == 1 else Reads.of(passed.a[layer - 1])
        share = _length(flow[layer]) / of_last
        layers.append(_layer(layer, W, b, passed, shape, reads, share))
    return VitalSigns(
        tuple(layers),
        samples=len(Y),
        finite=all(layer.finite for layer in layers),
        loss=loss,
        prior_loss=passes.constant_loss(Y, shape),
        output_spread=_spread(passed.p),
        wrong=_wrong(passed.p, Y, shape),
        pull=_pull(passed),
        shape=shape,
    )


def _layer(
    layer: int, W: Layers, b: Layers, passed: Passes, shape: Shape, reads: Reads, share: float
) -> LayerSigns:
    hidden = layer < len(W)
    z = passed.z[layer]
    a = passed.a[layer]
    dz = passed.dz[layer]
    dW = passed.dW[layer]
    lengths = float((np.sqrt((dz**2).sum(axis=1)) * reads.lengths).sum())
    # z differs by W d: b is the same for all
    response = _over(_length(z - z.mean(axis=0)), reads.variation * _length(W[layer]))
    gradient_response = np.nan
    if lengths and response <= SEES:
        gradient_response = _gradient_response(passed.a[layer - 1], dW, reads, lengths)
    slopes = _slopes(layer, passed, shape, hidden)
    return LayerSigns(
        layer,
        units=a.shape[1],
        distinct=distinct_units(W[layer], b[layer], W[layer + 1]) if hidden else None,
        saturation=float((slopes < FLAT).mean()),
        passed=_passed(layer, passed, shape, hidden),
        dead=_dead(z, slopes, flat_sides(shape.activation(layer))) if hidden else 0,
        share=share,
        size=float(np.abs(z).max()),
        drawn=_length(W[layer]) / np.sqrt(len(W[layer])),
        spread=_spread(a),
        input_spread=reads.spread,
        response=response,
        gradient_response=gradient_response,
        cancellation=_length(dW) / lengths if lengths else np.nan,
        gradient=_length(dW),
        zero=not W[layer].any(),
        finite=all(bool(np.isfinite(array).all()) for array in (W[layer], b[layer], z)),
    )


def _pull(passed: Passes) -> float:
    """How much of the samples' gradients is left when they are added up."""
    squares = np.zeros(len(passed.p))
    total = 0.0
    for layer, dz in passed.dz.items():
        inputs = np.einsum("ij,ij->i", passed.a[layer - 1], passed.a[layer - 1])
        squares += np.einsum("ij,ij->i", dz, dz) * (1 + inputs)
        total += _length(passed.dW[layer]) ** 2 + _length(passed.db[layer]) ** 2
    lengths = float(np.sqrt(squares).sum())
    return float(np.sqrt(total)) / lengths if lengths else np.nan


def _slopes(layer: int, passed: Passes, shape: Shape, hidden: bool) -> np.ndarray:
    """How steep every unit is at every sample, in units in which the steepest is 1/4."""
    if not hidden and shape.output == "softmax":
        return passed.p * (1 - passed.p)
    activation = shape.activation(layer) if hidden else shape.output_activation
    if activation.name == "sigmoid":
        return passed.a[layer] * (1 - passed.a[layer])
    return np.abs(slope(activation, passed.z[layer])) / (4 * activation.steepest)


def _passed(layer: int, passed: Passes, shape: Shape, hidden: bool) -> float:
    """How much of what arrives gets through the slopes of a layer."""
    if layer not in passed.da:
        return 1.0
    steepest = 0.25
    if hidden:
        steepest = shape.activation(layer).steepest
    elif shape.output != "softmax":
        steepest = shape.output_activation.steepest
    arrives = steepest * float(np.abs(passed.da[layer]).sum())
    return _over(float(np.abs(passed.dz[layer]).sum()), arrives)


def _dead(z: np.ndarray, slopes: np.ndarray, flat: str) -> int:
    """How many units no sample can move out of the flat left side of their activation."""
    if flat != "left":
        return 0
    return int(((4 * slopes.max(axis=0) < DIP) & (z.max(axis=0) <= 0)).sum())


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


def _gradient_response(a: np.ndarray, dW: np.ndarray, reads: Reads, lengths: float) -> float:
    return _over(_length((a - a.mean(axis=0)) @ dW.T), reads.variation * lengths)


def _flat(p: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Which samples' p(1 - p) are flat, also compared to those at the class frequencies, which many
    classes make small."""
    f = Y.mean(axis=0)
    at_prior = float((f * (1 - f)).max())
    return (p * (1 - p)).max(axis=1) < min(FLAT, at_prior / 5)


def _spread(a: np.ndarray) -> float:
    return float((a.max(axis=0) - a.min(axis=0)).max())


def _length(array: np.ndarray) -> float:
    # np.linalg.norm asks several threads for a thousand numbers, and waits for them
    return float(np.sqrt(np.square(array).sum()))


def _scaled(rows: np.ndarray) -> np.ndarray:
    """In units of the root mean square of all entries; zeros stay zeros."""
    size = np.sqrt((rows**2).mean())
    if size > 0:
        return rows / size
    return rows


def _over(part: float, whole: float) -> float:
    if whole > 0:
        return part / whole
    return 0.0

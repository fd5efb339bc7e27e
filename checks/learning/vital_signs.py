"""What can be measured on a network and a sample of its data, in numbers: no judgement here,
symptoms.py judges.

Everything comes out of one forward and one backward pass over at most MOST_ROWS samples. Per-sample
gradients need no loop over
samples: a sample's dW[l] is the outer product of its dz[l] and its a[l-1], so its norm is the
    product of theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks import by_hand
from backproof.checks.heads import Head

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
# of a response: layers as drawn have one of 1/sqrt(n_in), and blind ones less than a hundredth of
# this
SEES = 0.01
DEALS = 200  # random deals of the labels: their standard deviation is then known to 5%


@dataclass(frozen=True)
class LayerSigns:
    """One layer's numbers.

    Attributes:
        layer: 1..L.
        units: how many it has.
        distinct: how many of them differ in the weights that come in, the bias or the weights that
            go out; None for the output.
        saturation: which part of its a(1 - a), or of its p(1 - p), is below FLAT.
        passed: how much of the error that arrives the sigmoids pass on, from 0 to 1 (at a = 1/2):
            sum |dz| over sum |da|/4; of
            the output sum |dz| over sum |dp|/4, and 1 under cross-entropy, which cancels the slope.
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
        wrong: which part of the samples has an output that is both flat and wrong by more than 0.9.
    """

    layers: tuple[LayerSigns, ...]
    samples: int
    finite: bool
    loss: float
    prior_loss: float
    output_spread: float
    wrong: float


def vital_signs(
    W: Mapping[int, Inexact[np.ndarray, "_ _"]],
    b: Mapping[int, Inexact[np.ndarray, " _"]],
    x: Inexact[np.ndarray, "N n_0"],
    y: Integer[np.ndarray, " N"],
    *,
    output: str,
    cost: str,
    of_x: Reads | None = None,
) -> VitalSigns:
    """Measure a network on at most MOST_ROWS samples, taken evenly from all of x.

    Args:
        W, b: weights and biases by layer, 1..L.
        x, y: samples as the network sees them, and their labels.
        output, cost: the head.
        of_x: what was measured of these samples before, if they are no more than that.
    Returns: the numbers, in float64.
    Raises: ValueError for no samples.
    """
    if not len(x):
        raise ValueError("expected at least one sample to look at, got none")
    if len(x) > MOST_ROWS:
        x, y = (array[evenly(len(y))] for array in (x, y))
    x = np.asarray(x, np.float64)
    y = np.asarray(y, np.int64)
    W64, b64 = (
        {layer: np.asarray(array, np.float64) for layer, array in arrays.items()}
        for arrays in (W, b)
    )
    with np.errstate(all="ignore"):  # a network that has diverged is measured like any other
        return _measure(W64, b64, x, y, output, cost, of_x or Reads.of(x))


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
    f = np.bincount(y, minlength=classes) / len(y)
    if cost == "quadratic":
        return float((f * (1 - f)).sum())
    entropy = -_times_log(f).sum()
    return float(entropy if output == "softmax" else entropy - _times_log(1 - f).sum())


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
    distance = square[:, None] + square - 2 * seen @ seen.T
    # the copy with the lowest number
    first = (distance <= COPY**2 + 1e-14 * square.max()).argmax(axis=1)
    return int((first == np.arange(len(first))).sum())


@lru_cache(maxsize=8)  # a training looks at the same layers again and again
def _directions(count: int) -> Float64[np.ndarray, "count D"]:
    """Any fixed directions will do."""
    return np.random.default_rng(0).normal(size=(count, DIRECTIONS))


def _measure(
    W: Layers, b: Layers, x: np.ndarray, y: np.ndarray, output: str, cost: str, of_x: Reads
) -> VitalSigns:
    passed = by_hand.forward(x, W, b, head=Head(output))
    back = by_hand.backward(passed, W, y, head=Head(output, cost))
    loss = float(by_hand.losses(passed.z[len(W)], y, head=Head(output, cost)).mean())
    reads = {layer: of_x if layer == 1 else Reads.of(passed.a[layer - 1]) for layer in W}
    layers = tuple(_layer(layer, W, b, passed, back, reads[layer]) for layer in W)
    p = passed.p
    wrong = np.abs(p - by_hand.one_hot(y, p)).max(axis=1) > 0.9
    return VitalSigns(
        layers,
        samples=len(y),
        finite=all(layer.finite for layer in layers),
        loss=loss,
        prior_loss=prior_loss(y, p.shape[1], output=output, cost=cost),
        output_spread=_spread(p),
        wrong=float((_flat(p, y) & wrong).mean()),
    )


def _layer(
    layer: int, W: Layers, b: Layers, passed: by_hand.Forward, back: by_hand.Backward, reads: Reads
) -> LayerSigns:
    hidden = layer < len(W)
    z = passed.z[layer]
    a = passed.a[layer] if hidden else passed.p
    dz = back.dz[layer]
    dW = back.dW[layer]
    arriving = back.da[layer] if hidden else back.dp
    lengths = float((np.sqrt((dz**2).sum(axis=1)) * reads.lengths).sum())
    # z differs by W d: b is the same for all
    response = _over(_length(z - z.mean(axis=0)), reads.variation * _length(W[layer]))
    asked = lengths and response <= SEES
    return LayerSigns(
        layer,
        units=a.shape[1],
        distinct=distinct_units(W[layer], b[layer], W[layer + 1]) if hidden else None,
        saturation=float((a * (1 - a) < FLAT).mean()),
        passed=1.0
        if arriving is None
        else _over(4 * float(np.abs(dz).sum()), float(np.abs(arriving).sum())),
        spread=_spread(a),
        input_spread=reads.spread,
        response=response,
        gradient_response=_gradient_response(passed.a[layer - 1], dW, reads, lengths)
        if asked
        else np.nan,
        cancellation=_length(dW) / lengths if lengths else np.nan,
        gradient=_length(dW),
        zero=not W[layer].any(),
        finite=all(bool(np.isfinite(array).all()) for array in (W[layer], b[layer], z)),
    )


def _gradient_response(a: np.ndarray, dW: np.ndarray, reads: Reads, lengths: float) -> float:
    return _over(_length((a - a.mean(axis=0)) @ dW.T), reads.variation * lengths)


def _flat(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which samples' p(1 - p) are flat, also compared to those at the class frequencies, which many
    classes make small."""
    f = np.bincount(y, minlength=p.shape[1]) / len(y)
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


def _times_log(f: np.ndarray) -> np.ndarray:
    """f log f, which is 0 at 0."""
    return f * np.log(np.where(f > 0, f, 1))


def agreement(x: Float64[np.ndarray, "N n_0"], y: Integer[np.ndarray, " N"]) -> float:
    """How much more often a sample's nearest neighbour has its label than if labels had been dealt
    out at random.

    Args:
        x, y: samples and labels; at most MOST_ROWS, taken evenly, are used.
    Returns: the excess in standard deviations: about 0 where labels do not depend on inputs,
        whatever the dependence looks like. Samples are counted alike, or classes are, whichever
        shows more: a rare class is lost among samples.
    """
    rows = evenly(len(x))
    x = x[rows].astype(np.float64)
    y = y[rows]
    square = (x**2).sum(axis=1)
    distance = square[:, None] + square - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    random = np.random.default_rng(0)
    often = np.maximum(np.bincount(y), 1)

    def shares(labels: np.ndarray) -> tuple[float, float]:
        agrees = labels == labels[nearest]
        return float(agrees.mean()), float((np.bincount(labels, agrees) / often).mean())

    dealt = np.array([shares(random.permutation(y)) for _ in range(DEALS)])
    excess = (np.array(shares(y)) - dealt.mean(axis=0)) / np.maximum(dealt.std(axis=0), 1 / len(y))
    return float(excess.max())

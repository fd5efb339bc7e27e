"""What can be measured on one layer of a network, in numbers: how steep it is, what it sees of its
input, and what comes back to it.

Per-sample gradients need no loop over samples: a sample's dW[l] is the outer product of its dz[l]
and its a[l-1], so its norm is the product of theirs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.learning.activations import flat_sides, slope
from backproof.checks.learning.copies import distinct_units
from backproof.checks.learning.passes import Passes, Shape

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

    Layers = dict[int, Float64[np.ndarray, "..."]]

FLAT = (
    0.02  # a(1 - a) below this: less than a twelfth of the slope at 0.5, reached where |z| > 3.87
)
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
        return cls(np.sqrt(np.einsum("ij,ij->i", a, a)), length(a - a.mean(axis=0)), spread(a))


def layer_signs(
    layer: int, W: Layers, b: Layers, passed: Passes, shape: Shape, reads: Reads, share: float
) -> LayerSigns:
    """Measure one layer.

    Args:
        layer: 1..L.
        W, b: of the network.
        passed: what went through it, and came back.
        shape: its activations and head.
        reads: what was measured of the layer's input.
        share: of the last layer's gradient, that comes back to this one.
    """
    hidden = layer < len(W)
    z = passed.z[layer]
    a = passed.a[layer]
    dz = passed.dz[layer]
    dW = passed.dW[layer]
    lengths = float((np.sqrt((dz**2).sum(axis=1)) * reads.lengths).sum())
    # z differs by W d: b is the same for all
    response = over(length(z - z.mean(axis=0)), reads.variation * length(W[layer]))
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
        drawn=length(W[layer]) / np.sqrt(len(W[layer])),
        spread=spread(a),
        input_spread=reads.spread,
        response=response,
        gradient_response=gradient_response,
        cancellation=length(dW) / lengths if lengths else np.nan,
        gradient=length(dW),
        zero=not W[layer].any(),
        finite=all(bool(np.isfinite(array).all()) for array in (W[layer], b[layer], z)),
    )


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
    return over(float(np.abs(passed.dz[layer]).sum()), arrives)


def _dead(z: np.ndarray, slopes: np.ndarray, flat: str) -> int:
    """How many units no sample can move out of the flat left side of their activation."""
    if flat != "left":
        return 0
    return int(((4 * slopes.max(axis=0) < DIP) & (z.max(axis=0) <= 0)).sum())


def _gradient_response(a: np.ndarray, dW: np.ndarray, reads: Reads, lengths: float) -> float:
    return over(length((a - a.mean(axis=0)) @ dW.T), reads.variation * lengths)


def spread(a: np.ndarray) -> float:
    """The largest difference that any two samples make to a unit."""
    return float((a.max(axis=0) - a.min(axis=0)).max())


def length(array: np.ndarray) -> float:
    """That of all entries as one vector."""
    # np.linalg.norm asks several threads for a thousand numbers, and waits for them
    return float(np.sqrt(np.square(array).sum()))


def over(part: float, whole: float) -> float:
    """A part of a whole; 0 of nothing."""
    if whole > 0:
        return part / whole
    return 0.0

"""One forward and one backward pass of any network that the house knows: what every sign is
measured on.

Rows are samples and layers are numbered 1..L, as everywhere; the loss is the mean over samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.activations import ACTIVATIONS, IDENTITY, Activation, named
from backproof.checks.by_hand import log_one_plus_exp
from backproof.checks.heads import OUTPUTS, Head
from backproof.checks.learning.activations import slope

Layers = dict[int, np.ndarray]
# the smallest probability that costs a finite number of nats; below it the cost stops growing
TINY = 1e-300


@dataclass(frozen=True)
class Shape:
    """What a network is made of, beside its numbers.

    Attributes:
        hidden: the activation of each hidden layer, 1..L-1.
        output: "softmax", "linear" or the name of an activation.
        cost: as heads.py names them.
    """

    hidden: tuple[str, ...]
    output: str
    cost: str

    @classmethod
    def of(cls, L: int, hidden: str | Sequence[str], output: str, cost: str) -> Shape:
        """A shape for L layers, one activation for all hidden layers or a list of them.

        Raises: ValueError for a name that is not known, a list of the wrong length, or an output
            and a cost that do not go together.
        """
        names = (hidden,) * (L - 1) if isinstance(hidden, str) else tuple(hidden)
        if len(names) != L - 1:
            raise ValueError(
                f"hidden: expected {L - 1} activations, one for each hidden layer, got "
                f"{len(names)}. Name one for all, or one each."
            )
        for name in names:
            named(name)
        if output in ACTIVATIONS and output not in OUTPUTS:
            return cls(names, output, Head("linear", cost).cost)
        head = Head(output, cost)
        return cls(names, head.output, head.cost)

    def activation(self, layer: int) -> Activation:
        """That of a hidden layer, 1..L-1."""
        return ACTIVATIONS[self.hidden[layer - 1]]

    @property
    def output_activation(self) -> Activation:
        """Of an element-wise output; softmax is told apart by who asks."""
        if self.output in ("softmax", "linear"):
            return IDENTITY
        return ACTIVATIONS[self.output]

    @property
    def probabilities(self) -> bool:
        """Whether the outputs are probabilities, 0 to 1."""
        return self.output in ("softmax", "sigmoid")

    @property
    def quadratic(self) -> bool:
        """Whether the cost is made of squared differences."""
        return self.cost in ("quadratic", "half-quadratic")


@dataclass(frozen=True)
class Passes:
    """All that one forward and one backward pass computed.

    Attributes:
        z, a: by layer, a[0] being x; a[L] is p.
        p: the outputs.
        losses: of each sample.
        dz, da, dW, db: gradients of the mean loss; da[L] is that with respect to p, absent where
            the cost cancels the slope of the output.
    """

    z: Layers
    a: Layers
    p: np.ndarray
    losses: np.ndarray
    dz: Layers
    da: Layers
    dW: Layers
    db: Layers


def forward(
    x: np.ndarray, W: Mapping[int, np.ndarray], b: Mapping[int, np.ndarray], shape: Shape
) -> tuple[Layers, Layers]:
    """Every z, and every a from a[0] = x to a[L], the outputs."""
    L = len(W)
    z = {}
    a = {0: x}
    for layer in range(1, L + 1):
        z[layer] = a[layer - 1] @ W[layer].T + b[layer]
        if layer < L:
            a[layer] = shape.activation(layer).h(z[layer])
        elif shape.output == "softmax":
            a[layer] = softmax(z[layer])
        else:
            a[layer] = shape.output_activation.h(z[layer])
    return z, a


def run(
    x: np.ndarray,
    Y: np.ndarray,
    W: Mapping[int, np.ndarray],
    b: Mapping[int, np.ndarray],
    shape: Shape,
) -> Passes:
    """Forward and backward on one batch.

    Args:
        x: one sample a row.
        Y: its targets, one column an output.
        W, b: by layer, (out, in).
        shape: activations, output and cost.
    Returns: everything on the way, in float64.
    """
    L = len(W)
    z, a = forward(x, W, b, shape)
    p = a[L]
    dz: Layers = {}
    da: Layers = {}
    dW: Layers = {}
    db: Layers = {}
    dp = _dp(p, Y, shape)
    if dp is None:
        dz[L] = (
            p * Y.sum(axis=1, keepdims=True) - Y if shape.output == "softmax" else p - Y
        ) / len(Y)
    else:
        da[L] = dp
        dz[L] = _through_output(dp, z[L], p, shape)
    for layer in range(L, 0, -1):
        dW[layer] = dz[layer].T @ a[layer - 1]
        db[layer] = dz[layer].sum(axis=0)
        if layer > 1:
            da[layer - 1] = dz[layer] @ W[layer]
            dz[layer - 1] = da[layer - 1] * slope(shape.activation(layer - 1), z[layer - 1])
    return Passes(z, a, p, losses(z[L], p, Y, shape), dz, da, dW, db)


def probe(z: Layers, W: Mapping[int, np.ndarray], shape: Shape) -> Layers:
    """What the layers would pass on of a gradient of 1 at every output."""
    L = len(W)
    dz = {L: np.ones_like(z[L])}
    for layer in range(L - 1, 0, -1):
        dz[layer] = (dz[layer + 1] @ W[layer + 1]) * slope(shape.activation(layer), z[layer])
    return dz


def losses(z_L: np.ndarray, p: np.ndarray, Y: np.ndarray, shape: Shape) -> np.ndarray:
    """The loss of each sample, from the logits where a logarithm would lose them."""
    if shape.quadratic:
        half = 0.5 if shape.cost == "half-quadratic" else 1.0
        return half * np.square(p - Y).sum(axis=1)
    if shape.output == "sigmoid":
        return (log_one_plus_exp(z_L) - Y * z_L).sum(axis=1)
    if shape.cost == "cross-entropy":
        m = z_L.max(axis=1, keepdims=True)
        log_p = z_L - m - np.log(np.exp(z_L - m).sum(axis=1, keepdims=True))
        return -np.where(Y == 0, 0.0, Y * log_p).sum(axis=1)
    return -(Y * _log(p) + (1 - Y) * _log(1 - p)).sum(axis=1)


def constant_loss(Y: np.ndarray, shape: Shape) -> float:
    """The loss of the best constant answer, the mean of the targets: what knowing nothing costs."""
    f = Y.mean(axis=0)
    if shape.quadratic:
        half = 0.5 if shape.cost == "half-quadratic" else 1.0
        return float(half * (np.square(Y).mean(axis=0) - np.square(f)).clip(0).sum())
    f = f.clip(0, 1)
    entropy = -_times_log(f).sum()
    if shape.output == "softmax" and shape.cost == "cross-entropy":
        return float(entropy)
    return float(entropy - _times_log(1 - f).sum())


def softmax(z: np.ndarray) -> np.ndarray:
    """exp(z) over its row sum, the row's maximum taken off first."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _dp(p: np.ndarray, Y: np.ndarray, shape: Shape) -> np.ndarray | None:
    """The gradient that arrives at the outputs; None where the cost cancels their slope."""
    if shape.cost == "quadratic":
        return 2 * (p - Y) / len(Y)
    if shape.cost == "half-quadratic":
        return (p - Y) / len(Y)
    if shape.output == "softmax" and shape.cost == "binary-cross-entropy":
        return (p - Y) / np.maximum(p * (1 - p), TINY) / len(Y)
    return None


def _through_output(dp: np.ndarray, z_L: np.ndarray, p: np.ndarray, shape: Shape) -> np.ndarray:
    if shape.output == "softmax":
        return p * (dp - (dp * p).sum(axis=1, keepdims=True))
    return dp * slope(shape.output_activation, z_L)


def _log(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(p, TINY))


def _times_log(f: np.ndarray) -> np.ndarray:
    """f log f, which is 0 at 0."""
    return f * np.log(np.where(f > 0, f, 1))

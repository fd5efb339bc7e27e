"""The network and its gradients by hand: one line an equation, NumPy alone.

Each line that is an equation ends with its tag in checks/EQUATIONS.md. Rows are samples; layers are
numbered 1..L, and the dictionaries are indexed by that number. Everything runs in the dtype that
comes in: float64, float32, or complex128 for the complex step, which is why no line takes an
absolute value or compares anything but real parts.

Sources: Nielsen, Neural Networks and Deep Learning, chapters 2 and 3; Sadowski, Notes on
Backpropagation; Bendersky, The Softmax Function and Its Derivative. Their symbols are mapped onto
ours in checks/EQUATIONS.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

# shapes are enforced under pytest; label.py starts without the import
if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Int64

    Samples = dict[int, Inexact[np.ndarray, "N _"]]  # layer -> one row a sample, one column a unit
    Weights = dict[int, Inexact[np.ndarray, "_ _"]]  # layer -> (n_l, n_{l-1})
    Biases = dict[int, Inexact[np.ndarray, " _"]]  # layer -> (n_l,)

HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("sigmoid", "cross-entropy"),
    ("sigmoid", "quadratic"),
)


@dataclass(frozen=True)
class Forward:
    """What the forward pass leaves behind: z[1..L], a[0..L-1] with a[0] = x, and the output p."""

    z: Samples
    a: Samples
    p: Inexact[np.ndarray, "N K"]


@dataclass(frozen=True)
class Backward:
    """Gradients of the loss, each in the shape of what it is the gradient of.

    `dp` and the softmax Jacobian `J` exist only where the equations pass through them: under the
    quadratic cost.
    """

    dz: Samples
    da: Samples
    dW: Weights
    db: Biases
    dp: Inexact[np.ndarray, "N K"] | None = None
    J: Inexact[np.ndarray, "N K K"] | None = None


def forward(
    x: Inexact[np.ndarray, "N n_0"], W: Weights, b: Biases, *, output: str = "softmax"
) -> Forward:
    """Feed x forward through every layer: equations (F1), (F2) and (F3).

    Args:
        x: one sample a row.
        W: weights by layer, 1..L, each (n_l, n_{l-1}).
        b: biases by layer, each (n_l,).
        output: "softmax" or "sigmoid", what makes p out of z[L].
    Returns: z, a and p.
    Raises: ValueError if shapes do not fit, as NumPy says it; KeyError for an unknown output.
    Source: Nielsen, chapter 2 (his a = sigma(wa + b)); derived in checks/EQUATIONS.md.
    """
    L, (z, a) = len(W), through_layers(x, W, b)
    p = {"softmax": softmax, "sigmoid": sigmoid}[output](z[L])  # (F3)
    return Forward(z, a, p)


def through_layers(
    x: Inexact[np.ndarray, "N n_0"], W: Weights, b: Biases
) -> tuple[Samples, Samples]:
    """Every z, up to the logits z[L], and every a below them: equations (F1) and (F2)."""
    L = len(W)
    z = {}
    a = {0: x}
    for layer in range(1, L + 1):
        z[layer] = a[layer - 1] @ W[layer].T + b[layer]  # (F1)
        if layer < L:
            a[layer] = sigmoid(z[layer])  # (F2)
    return z, a


def losses(
    z_L: Inexact[np.ndarray, "N K"],
    y: Int64[np.ndarray, " N"],
    *,
    output: str = "softmax",
    cost: str = "cross-entropy",
) -> Inexact[np.ndarray, " N"]:
    """The loss of each sample, in nats (cross-entropy) or squared probability (quadratic): equation
    (F4) before the mean.

    Cross-entropy never takes the logarithm of a probability: a p that has underflowed to 0 would
    cost infinity.

    Args:
        z_L: the logits.
        y: class labels in [0, K).
        output: "softmax" or "sigmoid".
        cost: "cross-entropy" (binary, summed over the classes, for the sigmoid output) or
            "quadratic", the sum of (p - Y)**2.
    Returns: one loss a sample; the loss of the batch is their mean.
    Raises: IndexError if a label lies outside [0, K).
    Source: Sadowski, Notes on Backpropagation; Nielsen, chapter 3; derived in checks/EQUATIONS.md.
    """
    Y = one_hot(y, z_L)
    if (output, cost) == ("softmax", "cross-entropy"):
        return log_sum_exp(z_L) - (Y * z_L).sum(axis=1)  # (F4)
    if (output, cost) == ("sigmoid", "cross-entropy"):
        return (log_one_plus_exp(z_L) - Y * z_L).sum(axis=1)  # (F4)
    p = softmax(z_L) if output == "softmax" else sigmoid(z_L)  # (F3)
    return ((p - Y) ** 2).sum(axis=1)  # (F4)


def backward(
    passed: Forward,
    W: Weights,
    y: Int64[np.ndarray, " N"],
    *,
    output: str = "softmax",
    cost: str = "cross-entropy",
) -> Backward:
    """Gradients of the mean loss with respect to every z, a, W and b: equations (B1) to (B9).

    Args:
        passed: the forward pass of the same x, W and b.
        W: weights by layer, the very ones of the forward pass, not yet updated.
        y: class labels in [0, K).
        output: "softmax" or "sigmoid".
        cost: "cross-entropy" or "quadratic".
    Returns: dz, da, dW, db, and for the quadratic cost dp and (softmax) J.
    Raises: IndexError if a label lies outside [0, K); ValueError for an unknown head.
    Source: Nielsen, chapter 2, his BP1 to BP4; Sadowski and Bendersky for the softmax; derived in
    checks/EQUATIONS.md.
    """
    a = passed.a
    p = passed.p
    L = len(W)
    N = len(y)
    Y = one_hot(y, p)
    dz = {}
    da = {}
    dW = {}
    db = {}
    dp = None
    J = None
    match output, cost:
        case ["softmax", "cross-entropy"]:
            dz[L] = (p - Y) / N  # (B1)
        case ["softmax", "quadratic"]:
            dp = 2 * (p - Y) / N  # (B7)
            J = softmax_jacobian(p)
            dz[L] = (J @ dp[:, :, None])[:, :, 0]  # (B7)
        case ["sigmoid", "quadratic"]:
            dp = 2 * (p - Y) / N  # (B8)
            dz[L] = dp * p * (1 - p)  # (B8)
        case ["sigmoid", "cross-entropy"]:
            dz[L] = (p - Y) / N  # (B9)
        case _:
            raise ValueError(f"expected one of {HEADS}, got {(output, cost)}")
    for layer in range(L, 0, -1):
        dW[layer] = dz[layer].T @ a[layer - 1]  # (B2)
        db[layer] = dz[layer].sum(axis=0)  # (B3)
        if layer > 1:
            da[layer - 1] = dz[layer] @ W[layer]  # (B4)
            dz[layer - 1] = da[layer - 1] * a[layer - 1] * (1 - a[layer - 1])  # (B5)
    return Backward(dz, da, dW, db, dp, J)


def sigmoid(z: Inexact[np.ndarray, "*shape"]) -> Inexact[np.ndarray, "*shape"]:
    """1 / (1 + exp(-z)), written for each sign of z so that no exponential overflows."""
    positive = z.real >= 0
    e = np.exp(np.where(positive, -z, z))
    return np.where(positive, 1, e) / (1 + e)  # (F2)


def softmax(z: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, "N K"]:
    """exp(z) over its row sum; the row's maximum is taken off first, which cancels in the
    quotient."""
    e = np.exp(z - z.real.max(axis=1, keepdims=True))  # (F3)
    return e / e.sum(axis=1, keepdims=True)  # (F3)


def softmax_jacobian(p: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, "N K K"]:
    """J[n] = diag(p[n]) - p[n] p[n]^T, what stands where sigma'(z) stood: equation (B6)."""
    return p[:, :, None] * np.eye(p.shape[1], dtype=p.dtype) - p[:, :, None] * p[:, None, :]  # (B6)


def log_sum_exp(z: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, " N"]:
    """log of the row sum of exp(z), the maximum taken out of the logarithm so that nothing
    overflows."""
    m = z.real.max(axis=1, keepdims=True)
    return m[:, 0] + np.log(np.exp(z - m).sum(axis=1))  # (F4)


def log_one_plus_exp(z: Inexact[np.ndarray, "*shape"]) -> Inexact[np.ndarray, "*shape"]:
    """log(1 + exp(z)), also known as softplus: z itself plus a correction where z is positive."""
    positive = z.real >= 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))  # (F4)


def one_hot(
    y: Int64[np.ndarray, " N"], like: Inexact[np.ndarray, "N K"]
) -> Inexact[np.ndarray, "N K"]:
    """Y: 1 at each sample's label, 0 elsewhere, in the real dtype of `like`."""
    Y = np.zeros(like.shape, dtype=like.real.dtype)
    Y[np.arange(len(y)), y] = 1
    return Y

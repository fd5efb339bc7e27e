"""The network and its gradients by hand: one line an equation, NumPy alone.

Each line that is an equation ends with its tag in checks/EQUATIONS.md. Rows are samples; layers are
numbered 1..L, and the dictionaries are indexed by that number. Everything runs in the dtype that
comes in: float64, float32, or complex128 for the complex step, which is why no line takes an
absolute value or compares anything but real parts. What is done entry by entry, by the hidden
layers and by an output that is no softmax, stands in activations.py.

Sources: Nielsen, Neural Networks and Deep Learning, chapters 2 and 3; Sadowski, Notes on
Backpropagation; Bendersky, The Softmax Function and Its Derivative. Their symbols are mapped onto
ours in checks/EQUATIONS.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.activations import SIGMOID, Activation, by_layer, named
from backproof.checks.heads import Head

# shapes are enforced under pytest; label.py starts without the import
if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Inexact, Int64

    Samples = dict[int, Inexact[np.ndarray, "N _"]]  # layer -> one row a sample, one column a unit
    Weights = dict[int, Inexact[np.ndarray, "_ _"]]  # layer -> (n_l, n_{l-1})
    Biases = dict[int, Inexact[np.ndarray, " _"]]  # layer -> (n_l,)
    # class labels, or the targets themselves
    Answers = Int64[np.ndarray, " N"] | Float[np.ndarray, "N K"]

SOFTMAX = Head("softmax", "cross-entropy")
sigmoid = SIGMOID.h
Hidden = Activation | Sequence[Activation]  # one for all hidden layers, or one each


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
    x: Inexact[np.ndarray, "N n_0"],
    W: Weights,
    b: Biases,
    *,
    head: Head = SOFTMAX,
    hidden: Hidden = SIGMOID,
) -> Forward:
    """Feed x forward through every layer: equations (F1), (F2) and (F3).

    Args:
        x: one sample a row.
        W: weights by layer, 1..L, each (n_l, n_{l-1}).
        b: biases by layer, each (n_l,).
        head: whose output makes p out of z[L].
        hidden: the activation of all hidden layers, or one each.
    Returns: z, a and p.
    Raises: ValueError if shapes do not fit, as NumPy says it, or the activations are not as many
        as hidden layers.
    Source: Nielsen, chapter 2 (his a = sigma(wa + b)); derived in checks/EQUATIONS.md.
    """
    z, a = through_layers(x, W, b, hidden)
    return Forward(z, a, output_of(z[len(W)], head))


def through_layers(
    x: Inexact[np.ndarray, "N n_0"], W: Weights, b: Biases, hidden: Hidden = SIGMOID
) -> tuple[Samples, Samples]:
    """Every z, up to the logits z[L], and every a below them: equations (F1) and (F2)."""
    L = len(W)
    activation = by_layer(hidden, L)
    z = {}
    a = {0: x}
    for layer in range(1, L + 1):
        z[layer] = a[layer - 1] @ W[layer].T + b[layer]  # (F1)
        if layer < L:
            a[layer] = activation[layer].h(z[layer])  # (F2)
    return z, a


def output_of(z_L: Inexact[np.ndarray, "N K"], head: Head) -> Inexact[np.ndarray, "N K"]:
    """p: a softmax of each row, or an activation of each number: equation (F3)."""
    if head.is_softmax:
        return softmax(z_L)  # (F3)
    return named(head.output).h(z_L)  # (F3)


def losses(
    z_L: Inexact[np.ndarray, "N K"], y: Answers, *, head: Head = SOFTMAX
) -> Inexact[np.ndarray, " N"]:
    """The loss of each sample, in nats (cross-entropy) or squared output (quadratic): equation (F4)
    before the mean.

    Cross-entropy never takes the logarithm of a probability: a p that has underflowed to 0 would
    cost infinity.

    Args:
        z_L: the logits.
        y: class labels in [0, K), or the targets, one row a sample; beside softmax and
            cross-entropy each row of them sums to 1.
        head: its cost is "cross-entropy" (of each class on its own, summed, beside a sigmoid),
            "binary-cross-entropy" (the same beside a softmax), "quadratic", the sum of (p - Y)**2,
            or "half-quadratic".
    Returns: one loss a sample; the loss of the batch is their mean.
    Raises: IndexError if a label lies outside [0, K).
    Source: Sadowski, Notes on Backpropagation; Nielsen, chapter 3; derived in checks/EQUATIONS.md.
    """
    Y = targets(y, z_L)
    if head == SOFTMAX:
        return log_sum_exp(z_L) - (Y * z_L).sum(axis=1)  # (F4)
    if head.cost == "binary-cross-entropy":
        log_p = z_L - log_sum_exp(z_L)[:, None]
        log_not_p = log_sum_exp_of_rest(z_L) - log_sum_exp(z_L)[:, None]
        return -(Y * log_p + (1 - Y) * log_not_p).sum(axis=1)  # (F4)
    if head.cost == "cross-entropy":
        return (log_one_plus_exp(z_L) - Y * z_L).sum(axis=1)  # (F4)
    p = output_of(z_L, head)
    if head.cost == "half-quadratic":
        return ((p - Y) ** 2).sum(axis=1) / 2  # (F4)
    return ((p - Y) ** 2).sum(axis=1)  # (F4)


def backward(
    passed: Forward,
    W: Weights,
    y: Answers,
    *,
    head: Head = SOFTMAX,
    hidden: Hidden = SIGMOID,
) -> Backward:
    """Gradients of the mean loss with respect to every z, a, W and b: equations (B1) to (B10).

    Args:
        passed: the forward pass of the same x, W and b.
        W: weights by layer, the very ones of the forward pass, not yet updated.
        y: class labels in [0, K), or the targets, one row a sample.
        head: output and cost.
        hidden: the activations of the forward pass.
    Returns: dz, da, dW, db, and for a quadratic cost dp and (softmax) J.
    Raises: IndexError if a label lies outside [0, K).
    Source: Nielsen, chapter 2, his BP1 to BP4; Sadowski and Bendersky for the softmax; derived in
        checks/EQUATIONS.md.
    """
    z = passed.z
    a = passed.a
    p = passed.p
    L = len(W)
    N = len(y)
    Y = targets(y, p)
    activation = by_layer(hidden, L)
    dz = {}
    da = {}
    dW = {}
    db = {}
    dp = None
    J = None
    factor = 1 if head.cost == "half-quadratic" else 2
    match head.is_softmax, head.cost:
        case [True, "cross-entropy"]:
            dz[L] = (p - Y) / N  # (B1)
        case [True, "binary-cross-entropy"]:
            R = softmax_of_rest(z[L])
            e = (p - Y) / N
            dz[L] = e - (e[:, None, :] @ R)[:, 0, :]  # (B10)
        case [True, _]:
            dp = factor * (p - Y) / N  # (B7)
            J = softmax_jacobian(p)
            dz[L] = (J @ dp[:, :, None])[:, :, 0]  # (B7)
        case [False, "cross-entropy"]:
            dz[L] = (p - Y) / N  # (B9)
        case [False, _]:
            dp = factor * (p - Y) / N  # (B8)
            dz[L] = dp * named(head.output).h_prime(z[L], p)  # (B8)
    for layer in range(L, 0, -1):
        dW[layer] = dz[layer].T @ a[layer - 1]  # (B2)
        db[layer] = dz[layer].sum(axis=0)  # (B3)
        if layer > 1:
            h_prime = activation[layer - 1].h_prime
            da[layer - 1] = dz[layer] @ W[layer]  # (B4)
            dz[layer - 1] = da[layer - 1] * h_prime(z[layer - 1], a[layer - 1])  # (B5)
    return Backward(dz, da, dW, db, dp, J)


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


def log_sum_exp_of_rest(z: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, "N K"]:
    """For each class the log of the row sum of exp(z) over all others: log(1 - p) but for
    log_sum_exp."""
    rest = _without_own(z)
    m = rest.real.max(axis=2)
    return m + np.log(np.exp(rest - m[:, :, None]).sum(axis=2))  # (F4)


def softmax_of_rest(z: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, "N K K"]:
    """R[n, i]: the softmax of all classes but i, in which i itself has 0: equation (B10)."""
    rest = _without_own(z)
    e = np.exp(rest - rest.real.max(axis=2, keepdims=True))
    return e / e.sum(axis=2, keepdims=True)  # (B10)


def _without_own(z: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, "N K K"]:
    """Each row K times, the i-th time without its i-th logit."""
    return np.where(np.eye(z.shape[1], dtype=bool), -np.inf, z[:, None, :])


def log_one_plus_exp(z: Inexact[np.ndarray, "*shape"]) -> Inexact[np.ndarray, "*shape"]:
    """log(1 + exp(z)): z itself plus a correction where z is positive."""
    positive = z.real >= 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))  # (F4)


def targets(y: Answers, like: Inexact[np.ndarray, "N K"]) -> Inexact[np.ndarray, "N K"]:
    """Y, one row a sample, in the real dtype of `like`: targets as they are, labels one-hot; of a
    single output the label itself."""
    if y.ndim == 2:
        return y.astype(like.real.dtype)
    if like.shape[1] == 1:
        return y[:, None].astype(like.real.dtype)
    return one_hot(y, like)


def one_hot(
    y: Int64[np.ndarray, " N"], like: Inexact[np.ndarray, "N K"]
) -> Inexact[np.ndarray, "N K"]:
    """Y: 1 at each sample's label, 0 elsewhere, in the real dtype of `like`."""
    Y = np.zeros(like.shape, dtype=like.real.dtype)
    Y[np.arange(len(y)), y] = 1
    return Y

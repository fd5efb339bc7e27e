"""How much rounding each entry of each quantity may carry, derived, never guessed.

A first-order error analysis runs beside the computation: for every quantity q it carries an array
E[q], in the shape of q, about three and a half standard deviations of the rounding error of q. Four
rules make all of it:

1.  Every operation adds at most `eps` of its result (half of that for + - * /, about one for exp
    and log), and never less than `tiny`, because a result may underflow. Rounding to nearest is
    uniform within eps / 2, so eps is 3.46 standard deviations.
2.  Rounding errors are as good as independent with mean zero, so where n of them are summed, their
    squares add (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J.
    Sci. Comput. 41, 2019; worst cases would be sqrt(n) larger, and hide as much). Summing n
    products itself rounds n partial sums, and every product once. Over units, the mean square of
    the partial sums is taken from BLOCKS of them; over samples, whose order is random, it has a
    formula.
3.  Where errors are equal, they add linearly. Equal units, and equal samples, make equal errors: m
    copies weigh m times in a sum of squares. And where one error reaches a sum through all of its
    terms, their weights add with their signs.
4.  Cancellation never shrinks an error: the backward pass runs on magnitudes, p + Y in place of p -
    Y, so the bound also covers those who sum the same products in another order, forward instead of
    backward for example.

SAFETY multiplies the result. It stands for what the first order leaves out, for correlations that
rule 2 overlooks, for libraries whose exp is a few ulp off, and for the largest of very many errors.
The largest of 10,000 drawn problems is 1.14 bounds (0.54 in float64), and networks in training,
whose units are correlated, were seen to need 0.7 (digits, seeds 0 to 2, float32), so 4 leaves a
factor of 3.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.activations import REACH, SIGMOID, Activation, by_layer, named
from backproof.checks.by_hand import (
    SOFTMAX,
    Backward,
    Forward,
    Hidden,
    softmax_jacobian,
    softmax_of_rest,
    targets,
)
from backproof.checks.heads import Head
from backproof.checks.quantities import Quantities, by_name
from backproof.checks.sums import copies_of, linear, over_samples, root_sum_squares, summing

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

    from backproof.checks.by_hand import Answers

    Layers = dict[int, Float64[np.ndarray, "..."]]

SAFETY = 4.0


def rounding(
    passed: Forward,
    W: Layers,
    b: Layers,
    y: Answers,
    *,
    head: Head = SOFTMAX,
    hidden: Hidden = SIGMOID,
    dtype: str = "float64",
) -> Quantities:
    """The rounding bound of every quantity of one forward and backward pass.

    Args:
        passed: the forward pass in float64; its magnitudes stand for those of any correct
            implementation.
        W, b: weights and biases by layer.
        y: class labels, or targets.
        head: output and cost.
        hidden: the activations of the forward pass.
        dtype: the precision of the implementation that is to be judged.
    Returns: by quantity, in its shape and unit, the largest |computed - exact| that rounding
        explains.
    Source: derived above; the idea of a running error bound is Wilkinson's (Higham, Accuracy and
        Stability of Numerical Algorithms, section 3.3).
    """
    eps = float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).tiny)
    activation = by_layer(hidden, len(W))
    Y = targets(y, passed.p)
    E = _forward(passed, W, b, activation, eps, tiny)
    E["p"] = _probabilities(passed, E[f"z[{len(W)}]"], head, eps, tiny)
    E["losses"] = _losses(passed, E, Y, head, eps, tiny)
    above, at_output = _output(passed, E, Y, head, eps, tiny)
    E |= above | _backward(passed, W, E, at_output, activation, eps, tiny)
    return {quantity: SAFETY * error for quantity, error in E.items()}


@dataclass(frozen=True)
class _Dz:
    """What the bounds of one layer's gradients are made of.

    Attributes:
        value: dz itself, for the totals of sums.
        magnitude: what stands for it where nothing may cancel.
        error: what rounding may do to it.
        kinks: what else it may be off by, where an activation's z may be on either side of a kink:
            no rounding, so it adds up linearly; None where there is no such entry.
    """

    value: np.ndarray
    magnitude: np.ndarray
    error: np.ndarray
    kinks: np.ndarray | None = None

    @property
    def bound(self) -> np.ndarray:
        """How far off it may be for both reasons."""
        return plus(self.error, self.kinks)


def plus(error: np.ndarray, kinks: np.ndarray | None) -> np.ndarray:
    """What rounding may do, and what kinks may, if there are any."""
    if kinks is None:
        return error
    return error + kinks


def _forward(
    passed: Forward,
    W: Layers,
    b: Layers,
    activation: dict[int, Activation],
    eps: float,
    tiny: float,
) -> Quantities:
    """E of every z and a: (F1) and (F2)."""
    E: Quantities = {}
    for layer in W:
        a = passed.a[layer - 1]
        copies = copies_of(passed.a[layer - 1].T)
        passed_on = linear(E[f"a[{layer - 1}]"], W[layer].T, copies) if layer > 1 else 0.0
        partial_sums = summing(a, W[layer].T, root_sum_squares(a, W[layer].T), copies, b[layer])
        E[f"z[{layer}]"] = passed_on + eps * (partial_sums + np.abs(passed.z[layer])) + tiny
        if layer in passed.a:
            z = passed.z[layer]
            h_error = activation[layer].h_error
            E[f"a[{layer}]"] = h_error(z, passed.a[layer], E[f"z[{layer}]"], eps) + _least(z, tiny)
    return E


def _least(z: np.ndarray, tiny: float) -> np.ndarray:
    """What may be lost below the smallest number: by h itself, or by a part of it that z
    multiplies."""
    return tiny * (1 + np.abs(z))


def _losses(
    passed: Forward, E: Quantities, Y: np.ndarray, head: Head, eps: float, tiny: float
) -> Float64[np.ndarray, " N"]:
    """E of each sample's loss: (F4)."""
    z = passed.z[len(passed.z)]
    p = passed.p
    z_error = E[f"z[{len(passed.z)}]"]
    if head.is_quadratic:
        return (2 * (np.abs(p) + np.abs(Y)) * E["p"] + 3 * eps * (p - Y) ** 2).sum(axis=1) + tiny
    of_targets = np.abs(Y * z)
    if head.cost == "binary-cross-entropy":
        # each of the K logarithms is a difference of two numbers of the size of the largest logit
        magnitude = _binary_magnitude(p, softmax_of_rest(z), Y)
        scale = z.shape[1] * (2 * np.abs(z).max(axis=1) + np.log(z.shape[1]) + 1)
        return (magnitude * z_error).sum(axis=1) + 3 * eps * scale
    if head.is_softmax:
        scale = np.abs(z).max(axis=1) + of_targets.sum(axis=1) + np.log(z.shape[1]) + 1
        return ((p + np.abs(Y)) * z_error).sum(axis=1) + 3 * eps * scale
    scale = np.maximum(z, 0) + of_targets + 1
    return ((p + np.abs(Y)) * z_error + 3 * eps * scale).sum(axis=1)


def _binary_magnitude(p: np.ndarray, R: np.ndarray, Y: np.ndarray) -> Float64[np.ndarray, "N K"]:
    """The terms of N times (B10) without their signs, as autograd adds them up."""
    of_rest = (np.abs(1 - Y)[:, None, :] @ R)[:, 0, :]
    return p.shape[1] * p + np.abs(Y) + of_rest


def _probabilities(
    passed: Forward, z_error: np.ndarray, head: Head, eps: float, tiny: float
) -> Float64[np.ndarray, "N K"]:
    """E of p: (F3). Taking off the maximum rounds z - max, and exp turns that into a relative error
    of p."""
    z = passed.z[len(passed.z)]
    p = passed.p
    if not head.is_softmax:
        return named(head.output).h_error(z, p, z_error, eps) + _least(z, tiny)
    exponent_error = _exponents(z, z_error, eps)
    own = (1 - p) * exponent_error
    others = (p * exponent_error).sum(axis=1, keepdims=True) - p * exponent_error
    return p * (own + others) + (4 + np.sqrt(z.shape[1])) * eps * p + tiny


def _exponents(z: np.ndarray, z_error: np.ndarray, eps: float) -> np.ndarray:
    """How far z - max may be off: that is the relative error of its exponential."""
    return z_error + eps * (np.abs(z - z.max(axis=1, keepdims=True)) + np.log(z.shape[1]))


def _output(
    passed: Forward, E: Quantities, Y: np.ndarray, head: Head, eps: float, tiny: float
) -> tuple[Quantities, _Dz]:
    """E of dz[L], dp and J, and what stands for dz[L] further back: (B1), (B6) to (B10)."""
    p = passed.p
    N = len(p)
    summed = (np.abs(p) + np.abs(Y)) / N
    difference = (p - Y) / N
    if head.cost == "binary-cross-entropy":
        return _binary(passed, E, Y, eps, tiny)
    if head.cost == "cross-entropy":
        error = E["p"] / N + 2 * eps * summed + tiny
        return {f"dz[{len(passed.z)}]": error}, _Dz(difference, summed, error)
    factor = 1 if head.cost == "half-quadratic" else 2
    dp_error = factor * E["p"] / N + 3 * eps * factor * summed + tiny
    dp = _Dz(factor * difference, factor * summed, dp_error)
    if head.is_softmax:
        return _through_softmax(passed, E, dp, eps, tiny)
    return _by_element(passed, E, head, dp, eps, tiny)


def _binary(
    passed: Forward, E: Quantities, Y: np.ndarray, eps: float, tiny: float
) -> tuple[Quantities, _Dz]:
    """(B10): every softmax of the rest errs like p itself."""
    L = len(passed.z)
    z = passed.z[L]
    (N, K), p = z.shape, passed.p
    R = softmax_of_rest(z)
    exponent_error = _exponents(z, E[f"z[{L}]"], eps)[:, None, :]
    R_error = R * (exponent_error + (R * exponent_error).sum(axis=2, keepdims=True))
    R_error += (4 + np.sqrt(K)) * eps * R
    e = (p - Y) / N
    value = e - (e[:, None, :] @ R)[:, 0, :]
    magnitude = _binary_magnitude(p, R, Y) / N
    of_rest = (np.abs(1 - Y)[:, None, :] @ R_error)[:, 0, :]
    passed_on = (K * E["p"] + of_rest + (E["p"][:, None, :] @ R)[:, 0, :]) / N
    error = passed_on + (4 + np.sqrt(K)) * eps * magnitude + tiny
    return {f"dz[{L}]": error}, _Dz(value, magnitude, error)


def _by_element(
    passed: Forward,
    E: Quantities,
    head: Head,
    dp: _Dz,
    eps: float,
    tiny: float,
) -> tuple[Quantities, _Dz]:
    """(B8): the product of dp and the output's own derivative."""
    L = len(passed.z)
    output = named(head.output)
    dz = _through(output, passed.z[L], passed.p, E[f"z[{L}]"], E["p"], dp, eps, tiny)
    return {"dp": dp.error, f"dz[{L}]": dz.bound}, dz


def _through_softmax(
    passed: Forward,
    E: Quantities,
    dp: _Dz,
    eps: float,
    tiny: float,
) -> tuple[Quantities, _Dz]:
    """(B6) and (B7): the product of the softmax's Jacobian and dp."""
    p = passed.p
    pE = p[:, :, None] * E["p"][:, None, :]
    J_error = E["p"][:, :, None] * np.eye(p.shape[1]) + pE + pE.transpose(0, 2, 1)
    magnitude = p * (dp.magnitude + (p * dp.magnitude).sum(axis=1, keepdims=True))
    J = np.abs(softmax_jacobian(p))
    J_error += 3 * eps * (J + p[:, :, None] * p[:, None, :]) + tiny
    passed_on = (J_error @ dp.magnitude[:, :, None] + J @ dp.error[:, :, None])[:, :, 0]
    error = passed_on + (4 + np.sqrt(p.shape[1])) * eps * magnitude + tiny
    value = p * (dp.value - (p * dp.value).sum(axis=1, keepdims=True))
    E_output = {"dp": dp.error, "J": J_error, f"dz[{len(passed.z)}]": error}
    return E_output, _Dz(value, magnitude, error)


def _through(
    activation: Activation,
    z: np.ndarray,
    a: np.ndarray,
    z_error: np.ndarray,
    a_error: np.ndarray,
    da: _Dz,
    eps: float,
    tiny: float,
) -> _Dz:
    """(B5) and (B8): what arrives at a, times h'.

    Where z is within its error of a kink, h' may be the one or the other: then the product is off
    by the jump of h' times what arrives, on top of what kinks further up have made of it.
    """
    h_prime = activation.h_prime(z, a)
    h_prime_error = activation.h_prime_error(z, a, z_error, a_error, eps) + _least(z, tiny)
    # at the largest: where a sigmoid rounds to 1, its slope is not 0
    steep = np.abs(h_prime) + h_prime_error
    error = da.error * steep + da.magnitude * h_prime_error + 4 * eps * da.magnitude * steep + tiny
    kinks = da.kinks
    if kinks is not None:
        kinks = kinks * steep
    if activation.jump:
        near = np.abs(z) <= REACH * z_error
        if near.any():
            jump = np.where(near, activation.jump * plus(da.magnitude + da.error, da.kinks), 0.0)
            kinks = plus(jump, kinks)
    return _Dz(da.value * h_prime, da.magnitude * steep, error, kinks)


def _backward(
    passed: Forward,
    W: Layers,
    E: Quantities,
    dz: _Dz,
    activation: dict[int, Activation],
    eps: float,
    tiny: float,
) -> Quantities:
    """E of every dW, db, da and dz, back from the output: (B2) to (B5) on magnitudes; dz itself
    only for the totals of sums."""
    back = Backward({}, {}, {}, {})
    samples = copies_of(passed.z[len(W)])
    for layer in range(len(W), 0, -1):
        a, a_error = passed.a[layer - 1], E.get(f"a[{layer - 1}]")
        sums = over_samples(dz.value, dz.error, dz.magnitude, samples, a, a_error, eps)
        back.dW[layer] = sums[0] + tiny
        back.db[layer] = sums[1] + tiny
        if dz.kinks is not None:
            back.dW[layer] += dz.kinks.T @ np.abs(a)
            back.db[layer] += dz.kinks.sum(axis=0)
        if layer > 1 and a_error is not None:
            da = _back_through_weights(dz, W[layer], copies_of(passed.z[layer].T), eps, tiny)
            z, z_error = passed.z[layer - 1], E[f"z[{layer - 1}]"]
            dz = _through(activation[layer - 1], z, a, z_error, a_error, da, eps, tiny)
            back.da[layer - 1] = da.bound
            back.dz[layer - 1] = dz.bound
    return (
        by_name("dW", back.dW)
        | by_name("db", back.db)
        | by_name("da", back.da)
        | by_name("dz", back.dz)
    )


def _back_through_weights(
    dz: _Dz, W: np.ndarray, copies: np.ndarray, eps: float, tiny: float
) -> _Dz:
    """(B4), for the layer below: da = dz @ W."""
    da = dz.value @ W
    products = np.maximum(root_sum_squares(dz.magnitude, W), np.abs(da))
    passed_on = linear(dz.error, W, copies)
    error = passed_on + eps * summing(dz.value, W, products, copies) + tiny
    if dz.kinks is None:
        return _Dz(da, products, error)
    return _Dz(da, products, error, dz.kinks @ np.abs(W))

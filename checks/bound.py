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
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.by_hand import Backward, Forward, softmax_jacobian
from backproof.checks.problem import targets
from backproof.checks.quantities import Quantities, by_name

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64

    Layers = dict[int, Float64[np.ndarray, "..."]]

SAFETY = 4.0
TINY = float(np.finfo(np.float64).tiny)
BLOCKS = 16  # partial sums that are looked at in each sum; those of a shorter sum are all


def rounding(
    passed: Forward,
    W: Layers,
    b: Layers,
    y: Int64[np.ndarray, " N"],
    *,
    output: str,
    cost: str,
    dtype: str = "float64",
) -> Quantities:
    """The rounding bound of every quantity of one forward and backward pass.

    Args:
        passed: the forward pass in float64; its magnitudes stand for those of any correct
            implementation.
        W, b: weights and biases by layer.
        y: class labels.
        output, cost: the head.
        dtype: the precision of the implementation that is to be judged.
    Returns: by quantity, in its shape and unit, the largest |computed - exact| that rounding
        explains.
    Source: derived above; the idea of a running error bound is Wilkinson's (Higham, Accuracy and
        Stability of Numerical Algorithms, section 3.3).
    """
    eps = float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).tiny)
    E = _forward(passed, W, b, eps, tiny)
    E["losses"] = _losses(passed, E, y, output, cost, eps, tiny)
    head, magnitude = _output(passed, E, y, output, cost, eps, tiny)
    dz = _signed(passed, y, output, cost)
    E |= head | _backward(passed, W, E, head[f"dz[{len(W)}]"], magnitude, dz, eps, tiny)
    return {quantity: SAFETY * error for quantity, error in E.items()}


def _forward(passed: Forward, W: Layers, b: Layers, eps: float, tiny: float) -> Quantities:
    """E of every z and a: (F1) and (F2)."""
    E: Quantities = {}
    for layer in W:
        a = passed.a[layer - 1]
        copies = copies_of(passed.a[layer - 1].T)
        passed_on = _linear(E[f"a[{layer - 1}]"], W[layer].T, copies) if layer > 1 else 0.0
        summing = _summing(a, W[layer].T, _root_sum_squares(a, W[layer].T), copies, b[layer])
        E[f"z[{layer}]"] = passed_on + eps * (summing + np.abs(passed.z[layer])) + tiny
        if layer in passed.a:
            a = passed.a[layer]
            s = passed.a[layer] * (1 - passed.a[layer])
            E[f"a[{layer}]"] = s * E[f"z[{layer}]"] + 3 * eps * a + tiny
    return E


def _root_sum_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """sqrt(x**2 @ y**2), each row of x scaled by its largest entry, so that no square underflows:
    rule 2."""
    largest = _largest(x, 1)
    return largest * np.sqrt((x / largest) ** 2 @ y**2)


def _linear(E: np.ndarray, W: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """The error of a @ W from the errors E of a: independent ones and copies in squares, a common
    one with the signs of W."""
    return np.hypot(_root_sum_squares(E * np.sqrt(copies), W), E @ W)


def _summing(
    x: np.ndarray,
    y: np.ndarray,
    products: np.ndarray,
    copies: np.ndarray,
    first_term: np.ndarray | float = 0.0,
) -> np.ndarray:
    """What rounding the partial sums and the products of x @ y amounts to, in units of eps; some
    libraries start with the bias.

    The partial sums are those at the end of each of BLOCKS blocks, each as often as its block is
    long.
    """
    n = x.shape[1]
    width = -(-x.shape[1] // BLOCKS)
    blocks = -(-n // width)
    padding = blocks * width - n
    if padding:
        x = np.pad(x, ((0, 0), (0, padding)))
        y = np.pad(y, ((0, padding), (0, 0)))
    of_blocks = x.reshape(len(x), blocks, width).transpose(1, 0, 2) @ y.reshape(blocks, width, -1)
    # a running sum, in half the time of np.cumsum
    up_to = np.tri(blocks) @ of_blocks.reshape(blocks, -1)
    partial = np.abs(up_to.reshape(of_blocks.shape)) + np.abs(first_term)
    squares = width * (partial**2).sum(axis=0) - padding * partial[-1] ** 2
    return np.sqrt(_alike(copies) * squares + (1 + n / BLOCKS) * products**2)


def _alike(copies: np.ndarray) -> float:
    """Adding the same number again and again rounds the same way each time: m equal terms err m
    half eps, not sqrt(m) eps."""
    return max(1.0, float(copies.sum()) / len(copies) / 4)


def copies_of(rows: np.ndarray) -> np.ndarray:
    """How many rows are the same as each row, itself included, to twelve digits of the largest
    entry: rule 3.

    Rows are compared by their products with one fixed vector of mean square 1: equal rows have
    equal products, and others have unequal ones but by a chance of one in 1e12.
    """
    digits = np.round(rows @ _weights(rows.shape[1]) / max(float(np.abs(rows).max()), 1e-300), 12)
    ascending = np.sort(digits)
    if (ascending[1:] > ascending[:-1]).all():  # nearly always, and in a fifth of the time
        return np.ones(len(digits), dtype=np.int64)
    _, which, counts = np.unique(digits, return_inverse=True, return_counts=True)
    return counts[which.reshape(-1)]


@lru_cache(maxsize=16)
def _weights(n: int) -> np.ndarray:
    """cos of the squares of whole numbers, of mean square 1: no sum of some of them is a sum of
    others."""
    return np.cos(np.arange(n) ** 2) * np.sqrt(2)


def _largest(x: np.ndarray, axis: int) -> np.ndarray:
    """The largest magnitude along an axis, never 0, to divide by."""
    return np.maximum(np.abs(x).max(axis=axis, keepdims=True), TINY)


def _losses(
    passed: Forward, E: Quantities, y: np.ndarray, output: str, cost: str, eps: float, tiny: float
) -> Float64[np.ndarray, " N"]:
    """E of each sample's loss: (F4)."""
    z = passed.z[len(passed.z)]
    p = passed.p
    N = len(y)
    L = len(passed.z)
    z_error = E[f"z[{L}]"]
    rows = np.arange(N)
    Y = targets(y, p.shape[1])
    E["p"] = _probabilities(z, p, z_error, output, eps, tiny)
    if cost == "quadratic":
        return (2 * (p + Y) * E["p"] + 3 * eps * (p - Y) ** 2).sum(axis=1) + tiny
    if output == "softmax":
        scale = np.abs(z).max(axis=1) + np.abs(z[rows, y]) + np.log(z.shape[1]) + 1
        return (p * z_error).sum(axis=1) + z_error[rows, y] + 3 * eps * scale
    return ((p + Y) * z_error + 3 * eps * (np.maximum(z, 0) + np.abs(Y * z) + 1)).sum(axis=1)


def _probabilities(
    z: np.ndarray, p: np.ndarray, z_error: np.ndarray, output: str, eps: float, tiny: float
) -> Float64[np.ndarray, "N K"]:
    """E of p: (F3). Taking off the maximum rounds z - max, and exp turns that into a relative error
    of p."""
    if output == "sigmoid":
        return p * (1 - p) * z_error + 3 * eps * p + tiny
    exponent_error = z_error + eps * (np.abs(z - z.max(axis=1, keepdims=True)) + np.log(z.shape[1]))
    own = (1 - p) * exponent_error
    others = (p * exponent_error).sum(axis=1, keepdims=True) - p * exponent_error
    return p * (own + others) + (4 + np.sqrt(z.shape[1])) * eps * p + tiny


def _output(
    passed: Forward, E: Quantities, y: np.ndarray, output: str, cost: str, eps: float, tiny: float
) -> tuple[Quantities, Float64[np.ndarray, "N K"]]:
    """E of dz[L], dp and J, and the magnitude that stands for dz[L] further back: (B1), (B6) to
    (B9)."""
    p = passed.p
    N = len(y)
    dz_L = f"dz[{len(passed.z)}]"
    summed = (p + targets(y, p.shape[1])) / N
    if cost == "cross-entropy":
        return {dz_L: E["p"] / N + 2 * eps * summed + tiny}, summed
    dp = 2 * summed
    dp_error = 2 * E["p"] / N + 3 * eps * 2 * summed + tiny
    if output == "sigmoid":
        s = p * (1 - p) + E["p"]
        return {"dp": dp_error, dz_L: dp_error * s + dp * E["p"] + 4 * eps * dp * s + tiny}, dp * s
    pE = p[:, :, None] * E["p"][:, None, :]
    J_error = E["p"][:, :, None] * np.eye(p.shape[1]) + pE + pE.transpose(0, 2, 1)
    magnitude = p * (dp + (p * dp).sum(axis=1, keepdims=True))
    J = np.abs(softmax_jacobian(p))
    J_error += 3 * eps * (J + p[:, :, None] * p[:, None, :]) + tiny
    passed_on = (J_error @ dp[:, :, None] + J @ dp_error[:, :, None])[:, :, 0]
    return {
        "dp": dp_error,
        "J": J_error,
        dz_L: passed_on + (4 + np.sqrt(p.shape[1])) * eps * magnitude + tiny,
    }, magnitude


def _backward(
    passed: Forward,
    W: Layers,
    E: Quantities,
    dz_error: np.ndarray,
    magnitude: np.ndarray,
    dz: np.ndarray,
    eps: float,
    tiny: float,
) -> Quantities:
    """E of every dW, db, da and dz, back from the output: (B2) to (B5) on magnitudes; dz itself
    only for the totals of sums."""
    back = Backward({}, {}, {}, {})
    samples = copies_of(passed.z[len(W)])
    for layer in range(len(W), 0, -1):
        a, a_error = passed.a[layer - 1], E.get(f"a[{layer - 1}]")
        sums = over_samples(dz, dz_error, magnitude, samples, a, a_error, eps)
        back.dW[layer] = sums[0] + tiny
        back.db[layer] = sums[1] + tiny
        if layer > 1 and a_error is not None:
            # at the largest: where a rounds to 1, s is not 0
            s = a * (1 - a) + a_error
            slope = np.abs(1 - 2 * a) + a_error
            da = dz @ W[layer]
            products = np.maximum(_root_sum_squares(magnitude, W[layer]), np.abs(da))
            copies = copies_of(passed.z[layer].T)
            passed_on = _linear(dz_error, W[layer], copies)
            back.da[layer - 1] = da_error = (
                passed_on + eps * _summing(dz, W[layer], products, copies) + tiny
            )
            dz_error = da_error * s + products * slope * a_error + 4 * eps * products * s + tiny
            back.dz[layer - 1] = dz_error
            magnitude = products * s
            dz = da * a * (1 - a)
    return (
        by_name("dW", back.dW)
        | by_name("db", back.db)
        | by_name("da", back.da)
        | by_name("dz", back.dz)
    )


def over_samples(
    dz: np.ndarray,
    dz_error: np.ndarray,
    magnitude: np.ndarray,
    samples: np.ndarray,
    a: np.ndarray,
    a_error: np.ndarray | None,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """E of dW and db: (B2) and (B3), sums over N samples, whose order is random; `samples` says how
    many are alike.

    The k-th partial sum of numbers p in random order has the mean square k (N - k) / (N (N - 1))
    sum(p**2) + k (k - 1) / (N (N - 1)) sum(p)**2. Over all k that is (N + 1) / 6 sum(p**2) + (N +
    1) / 3 sum(p)**2, so no partial sum need be computed. Columns are scaled by their largest entry,
    so that no square underflows.
    """
    n = _largest(np.maximum(magnitude, dz_error), 0)
    n_in = _largest(a if a_error is None else np.maximum(a, a_error), 0)
    often = _alike(samples) * (len(dz) + 1)
    of_dz = samples[:, None] * (dz_error / n) ** 2 + eps**2 * (often / 6 + 1) * (magnitude / n) ** 2
    scaled = a / n_in
    total = (dz / n).T @ scaled
    squares = of_dz.T @ scaled**2
    if a_error is not None:
        squares += (samples[:, None] * (magnitude / n) ** 2).T @ (a_error / n_in) ** 2
    db = (dz / n).sum(axis=0)
    return (
        n.T * n_in * (np.sqrt(squares + eps**2 * often / 3 * total**2) + 2 * eps * np.abs(total)),
        n[0] * (np.sqrt(of_dz.sum(axis=0) + eps**2 * often / 3 * db**2) + 2 * eps * np.abs(db)),
    )


def _signed(passed: Forward, y: np.ndarray, output: str, cost: str) -> Float64[np.ndarray, "N K"]:
    """dz[L] itself."""
    p = passed.p
    difference = (passed.p - targets(y, passed.p.shape[1])) / len(y)
    if cost == "cross-entropy":
        return difference
    if output == "sigmoid":
        return 2 * difference * p * (1 - p)
    return 2 * p * (difference - (p * difference).sum(axis=1, keepdims=True))

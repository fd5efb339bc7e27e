"""What learning depends on of each activation: h and its slope, the range of its values, and on
which side it is flat.

These are for looking at a network, not for judging its gradients: erf is the rational approximation
7.1.26 of Abramowitz and Stegun, off by at most 1.5e-7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]
SLOPE_OF_LEAKY = 0.01


@dataclass(frozen=True)
class Activation:
    """One activation, as learning sees it.

    Attributes:
        name: as the rest of the house calls it.
        h: the function.
        slope: its derivative, of z.
        steepest: the largest slope; what a layer passes on is told in units of it.
        low, high: what its values lie between.
        flat: "both" sides, the "left" one, or "none".
        exponential: whether people write it with exp(z), which overflows.
    """

    name: str
    h: Function
    slope: Function
    steepest: float
    low: float
    high: float
    flat: str
    exponential: bool


def of(name: str) -> Activation:
    """The activation of that name.

    Raises: ValueError for a name that is none, with the list of all.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"expected an activation of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), in which nothing overflows."""
    positive = z >= 0
    e = np.exp(np.where(positive, -z, z))
    return np.where(positive, 1.0, e) / (1 + e)


def softplus(z: np.ndarray) -> np.ndarray:
    """log(1 + exp(z)), in which nothing overflows."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    a = sigmoid(z)
    return a * (1 - a)


def _silu_slope(z: np.ndarray) -> np.ndarray:
    a = sigmoid(z)
    return a + z * a * (1 - a)


def _erf(z: np.ndarray) -> np.ndarray:
    t = 1 / (1 + 0.3275911 * np.abs(z))
    series = 1.061405429
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + coefficient
    return np.sign(z) * (1 - series * t * np.exp(-np.square(z)))


def _normal(z: np.ndarray) -> np.ndarray:
    """The part of a standard normal below z."""
    return 0.5 * (1 + _erf(z / math.sqrt(2)))


def _gelu_slope(z: np.ndarray) -> np.ndarray:
    return _normal(z) + z * np.exp(-np.square(z) / 2) / math.sqrt(2 * math.pi)


def _inner(z: np.ndarray) -> np.ndarray:
    return np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z))


def _gelu_tanh_slope(z: np.ndarray) -> np.ndarray:
    t = _inner(z)
    inner_slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * np.square(z))
    return 0.5 * (1 + t) + 0.5 * z * (1 - np.square(t)) * inner_slope


def _step(z: np.ndarray) -> np.ndarray:
    return (z > 0).astype(z.dtype)


INFINITE = math.inf
ACTIVATIONS: dict[str, Activation] = {
    each.name: each
    for each in (
        Activation("sigmoid", sigmoid, _sigmoid_slope, 0.25, 0.0, 1.0, "both", True),
        Activation("tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2, 1.0, -1.0, 1.0, "both", True),
        Activation("relu", lambda z: np.maximum(z, 0), _step, 1.0, 0.0, INFINITE, "left", False),
        Activation(
            "leaky-relu",
            lambda z: np.where(z > 0, z, SLOPE_OF_LEAKY * z),
            lambda z: np.where(z > 0, 1.0, SLOPE_OF_LEAKY),
            1.0,
            -INFINITE,
            INFINITE,
            "none",
            False,
        ),
        Activation(
            "elu",
            lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
            lambda z: np.exp(np.minimum(z, 0)),
            1.0,
            -1.0,
            INFINITE,
            "left",
            True,
        ),
        Activation("softplus", softplus, sigmoid, 1.0, 0.0, INFINITE, "left", True),
        Activation(
            "silu", lambda z: z * sigmoid(z), _silu_slope, 1.0998, -0.2785, INFINITE, "left", True
        ),
        Activation(
            "gelu", lambda z: z * _normal(z), _gelu_slope, 1.1289, -0.17, INFINITE, "left", False
        ),
        Activation(
            "gelu-tanh",
            lambda z: 0.5 * z * (1 + _inner(z)),
            _gelu_tanh_slope,
            1.1289,
            -0.1701,
            INFINITE,
            "left",
            False,
        ),
        Activation(
            "bipolar-sigmoid",
            lambda z: np.tanh(z / 2),
            lambda z: 0.5 * (1 - np.tanh(z / 2) ** 2),
            0.5,
            -1.0,
            1.0,
            "both",
            True,
        ),
        Activation(
            "identity",
            lambda z: z,
            np.ones_like,
            1.0,
            -INFINITE,
            INFINITE,
            "none",
            False,
        ),
    )
}

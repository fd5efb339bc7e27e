"""Models as they are written by hand in NumPy, each right and with four bugs.

A model is a function of its parameters, of data, and of a bug's name ("" for none), that gives the
loss and the gradients. Only its backward pass knows the bug.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Arrays = dict[str, np.ndarray]
Passes = Callable[[Arrays, Arrays, str], tuple[float, Arrays]]


@dataclass(frozen=True)
class NumpyModel:
    """A model by hand.

    Attributes:
        name: of it.
        shapes: of its parameters.
        data: shapes of what it is trained on.
        passes: forward and back.
        bugs: for each of them, whose gradients come out wrong.
    """

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    data: Mapping[str, tuple[int, ...]]
    passes: Passes
    bugs: Mapping[str, set[str]]

    def draw(self, seed: int) -> tuple[Arrays, Arrays]:
        """Parameters and data."""
        random = np.random.default_rng(seed)
        parameters = {name: random.normal(size=shape) for name, shape in self.shapes.items()}
        data = {name: random.normal(size=shape) for name, shape in self.data.items()}
        return parameters, data


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def relu(z: np.ndarray, bug: str) -> tuple[np.ndarray, np.ndarray]:
    """The activation and its slope."""
    below = 0.01 if bug == "leaky backwards" else 0.0
    return np.maximum(z, 0), np.where(z > 0, 1.0, below)


def tanh(z: np.ndarray, bug: str) -> tuple[np.ndarray, np.ndarray]:
    """The activation and its slope."""
    a = np.tanh(z)
    return a, 1 - (a if bug == "not squared" else a**2)


def swish(z: np.ndarray, bug: str) -> tuple[np.ndarray, np.ndarray]:
    """z sigmoid(z) and its slope."""
    s = sigmoid(z)
    if bug == "one of two terms":
        return z * s, s
    return z * s, s + z * s * (1 - s)


def network(activation: Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray]]) -> Passes:
    """Two layers and the mean of squares."""

    def passes(p: Arrays, data: Arrays, bug: str) -> tuple[float, Arrays]:
        x = data["x"]
        z = x @ p["W1"] + p["b1"]
        a, slope = activation(z, bug)
        error = a @ p["W2"] + p["b2"] - data["y"]
        delta = 2 * error / error.size
        dz = delta @ p["W2"].T
        if bug != "slope forgotten":
            dz = dz * slope
        db1 = dz[0] if bug == "bias of one sample" else dz.sum(axis=0)
        dW2 = a.T @ delta
        if bug == "averaged twice":
            dW2 = dW2 / len(x)
        gradients = {"W1": x.T @ dz, "b1": db1, "W2": dW2, "b2": delta.sum(axis=0)}
        return float((error**2).mean()), gradients

    return passes


def correlated(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Each image with a kernel over it, where it fits."""
    windows = sliding_window_view(images, kernel.shape, axis=(1, 2))
    return np.asarray(np.einsum("nijkl,kl->nij", windows, kernel))


def kernel_gradient(images: np.ndarray, delta: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(images, delta.shape[1:], axis=(1, 2))
    return np.asarray(np.einsum("nijkl,nkl->ij", windows, delta))


def convolution(p: Arrays, data: Arrays, bug: str) -> tuple[float, Arrays]:
    """Two convolutions with tanh between them, and the mean of squares."""
    x = data["x"]
    z = correlated(x, p["K1"]) + p["b1"]
    a = np.tanh(z)
    error = correlated(a, p["K2"]) - data["y"]
    delta = 2 * error / error.size
    margin = [(0, 0), *[(size - 1, size - 1) for size in p["K2"].shape]]
    back = p["K2"] if bug == "kernel not flipped" else p["K2"][::-1, ::-1]
    da = correlated(np.pad(delta, margin), back)
    dz = da * (1 - a**2)
    shifted = np.roll(x, 1, axis=2) if bug == "one column off" else x
    dK1 = kernel_gradient(shifted, dz)
    dK2 = kernel_gradient(a, delta)
    if bug == "transposed":
        dK2 = dK2.T
    db1 = dz.sum(axis=(0, 1, 2))[None]
    if bug == "bias of one place":
        db1 = dz[:, 0, 0].sum()[None]
    return float((error**2).mean()), {"K1": dK1, "b1": db1, "K2": dK2}


def recurrent(p: Arrays, data: Arrays, bug: str) -> tuple[float, Arrays]:
    """A vanilla recurrent network over time, an output at every step, and the mean of squares."""
    x = data["x"]  # time, samples, inputs
    steps = len(x)
    h = [np.zeros((x.shape[1], len(p["bh"])))]
    for t in range(steps):
        h.append(np.tanh(x[t] @ p["Wx"] + h[t] @ p["Wh"] + p["bh"]))
    error = np.stack(h[1:]) @ p["Wy"] - data["y"]
    delta = 2 * error / error.size
    found = {name: np.zeros_like(value) for name, value in p.items()}
    later = np.zeros_like(h[0])
    for t in reversed(range(steps)):
        if bug != "last output only" or t == steps - 1:
            found["Wy"] += h[t + 1].T @ delta[t]
        dh = delta[t] @ p["Wy"].T
        if bug != "one step back only":
            dh = dh + later
        own = h[t] if bug == "slope of the step before" else h[t + 1]
        dz = dh * (1 - own**2)
        found["Wx"] += x[t].T @ dz
        found["Wh"] += h[t + 1 if bug == "state of the same step" else t].T @ dz
        found["bh"] += dz.sum(axis=0)
        later = dz @ p["Wh"].T
    return float((error**2).mean()), found


LAYERS = {"W1": (4, 6), "b1": (6,), "W2": (6, 3), "b2": (3,)}
PAIRS = {"x": (8, 4), "y": (8, 3)}
IN_EACH = {
    "slope forgotten": {"W1", "b1"},
    "bias of one sample": {"b1"},
    "averaged twice": {"W2"},
}
THROUGH_TIME = {"Wx", "Wh", "bh"}
MODELS = [
    NumpyModel(
        "ReLU network", LAYERS, PAIRS, network(relu), IN_EACH | {"leaky backwards": {"W1", "b1"}}
    ),
    NumpyModel(
        "tanh network", LAYERS, PAIRS, network(tanh), IN_EACH | {"not squared": {"W1", "b1"}}
    ),
    NumpyModel(
        "swish network", LAYERS, PAIRS, network(swish), IN_EACH | {"one of two terms": {"W1", "b1"}}
    ),
    NumpyModel(
        "convolution",
        {"K1": (3, 3), "b1": (1,), "K2": (2, 2)},
        {"x": (3, 7, 7), "y": (3, 4, 4)},
        convolution,
        {
            "kernel not flipped": {"K1", "b1"},
            "one column off": {"K1"},
            "transposed": {"K2"},
            "bias of one place": {"b1"},
        },
    ),
    NumpyModel(
        "recurrent network",
        {"Wx": (3, 5), "Wh": (5, 5), "bh": (5,), "Wy": (5, 2)},
        {"x": (6, 4, 3), "y": (6, 4, 2)},
        recurrent,
        {
            "one step back only": THROUGH_TIME,
            "state of the same step": {"Wh"},
            "slope of the step before": THROUGH_TIME,
            "last output only": {"Wy"},
        },
    ),
]

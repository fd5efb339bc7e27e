"""Nine networks that do not learn although their gradients are right, as nine people wrote them:
data, first weights and a step each, in NumPy, in their own conventions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Learner:
    """What one of them hands over, and what is the matter.

    Attributes:
        due: the name of a finding that must be among the answers.
        helped: a word that its remedy must hold.
    """

    name: str
    due: str
    helped: str
    W: Any
    b: Any
    x: Any
    y: Any
    step: Callable[..., Any]
    rate: float
    settings: dict[str, Any] = field(default_factory=dict)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def in_out(h, slope_of_a, output):
    """Weights (in, out); cross-entropy whose output delta is p - y."""

    def step(W, b, x, y, learning_rate):
        a = [x]
        for w, c in zip(W[:-1], b[:-1], strict=True):
            a.append(h(a[-1] @ w + c))
        delta = (output(a[-1] @ W[-1] + b[-1]) - y.reshape(len(x), -1)) / len(x)
        new_W, new_b = list(W), list(b)
        for i in range(len(W) - 1, -1, -1):
            new_W[i] = W[i] - learning_rate * a[i].T @ delta
            new_b[i] = b[i] - learning_rate * delta.sum(axis=0)
            delta = delta @ W[i].T * slope_of_a(a[i])
        return new_W, new_b

    return step


def squared(h, slope_of_a, out, out_slope):
    """One output and half the squared error; weights (in, out), changed in place."""

    def step(W, b, x, y, learning_rate):
        a1 = h(x @ W["W1"] + b["b1"])
        p = out(a1 @ W["W2"] + b["b2"])
        d2 = (p - y[:, None]) * out_slope(p) / len(x)
        d1 = d2 @ W["W2"].T * slope_of_a(a1)
        W["W2"] -= learning_rate * a1.T @ d2
        b["b2"] -= learning_rate * d2.sum(axis=0)
        W["W1"] -= learning_rate * x.T @ d1
        b["b1"] -= learning_rate * d1.sum(axis=0)

    return step


def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def of_a(a):
    return a * (1 - a)


def relu(z):
    return np.maximum(z, 0)


def on(a):
    return (a > 0).astype(float)


def layers(random, sizes, scale):
    pairs = list(itertools.pairwise(sizes))
    return [scale * random.normal(size=pair) for pair in pairs], [np.zeros(n) for n in sizes[1:]]


def clouds(random, N, n, K):
    y = random.integers(K, size=N)
    return 2 * random.normal(size=(K, n))[y] + random.normal(size=(N, n)), y


def tiny_weights():
    W, b = layers(np.random.default_rng(1), (2, 2, 1), 0.01)
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    step = in_out(sigmoid, of_a, sigmoid)
    return Learner("tiny_weights", "stuck-at-prior", "weights", W, b, x, y, step, 0.5)


def raw_pixels():
    random = np.random.default_rng(2)
    x, y = clouds(random, 300, 64, 4)
    x = np.rint(255 * (x - x.min()) / (x.max() - x.min()))
    W, b = layers(random, (64, 30, 4), 1.0)
    step = in_out(sigmoid, of_a, softmax)
    return Learner("raw_pixels", "inputs-unscaled", "x / 255", W, b, x, np.eye(4)[y], step, 0.1)


def rows_without_labels():
    random = np.random.default_rng(3)
    x, y = clouds(random, 400, 8, 3)
    W, b = layers(random, (8, 16, 3), 0.35)
    step = in_out(sigmoid, of_a, softmax)
    x = x[random.permutation(400)]
    return Learner(
        "rows_without_labels", "labels-shuffled", "permutation", W, b, x, np.eye(3)[y], step, 0.5
    )


def shuffled_in_place():
    random = np.random.default_rng(4)
    x, y = clouds(random, 500, 6, 2)
    for i in range(len(x) - 1, 0, -1):
        j = random.integers(i + 1)
        x[i], x[j] = x[j], x[i]
    W, b = layers(random, (6, 12, 2), 0.4)
    step = in_out(sigmoid, of_a, softmax)
    return Learner(
        "shuffled_in_place", "duplicate-rows", "permutation", W, b, x, np.eye(2)[y], step, 0.5
    )


def grades_for_a_tanh():
    random = np.random.default_rng(5)
    x = random.normal(size=(200, 5))
    y = np.clip(np.rint(2.5 + x[:, 0] + x[:, 1]), 1, 4)
    weights, biases = layers(random, (5, 10, 1), 0.5)
    step = squared(np.tanh, lambda a: 1 - a**2, np.tanh, lambda p: 1 - p**2)
    settings = {"hidden": "tanh", "output": "tanh", "cost": "half-quadratic"}
    return Learner(
        "grades_for_a_tanh",
        "targets-out-of-range",
        "linear output",
        {"W1": weights[0], "W2": weights[1]},
        {"b1": biases[0], "b2": biases[1]},
        x,
        y,
        step,
        0.1,
        settings,
    )


def four_sigmoids():
    random = np.random.default_rng(6)
    x, y = clouds(random, 300, 6, 3)
    W, b = layers(random, (6, 12, 12, 12, 12, 3), 0.2)
    step = in_out(sigmoid, of_a, softmax)
    return Learner("four_sigmoids", "vanishing", "tanh or ReLU", W, b, x, np.eye(3)[y], step, 0.1)


def relu_on_raw_columns():
    random = np.random.default_rng(7)
    age, income = random.uniform(20, 80, 250), random.uniform(1e4, 2e5, 250)
    y = (age / 30 + income / 1e5 > 2.7).astype(int)
    W, b = layers(random, (2, 16, 1), 0.5)
    step = in_out(relu, on, sigmoid)
    settings = {"hidden": "relu", "output": "sigmoid"}
    x = np.column_stack([age, income])
    return Learner(
        "relu_on_raw_columns", "inputs-unscaled", "deviation 1", W, b, x, y, step, 0.01, settings
    )


def exponentials():
    random = np.random.default_rng(8)
    x, y = clouds(random, 200, 40, 3)
    W, b = layers(random, (40, 50, 3), 3.0)
    step = in_out(relu, on, softmax)
    settings = {"hidden": "relu"}
    return Learner(
        "exponentials", "overflow", "maximum", W, b, 20 * x, np.eye(3)[y], step, 0.1, settings
    )


def always_the_commonest():
    random = np.random.default_rng(9)
    y = (random.random(400) < 0.025).astype(int)
    x = random.normal(size=(400, 5)) + 0.7 * y[:, None]
    W, b = layers(random, (5, 8, 1), 0.5)
    step = in_out(sigmoid, of_a, sigmoid)
    return Learner("always_the_commonest", "class-imbalance", "Compare", W, b, x, y, step, 0.5)


LEARNERS = (
    tiny_weights,
    raw_pixels,
    rows_without_labels,
    shuffled_in_place,
    grades_for_a_tanh,
    four_sigmoids,
    relu_on_raw_columns,
    exponentials,
    always_the_commonest,
)

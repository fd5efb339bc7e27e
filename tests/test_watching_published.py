"""Right scripts in ways in which people publish them, each beside a wrong twin: gradients that are
gathered over mini-batches, targets that a loop fills in, an output that only its error holds, and a
network of lists with a whole number for a label."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

GATHERED = """\
import numpy as np
np.random.seed(8)
X = np.random.rand(64, 3)
Y = (X.sum(axis=1, keepdims=True) > 1.5).astype(float)
w1, c1 = np.random.uniform(-1, 1, (3, 5)), np.zeros((1, 5))
w2, c2 = np.random.uniform(-1, 1, (5, 1)), np.zeros((1, 1))
g1, h1, g2, h2 = np.zeros((3, 5)), np.zeros((1, 5)), np.zeros((5, 1)), np.zeros((1, 1))
step = 0
for epoch in range(20):
    for i in range(0, 64, 8):
        x, y = X[i:i + 8], Y[i:i + 8]
        a1 = 1 / (1 + np.exp(-(x @ w1 + c1)))
        a2 = 1 / (1 + np.exp(-(a1 @ w2 + c2)))
        d2 = (a2 - y) / 8
        g2 += a1.T @ d2
        h2 += d2.sum(0, keepdims=True)
        d1 = d2 @ w2.T * a1 * (1 - a1)
        g1 += x.T @ d1
        h1 += d1.sum(0, keepdims=True)
        step += 1
        if step % 4 == 0:
            w1 -= 0.5 * g1 / 4
            c1 -= 0.5 * h1 / 4
            w2 -= 0.5 * g2 / 4
            c2 -= 0.5 * h2 / 4
            for g in (g1, h1, g2, h2):
                g[:] = 0
"""
FILLED = """\
import numpy as np
np.random.seed(0)
m = 2500
X = np.random.randn(m, 20)
labels = np.random.randint(0, 10, m)
Y = np.zeros((m, 10))
for i in range(m):
    Y[i, labels[i]] = 1
W1, b1 = np.random.randn(20, 16) * 0.3, np.zeros(16)
W2, b2 = np.random.randn(16, 10) * 0.3, np.zeros(10)
for it in range(30):
    a1 = np.tanh(X @ W1 + b1)
    e = np.exp(a1 @ W2 + b2)
    p = e / e.sum(axis=1, keepdims=True)
    d2 = (p - Y) / m
    d1 = d2 @ W2.T * (1 - a1 ** 2)
    W2 -= 0.5 * (a1.T @ d2)
    b2 -= 0.5 * d2.sum(axis=0)
    W1 -= 0.5 * (X.T @ d1)
    b1 -= 0.5 * d1.sum(axis=0)
"""
OF_ERROR = """\
import numpy as np
rng = np.random.default_rng(5)
X = rng.uniform(-1, 1, (50, 2))
y = X[:, :1] * X[:, 1:]
W1, b1 = rng.normal(size=(2, 8)), np.zeros(8)
W2, b2 = rng.normal(size=(8, 1)), np.zeros(1)
for epoch in range(100):
    H = np.tanh(X @ W1 + b1)
    error = H @ W2 + b2 - y
    dW2 = H.T @ error / len(X)
    db2 = error.mean(axis=0)
    dH = error @ W2.T * (1 - H * H)
    dW1 = X.T @ dH / len(X)
    db1 = dH.mean(axis=0)
    W2 -= 0.3 * dW2
    b2 -= 0.3 * db2
    W1 -= 0.3 * dW1
    b1 -= 0.3 * db1
"""
LISTS = """\
import math, random
random.seed(3)
data = [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)]
w1 = [[random.uniform(-1, 1) for _ in range(2)] for _ in range(3)]
b1 = [0.1 * random.random() for _ in range(3)]
w2 = [random.uniform(-1, 1) for _ in range(3)]
b2 = 0.05
def sigmoid(x):
    return 1 / (1 + math.exp(-x))
for epoch in range(2000):
    random.shuffle(data)
    for x, t in data:
        h = [sigmoid(sum(w * v for w, v in zip(w1[j], x)) + b1[j]) for j in range(3)]
        o = sigmoid(sum(w2[j] * h[j] for j in range(3)) + b2)
        d_o = (o - t) * o * (1 - o)
        d_h = [d_o * w2[j] * h[j] * (1 - h[j]) for j in range(3)]
        for j in range(3):
            w2[j] -= 0.5 * d_o * h[j]
            for i in range(2):
                w1[j][i] -= 0.5 * d_h[j] * x[i]
            b1[j] -= 0.5 * d_h[j]
        b2 -= 0.5 * d_o
"""
RIGHT = {
    "gathered": (GATHERED, "cross-entropy"),
    "filled": (FILLED, "cross-entropy"),
    "of_error": (OF_ERROR, "quadratic"),
    "lists": (LISTS, "quadratic"),
    "lists_cross_entropy": (LISTS.replace(" * o * (1 - o)", ""), "cross-entropy"),
}
WRONG = {
    "gathered_mean": (GATHERED.replace("h2 += d2.sum", "h2 += d2.mean"), ["db[2]"]),
    "gathered_and_kept": (GATHERED.replace("(g1, h1, g2, h2):", "(g1, h1, g2):"), ["db[2]"]),
    "filled_no_slope": (FILLED.replace(" * (1 - a1 ** 2)", ""), ["dW[1]", "db[1]"]),
    "of_error_slip": (OF_ERROR.replace("(1 - H * H)", "(1 - H)"), ["dW[1]", "db[1]"]),
    "of_error_up": (OF_ERROR.replace("W2 -=", "W2 +="), ["dW[2]"]),
    "lists_no_slope": (LISTS.replace(" * h[j] * (1 - h[j]) for", " for"), ["dW[1]", "db[1]"]),
    "lists_up": (LISTS.replace("b2 -=", "b2 +="), ["db[2]"]),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {name: source for name, (source, _) in [*RIGHT.items(), *WRONG.items()]}
    return told_of(tmp_path_factory, worker_id, "published", sources)


@pytest.mark.parametrize("name", RIGHT)
def test_right_script_passes(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[name]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    assert found["watched"]["network"]["cost"] == RIGHT[name][1]


@pytest.mark.parametrize("name", WRONG)
def test_its_wrong_twin_fails(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[name]
    assert (found["verdict"], found["diagnosis"]["wrong"]) == ("fail", WRONG[name][1])


def test_the_other_sign_of_an_error_by_a_whole_number_does_not_pass(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> None:
    sources = {"signs": LISTS.replace("(o - t)", "(t - o)")}
    found = told_of(tmp_path_factory, worker_id, "published_signs", sources)["signs"]
    assert found["verdict"] == "untested"

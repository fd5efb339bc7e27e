"""Scripts whose update is another than plain descent at one rate, or whose output is compared with
what it must not be compared with: what their lines compute is judged."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

BASE = """\
import numpy as np
rng = np.random.default_rng(21)
X = rng.normal(size=(90, 4))
t = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0)
Y = np.eye(3)[t]
W1, b1 = rng.normal(size=(4, 10)) * .6, np.zeros(10)
W2, b2 = rng.normal(size=(10, 3)) * .6, np.zeros(3)
S1, S2 = np.full((4, 10), 1e-8), np.full((10, 3), 1e-8)
for i in range(30):
    a1 = np.tanh(X @ W1 + b1)
    z2 = a1 @ W2 + b2
    e = np.exp(z2 - z2.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    d2 = p - Y
    d2 = d2 / 90
    dW2 = a1.T @ d2
    db2 = d2.sum(0)
    d1 = (d2 @ W2.T) * (1 - a1 ** 2)
    dW1 = X.T @ d1
    db1 = d1.sum(0)
    W1 -= 0.5 * dW1
    b1 -= 0.5 * db1
    W2 -= 0.5 * dW2
    b2 -= 0.5 * db2
"""
BINARY = """\
import numpy as np
np.random.seed(0)
X = np.random.randn(2, 60)
Y = (X[0] * X[1] > 0).astype(int).reshape(1, -1)
W1, b1 = np.random.randn(6, 2), np.zeros((6, 1))
W2, b2 = np.random.randn(1, 6), np.zeros((1, 1))
for i in range(30):
    A1 = np.tanh(W1 @ X + b1)
    A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
    cost = -np.mean(Y * np.log(A2 + 1e-8) + (1 - Y) * np.log(1 - A2 + 1e-8))
    dA2 = -(Y / (A2 + 1e-8)) + (1 - Y) / (1 - A2 + 1e-8)
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = dZ2 @ A1.T / 60
    db2 = dZ2.sum(axis=1, keepdims=True) / 60
    dZ1 = (W2.T @ dZ2) * (1 - A1 ** 2)
    dW1 = dZ1 @ X.T / 60
    db1 = dZ1.sum(axis=1, keepdims=True) / 60
    W1 -= dW1; b1 -= db1; W2 -= dW2; b2 -= db2
"""
LAYERS = """\
import numpy as np
rng = np.random.default_rng(0)

class Dense:
    def __init__(self, n, m):
        self.weights, self.bias = rng.normal(size=(n, m)) / np.sqrt(n), np.zeros(m)
        self.m, self.v = {}, {}
    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias
    def backward(self, g):
        self.grads = {"weights": self.x.T @ g, "bias": g.sum(0)}
        return g @ self.weights.T

class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, g):
        return g * (1 - self.out ** 2)

class Adam:
    t = 0
    def step(self, layers):
        self.t += 1
        for l in layers[::2]:
            for k, g in l.grads.items():
                l.m[k] = .9 * l.m.get(k, 0) + .1 * g
                l.v[k] = .999 * l.v.get(k, 0) + .001 * g * g
                m, v = l.m[k] / (1 - .9 ** self.t), l.v[k] / (1 - .999 ** self.t)
                p = getattr(l, k)
                p -= .01 * m / (np.sqrt(v) + 1e-8)

X = rng.normal(size=(96, 3))
labels = X.argmax(axis=1)
layers, adam = [Dense(3, 8), Tanh(), Dense(8, 6), Tanh(), Dense(6, 3)], Adam()
for step in range(12):
    rows = rng.permutation(96)[:32]
    h = X[rows]
    for l in layers:
        h = l.forward(h)
    e = np.exp(h - h.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    g = p.copy()
    g[np.arange(32), labels[rows]] -= 1
    g /= 32
    for l in reversed(layers):
        g = l.backward(g)
    adam.step(layers)
"""
SUMS = "S1 += dW1 ** 2; S2 += dW2 ** 2; dW1 = dW1 / np.sqrt(S1); dW2 = dW2 / np.sqrt(S2)"
NORMS = "dW1, db1, dW2, db2 = (g / np.linalg.norm(g) for g in (dW1, db1, dW2, db2))"
TWICE = (("b1 -= 0.5", "b1 -= 1.0"), ("b2 -= 0.5", "b2 -= 1.0"))
ORDER = "order = np.random.permutation(60)"
COST = "-np.mean(Y * np.log(A2 + 1e-8) + (1 - Y) * np.log(1 - A2 + 1e-8))"
SLOPE = "-(Y / (A2 + 1e-8)) + (1 - Y) / (1 - A2 + 1e-8)"
SMALL_STEP = "W1 -= .1 * dW1; b1 -= .1 * db1; W2 -= .1 * dW2; b2 -= .1 * db2"
# a script, and what is written in it in place of what
RIGHT = {
    "rates": (BASE, *TWICE),
    "sums": (BASE, ("    W1 -=", f"    {SUMS}\n    W1 -=")),
    "norms": (BASE, ("    W1 -=", f"    {NORMS}\n    W1 -=")),
    "empty": (BASE, ("    a1 =", "    Xb = X[:0]\n    a1 =")),
    "adam": (LAYERS,),
    "epsilon": (BINARY,),
    "inline": (
        BASE,
        ("    db2 = d2.sum(0)\n", ""),
        ("* db2", "* d2.sum(0)"),
        ("    db1 = d1.sum(0)\n", ""),
        ("* db1", "* d1.sum(0)"),
    ),
    "shuffled": (
        BASE,
        ("    a1 =", "    order = rng.permutation(90)\n    x, y = X[order], Y[order]\n    a1 ="),
        ("(X @", "(x @"),
        ("p - Y", "p - y"),
        ("X.T", "x.T"),
    ),
    "shuffled_in_place": (
        BINARY,
        ("    A1 =", f"    {ORDER}\n    X, Y = X[:, order], Y[:, order]\n    A1 ="),
        ("Y = (X[0] * X[1] > 0).astype(int).reshape(1, -1)", "Y = (X[0] * X[1])[None, :]"),
        ("1 / (1 + np.exp(-(W2 @ A1 + b2)))", "W2 @ A1 + b2"),
        ("dA2 * A2 * (1 - A2)", "2 * (A2 - Y)"),
        (COST, "np.mean((A2 - Y) ** 2)"),
        (SLOPE, "0"),
        ("W1 -= dW1; b1 -= db1; W2 -= dW2; b2 -= db2", SMALL_STEP),
    ),
}
# the same, the bug or none, and the line
WRONG = {
    "rates": (BASE, (("(d2 @ W2.T)", "(d2 @ (W2 * 2).T)"), *TWICE), "scale", 19),
    "axis": (BASE, (("e / e.sum(1, keepdims=True)", "e / e.sum()"),), "softmax-axis", 13),
    "labels": (BASE, (("p - Y", "p - np.eye(3)[t - 1]"),), "labels-shifted", 14),
    "adam": (LAYERS, (("g * (1 - self.out ** 2)", "g * (1 - self.out)"),), "derivative-slip", 20),
    "three_times": (
        BASE,
        (("a1.T @ d2", "3 * (a1.T @ d2)"), ("X.T @ d1", "3 * (X.T @ d1)")),
        "scale",
        16,
    ),
    "epsilon": (BINARY, (("+ 1e-8)) + (1 - Y) /", "+ 1e-8)) - (1 - Y) /"),), None, 12),
}
UNTESTED = {
    "torn": ("    a1 =", "    X = X[rng.permutation(90)]\n    a1 =", "no longer belong to their"),
    "divided": ("W2 -= 0.5 *", "W2 -= 45.0 *", "a division by 90 may be left out"),
    "anew": (
        "    db2 = d2.sum(0)\n",
        "    db2 = d2.sum(0)\n    db2 = db2 / 2\n",
        "what a line makes of it, 0.5 times as much",
    ),
    "stopped": (
        "    d1 =",
        "    W2 -= 0.5 * dW2; b2 -= 0.5 * db2; undefined\n    d1 =",
        "the end of its first step was not seen; it raises NameError on line 18",
    ),
    "frozen": ("    W2 -= 0.5 * dW2\n", "", "an update of W2"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {f"right_{name}": _changed(*one) for name, one in RIGHT.items()}
    sources |= {f"wrong_{name}": _changed(one[0], *one[1]) for name, one in WRONG.items()}
    sources["halved"] = _changed(LAYERS, HALVED)
    sources |= {name: _changed(BASE, one[:2]) for name, one in UNTESTED.items()}
    return told_of(tmp_path_factory, worker_id, "updates", sources)


HALVED = (
    ('        self.grads = {"weights": self.x.T @ g, "bias": g.sum(0)}\n'),
    (
        '        self.grads = {"weights": self.x.T @ g, "bias": g.sum(0)}\n'
        '        self.grads["bias"] = self.grads["bias"] / 2\n'
    ),
)


def _changed(source: str, *changes: tuple[str, ...]) -> str:
    for right, other in changes:
        assert source.count(right) == 1, right
        source = source.replace(right, other)
    return source


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass_whatever_is_made_of_them(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[f"right_{name}"]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_fail_with_their_line_whatever_is_made_of_them(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    _, _, bug, line = WRONG[name]
    found = told[f"wrong_{name}"]
    assert found["verdict"] == "fail"
    assert found["diagnosis"]["line"]["number"] == line
    assert bug is None or bug in [one["id"] for one in found["diagnosis"]["bugs"]]


@pytest.mark.parametrize("name", UNTESTED)
def test_what_numbers_leave_open_is_said_and_not_judged(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]
    assert found["verdict"] == "untested"
    assert UNTESTED[name][2] in found["diagnosis"]["findings"][0]


def test_an_update_at_several_rates_is_told_as_that(told: dict[str, dict[str, Any]]) -> None:
    assert "a rate for each parameter" in told["right_rates"]["diagnosis"]["statement"]
    assert "no plain descent" in told["right_adam"]["diagnosis"]["statement"]


def test_half_a_gradient_that_an_optimizer_takes_up_is_wrong(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["halved"]
    assert found["verdict"] == "fail"
    assert found["diagnosis"]["wrong"] == ["db[3]", "db[2]", "db[1]"]

"""Scripts in the styles that people write: layer objects with momentum, gradients summed sample by
sample, the bias as a column, real targets, float32; and what speaks against a reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import checks, told_of

SUMMED = """\
import numpy as np
rng = np.random.default_rng(2)

def squash(z):
    return 1.0 / (1.0 + np.exp(-z))

class Net:
    def __init__(self, sizes):
        self.ws = [rng.normal(size=(n, m)) for m, n in zip(sizes, sizes[1:])]
        self.bs = [rng.normal(size=(n, 1)) for n in sizes[1:]]

    def learn(self, batch, eta):
        sum_w = [np.zeros(w.shape) for w in self.ws]
        sum_b = [np.zeros(b.shape) for b in self.bs]
        for x, y in batch:
            d_w, d_b = self.back(x, y)
            sum_w = [s + d for s, d in zip(sum_w, d_w)]
            sum_b = [s + d for s, d in zip(sum_b, d_b)]
        self.ws = [w - eta / len(batch) * s for w, s in zip(self.ws, sum_w)]
        self.bs = [b - eta / len(batch) * s for b, s in zip(self.bs, sum_b)]

    def back(self, x, y):
        acts = [x]
        for w, b in zip(self.ws, self.bs):
            acts.append(squash(w @ acts[-1] + b))
        d_w, d_b = [None] * len(self.ws), [None] * len(self.ws)
        delta = (acts[-1] - y) * acts[-1] * (1 - acts[-1])
        for i in range(len(self.ws) - 1, -1, -1):
            d_w[i] = delta @ acts[i].T
            d_b[i] = delta
            if i > 0:
                delta = self.ws[i].T @ delta * acts[i] * (1 - acts[i])
        return d_w, d_b

data = [(x := rng.random((4, 1)), np.eye(3)[:, [int(x[:3].argmax())]]) for _ in range(30)]
net = Net([4, 6, 3])
for epoch in range(3):
    rng.shuffle(data)
    for k in range(0, 30, 6):
        net.learn(data[k:k + 6], 3.0)
"""
COLUMN = """\
import numpy as np
rng = np.random.default_rng(11)
X = rng.uniform(-1, 1, (50, 3))
T = np.sign(X[:, :1] * X[:, 1:2]) * 0.8
V = rng.uniform(-0.7, 0.7, (4, 6))
U = rng.uniform(-0.7, 0.7, (7, 1))
for epoch in range(60):
    a0 = np.hstack([X, np.ones((50, 1))])
    a1 = np.tanh(a0 @ V)
    a1b = np.hstack([a1, np.ones((50, 1))])
    out = np.tanh(a1b @ U)
    err = out - T
    d2 = err * (1 - out ** 2)
    d1 = (d2 @ U.T)[:, :-1] * (1 - a1 ** 2)
    U -= 0.2 * a1b.T @ d2 / 50
    V -= 0.2 * a0.T @ d1 / 50
"""
SHORT = """\
import numpy as np
rng = np.random.default_rng(7)
f = np.float32
x = np.linspace(-2, 3, 64, dtype=f).reshape(-1, 1)
y = np.sin(2 * x).astype(f)
w1, b1 = (rng.normal(size=(1, 16)) * 0.8).astype(f), np.zeros((1, 16), f)
w2, b2 = (rng.normal(size=(16, 1)) * 0.3).astype(f), np.zeros((1, 1), f)
for t in range(100):
    h = np.tanh(x @ w1 + b1)
    out = h @ w2 + b2
    g = (out - y) / f(len(x))
    g_w2, g_b2 = h.T @ g, g.sum(0, keepdims=True)
    g_z = g @ w2.T * (1 - h ** 2)
    g_w1, g_b1 = x.T @ g_z, g_z.sum(0, keepdims=True)
    for p, d in ((w1, g_w1), (b1, g_b1), (w2, g_w2), (b2, g_b2)):
        p -= f(0.05) * d
"""
MOMENTUM = """\
import numpy as np
rng = np.random.default_rng(5)

class Dense:
    def __init__(self, m, n):
        self.W, self.b = rng.normal(0, 0.5, (m, n)), np.zeros((1, n))
        self.vW, self.vb = np.zeros((m, n)), np.zeros((1, n))
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, g):
        self.dW = self.x.T @ g
        self.db = g.sum(axis=0, keepdims=True)
        return g @ self.W.T
    def update(self, lr, mu):
        self.vW = mu * self.vW - lr * self.dW
        self.vb = mu * self.vb - lr * self.db
        self.W += self.vW
        self.b += self.vb

class Leaky:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0.1 * x)
    def backward(self, g):
        return g * np.where(self.x > 0, 1.0, 0.1)

layers = [Dense(4, 7), Leaky(), Dense(7, 7), Leaky(), Dense(7, 3)]
X = rng.normal(size=(80, 4))
T = np.eye(3)[X[:, 1:].argmax(1)]
for epoch in range(40):
    out = X
    for layer in layers:
        out = layer.forward(out)
    e = np.exp(out - out.max(1, keepdims=True))
    g = (e / e.sum(1, keepdims=True) - T) / len(T)
    for layer in reversed(layers):
        g = layer.backward(g)
    for layer in layers[::2]:
        layer.update(0.1, 0.9)
"""
CLASSIFIER = """\
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(60, 2))
Y = (X[:, :1] * X[:, 1:] > 0) * 1.0
W1, b1 = rng.normal(size=(2, 5)), np.zeros(5)
W2, b2 = rng.normal(size=(5, 1)), np.zeros(1)
for i in range(80):
    A1 = np.tanh(X @ W1 + b1)
    A2 = 1 / (1 + np.exp(-(A1 @ W2 + b2)))
    cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
    dZ2 = (A2 - Y) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - A1 ** 2)
    dW2, db2, dW1, db1 = A1.T @ dZ2, dZ2.sum(0), X.T @ dZ1, dZ1.sum(0)
    W2 -= 1.2 * dW2
    b2 -= 1.2 * db2
    W1 -= 1.2 * dW1
    b1 -= 1.2 * db1
"""
RESIDUAL = """\
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(50, 6))
T = np.eye(3)[rng.integers(0, 3, 50)]
W1, W2, W3 = (rng.normal(size=s) * .4 for s in ((6, 8), (8, 8), (8, 3)))
for it in range(40):
    h1 = np.tanh(X @ W1)
    h2 = np.tanh(h1 @ W2)
    h3 = h1 + h2
    p = np.exp(h3 @ W3)
    p /= p.sum(1, keepdims=True)
    g = (p - T) / 50
    g3 = g @ W3.T
    g2 = g3 * (1 - h2 * h2)
    g1 = (g3 + g2 @ W2.T) * (1 - h1 * h1)
    W3 -= .2 * h3.T @ g
    W2 -= .2 * h1.T @ g2
    W1 -= .2 * X.T @ g1
"""
RIGHT = {
    "summed": (SUMMED, [4, 6, 3]),
    "column": (COLUMN, [3, 6, 1]),
    "short": (SHORT, [1, 16, 1]),
    "momentum": (MOMENTUM, [4, 7, 7, 3]),
    "classifier": (CLASSIFIER, [2, 5, 1]),
}
TWO_COSTS = CLASSIFIER.replace("(A2 - Y) / len", "(A2 - Y) * A2 * (1 - A2) / len")
# a script, what is written in place of what, and whether the line that changes is the one to name
WRONG = {
    "summed": (SUMMED, "delta * acts[i] * (1 - acts[i])", "delta * acts[i]", True),
    "climbs": (SUMMED, "b - eta / len(batch) * s for", "b + eta / len(batch) * s for", False),
    "column": (COLUMN, "(d2 @ U.T)[:, :-1]", "(d2 @ U.T)[:, 1:]", True),
    "short": (SHORT, "* (1 - h ** 2)", "* (1 - h)", True),
    "momentum": (MOMENTUM, "where(self.x > 0, 1.0, 0.1)", "where(self.x > 0, 1.0, 0.3)", True),
    "twice": (CLASSIFIER, "(A2 - Y) / len(X)", "(A2 - Y) / len(X) ** 2", False),
    "by_samples": (CLASSIFIER, "= A1.T @ dZ2,", "= 60 * A1.T @ dZ2,", True),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {f"right_{name}": source for name, (source, _) in RIGHT.items()}
    sources |= {f"wrong_{name}": one[0].replace(*one[1:3]) for name, one in WRONG.items()}
    sources |= {"costs": TWO_COSTS, "residual": RESIDUAL}
    return told_of(tmp_path_factory, worker_id, "styles", sources)


@pytest.mark.parametrize("name", RIGHT)
def test_right_script_of_any_style_passes(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[f"right_{name}"]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    assert found["watched"]["network"]["sizes"] == RIGHT[name][1]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_script_of_any_style_fails(told: dict[str, dict[str, Any]], name: str) -> None:
    source, right, _, names_line = WRONG[name]
    assert source.count(right) == 1
    found = told[f"wrong_{name}"]
    assert found["verdict"] == "fail"
    if names_line:
        line = source[: source.index(right)].count("\n") + 1
        assert found["diagnosis"]["line"] is not None
        assert found["diagnosis"]["line"]["number"] == line


def test_steps_down_one_cost_beside_another_that_is_computed_are_no_pass(
    told: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    found = told["costs"]
    assert found["verdict"] == "untested"
    assert "--cost quadratic or --cost cross-entropy" in found["diagnosis"]["findings"][0]
    (tmp_path / "net.py").write_text(TWO_COSTS)
    assert checks("net.py", "--cost", "quadratic", folder=tmp_path).code == 0
    meant = checks("net.py", "--cost", "binary-cross-entropy", "--json", folder=tmp_path)
    assert meant.objects[0]["diagnosis"]["line"]["number"] == 11


def test_network_with_a_way_around_is_not_taken_for_its_first_layers(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["residual"]
    assert found["verdict"] == "untested"
    assert "W3 changes from step to step, too" in found["diagnosis"]["findings"][0]


GATHERED = """\
import numpy as np
rng = np.random.default_rng(3)
X = rng.normal(size=(64, 4))
T = np.eye(3)[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)]

class Layer:
    def __init__(self, m, n):
        self.W, self.b = rng.normal(size=(m, n)) * 0.5, np.zeros(n)
        self.dW, self.db = np.zeros((m, n)), np.zeros(n)

one, two = Layer(4, 8), Layer(8, 3)
for k in range(0, 64, 16):
    for layer in (one, two):
        layer.dW[:] = 0
        layer.db[:] = 0
    x, t = X[k:k + 16], T[k:k + 16]
    h = np.tanh(x @ one.W + one.b)
    e = np.exp(h @ two.W + two.b)
    p = e / e.sum(1, keepdims=True)
    d = (p - t) / len(t)
    two.dW += h.T @ d
    two.db += d.sum(0)
    d = d @ two.W.T * (1 - h ** 2)
    one.dW += x.T @ d
    one.db += d.sum(0)
    for layer in (one, two):
        layer.W -= 0.2 * layer.dW
        layer.b -= 0.2 * layer.db
"""
NOT_SET_BACK = ("        layer.dW[:] = 0\n        layer.db[:] = 0\n", "        pass\n")
KEPT = GATHERED.replace(*NOT_SET_BACK)


def test_buffer_that_is_set_back_passes_and_one_that_never_is_is_named(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(GATHERED)
    (tmp_path / "kept.py").write_text(KEPT)
    right, kept = checks("right.py", "kept.py", "--json", folder=tmp_path).objects
    assert right["verdict"] == "pass"
    assert kept["verdict"] == "fail"
    assert [bug["id"] for bug in kept["diagnosis"]["bugs"]] == ["stale-accumulator"]
    assert kept["diagnosis"]["line"]["text"] == "two.dW += h.T @ d"

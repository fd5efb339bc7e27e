"""Of a watched script the line that is named is the one on which the mistake was written: not the
line before it, whose numbers are right, nor the one behind it, which takes what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from command import told_of
from test_watching_scripts import GLOBALS

SAMPLES = """\
import random
import numpy as np

class Network:
    def __init__(self, sizes):
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def update_mini_batch(self, batch, eta):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [nb + db for nb, db in zip(nabla_b, delta_b)]
            nabla_w = [nw + dw for nw, dw in zip(nabla_w, delta_w)]
        self.weights = [w - eta / len(batch) * nw for w, nw in zip(self.weights, nabla_w)]
        self.biases = [b - eta / len(batch) * nb for b, nb in zip(self.biases, nabla_b)]

    def backprop(self, x, y):
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))
        delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
        nabla_b = [delta]
        nabla_w = [delta @ activations[-2].T]
        for l in range(2, len(activations)):
            sp = sigmoid_prime(zs[-l])
            delta = self.weights[-l + 1].T @ delta * sp
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ activations[-l - 1].T)
        return nabla_b, nabla_w

    def cost_derivative(self, a, y):
        return a - y

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))

np.random.seed(1)
random.seed(1)
data = []
for _ in range(40):
    x = np.random.randn(6, 1)
    t = np.zeros((3, 1))
    t[int(np.argmax(x[:3]))] = 1
    data.append((x, t))
net = Network([6, 5, 4, 3])
for epoch in range(5):
    random.shuffle(data)
    for k in range(0, 40, 8):
        net.update_mini_batch(data[k : k + 8], 3.0)
"""
CLASS = """\
import numpy as np

class Net:
    def __init__(self):
        rng = np.random.default_rng(4)
        self.W1, self.b1 = rng.normal(0, 0.5, (6, 9)), np.zeros((1, 9))
        self.W2, self.b2 = rng.normal(0, 0.5, (9, 4)), np.zeros((1, 4))

    def slope(self, a):
        return a * (1 - a)

    def forward(self, X):
        self.a1 = 1 / (1 + np.exp(-(X @ self.W1 + self.b1)))
        self.a2 = 1 / (1 + np.exp(-(self.a1 @ self.W2 + self.b2)))
        return self.a2

    def backward(self, X, y):
        error = self.a2 - y
        dz2 = error * self.slope(self.a2)
        dW2 = self.a1.T @ dz2 / len(X)
        db2 = dz2.sum(axis=0, keepdims=True) / len(X)
        da1 = dz2 @ self.W2.T
        dz1 = da1 * self.slope(self.a1)
        dW1 = X.T @ dz1 / len(X)
        db1 = dz1.sum(axis=0, keepdims=True) / len(X)
        self.W2 -= 2.0 * dW2
        self.b2 -= 2.0 * db2
        self.W1 -= 2.0 * dW1
        self.b1 -= 2.0 * db1

np.random.seed(0)
X = np.random.randn(48, 6)
y = np.eye(4)[np.argmax(X[:, :4] + 0.3 * np.random.randn(48, 4), axis=1)]
net = Net()
for epoch in range(200):
    net.forward(X)
    net.backward(X, y)
"""
PLAIN = """\
import math
import random

random.seed(4)
data = []
for _ in range(30):
    row = [random.uniform(-1, 1) for _ in range(3)]
    data.append((row, [1.0, 0.0] if row[0] + row[1] * row[2] > 0 else [0.0, 1.0]))
V = [[random.uniform(-1, 1) for _ in range(3)] for _ in range(4)]
c = [random.uniform(-1, 1) for _ in range(4)]
W = [[random.uniform(-1, 1) for _ in range(4)] for _ in range(2)]
b = [random.uniform(-1, 1) for _ in range(2)]

def squash(v):
    return 1 / (1 + math.exp(-v))

for epoch in range(20):
    for row, label in data:
        hidden = []
        for j in range(4):
            hidden.append(squash(sum(V[j][i] * row[i] for i in range(3)) + c[j]))
        out = [squash(sum(W[k][j] * hidden[j] for j in range(4)) + b[k]) for k in range(2)]
        delta_out = [(out[k] - label[k]) * out[k] * (1 - out[k]) for k in range(2)]
        delta_hidden = []
        for j in range(4):
            back = sum(delta_out[k] * W[k][j] for k in range(2))
            delta_hidden.append(back * hidden[j] * (1 - hidden[j]))
        for k in range(2):
            for j in range(4):
                W[k][j] -= 0.4 * delta_out[k] * hidden[j]
            b[k] -= 0.4 * delta_out[k]
        for j in range(4):
            for i in range(3):
                V[j][i] -= 0.4 * delta_hidden[j] * row[i]
            c[j] -= 0.4 * delta_hidden[j]
"""
LAYERS = """\
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * 0.5
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        below = grad @ self.W.T
        self.W -= 1.0 * self.x.T @ grad
        self.b -= 1.0 * grad.sum(axis=0)
        return below

class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, grad):
        return grad * (1 - self.out**2)

np.random.seed(11)
X = np.random.randn(64, 4)
T = np.stack([X[:, 0] * X[:, 1], np.sin(X[:, 2])], axis=1)
model = [Dense(4, 8), Tanh(), Dense(8, 6), Tanh(), Dense(6, 2)]
for epoch in range(200):
    out = X
    for layer in model:
        out = layer.forward(out)
    grad = 2 * (out - T) / T.size
    for layer in reversed(model):
        grad = layer.backward(grad)
"""
SUMS = """\
import numpy as np
np.random.seed(13)
X = np.random.rand(40, 4) * 2 - 1
T = np.stack([X[:, 0] + X[:, 1] > 0, X[:, 2] * X[:, 3] > 0], axis=1) * 1.0
V, c = np.random.randn(7, 4) * 0.6, np.zeros(7)
W, d = np.random.randn(2, 7) * 0.6, np.zeros(2)
for epoch in range(100):
    gV, gc, gW, gd = np.zeros_like(V), np.zeros_like(c), np.zeros_like(W), np.zeros_like(d)
    for n in range(len(X)):
        a = 1 / (1 + np.exp(-(V @ X[n] + c)))
        p = 1 / (1 + np.exp(-(W @ a + d)))
        delta2 = (p - T[n]) * p * (1 - p)
        delta1 = (W.T @ delta2) * a * (1 - a)
        gW += np.outer(delta2, a)
        gd += delta2
        gV += np.outer(delta1, X[n])
        gc += delta1
    W -= 0.1 * gW
    d -= 0.1 * gd
    V -= 0.1 * gV
    c -= 0.1 * gc
"""
ONLINE = """\
import numpy as np
rng = np.random.default_rng(12)
V, c = rng.normal(0, 0.4, (8, 6)), rng.normal(0, 0.1, (8, 1))
W, d = rng.normal(0, 0.4, (3, 8)), rng.normal(0, 0.1, (3, 1))

def train(x, t):
    global V, c, W, d
    a = 1 / (1 + np.exp(-(np.dot(V, x) + c)))
    p = 1 / (1 + np.exp(-(np.dot(W, a) + d)))
    delta = (t - p) * p * (1 - p)
    hidden = np.dot(W.T, delta) * a * (1 - a)
    W += 0.3 * np.dot(delta, a.T)
    d += 0.3 * delta
    V += 0.3 * np.dot(hidden, x.T)
    c += 0.3 * hidden

samples = rng.uniform(0.01, 1, (60, 6, 1))
for epoch in range(4):
    for x in samples:
        train(x, 0.01 + 0.98 * (x[:3] == x[:3].max()))
"""
RIGHT = {
    "sums": SUMS,
    "online": ONLINE,
    "samples": SAMPLES,
    "class": CLASS,
    "plain": PLAIN,
    "layers": LAYERS,
    # a sample whose gradients are computed, and count in no update
    "trial": SAMPLES.replace("for epoch in", "net.backprop(*data[0])\nfor epoch in").replace(
        "k : k + 8", "k : k + 1"
    ),
    # it jumps to and fro, by the same counts at each step
    "sum": GLOBALS.replace("(p - T) / len(X)", "p - T").replace("lr = 0.5", "lr = 5.0"),
}


@dataclass(frozen=True)
class Wrong:
    """A script with a mistake in it.

    Attributes:
        of: which script.
        right, wrong: what stood there, and what does; the mistake is on its first line.
        bug: which is named; "" for none.
    """

    of: str
    right: str
    wrong: str
    bug: str = ""

    @property
    def source(self) -> str:
        """The whole script."""
        assert RIGHT[self.of].count(self.right) == 1
        return RIGHT[self.of].replace(self.right, self.wrong)

    @property
    def line(self) -> int:
        """On which the mistake is."""
        return self.source[: self.source.index(self.wrong)].count("\n") + 1


OF_W = "            nabla_w = [nw + dw for nw, dw in zip(nabla_w, delta_w)]\n"
OF_B = "            nabla_b = [nb + db for nb, db in zip(nabla_b, delta_b)]\n"
WRONG = {
    "weights_of_the_last_sample": Wrong(
        "samples", OF_W, "            nabla_w = delta_w\n", "loop-overwrites"
    ),
    "all_of_the_last_sample": Wrong(
        "samples",
        OF_B + OF_W,
        "            nabla_b, nabla_w = delta_b, delta_w\n",
        "loop-overwrites",
    ),
    "sign": Wrong("samples", "        return a - y\n", "        return y - a\n", "sign"),
    "hidden_helper_of_a": Wrong(
        "samples",
        "sp = sigmoid_prime(zs[-l])",
        "sp = sigmoid_prime(activations[-l])",
        "sigmoid-twice",
    ),
    "output_helper_of_a": Wrong(
        "samples",
        "* sigmoid_prime(zs[-1])",
        "* sigmoid_prime(activations[-1])",
        "sigmoid-twice",
    ),
    "wrong_helper": Wrong(
        "class", "return a * (1 - a)", "return np.exp(-a) / (1 + np.exp(-a)) ** 2", "sigmoid-twice"
    ),
    "delta_by_another_name": Wrong(
        "class", "dz1 = da1 * self.slope(self.a1)", "dz1 = da1", "no-hidden-derivative"
    ),
    "delta_on_one_line": Wrong(
        "class",
        "da1 = dz2 @ self.W2.T\n        dz1 = da1 * self.slope(self.a1)",
        "dz1 = dz2 @ self.W2.T",
        "no-hidden-derivative",
    ),
    "delta_in_a_list": Wrong(
        "plain",
        "delta_hidden.append(back * hidden[j] * (1 - hidden[j]))",
        "delta_hidden.append(back)",
        "no-hidden-derivative",
    ),
    "index": Wrong("plain", "delta_hidden[j] * row[i]", "delta_hidden[j] * hidden[i]"),
    "sum_of_the_last_sample": Wrong(
        "sums", "gW += np.outer(delta2, a)", "gW = np.outer(delta2, a)", "loop-overwrites"
    ),
    "sign_where_all_errors_are_reversed": Wrong(
        "online", "c += 0.3 * hidden", "c -= 0.3 * hidden", "sign"
    ),
    "returned_as_it_came": Wrong(
        "layers", "return grad * (1 - self.out**2)", "return grad", "no-hidden-derivative"
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {**RIGHT, **{name: one.source for name, one in WRONG.items()}}
    return told_of(tmp_path_factory, worker_id, "lines", sources)


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_script_passes(told: dict[str, dict[str, Any]], name: str) -> None:
    assert told[name]["verdict"] == "pass"


def test_a_rate_of_the_sum_is_told(told: dict[str, dict[str, Any]]) -> None:
    assert (
        "rate 200, which is 5 for the sum over 40 samples" in told["sum"]["diagnosis"]["statement"]
    )


@pytest.mark.parametrize("name", WRONG)
def test_the_line_of_the_mistake_is_named(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[name]["diagnosis"]
    wanted = WRONG[name]
    assert told[name]["verdict"] == "fail"
    assert found["line"]["number"] == wanted.line
    assert wanted.bug in {"", *(bug["id"] for bug in found["bugs"])}

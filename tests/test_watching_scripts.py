"""A script is run as it is and watched; its network is recognised by what it computes, or nothing
is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import checks, told_of

SCALARS = """\
import math, random
random.seed(0)
X = [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.5, 0.2]]
Y = [1.0, 0.0, 1.0, 0.0]
W1 = [[random.uniform(-1, 1) for _ in range(2)] for _ in range(3)]
b1 = [0.1, 0.2, -0.1]
W2 = [[random.uniform(-1, 1) for _ in range(3)]]
b2 = [0.05]

def sigmoid(v):
    return 1 / (1 + math.exp(-v))

for epoch in range(1000):
    for x, t in zip(X, Y):
        hidden = [sigmoid(sum(w * v for w, v in zip(row, x)) + b) for row, b in zip(W1, b1)]
        out = [sigmoid(sum(w * v for w, v in zip(row, hidden)) + b) for row, b in zip(W2, b2)]
        delta2 = [(out[0] - t) * out[0] * (1 - out[0])]
        delta1 = [delta2[0] * W2[0][j] * hidden[j] * (1 - hidden[j]) for j in range(3)]
        for j in range(3):
            W2[0][j] -= 0.5 * delta2[0] * hidden[j]
        b2[0] -= 0.5 * delta2[0]
        for j in range(3):
            for i in range(2):
                W1[j][i] -= 0.5 * delta1[j] * x[i]
            b1[j] -= 0.5 * delta1[j]
"""
GLOBALS = """\
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(40, 4))
y = (X[:, 0] > 0).astype(int) + (X[:, 2] > 0.5)
T = np.eye(3)[y]
W1, b1 = rng.normal(size=(4, 6)), np.zeros(6)
W2, b2 = rng.normal(size=(6, 3)), np.zeros(3)
lr = 0.5
for epoch in range(500):
    z1 = X @ W1 + b1
    h = 1 / (1 + np.exp(-z1))
    z2 = h @ W2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    d2 = (p - T) / len(X)
    dW2 = h.T @ d2
    db2 = d2.sum(0)
    d1 = d2 @ W2.T * h * (1 - h)
    dW1 = X.T @ d1
    db1 = d1.sum(0)
    W1 -= lr * dW1
    b1 -= lr * db1
    W2 -= lr * dW2
    b2 -= lr * db2
"""
OBJECTS = """\
import numpy as np

class Dense:
    def __init__(self, n_in, n_out, rng):
        self.W = rng.normal(size=(n_in, n_out)) * 0.4
        self.b = np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, g, lr):
        gx = g @ self.W.T
        self.W -= lr * self.x.T @ g
        self.b -= lr * g.sum(axis=0)
        return gx

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, g, lr):
        return g * (1 - self.y ** 2)

def main():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5))
    T = np.eye(3)[rng.integers(3, size=30)]
    layers = [Dense(5, 7, rng), Tanh(), Dense(7, 3, rng)]
    for it in range(300):
        a = X
        for layer in layers:
            a = layer.forward(a)
        e = np.exp(a - a.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        g = (p - T) / len(X)
        for layer in reversed(layers):
            g = layer.backward(g, 0.2)

if __name__ == "__main__":
    main()
"""
CLASS = """\
import numpy as np

class Net:
    def __init__(self, sizes, rng):
        self.weights = [rng.normal(size=(n, m)) for m, n in zip(sizes, sizes[1:])]
        self.biases = [np.zeros((n, 1)) for n in sizes[1:]]
    def forward(self, x):
        self.a, self.z = [x], []
        for i, (w, b) in enumerate(zip(self.weights, self.biases)):
            z = w @ self.a[-1] + b
            self.z.append(z)
            last = i == len(self.weights) - 1
            self.a.append(1 / (1 + np.exp(-z)) if last else np.maximum(0, z))
    def backward(self, y, lr):
        delta = (self.a[-1] - y) / y.shape[1]
        for i in reversed(range(len(self.weights))):
            gw = delta @ self.a[i].T
            gb = delta.sum(axis=1, keepdims=True)
            if i > 0:
                delta = self.weights[i].T @ delta * (self.z[i - 1] > 0)
            self.weights[i] -= lr * gw
            self.biases[i] -= lr * gb

rng = np.random.default_rng(3)
X = rng.normal(size=(3, 50))
Y = (X.sum(axis=0, keepdims=True) > 0).astype(float)
net = Net([3, 8, 1], rng)
for step in range(200):
    net.forward(X)
    net.backward(Y, 0.3)
"""
DICTIONARY = """\
import numpy as np

def forward(X, params):
    Z1 = params["W1"] @ X + params["b1"]
    A1 = np.tanh(Z1)
    Z2 = params["W2"] @ A1 + params["b2"]
    return {"A1": A1, "A2": 1 / (1 + np.exp(-Z2))}

def backward(X, Y, params, cache):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dZ1 = params["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    grads = {"W2": dZ2 @ cache["A1"].T / m, "b2": dZ2.sum(1, keepdims=True) / m}
    grads["W1"] = dZ1 @ X.T / m
    grads["b1"] = dZ1.sum(1, keepdims=True) / m
    return grads

rng = np.random.default_rng(1)
X = rng.normal(size=(2, 60))
Y = (X[:1] * X[1:] > 0) * 1.0
params = {"W1": rng.normal(size=(6, 2)), "b1": np.zeros((6, 1))}
params |= {"W2": rng.normal(size=(1, 6)), "b2": np.zeros((1, 1))}
for i in range(100):
    cache = forward(X, params)
    grads = backward(X, Y, params, cache)
    params = {k: params[k] - 0.5 * grads[k] for k in params}
"""
ADAM = (
    GLOBALS.partition("    W1 -= lr * dW1")[0].replace("lr = 0.5", "m = [0, 0, 0, 0]")
    + """\
    for i, (w, g) in enumerate(zip((W1, b1, W2, b2), (dW1, db1, dW2, db2))):
        m[i] = 0.9 * m[i] + 0.1 * g * g
        w -= 0.01 * g / (np.sqrt(m[i]) + 1e-8)
"""
)
RIGHT = {
    "scalars": (SCALARS, [2, 3, 1]),
    "globals": (GLOBALS, [4, 6, 3]),
    "objects": (OBJECTS, [5, 7, 3]),
    "class": (CLASS, [3, 8, 1]),
    "dictionary": (DICTIONARY, [2, 6, 1]),
    "adam": (ADAM, [4, 6, 3]),
}
# what is written in place of what; the marked line is the one that changes
WRONG = {
    "scalars": (SCALARS, "* hidden[j] * (1 - hidden[j]) for", "* (1 - hidden[j]) for"),
    "globals": (GLOBALS, "* h * (1 - h)", "* z1 * (1 - z1)"),
    "bias": (GLOBALS, "db2 = d2.sum(0)", "db2 = d2.mean(0)"),
    "output": (GLOBALS, "(p - T) / len(X)", "(p - T) * p * (1 - p) / len(X)"),
    "objects": (OBJECTS, "g * (1 - self.y ** 2)", "g * (1 - self.y)"),
    "class": (CLASS, "* (self.z[i - 1] > 0)", "* self.a[i]"),
    "dictionary": (DICTIONARY, '(1 - cache["A1"] ** 2)', '(1 - cache["A1"])'),
}
NOTHING = {
    "torch": "import torch\nx = torch.ones(3, requires_grad=True)\nx.sum().backward()\n",
    "sklearn": "from sklearn.svm import SVC\nSVC().fit([[0], [1]], [0, 1])\n",
    "no_update": "import numpy as np\nW = np.eye(3)\nfor i in range(5):\n    W @ np.ones(3)\n",
    "no_file": "import numpy as np\nx = np.load('nowhere.npy')\nfor i in range(3):\n    x -= 1\n",
    "asks": "n = int(input('how many? '))\nprint(n)\n",
    "arguments": "import sys\nprint(sys.argv[1])\n",
    "hello": "print('hello')\n",
    "line": "w = 0.0\nfor i in range(50):\n    w -= 0.1 * (w - 3)\n",
    "k_means": "import numpy as np\nX = np.random.default_rng(0).normal(size=(60, 2))\n"
    "C = X[:3].copy()\n"
    "for i in range(9):\n    k = ((X[:, None] - C) ** 2).sum(-1).argmin(1)\n"
    "    C = np.array([X[k == j].mean(0) for j in range(3)])\n",
}
OTHER = "V1, V2 = rng.normal(size=(4, 5)), rng.normal(size=(5, 3))\nlr = 0.5\n"
BESIDE = """\
    k = np.tanh(X @ V1)
    q = 1 / (1 + np.exp(-(k @ V2)))
    f2 = (q - T) / len(X)
    gV2 = k.T @ f2
    V1 -= lr * (X.T @ (f2 @ V2.T * (1 - k * k)))
    V2 -= lr * gV2
"""
NOTHING["two"] = GLOBALS.replace("lr = 0.5\n", OTHER) + BESIDE


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {f"right_{name}": source for name, (source, _) in RIGHT.items()}
    sources |= {f"wrong_{name}": one[0].replace(*one[1:]) for name, one in WRONG.items()}
    sources |= {f"nothing_{name}": source for name, source in NOTHING.items()}
    return told_of(tmp_path_factory, worker_id, "scripts", sources)


@pytest.mark.parametrize("name", RIGHT)
def test_right_script_is_recognised_and_passes(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[f"right_{name}"]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    assert found["watched"]["network"]["sizes"] == RIGHT[name][1]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_script_fails_with_the_line_that_was_spoiled(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    source, right, _ = WRONG[name]
    assert source.count(right) == 1
    found = told[f"wrong_{name}"]
    assert found["verdict"] == "fail"
    line = source[: source.index(right)].count("\n") + 1
    assert found["diagnosis"]["line"] is not None
    assert found["diagnosis"]["line"]["number"] == line


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_said_of_what_was_not_recognised(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[f"nothing_{name}"]
    assert (found["verdict"], found["watched"]) == ("untested", None)
    assert "no network was recognised" in found["diagnosis"]["findings"][0]


def test_what_was_recognised_is_printed_first(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(GLOBALS)
    printed = checks("net.py", folder=tmp_path)
    assert printed.code == 0
    said = " ".join(printed.out.split())
    assert "asked I saw a 4-6-3 network: W1, W2 (in, out), sigmoid, softmax output" in said
    assert "batches of 40 in rows, rate 0.5, updated on lines 21 to 23." in said


def test_script_without_a_network_ends_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("print('hello')\n")
    printed = checks("hello.py", folder=tmp_path)
    assert printed.code == 2
    assert "no array was seen to change" in " ".join(printed.out.split())

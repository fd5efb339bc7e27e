"""Scripts that go down a loss that is none of the known costs: the derivative that their lines make
is taken for it, and what goes back through the layers is judged by that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from command import told_of

from backproof.checks.recording.script.other_losses import Setting, slopes

CLASSES = """\
import numpy as np
rng = np.random.default_rng(21)
X = rng.normal(size=(60, 4))
t = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0)
Y = np.eye(3)[t]
W1, b1 = rng.normal(size=(4, 10)) * .6, np.zeros(10)
W2, b2 = rng.normal(size=(10, 3)) * .6, np.zeros(3)
w = np.array([1.0, 2.0, 0.5])
for i in range(30):
    a1 = np.tanh(X @ W1 + b1)
    z2 = a1 @ W2 + b2
    e = np.exp(z2 - z2.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    d2 = (p - Y) * w[t][:, None] / 60
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
VALUES = """\
import numpy as np
rng = np.random.default_rng(3)
x = np.linspace(-1, 1, 40).reshape(1, -1)
y = np.abs(x) + 0.1 * x
V, c = rng.normal(size=(8, 1)), rng.normal(size=(8, 1))
U, d = rng.normal(size=(1, 8)) * .3, np.zeros((1, 1))
for i in range(30):
    h = 1 / (1 + np.exp(-(V @ x + c)))
    out = U @ h + d
    cost = np.mean(np.abs(out - y))
    slope = np.sign(out - y) / 40
    dU = slope @ h.T
    dd = np.sum(slope, axis=1, keepdims=True)
    back = U.T @ slope * h * (1 - h)
    dV = back @ x.T
    dc = np.sum(back, axis=1, keepdims=True)
    U = U - .1 * dU
    d = d - .1 * dd
    V = V - .1 * dV
    c = c - .1 * dc
"""
BATCHES = """\
import numpy as np
rng = np.random.default_rng(7)
X = rng.uniform(-2, 2, size=(120, 3))
Y = (np.sin(X[:, 0]) + 0.5 * X[:, 1] ** 2 - X[:, 2])[:, None]
W1, b1 = rng.normal(0, 0.5, (3, 9)), np.zeros((1, 9))
W2, b2 = rng.normal(0, 0.5, (9, 1)), np.zeros((1, 1))
for start in range(0, 120, 30):
    x, y = X[start:start + 30], Y[start:start + 30]
    h = np.tanh(x @ W1 + b1)
    out = h @ W2 + b2
    error = out - y
    loss = (error ** 2).mean()
    d2 = 2 * error / 30
    d1 = d2 @ W2.T * (1 - h ** 2)
    W2 -= 0.05 * h.T @ d2
    b2 -= 0.05 * d2.sum(0, keepdims=True)
    W1 -= 0.05 * x.T @ d1
    b1 -= 0.05 * d1.sum(0, keepdims=True)
"""
INSENSITIVE = (
    ("[:, None]\n", "[:, None]\nY[:30] += 5\n"),  # at first all errors are large
    ("(error ** 2).mean()", "np.maximum(0, np.abs(error) - 0.5).mean()"),
    ("2 * error / 30", "np.sign(error) * (np.abs(error) > 0.5) / 30"),
)
TWO = """\
import numpy as np
rng = np.random.default_rng(4)
X = rng.normal(size=(80, 2))
y = ((X ** 2).sum(axis=1) < 0.6).astype(float)[:, None]
share = y.mean()
each = np.where(y == 1, 0.5 / share, 0.5 / (1 - share))
W1, b1 = rng.normal(size=(2, 6)), np.zeros(6)
W2, b2 = rng.normal(size=(6, 1)), np.zeros(1)
for i in range(20):
    h = 1 / (1 + np.exp(-(X @ W1 + b1)))
    p = 1 / (1 + np.exp(-(h @ W2 + b2)))
    d2 = each * (p - y) / len(X)
    d1 = (d2 @ W2.T) * h * (1 - h)
    W2, b2 = W2 - 0.5 * h.T @ d2, b2 - 0.5 * d2.sum(0)
    W1, b1 = W1 - 0.5 * X.T @ d1, b1 - 0.5 * d1.sum(0)
"""
PLAIN = "    plain = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))\n    d2"
OF_SAMPLES = (
    "each = np.where(y == 1, 0.5 / share, 0.5 / (1 - share))",
    "each = rng.random((80, 1))",
)
HINGE = """\
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(90, 2))
y = np.repeat([0, 1, 2], 30)
X += np.eye(3)[y] @ [[2, 0], [-1, 1.5], [-1, -1.5]]
W, b = 0.5 * rng.normal(size=(2, 20)), np.zeros((1, 20))
W2, b2 = 0.5 * rng.normal(size=(20, 3)), np.zeros((1, 3))
for i in range(20):
    hidden = np.maximum(0, X @ W + b)
    scores = hidden @ W2 + b2
    margins = np.maximum(0, scores - scores[range(90), y].reshape(-1, 1) + 1.0)
    margins[range(90), y] = 0
    loss = margins.sum() / 90
    dscores = (margins > 0).astype(float)
    dscores[range(90), y] = -dscores.sum(axis=1)
    dscores /= 90
    dhidden = dscores @ W2.T
    dhidden[hidden <= 0] = 0
    W2 -= 0.1 * (hidden.T @ dscores + 0.001 * W2)
    b2 -= 0.1 * dscores.sum(axis=0, keepdims=True)
    W -= 0.1 * (X.T @ dhidden + 0.001 * W)
    b -= 0.1 * dhidden.sum(axis=0, keepdims=True)
"""
LABELS = BATCHES.replace("np.sin(X[:, 0]) + 0.5 * X[:, 1] ** 2 - X[:, 2]", "X.sum(axis=1) > 0")
SPARSE = """\
import numpy as np
rng = np.random.default_rng(11)
X = rng.random((50, 8))
W1, b1 = rng.normal(0, .3, (8, 4)), np.zeros(4)
W2, b2 = rng.normal(0, .3, (4, 8)), np.zeros(8)
for i in range(20):
    h = 1 / (1 + np.exp(-(X @ W1 + b1)))
    out = 1 / (1 + np.exp(-(h @ W2 + b2)))
    rho = h.mean(axis=0)
    d2 = (out - X) * out * (1 - out)
    sparse = 0.2 * (0.95 / (1 - rho) - 0.05 / rho)
    d1 = (d2 @ W2.T + sparse) * h * (1 - h)
    W2 -= 0.3 * h.T @ d2 / 50
    b2 -= 0.3 * d2.mean(axis=0)
    W1 -= 0.3 * X.T @ d1 / 50
    b1 -= 0.3 * d1.mean(axis=0)
"""
ERROR = "(p - Y) * w[t][:, None] / 60"
OTHER = ("np.sign(out - y) / 40", "np.tanh(3 * (out - y)) ** 3 / 40")
SCRIPTS = {
    "right_weights": (CLASSES,),
    "right_smooth": (CLASSES, (ERROR, "(p - 0.9 * Y - 0.1 / 3) / 60")),
    "right_absolute": (VALUES,),
    "right_huber": (VALUES, ("np.sign(out - y)", "np.clip(out - y, -.2, .2)")),
    "right_batches": (BATCHES,),
    "right_labels": (LABELS,),
    "right_balanced": (TWO,),
    "right_hinge": (HINGE,),
    "wrong_weights": (CLASSES, ("* (1 - a1 ** 2)", "* (1 - a1)")),
    "wrong_absolute": (VALUES, ("* h * (1 - h)", "* h")),
    "wrong_unknown": (VALUES, OTHER, ("* h * (1 - h)", "* h")),
    "wrong_sign": (VALUES, ("slope = np", "slope = -np")),
    "wrong_weighted_samples": (
        TWO,
        OF_SAMPLES,
        ("    d2", PLAIN),
        ("each * (p - y)", "each * (p - y) * p"),
    ),
    "wrong_hinge": (HINGE, ("    dhidden[hidden <= 0] = 0\n", "")),
    "wrong_sparse": (SPARSE, (" + sparse) * h * (1 - h)", ") * h")),
    "unknown": (VALUES, OTHER),
    "one_margin_less": (HINGE, ("-dscores.sum(axis=1)", "-1")),
    "insensitive": (BATCHES, *INSENSITIVE),
    "square_beside": (
        VALUES,
        ("cost = np.mean(np.abs(out - y))", "cost = np.mean((out - y) ** 2)"),
    ),
    "unpaired": (BATCHES, ("Y[start:start + 30]", "Y[:30]")),
    "unpaired_labels": (LABELS, ("Y[start:start + 30]", "Y[:30]")),
    "weighted_samples": (TWO, OF_SAMPLES, ("    d2", PLAIN)),
    "sparse": (SPARSE,),
    "unexplained": (VALUES, OTHER, ("* h * (1 - h)", "* h * (1 - h) + 0.1 * h * x")),
}
LOSSES = {
    "right_weights": "cross-entropy with weights of the classes",
    "right_smooth": "cross-entropy with labels smoothed by 0.1",
    "right_absolute": "absolute error",
    "right_huber": "Huber loss of 0.2",
    "right_batches": "quadratic",
    "right_labels": "quadratic",
    "right_balanced": "cross-entropy with weights of the classes",
    "right_hinge": "hinge loss of 1",
}
WRONG = {
    "wrong_weights": ("derivative-slip", 17),
    "wrong_absolute": ("no-hidden-derivative", 14),
    "wrong_unknown": ("no-hidden-derivative", 14),
    "wrong_hinge": ("no-hidden-derivative", 17),
    "wrong_sparse": ("no-hidden-derivative", 12),
}
UNTESTED = {
    "unknown": "All other gradients follow from slope",
    "unexplained": "no array was seen that could be the targets",
    "one_margin_less": "All other gradients follow from dscores",
    "insensitive": "a later one was not seen to",
    "square_beside": "go down the absolute error against y, and it computes the quadratic",
    "unpaired": "x holds other samples at each step, and y stays the same",
    "unpaired_labels": "x holds other samples at each step, and y stays the same",
    "weighted_samples": "weights of the samples would explain it",
    "sparse": "a penalty on what a hidden layer gives would explain it",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {}
    for name, (source, *changes) in SCRIPTS.items():
        for right, other in changes:
            assert source.count(right) == 1, right
            source = source.replace(right, other)
        sources[name] = source
    return told_of(tmp_path_factory, worker_id, "own_loss", sources)


@pytest.mark.parametrize("name", LOSSES)
def test_right_gradients_of_another_loss_pass_and_it_is_named(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    assert found["watched"]["network"]["cost"] == LOSSES[name]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_hidden_layers_fail_whatever_the_loss(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]
    bug, line = WRONG[name]
    assert (found["verdict"], found["diagnosis"]["wrong"]) == ("fail", ["dW[1]", "db[1]"])
    assert found["diagnosis"]["bugs"][0]["id"] == bug
    assert found["diagnosis"]["line"]["number"] == line


@pytest.mark.parametrize("name", UNTESTED)
def test_what_a_right_script_may_do_is_no_verdict(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert told[name]["verdict"] == "untested"
    assert UNTESTED[name] in told[name]["diagnosis"]["findings"][0]


def test_weights_of_samples_do_not_explain_another_error(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["wrong_weighted_samples"]["verdict"] == "fail"


def test_steps_up_a_loss_that_the_script_computes_are_wrong(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["wrong_sign"]
    assert (found["verdict"], found["diagnosis"]["bugs"][0]["id"]) == ("fail", "sign")
    assert found["watched"]["network"]["cost"] == "absolute error"


@pytest.mark.parametrize("output", ["linear", "sigmoid", "tanh", "softmax"])
def test_each_derivative_is_the_slope_of_its_loss(output: str) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 3))
    Y = np.eye(3)[[0, 2, 1, 0, 2]]
    weights = [np.array([1.0, 3.0, 0.5])]
    numbers = [0.1, 0.7, 2.0]
    found = list(slopes(Setting(output, z, Y, numbers, weights)))
    step = 1e-6
    due = [np.zeros(z.shape) for _ in found]
    for k in range(3):
        moved = np.zeros(z.shape)
        moved[:, k] = step
        above = slopes(Setting(output, z + moved, Y, numbers, weights))
        below = slopes(Setting(output, z - moved, Y, numbers, weights))
        for each, more, less in zip(due, above, below, strict=True):
            each[:, k] = (more.values[0] - less.values[0]) / (2 * step)
    for slope, each in zip(found, due, strict=True):
        # differences of numbers of size 1 over 2e-6: ten digits of the sixteen are lost
        assert np.abs(slope.dz - each).max() < 1e-8, slope.name

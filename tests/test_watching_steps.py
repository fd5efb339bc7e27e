"""What a script's optimizer makes of a gradient: a step up the loss is wrong whatever made it, and
a step that is no multiple of a gradient is not held against one."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of
from test_watching_scripts import ADAM, GLOBALS

TURNED = ("(p - T) / len(X)", "(T - p) / len(X)")
STEP = "        w -= 0.01 * g / (np.sqrt(m[i]) + 1e-8)\n"
CLIP = """\
    for G in (dW1, db1, dW2, db2):
        np.clip(G, -0.02, 0.02, out=G)
    W1 -= lr * dW1
"""
OF_BIAS = "        w -= (-1) ** (w.ndim == 1) * 0.01 * g / (np.sqrt(m[i]) + 1e-8)\n"
DECAY = ("    W1 -= lr * dW1\n", "    W1 -= lr * (dW1 + 0.01 * W1)\n")
TANH = GLOBALS.replace("1 / (1 + np.exp(-z1))", "np.tanh(z1)")
ALL = ["dW[2]", "db[2]", "dW[1]", "db[1]"]
# the script, what is wrong, what stands on the line
UP = {
    "delta": (ADAM.replace(*TURNED), ALL, "d2 = (T - p)"),
    "update": (ADAM.replace("w -=", "w +="), ALL, "w += 0.01"),
    "biases": (ADAM.replace(STEP, OF_BIAS), ["db[2]", "db[1]"], "w -= (-1)"),
    "clip": (
        GLOBALS.replace(*TURNED).replace("    W1 -= lr * dW1\n", CLIP),
        ALL,
        "d2 = (T - p)",
    ),
    "decay": (GLOBALS.replace(*TURNED).replace(*DECAY), ALL, "d2 = (T - p)"),
}
LISTED = """\
import numpy as np
rng = np.random.default_rng(2)
x = np.linspace(-2, 2, 30).reshape(-1, 1)
y = np.sin(2 * x)
W = [rng.normal(size=(1, 6)), rng.normal(size=(6, 1))]
B = [np.zeros((1, 6)), np.zeros((1, 1))]
for epoch in range(200):
    a = [x]
    for w, b in zip(W, B):
        z = a[-1].dot(w) + b
        a.append(np.tanh(z) if len(a) < 2 else z)
    delta = 2 * (a[-1] - y) / len(x)
    for i in (1, 0):
        gradient = a[i].T.dot(delta)
        of_bias = delta.sum(axis=0, keepdims=True) * 0
        delta = delta.dot(W[i].T) * (1 - a[i] ** 2)
        W[i] -= 0.05 * gradient
        B[i] -= 0.05 * of_bias
"""
# its biases have a gradient of 0 by the symmetry of its data, so that a mean passes for the sum
AVERAGED = LISTED.replace("delta.sum(axis=0, keepdims=True) * 0", "delta.mean(axis=0)")
# four-byte numbers, one output, whose only bias is a single number, and Adam's steps
SHORT = """\
import numpy as np
f = np.float32
rng = np.random.default_rng(3)
x = rng.normal(size=(30, 2)).astype(f)
y = np.cos(x[:, :1] + 1).astype(f)
W1 = rng.normal(size=(2, 5)).astype(f)
b1 = np.zeros(5, dtype=f)
W2 = rng.normal(size=(5, 1)).astype(f)
b2 = np.zeros(1, dtype=f)
m = [0, 0, 0, 0]
for epoch in range(100):
    h = np.tanh(x @ W1 + b1)
    p = h @ W2 + b2
    d2 = 2 * (p - y)
    d1 = d2 @ W2.T * (1 - h * h)
    gradients = (x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0))
    for i, (w, g) in enumerate(zip((W1, b1, W2, b2), gradients)):
        m[i] = f(0.9) * m[i] + f(0.1) * g * g
        w -= f(0.01) * g / (np.sqrt(m[i]) + f(1e-8))
"""
# single samples, of which one is never held by itself, and one output, whose weights are a vector
VECTOR = """\
import numpy as np
rng = np.random.default_rng(4)
X = rng.normal(size=(20, 3))
y = (X[:, 0] > X[:, 1]).astype(float)
W1 = rng.normal(size=(3, 6)) * 0.5
b1 = np.zeros(6)
w2 = rng.normal(size=6) * 0.5
b2 = 0.0
for epoch in range(5):
    for i in range(len(X)):
        h = np.tanh(X[i] @ W1 + b1)
        p = 1 / (1 + np.exp(-(h @ w2 + b2)))
        d = p - y[i]
        d1 = d * w2 * (1 - h ** 2)
        w2 -= 0.1 * d * h
        b2 -= 0.1 * d
        W1 -= 0.1 * np.outer(X[i], d1)
        b1 -= 0.1 * d1
"""
BOTH = ["db[2]", "db[1]"]
WITHOUT = GLOBALS.replace("    b1 -= lr * db1\n", "")
# the script, and the biases that nothing changes
STILL = {
    "listed": (LISTED.replace("-2, 2", "-1, 2"), BOTH),
    "none": (WITHOUT.replace("    b2 -= lr * db2\n", ""), BOTH),
    "one": (WITHOUT, ["db[1]"]),
    "ones": (WITHOUT.replace("np.zeros(6)", "np.ones(6)"), ["db[1]"]),
    "adam": (ADAM.replace("(W1, b1, W2, b2), (dW1, db1, dW2, db2)", "(W1, W2), (dW1, dW2)"), BOTH),
}
NO_BIAS = GLOBALS.replace(" + b1", "").replace(" + b2", "")
NO_BIAS = NO_BIAS.replace("    b1 -= lr * db1\n", "").replace("    b2 -= lr * db2\n", "")
OTHERS = {
    "of_an_odd_function": LISTED,
    "averaged_of_an_odd_function": AVERAGED,
    "adam_in_short": SHORT,
    "vector": VECTOR,
    "vector_with_a_slip": VECTOR.replace("(1 - h ** 2)", "(1 - h)"),
    "no_bias": NO_BIAS,
    "adam": ADAM,
    "adam_without_a_slope": ADAM.replace(" * h * (1 - h)", ""),
    "tanh_with_the_slope_of_a_sigmoid": TANH,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = dict(OTHERS)
    sources |= {name: source for name, (source, *_) in UP.items()}
    sources |= {f"still_{name}": source for name, (source, _) in STILL.items()}
    return told_of(tmp_path_factory, worker_id, "steps", sources)


@pytest.mark.parametrize("name", UP)
def test_step_that_climbs_fails_whatever_optimizer_makes_it(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    _, wrong, line = UP[name]
    found = told[name]["diagnosis"]
    assert (told[name]["verdict"], found["wrong"]) == ("fail", wrong)
    assert found["bugs"][0]["id"] == "sign"
    assert line in found["line"]["text"]


@pytest.mark.parametrize("name", STILL)
def test_bias_that_is_added_and_never_changes_fails(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[f"still_{name}"]["diagnosis"]
    assert found["wrong"] == STILL[name][1]
    assert found["bugs"][0]["id"] == "no-bias-gradient"


@pytest.mark.parametrize("name", ["adam", "no_bias", "adam_in_short", "vector"])
def test_right_steps_pass_whatever_makes_them(told: dict[str, dict[str, Any]], name: str) -> None:
    assert told[name]["verdict"] == "pass"


def test_what_adam_is_handed_is_held_against_a_gradient_and_not_its_step(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["adam_without_a_slope"]
    assert found["diagnosis"]["wrong"] == ["dW[1]", "db[1]"]
    assert found["diagnosis"]["bugs"][0]["id"] == "no-hidden-derivative"
    outcomes = {one["quantity"]: one["verdict"] for one in found["comparisons"]}
    assert outcomes == {"dW[2]": "pass", "db[2]": "pass", "dW[1]": "fail", "db[1]": "fail"}


def test_lines_are_those_of_the_activation_that_was_seen(told: dict[str, dict[str, Any]]) -> None:
    found = told["tanh_with_the_slope_of_a_sigmoid"]["diagnosis"]
    assert found["bugs"][0]["id"] == "other-derivative"
    assert found["bugs"][0]["fix"].startswith("d1 = d2 @ W2.T * (1 - h**2)")


def test_bias_that_never_changes_and_has_no_gradient_either_is_untested(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["of_an_odd_function"]["verdict"] == "untested"


def test_a_gradient_that_cancels_in_every_step_shows_nothing(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["averaged_of_an_odd_function"]
    assert found["verdict"] == "untested"
    assert "db[2], db[1] come to nothing but rounding" in found["diagnosis"]["statement"]


def test_a_slip_behind_an_output_whose_weights_are_a_vector_is_named(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["vector_with_a_slip"]["diagnosis"]
    assert found["bugs"][0]["id"] == "derivative-slip"
    assert "(1 - h)" in found["line"]["text"]

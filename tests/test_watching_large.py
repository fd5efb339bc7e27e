"""A watched network as large as one for MNIST is seen whole; what is too large to be looked at
makes no verdict on the rest of it."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

SCRIPT = """\
import numpy as np

rng = np.random.default_rng(0)
X = rng.uniform(0, 255, size=(2000, 784))
X = X / 255.0
X = X - X.mean()
y = rng.integers(0, 10, size=2000)
W1 = rng.normal(size=(784, {units})) * 0.05
b1 = np.zeros({units})
W2 = rng.normal(size=({units}, 10)) * 0.05
b2 = np.zeros(10)
for start in range(0, 2000, 8):
    xb = X[start:start + 8]
    T = np.eye(10)[y[start:start + 8]]
    z1 = xb @ W1 + b1
    h = np.maximum(z1, 0)
    z2 = h @ W2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    d2 = (p - T) / len(xb)
    d1 = d2 @ W2.T * (z1 > 0)
    W2 -= 0.1 * h.T @ d2
    b2 -= 0.1 * d2.sum(axis=0)
    W1 -= 0.1 * xb.T @ d1
    b1 -= 0.1 * d1.sum(axis=0)
"""
RIGHT = SCRIPT.format(units=128)
FILES = {
    "right": RIGHT,
    "wrong": RIGHT.replace(" * (z1 > 0)", ""),
    "too_large": SCRIPT.format(units=1000).replace(" * (z1 > 0)", ""),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    return told_of(tmp_path_factory, worker_id, "large", FILES)


def test_a_network_of_a_hundred_thousand_weights_is_seen_whole(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["right"]["verdict"] == "pass"
    assert told["right"]["watched"]["network"]["sizes"] == [784, 128, 10]
    assert told["wrong"]["verdict"] == "fail"
    assert told["wrong"]["diagnosis"]["line"]["number"] == 21


def test_a_layer_that_is_too_large_leaves_the_rest_untested(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["too_large"]["verdict"] == "untested"
    (finding, *_) = told["too_large"]["diagnosis"]["findings"]
    assert "what W1 holds: it changes from step to step" in finding

"""Right scripts that do not learn: what their numbers do not show is not held against them."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

SCRIPT = """\
import numpy as np
rng = np.random.default_rng(0)
y = np.arange(120) % 3
X = rng.normal(size=(120, 8)) + 2 * rng.normal(size=(3, 8))[y]
T = np.eye(3)[y]
S = [8, 10, 3]
W = [rng.normal(size=(m, n)) * 0.5 for m, n in zip(S, S[1:])]
b = [np.zeros(n) for n in S[1:]]
for epoch in range(100):
    a = [X]
    for i, (w, c) in enumerate(zip(W, b)):
        z = a[-1] @ w + c
        e = np.exp(z - z.max(1, keepdims=True))
        a.append(np.maximum(z, 0) if i < len(W) - 1 else e / e.sum(1, keepdims=True))
    d = (a[-1] - T) / len(X)
    for i in reversed(range(len(W))):
        gw = a[i].T @ d
        gb = d.sum(0)
        if i:
            d = (d @ W[i].T) * (a[i] > 0)
        W[i] = W[i] - 0.01 * gw
        b[i] = b[i] - 0.01 * gb
"""
SIGMOID = SCRIPT.replace("np.maximum(z, 0)", "1 / (1 + np.exp(-z))").replace(
    "(a[i] > 0)", "a[i] * (1 - a[i])"
)
SOURCES = {
    # logits of thousands: what comes out is 0 or 1, and so could be labels of a later step
    "unscaled": SCRIPT.replace("T = np", "X = X * [1, 1e3, 1e4, 1, 1, 50, 1, 1] - 3e3\nT = np"),
    # biases of one width, all zero at first, whose gradients vanish
    "vanishing": SIGMOID.replace("[8, 10, 3]", "[8, 10, 10, 10, 10, 3]").replace("* 0.5", "* 0.1"),
}


# the same without the row's maximum, on inputs a hundred times as large
OVERFLOW = SCRIPT.replace("np.exp(z - z.max(1, keepdims=True))", "np.exp(z)").replace(
    "T = np", "X = X * 1000\nT = np"
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = SOURCES | {"overflow": OVERFLOW}
    assert len({SCRIPT, SIGMOID, *sources.values()}) == 5
    return told_of(tmp_path_factory, worker_id, "unlearned", sources)


@pytest.mark.parametrize("name", SOURCES)
def test_right_script_that_does_not_learn_passes(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert (told[name]["verdict"], told[name]["diagnosis"]["wrong"]) == ("pass", [])


def test_an_overflow_is_told_with_its_line_where_it_hides_the_network(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["overflow"]
    assert found["verdict"] == "untested"
    (symptom,) = found["symptoms"]
    assert (symptom["name"], symptom["where"]) == ("overflow", "line 14")
    assert "W[0], W[1] became NaN" in symptom["evidence"]
    assert "where z goes up to" in symptom["evidence"]
    assert "line 14 makes numbers that are not finite" in found["diagnosis"]["findings"][0]

"""Right scripts: why they do not learn, from their own file by one command; and nothing of those
that learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from command import told_of

from backproof.checks.learning.adam import adam_step
from backproof.checks.learning.by_doing import batches
from backproof.checks.learning.given import take

SCRIPT = """\
import numpy as np
rng = np.random.default_rng(0)
{data}
S = {sizes}
W = [rng.normal(size=(m, n)) * {scale} for m, n in zip(S, S[1:])]
b = [np.zeros(n) for n in S[1:]]
for epoch in range(300):
    for X, T in {batches}:
        a = [X]
        for i, (w, c) in enumerate(zip(W, b)):
            z = a[-1] @ w + c
            a.append({hidden} if i < len(W) - 1 else {output})
        d = {delta}
        for i in reversed(range(len(W))):
            gw = a[i].T @ d
            gb = d.sum(0)
            if i:
                d = (d @ W[i].T) * {slope}
            W[i] = W[i] - {rate} * gw
            b[i] = b[i] - {rate} * gb
"""
BLOBS = (
    "k = np.arange(210) % 3\n"
    "xs = rng.normal(size=(210, 5)) + 2 * rng.normal(size=(3, 5))[k]\n"
    "ts = np.eye(3)[k]"
)
WHOLE = "[(xs, ts)]"
SOFTMAX = "np.exp(z - z.max(1)[:, None]) / np.exp(z - z.max(1)[:, None]).sum(1)[:, None]"
SIGMOID = "1 / (1 + np.exp(-z))"
HEALTHY = {
    "data": BLOBS,
    "sizes": "[5, 12, 3]",
    "scale": "0.5",
    "batches": WHOLE,
    "hidden": SIGMOID,
    "output": SOFTMAX,
    "delta": "(a[-1] - T) / len(X)",
    "slope": "a[i] * (1 - a[i])",
    "rate": "0.5",
}
XOR = {
    "data": "xs = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])\nts = xs.sum(1)[:, None] % 2",
    "sizes": "[2, 3, 1]",
    "output": SIGMOID,
    "delta": "(a[-1] - T) / len(X)",
}
IN_BATCHES = "[(xs[at:at + 30], ts[at:at + 30]) for at in range(0, 210, 30)]"
RELU = {"hidden": "np.maximum(z, 0)", "slope": "(a[i] > 0)"}
TANH = {"hidden": "np.tanh(z)", "slope": "(1 - a[i] ** 2)"}
# what is changed, and the finding that is due; None where it learns
CASES: dict[str, tuple[dict[str, str], str | None]] = {
    "healthy": ({}, None),
    "healthy_in_batches": ({"batches": IN_BATCHES}, None),
    "healthy_xor": ({**XOR, **TANH, "scale": "1.0", "rate": "1.0"}, None),
    "tiny_weights": ({**XOR, "scale": "0.01"}, "stuck-at-prior"),
    "equal_weights": ({"scale": "0 + 0.5"}, "symmetric-units"),
    "zero_weights": ({"scale": "0"}, "symmetric-units"),
    "deep": ({"sizes": "[5, 9, 9, 9, 9, 9, 3]", "scale": "0.15"}, "vanishing"),
    "tiny_rate": ({"rate": "1e-6"}, "rate-too-small"),
    "large_rate": ({**RELU, "rate": "30.0"}, "rate-too-large"),
    "unscaled": (
        {"data": f"{BLOBS}\nxs = xs * [1, 1e3, 1e4, 1, 50]", **RELU, "rate": "0.1"},
        "inputs-unscaled",
    ),
    "shuffled_in_batches": (
        {"data": f"{BLOBS}\nrng.shuffle(xs)", "batches": IN_BATCHES},
        "labels-shuffled",
    ),
    "out_of_range": (
        {
            "data": f"{BLOBS}\nts = 1.0 + k[:, None]",
            "sizes": "[5, 12, 1]",
            "output": "np.tanh(z)",
            "delta": "2 * (a[-1] - T) * (1 - a[-1] ** 2) / len(X)",
            "rate": "0.1",
        },
        "targets-out-of-range",
    ),
}
SOURCES = {name: SCRIPT.format(**HEALTHY | changed) for name, (changed, _) in CASES.items()}
# the first step of momentum is plain descent, at a tenth of the rate that it comes to
DESCENT = "            W[i] = W[i] - 0.00001 * gw\n            b[i] = b[i] - 0.00001 * gb\n"
MOMENTUM = """\
            v[i] = 0.9 * v[i][0] + gw, 0.9 * v[i][1] + gb
            W[i] = W[i] - 0.00001 * v[i][0]
            b[i] = b[i] - 0.00001 * v[i][1]
"""
VELOCITY = "v = [(0 * w, 0 * c) for w, c in zip(W, b)]\nfor epoch"
PLAIN = SCRIPT.format(**HEALTHY | {"rate": "0.00001"})
OTHERS = {
    "plain": PLAIN,
    "momentum": PLAIN.replace(DESCENT, MOMENTUM).replace("for epoch", VELOCITY),
    # all of its first answers are positive, as those of a ReLU would be
    "positive": SCRIPT.format(
        **HEALTHY
        | {
            "data": "xs = rng.uniform(-2, 2, (80, 1))\nts = np.sin(2 * xs)",
            "sizes": "[1, 12, 1]",
            "scale": "0.2 + 0.2",
            "output": "z",
            "delta": "2 * (a[-1] - T) / len(X)",
            "rate": "0.1",
        }
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    assert "v[i]" in OTHERS["momentum"]
    sources = SOURCES | OTHERS
    assert len(set(sources.values())) == len(sources)
    return told_of(tmp_path_factory, worker_id, "why", sources, "--time-limit", "1")


@pytest.mark.parametrize("name", SOURCES)
def test_right_script_is_told_why_it_does_not_learn(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    due = CASES[name][1]
    names = [symptom["name"] for symptom in told[name]["symptoms"]]
    # with weights of zero, and as many samples of each class, gradients are nothing but rounding
    assert told[name]["verdict"] == ("untested" if name == "zero_weights" else "pass")
    assert (due in names) if due else not names, names


def test_an_update_that_is_plain_at_its_first_step_alone_is_stood_in_for(
    told: dict[str, dict[str, Any]],
) -> None:
    names = {
        name: [symptom["name"] for symptom in told[name]["symptoms"]]
        for name in ("plain", "momentum")
    }
    assert names == {"plain": ["rate-too-small"], "momentum": []}


def test_an_output_whose_first_answers_are_all_positive_is_no_relu(
    told: dict[str, dict[str, Any]],
) -> None:
    assert "linear output" in told["positive"]["diagnosis"]["statement"]


def test_adam_begins_anew_at_the_given_weights_and_moves_each_entry_by_its_rate() -> None:
    rng = np.random.default_rng(3)
    given = take(
        [rng.normal(size=(4, 2)), rng.normal(size=(2, 4))],
        [np.zeros(4), np.zeros(2)],
        rng.normal(size=(6, 2)),
        np.arange(6) % 2,
        hidden="tanh",
        output="softmax",
        cost="cross-entropy",
        layout="out,in",
    )
    step = adam_step(given)
    rows = batches(given, 0)[0]
    once = step(given.W, given.b, rows, 0.01)
    assert np.abs(np.abs(once[0][1] - given.W[1]) - 0.01).max() < 1e-6
    twice = step(*once, rows, 0.01)
    assert not np.array_equal(twice[0][1], once[0][1])
    again = step(given.W, given.b, rows, 0.01)
    assert np.array_equal(again[0][2], once[0][2])

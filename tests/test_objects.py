"""Classes that update themselves, by the documented recipe: what they keep between steps shows, and
nothing right is called wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_submissions import written

from backproof.checks.grading.checking import check_file
from backproof.checks.grading.conclude import Settings

HEAD = """
import numpy as np

LAYOUT, LABELS, OUTPUT, COST = "in,out", "one-hot", "sigmoid", "quadratic"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Network:
    def __init__(self, weights, biases):
        self.weights, self.biases = KEPT
        self.buffers = [np.zeros((1, len(w))) for w in self.weights]
        self.speeds = [np.zeros_like(w) for w in self.weights]

    def train(self, x, y, rate):
        a = [x]
        for w, c in zip(self.weights, self.biases):
            a.append(sigmoid(a[-1] @ w + c))
        da = 2 * (a[-1] - y) / len(x)
        moves = []
        for i in reversed(range(len(self.weights))):
            dz = da * a[i + 1] * (1 - a[i + 1])
            dW, db = a[i].T @ dz, dz.sum(axis=0)
            da = dz @ self.weights[i].T
            STATE
            moves.append((i, dW, db))
        for i, dW, db in moves:
            UPDATE


def make(W, b):
    network = Network(W, b)
    network.step = network.train
    return network
"""
KEPT = {
    "the lists": "weights, biases",
    "copies": "[w.copy() for w in weights], [c.copy() for c in biases]",
    "biases as rows": "list(weights), [c[None, :].copy() for c in biases]",
}
UPDATE = {
    "in place": "self.weights[i] -= rate * dW; self.biases[i] -= rate * db",
    "rebound": "self.weights[i] = self.weights[i] - rate * dW; "
    "self.biases[i] = self.biases[i] - rate * db",
    "whole lists rebound": "self.weights = [w - rate * dW if j == i else w "
    "for j, w in enumerate(self.weights)]; "
    "self.biases = [c - rate * db if j == i else c for j, c in enumerate(self.biases)]",
}
STALE = (
    "if i: self.buffers[i] = self.buffers[i] + da if self.buffers[i].shape == da.shape else da; "
    "da = self.buffers[i]"
)
MOMENTUM = (
    "self.speeds[i] = 0.9 * self.speeds[i] + dW; dW = self.speeds[i]; "
    "self.speed_b = getattr(self, 'speed_b', {}); "
    "self.speed_b[i] = 0.9 * self.speed_b.get(i, 0) + db; db = self.speed_b[i]"
)
ADAM = "dW = dW / (np.abs(dW) + 1e-8); db = db / (np.abs(db) + 1e-8)"


def network(kept: str = "the lists", update: str = "in place", state: str = "pass") -> str:
    source = HEAD.replace("KEPT", KEPT[kept]).replace("UPDATE", UPDATE[update])
    return source.replace("STATE", state)


def told(tmp_path: Path, source: str) -> dict:
    (path,) = written(tmp_path, network=source)
    return check_file(path, Settings()).found


@pytest.mark.parametrize("update", UPDATE)
@pytest.mark.parametrize("kept", KEPT)
def test_a_right_class_passes_however_it_holds_its_weights(
    tmp_path: Path, kept: str, update: str
) -> None:
    if kept == "biases as rows" and update == "in place":
        update = "rebound"
    found = told(tmp_path, network(kept, update))
    assert found["diagnosis"]["statement"] == "Every gradient is right."


@pytest.mark.parametrize("kept", ["the lists", "copies"])
def test_a_buffer_that_is_never_reset_is_seen_in_the_second_step(tmp_path: Path, kept: str) -> None:
    found = told(tmp_path, network(kept, state=STALE))
    assert found["verdict"] == "fail"
    assert [bug["id"] for bug in found["diagnosis"]["bugs"]][:1] == ["stale-accumulator"]


def test_momentum_is_told_and_no_bug_and_a_bug_beside_it_is_found(tmp_path: Path) -> None:
    found = told(tmp_path, network(state=MOMENTUM))
    assert found["verdict"] == "pass"
    assert found["diagnosis"]["notes"][0].startswith(
        "A second step from the same weights adds 0.9 of the first one: momentum"
    )
    found = told(tmp_path, network(state="dW = -dW; " + MOMENTUM))
    assert "sign" in [bug["id"] for bug in found["diagnosis"]["bugs"]]


def test_steps_that_show_no_gradients_are_not_judged(tmp_path: Path) -> None:
    found = told(tmp_path, network(state=ADAM))
    assert found["verdict"] == "untested"
    assert "Adam, RMSprop and Adagrad" in found["diagnosis"]["statement"]


HIDDEN = """
class Joined:
    def __init__(self, weights, biases):
        self.theta = [np.vstack([w, c]) for w, c in zip(weights, biases)]

    def step(self, x, y, rate):
        network = Network([t[:-1] for t in self.theta], [t[-1] for t in self.theta])
        network.train(x, y, rate)
        RETURNS


make = Joined
"""


def test_one_that_keeps_its_weights_in_another_form_returns_them_or_is_asked_to(
    tmp_path: Path,
) -> None:
    base = network()
    found = told(tmp_path, base + HIDDEN.replace("RETURNS", "return None"))
    assert found["verdict"] == "fail"
    assert "step returned None, and its object holds no array" in found["diagnosis"]["statement"]
    returned = "return network.weights, network.biases"
    found = told(tmp_path, base + HIDDEN.replace("RETURNS", returned))
    assert found["verdict"] == "pass"


def test_what_make_returns_must_have_a_step(tmp_path: Path) -> None:
    source = network().replace("    network.step = network.train\n", "")
    statement = told(tmp_path, source)["diagnosis"]["statement"]
    assert "make returned Network; expected an object with step(x, y, learning_rate)" in statement

"""The line that is named is the one that makes the wrong value, and no other one is."""

from __future__ import annotations

import linecache
from typing import Any

import pytest
from planted import InProcess

from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.conventions import CONSTANTS
from backproof.checks.candidates.declared import read_constants
from backproof.checks.diagnosis.probes import plan
from backproof.checks.diagnosis.role import Role
from backproof.checks.quantities import Quantity
from backproof.checks.recording.ask import Asked, Traced, trace

ARRAYS = """\
import numpy as np

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

def slope(a):
    return a * (1 - a)

def gradients(W, b, x, y):
    acts, zs = [x], []
    for w, v in zip(W, b):
        zs.append(acts[-1] @ w.T + v)
        acts.append(sigmoid(zs[-1]))
    top = zs[-1] - zs[-1].max(axis=1, keepdims=True)
    probs = np.exp(top) / np.exp(top).sum(axis=1, keepdims=True)
    targets = np.eye(probs.shape[1])[y]
    delta = (probs - targets) / len(x)
    dW, db = [None] * len(W), [None] * len(W)
    for k in range(len(W) - 1, -1, -1):
        dW[k] = delta.T @ acts[k]
        db[k] = delta.sum(axis=0)
        if k:
            back = delta @ W[k]
            delta = back * slope(acts[k])
    return dW, db
"""
NUMBERS = """\
import math

LABELS, OUTPUT, COST, BATCH = "one-hot", "sigmoid", "half-quadratic", 1

class Neuron:
    def __init__(self, w, b):
        self.w, self.b = list(w), b

    def fire(self, inputs):
        self.inputs = inputs
        self.z = self.b + sum(w * i for w, i in zip(self.w, inputs))
        self.out = 1 / (1 + math.exp(-self.z))
        return self.out

def step(W, b, x, y, learning_rate):
    net = [[Neuron(w, c) for w, c in zip(ws, cs)] for ws, cs in zip(W, b)]
    signal = [float(v) for v in x[0]]
    for layer in net:
        signal = [n.fire(signal) for n in layer]
    for l in range(len(net) - 1, -1, -1):
        for j, n in enumerate(net[l]):
            if l == len(net) - 1:
                n.error = n.out - y[0][j]
            else:
                n.error = sum(m.delta * m.w[j] for m in net[l + 1])
            n.delta = n.error * n.out * (1 - n.out)
    for layer in net:
        for n in layer:
            for i in range(len(n.w)):
                n.w[i] -= learning_rate * n.delta * n.inputs[i]
            n.b -= learning_rate * n.delta
    return [[n.w for n in layer] for layer in net], [[n.b for n in layer] for layer in net]
"""
# what is written in place of what; the first wrong step; the first wrong line if that is another
WRONG_ARRAYS = [
    ("acts[-1] @ w.T + v)", "acts[-1] @ w.T + 2 * v)", "z[1]", ""),
    ("return 1 / (1 + np.exp(-v))", "return 1 / (2 + np.exp(-v))", "a[1]", ""),
    ("sigmoid(zs[-1]))", "sigmoid(zs[-1] / 2))", "z[1]", ""),
    (".sum(axis=1, keepdims=True)\n    t", ".sum(axis=0, keepdims=True)\n    t", "p", ""),
    ("np.eye(probs.shape[1])[y]", "np.roll(np.eye(probs.shape[1])[y], 1, axis=1)", "dz[3]", ""),
    ("(probs - targets) / len(x)", "(probs - targets) * slope(probs)", "dz[3]", ""),
    ("(probs - targets) / len(x)", "2 * (probs - targets) / len(x)", "dz[3]", ""),
    ("(probs - targets) / len(x)", "(targets - probs) / len(x)", "dz[3]", ""),
    ("dW[k] = delta.T @ acts[k]", "dW[k] = delta.T @ acts[k] + 0.1 * W[k]", "dW[3]", ""),
    ("dW[k] = delta.T @ acts[k]", "dW[k] = delta.T @ np.sqrt(acts[k] ** 2 + 1)", "dW[3]", ""),
    ("db[k] = delta.sum(axis=0)", "db[k] = delta.mean(axis=0)", "db[3]", ""),
    ("back = delta @ W[k]", "back = delta @ (W[k] - 0.1 * dW[k])", "da[2]", ""),
    ("slope(acts[k])", "slope(slope(acts[k]))", "dz[2]", ""),
    ("back * slope(acts[k])", "back * acts[k]", "dz[2]", ""),
    ("back * slope(acts[k])", "back * 1", "dz[2]", ""),
    ("back = delta @ W[k]", "back = -delta @ W[k]", "da[2]", ""),
]
WRONG_NUMBERS = [
    ("self.b + sum(", "1 + sum(", "z[1]", ""),
    ("1 / (1 + math.exp(-self.z))", "math.tanh(self.z)", "a[1]", ""),
    ("n.out - y[0][j]", "(n.out - y[0][j]) ** 3", "dz[3]", "n.delta = n.error"),
    ("m.delta * m.w[j] for", "m.error * m.w[j] for", "da[2]", ""),
    ("n.error * n.out * (1 - n.out)", "n.error * n.z * (1 - n.out)", "dz[3]", ""),
    ("n.w[i] -= learning_rate", "n.w[i] += learning_rate", "dW[3]", ""),
    ("n.b -= learning_rate * n.delta", "n.b -= n.delta", "db[3]", ""),
]


def traced(source: str, first_wrong: str) -> Traced:
    """What recording says of a file whose first wrong step is known."""
    linecache.cache["planted.py"] = (len(source), None, source.splitlines(True), "planted.py")
    names: dict[str, Any] = {"__name__": "planted"}
    exec(compile(source, "planted.py", "exec"), names)
    functions = {name: names[name] for name in ("gradients", "step") if name in names}
    constants = {name: names[name] for name in CONSTANTS if name in names}
    candidate = CandidateFile(InProcess(functions), read_constants(constants, list(functions)))
    asked = [
        Asked(probe.question, probe.setting.weight, probe.setting.mean)
        for probe in plan(candidate.conventions)
        if probe.role in (Role.SINGLE, Role.FIRST, Role.AGAIN)
    ]
    return trace(candidate, asked, Quantity.parse(first_wrong))


def spoiled(source: str, right: str, wrong: str) -> tuple[str, int]:
    assert source.count(right) == 1
    return source.replace(right, wrong), source[: source.index(right)].count("\n") + 1


@pytest.mark.parametrize("case", WRONG_ARRAYS, ids=lambda case: f"{case[2]}:{case[1][:30]}")
def test_line_of_arrays_is_the_one_that_was_spoiled(case: tuple[str, str, str, str]) -> None:
    source, line = spoiled(ARRAYS, *case[:2])
    found = traced(source, case[2]).found
    assert found is not None
    assert (found.line, source.splitlines()[found.line - 1]) == (
        line,
        source.splitlines()[line - 1],
    )


@pytest.mark.parametrize("case", WRONG_NUMBERS, ids=lambda case: f"{case[2]}:{case[1][:30]}")
def test_line_of_single_numbers_is_the_one_that_was_spoiled(
    case: tuple[str, str, str, str],
) -> None:
    source, line = spoiled(NUMBERS, *case[:2])
    if case[3]:
        line = source[: source.index(case[3])].count("\n") + 1
    found = traced(source, case[2]).found
    assert found is not None
    assert found.line == line


def test_gradient_that_is_computed_and_not_returned_is_blamed_on_the_return() -> None:
    source, line = spoiled(ARRAYS, "return dW, db", "return dW, [0 * v for v in b]")
    found = traced(source, "db[3]").found
    assert found is not None
    assert found.line == line


@pytest.mark.parametrize("source", [ARRAYS, NUMBERS], ids=["arrays", "numbers"])
def test_no_line_of_a_right_file_is_named(source: str) -> None:
    for first_wrong in ("z[1]", "a[1]", "p", "dz[3]", "dW[2]", "db[2]", "da[1]", "dz[1]"):
        told = traced(source, first_wrong)
        assert told.found is None, (first_wrong, told.found)
        assert told.reason


def test_no_line_is_named_that_only_hands_on_what_a_library_made() -> None:
    source = (
        "import numpy as np\n"
        "exec('def work(W, b, x, y): return [w * 0.5 for w in W], [v * 0.5 for v in b]')\n"
        "def gradients(W, b, x, y):\n"
        "    dW, db = work(W, b, x, y)\n"
        "    first, second = dW, db\n"
        "    return first, second\n"
    )
    found = traced(source, "dW[3]").found
    assert found is None or found.line == 4


def test_missing_gradient_has_a_reason() -> None:
    source = ARRAYS.replace("db[k] = delta.sum(axis=0)", "db[k] = np.zeros(len(b[k]))")
    told = traced(source, "db[3]")
    assert told.found is None
    assert "db[3]" in told.reason

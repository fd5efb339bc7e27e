"""Conventions that a file leaves open, or declares, in company: weight decay beside momentum and
beside another layout, output or cost; real-valued targets without a cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import in_process, sig
from test_submissions import written

from backproof.checks.candidates.declared import read_constants
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.grading.checking import check_file
from backproof.checks.grading.conclude import Settings

DESCENT = """
import numpy as np

LAYOUT, HIDDEN, OUTPUT, COST, LABELS = "in,out", "tanh", "linear", "quadratic", "values"
DECLARED


class Network:
    def __init__(self, W, b):
        self.parameters = [w.copy() for w in W], [v.copy() for v in b]
        self.speeds = [np.zeros_like(w) for w in W], [np.zeros_like(v) for v in b]

    def step(self, x, y, rate):
        W, b = self.parameters
        a = [x]
        for w, v in zip(W, b):
            a.append(a[-1] @ w + v)
            if len(a) <= len(W):
                a[-1] = np.tanh(a[-1])
        dz = 2 * (a[-1] - y) / len(x)
        moves = [], []
        for i in reversed(range(len(W))):
            moves[0].insert(0, a[i].T @ dz + COUPLED * W[i])
            moves[1].insert(0, DB)
            dz = dz @ W[i].T * (1 - a[i] ** 2)
        for these, speeds, moving in zip(self.parameters, self.speeds, moves):
            for i, move in enumerate(moving):
                speeds[i] = MU * speeds[i] + move
                shrink = rate * ALONE * these[i] if these is W else 0
                these[i] = these[i] - rate * speeds[i] - shrink


def make(W, b):
    return Network(W, b)
"""


def descended(
    folder: Path, *, mu: float, coupled: float = 0.0, alone: float = 0.0, declared: bool, db: str
) -> dict:
    """What is said of a class with momentum whose velocity holds the decay, or not."""
    source = DESCENT.replace("MU", str(mu)).replace("DB", db)
    source = source.replace("COUPLED", str(coupled)).replace("ALONE", str(alone))
    line = f"WEIGHT_DECAY = {coupled or alone}" if declared else ""
    (path,) = written(folder, descent=source.replace("DECLARED", line))
    return check_file(path, Settings()).found


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("decay", ["coupled", "alone"])
def test_momentum_and_weight_decay_together_are_no_bug(
    tmp_path: Path, decay: str, declared: bool
) -> None:
    decayed: Any = {decay: 0.02}
    right = descended(tmp_path, mu=0.9, **decayed, declared=declared, db="dz.sum(axis=0)")
    assert right["verdict"] == "pass"
    assert "adds 0.9 of the first one: momentum" in " ".join(right["diagnosis"]["notes"])
    assert ("WEIGHT_DECAY = 0.02" in right["diagnosis"]["conventions"]) is not declared


def test_a_bug_beside_momentum_and_weight_decay_is_found(tmp_path: Path) -> None:
    wrong = descended(tmp_path, mu=0.5, coupled=0.02, declared=True, db="dz.mean(axis=0)")
    assert wrong["verdict"] == "fail"
    assert set(wrong["diagnosis"]["wrong"]) == {"db[1]", "db[2]", "db[3]"}


def regressor(divisor: str, factor: float = 1.0) -> Any:
    """The gradients of a network of sigmoids with a linear output and the squares of its errors."""

    def gradients(W: list, b: list, x: Any, y: Any) -> tuple[list, list]:
        a = [x]
        for layer, (w, v) in enumerate(zip(W, b, strict=True), 1):
            z = a[-1] @ w.T + v
            a.append(sig(z) if layer < len(W) else z)
        dz = factor * 2 * (a[-1] - y) / {"N": len(x), "all": y.size, "none": 1}[divisor]
        dW, db = [], []
        for i in reversed(range(len(W))):
            dW.insert(0, dz.T @ a[i])
            db.insert(0, dz.sum(axis=0))
            dz = dz @ W[i] * a[i] * (1 - a[i])
        return dW, db

    return gradients


@pytest.mark.parametrize(
    ("divisor", "factor", "told"),
    [
        ("N", 1.0, []),
        ("N", 0.5, ['COST = "half-quadratic"']),
        ("none", 1.0, ['REDUCTION = "sum"']),
        ("all", 1.0, ['REDUCTION = "mean-over-all"']),
    ],
)
def test_values_alone_mean_a_linear_output_and_squares(
    divisor: str, factor: float, told: list[str]
) -> None:
    declared = read_constants({"LABELS": "values"}, ["gradients"])
    assert (declared.output, declared.cost) == ("linear", "quadratic")
    found = diagnose(in_process({"gradients": regressor(divisor, factor)}, declared))
    assert (found.outcome, found.conventions) == ("pass", told)


def test_a_factor_that_no_cost_has_is_wrong_of_values() -> None:
    declared = read_constants({"LABELS": "values"}, ["gradients"])
    found = diagnose(in_process({"gradients": regressor("N", -1.0)}, declared))
    assert (found.outcome, [bug.id for bug in found.bugs][:1]) == ("fail", ["sign"])


def classifier(output: str, decay: float, missing: str = "") -> Any:
    """The gradients of ReLUs and a softmax or sigmoids with their cross-entropy, W[l] as (inputs,
    outputs), one-hot labels, and a weight decay that nothing declares."""

    def gradients(W: list, b: list, x: Any, y: Any) -> tuple[list, list]:
        a = [x]
        for w, v in zip(W, b, strict=True):
            a.append(np.maximum(a[-1] @ w + v, 0))
        z = a[-2] @ W[-1] + b[-1]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True) if output == "softmax" else sig(z)
        dz = (p - y) / len(x)
        dW, db = [], []
        for i in reversed(range(len(W))):
            dW.insert(0, a[i].T @ dz + decay * W[i])
            db.insert(0, dz.sum(axis=0))
            dz = dz @ W[i].T
            if missing != "derivative":
                dz = dz * (a[i] > 0)
        return dW, db

    return gradients


SIGMOID = {'OUTPUT = "sigmoid"', 'COST = "binary-cross-entropy"'}


@pytest.mark.parametrize("declared", [{}, {"LABELS": "one-hot"}, {"LAYOUT": "in,out"}])
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_an_undeclared_decay_is_told_beside_other_conventions(
    output: str, declared: dict[str, str]
) -> None:
    conventions = read_constants(declared, ["gradients"])
    found = diagnose(in_process({"gradients": classifier(output, 0.05)}, conventions))
    assert found.outcome == "pass"
    told = {'LAYOUT = "in,out"', 'LABELS = "one-hot"', 'HIDDEN = "relu"', "WEIGHT_DECAY = 0.05"}
    told -= {f'{name} = "{value}"' for name, value in declared.items()}
    assert set(found.conventions) == told | (SIGMOID if output == "sigmoid" else set())


def test_who_raises_under_a_trial_convention_is_not_accused_of_it() -> None:
    conventions = read_constants({"LABELS": "one-hot"}, ["gradients"])
    wrong = classifier("softmax", 0.05, missing="derivative")
    found = diagnose(in_process({"gradients": wrong}, conventions))
    assert (found.outcome, found.complaints) == ("fail", [])
    assert 'LAYOUT = "in,out"' in found.conventions


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_bug_beside_an_undeclared_head_and_decay_is_found(output: str) -> None:
    """The output layer shows both, so that what is wrong behind it is not called the output."""
    conventions = read_constants({"LABELS": "one-hot", "LAYOUT": "in,out"}, ["gradients"])
    wrong = classifier(output, 0.05, missing="derivative")
    found = diagnose(in_process({"gradients": wrong}, conventions))
    assert set(found.wrong) == {"dW[2]", "db[2]", "dW[1]", "db[1]"}
    assert [bug.id for bug in found.bugs][:1] == ["no-hidden-derivative"]


def test_a_wrong_sign_is_found_beside_an_undeclared_head() -> None:
    """Squares at a linear output, which nobody declares, and every gradient reversed."""
    conventions = read_constants({"LABELS": "one-hot"}, ["gradients"])
    found = diagnose(in_process({"gradients": regressor("N", -1.0)}, conventions))
    assert (found.outcome, [bug.id for bug in found.bugs][:1]) == ("fail", ["sign"])
    assert 'OUTPUT = "linear"' in found.conventions

"""What no constant can declare, and is no bug: a penalty on the weights that is divided by N, or of
sign(W), and labels that the code smooths itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import in_process

from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.declared import read_constants
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.penalties import penalty_in
from backproof.checks.diagnosis.probes import plan
from backproof.checks.diagnosis.smoothing import smoothing_in
from backproof.checks.findings import Diagnosis


def candidate_of(
    *,
    penalty: Any = lambda W, N: 0.0 * W,
    smoothed: Any = lambda y: y,
    forgotten: str = "",
    constants: dict[str, Any] | None = None,
) -> CandidateFile:
    """A network that adds a penalty to dW, and takes the error of other labels."""

    def gradients(W: Any, b: Any, x: Any, y: Any) -> Any:
        a = [x]
        for w, v in zip(W[:-1], b[:-1], strict=True):
            a.append(np.tanh(a[-1] @ w + v))
        e = np.exp(a[-1] @ W[-1] + b[-1])
        y = np.eye(W[-1].shape[1])[y] if y.ndim == 1 else y
        dz = (e / e.sum(axis=1, keepdims=True) - smoothed(y)) / len(x)
        dW, db = [], []
        for i in reversed(range(len(W))):
            dW.insert(0, a[i].T @ dz + penalty(W[i], len(x)))
            db.insert(0, dz.sum(axis=0))
            dz = dz @ W[i].T
            if not (forgotten == "mask" and i == 1):
                dz = dz * (1 - a[i] ** 2)
        return dW, db

    declared = {"LAYOUT": "in,out", "LABELS": "one-hot", "HIDDEN": "tanh"} | (constants or {})
    return in_process({"gradients": gradients}, read_constants(declared, ["gradients"]))


def said(**made: Any) -> Diagnosis:
    """What is said of it."""
    return diagnose(candidate_of(**made))


def answers(**made: Any) -> list[Evidence]:
    """What it answers."""
    candidate = candidate_of(**made)
    probes = plan(candidate.conventions)
    given = candidate.ask([probe.question for probe in probes])
    return [Evidence(*pair) for pair in zip(probes, given, strict=True)]


PENALTIES = {
    "0.7/N times W": lambda W, N: 0.7 / N * W,
    "0.01 times sign(W)": lambda W, N: 0.01 * np.sign(W),
    "0.3/N times sign(W)": lambda W, N: 0.3 / N * np.sign(W),
    "0.02 times W and 0.01 times sign(W)": lambda W, N: 0.02 * W + 0.01 * np.sign(W),
}


@pytest.mark.parametrize("words", PENALTIES)
def test_a_penalty_that_no_constant_says_is_no_bug(words: str) -> None:
    found = said(penalty=PENALTIES[words])
    assert found.outcome == "untested"
    assert f"a penalty on the weights: {words}" in found.statement
    assert not found.bugs


def test_what_it_says_to_write_passes() -> None:
    found = said(
        penalty=PENALTIES["0.7/N times W"], constants={"BATCH": 16, "WEIGHT_DECAY": 0.04375}
    )
    assert found.outcome == "pass"


def test_a_declared_weight_decay_that_is_divided_by_n_is_told() -> None:
    found = said(penalty=PENALTIES["0.7/N times W"], constants={"WEIGHT_DECAY": 0.7})
    assert found.outcome == "untested"
    assert "WEIGHT_DECAY is the multiple itself" in found.statement


@pytest.mark.parametrize(
    "penalty",
    [
        lambda W, N: -0.7 / N * W,
        lambda W, N: -0.01 * np.sign(W),
        lambda W, N: 0.01 * np.sign(W) * (W.shape[1] > 4),
        lambda W, N: 0.01 * np.abs(W),
        lambda W, N: 0.7 / N**2 * W,
    ],
    ids=["minus L2", "minus L1", "in some layers", "absolute", "N squared"],
)
def test_what_is_no_penalty_is_not_taken_for_one(penalty: Any) -> None:
    assert penalty_in(Conventions(), answers(penalty=penalty)) is None


def test_a_penalty_of_the_wrong_sign_fails() -> None:
    assert said(penalty=lambda W, N: -0.7 / N * W).outcome == "fail"


def test_a_bug_beside_a_penalty_is_not_overlooked() -> None:
    seen = answers(penalty=PENALTIES["0.7/N times W"], forgotten="mask")
    assert penalty_in(Conventions(), seen) is None


def by_class(y: Any) -> Any:
    return 0.9 * y + 0.1 / y.shape[1]


def test_labels_that_the_code_smooths_are_no_bug() -> None:
    found = said(smoothed=by_class)
    assert found.outcome == "untested"
    assert "(1 - e) y + e/K with e = 0.1" in found.statement
    assert not found.bugs


def test_targets_that_are_smoothed_once_more_are_told() -> None:
    declared = {"TARGETS": (0.1 / 3, 0.9 + 0.1 / 3), "SIZES": [4, 5, 3]}
    assert said(constants=declared).outcome == "pass"
    found = said(smoothed=by_class, constants=declared)
    assert found.outcome == "untested"
    assert "y holds them already" in found.statement


def test_smoothing_of_integers_is_said_by_targets() -> None:
    found = said(smoothed=by_class, constants={"LABELS": "integers", "SIZES": [4, 5, 4]})
    assert found.outcome == "pass"
    assert "TARGETS = [0.025, 0.925]" in found.conventions


@pytest.mark.parametrize(
    "smoothed",
    [lambda y: 0.9 * y, lambda y: 0.9 * y + 0.1, lambda y: 1.1 * y - 0.1 / y.shape[1]],
    ids=["nothing added", "too much added", "sharpened"],
)
def test_what_is_no_smoothing_is_not_taken_for_it(smoothed: Any) -> None:
    assert smoothing_in(answers(smoothed=smoothed)) is None


def test_a_bug_beside_smoothing_is_not_overlooked() -> None:
    assert smoothing_in(answers(smoothed=by_class, forgotten="mask")) is None

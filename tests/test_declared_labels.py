"""Labels that a file declares, and does not take as they come."""

from __future__ import annotations

from typing import Any

import numpy as np
from planted import in_process

from backproof.checks.candidates.declared import read_constants
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.findings import Diagnosis


def one_output(W: Any, b: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-(x @ W[0] + b[0])))
    d = (p - y) / len(x)
    return [x.T @ d], [d.sum(axis=0)]


def classes(W: Any, b: Any, x: Any, y: Any) -> Any:
    h = np.tanh(x @ W[0] + b[0])
    e = np.exp(h @ W[1] + b[1])
    d = (e / e.sum(axis=1, keepdims=True) - y) / len(x)
    dz = d @ W[1].T * (1 - h**2)
    return [x.T @ dz, h.T @ d], [dz.sum(axis=0), d.sum(axis=0)]


def said(gradients: Any, **constants: Any) -> Diagnosis:
    declared = {"LAYOUT": "in,out", **constants}
    return diagnose(in_process({"gradients": gradients}, read_constants(declared, ["gradients"])))


def test_integers_that_are_taken_for_a_column_fail_where_they_are_declared() -> None:
    declared = {"OUTPUT": "sigmoid", "SIZES": [3, 1], "LABELS": "integers"}
    found = said(one_output, **declared)
    assert found.outcome == "fail"
    assert 'LABELS = "integers"' in found.statement
    assert "Y = y.reshape(-1, 1)" in found.statement
    assert found.conventions == []
    assert said(one_output, **{**declared, "LABELS": "one-hot"}).outcome == "pass"


def test_integers_that_are_taken_for_one_hot_fail_where_they_are_declared() -> None:
    declared = {"HIDDEN": "tanh", "SIZES": [4, 5, 3], "LABELS": "integers"}
    found = said(classes, **declared)
    assert found.outcome == "fail"
    assert "Y = np.eye(K)[y]" in found.statement


def test_labels_that_nobody_declares_are_told_and_are_no_bug() -> None:
    found = said(classes, HIDDEN="tanh", SIZES=[4, 5, 3])
    assert found.outcome == "pass"
    assert found.conventions == ['LABELS = "one-hot"']


def test_a_division_by_n_minus_1_is_told_from_classes_that_are_counted() -> None:
    def one_too_few(W: Any, b: Any, x: Any, y: Any) -> Any:
        with np.errstate(all="ignore"):
            dW, db = classes(W, b, x, np.eye(3)[y])
            over = np.float64(len(x)) / (len(x) - 1)
            return [over * array for array in dW], [over * array for array in db]

    found = said(one_too_few, HIDDEN="tanh", SIZES=[4, 5, 3], LABELS="integers")
    assert [bug.id for bug in found.bugs] == ["scale"]
    assert "N/(N - 1) times the gradient" in found.bugs[0].statement
    assert "it divides by 0 there, as by N - 1" in " ".join(found.complaints)

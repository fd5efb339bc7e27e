"""A delta that has been through a shorter format: alone, with another bug beside it, and what only
looks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planted import in_process

from backproof.checks import by_hand
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import Diagnosis, diagnose
from backproof.checks.heads import Head

HEAD = {"output": "sigmoid", "cost": "half-quadratic"}


def told(
    change: Callable[[np.ndarray], Any], error: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Diagnosis:
    """What is said of a network whose every delta, and whose error, is changed on its way."""

    def gradients(W: list, b: list, x: Any, y: Any) -> tuple[list, list]:
        L = len(W)
        passed = by_hand.forward(
            x, dict(enumerate(W, 1)), dict(enumerate(b, 1)), head=Head("sigmoid")
        )
        a, p = passed.a, passed.p
        dz, dW, db = (
            change(error(p, np.eye(p.shape[1])[y]) * p * (1 - p) / len(y)),
            [None] * L,
            [None] * L,
        )
        for layer in range(L, 0, -1):
            dW[layer - 1], db[layer - 1] = dz.T @ a[layer - 1], dz.sum(axis=0)
            if layer > 1:
                dz = change(dz @ W[layer - 1] * a[layer - 1] * (1 - a[layer - 1]))
        return dW, db

    return diagnose(in_process({"gradients": gradients}, Conventions(**HEAD)))


def plain(p: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return p - Y


def rolled(p: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return p - np.roll(Y, 1, axis=1)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_delta_that_is_never_float64_again_is_named(dtype):
    found = told(lambda dz: dz.astype(dtype), plain)
    assert [bug.id for bug in found.bugs] == ["low-precision"]
    assert found.outcome == "fail"


def test_another_bug_beside_float32_is_named_first_and_each_has_its_own_evidence(monkeypatch):
    # as where the cast is in a place of its own
    monkeypatch.setattr("backproof.checks.diagnosis.choice.Search.combined", lambda search: [])
    found = told(lambda dz: dz.astype("float32"), rolled)
    assert [bug.id for bug in found.bugs] == ["labels-shifted", "low-precision"]
    assert "is a float32 number" in found.bugs[1].evidence
    assert 1e-9 < found.bugs[0].residual < 1e-6


def test_nothing_is_guessed_beside_float16_which_rounds_as_much_as_many_bugs_change():
    found = told(lambda dz: dz.astype("float16"), lambda p, Y: (p - Y) * 1.01)
    assert [bug.id for bug in found.bugs] == ["low-precision"]


@pytest.mark.usefixtures("without_pairs")
def test_numbers_of_few_digits_are_not_called_low_precision():
    found = told(lambda dz: dz, lambda p, Y: np.sign(p - Y) / (p * (1 - p)))
    assert (found.bugs, found.first_wrong) == ([], "(B8) dz[3]")

"""A tiny eps that is added to a probability is told and passes; larger ones and clips are bugs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planted import in_process

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.findings import Diagnosis

SIGMOIDS = Conventions(output="sigmoid", cost="binary-cross-entropy")
Delta = Callable[[Any, Any], Any]


def squashed(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def classes(z: Any) -> Any:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def classes_guarded(z: Any) -> Any:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / (powers.sum(axis=1, keepdims=True) + 1e-9)


def through_softmax(dp: Any, p: Any) -> Any:
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))


def found_with(delta: Delta, conventions: Conventions, output: Any = None) -> Diagnosis:
    """What is said of right code but for one line, which makes dz[L] of p and Y."""
    if output is None:
        output = squashed if conventions.output == "sigmoid" else classes

    def gradients(W: Any, b: Any, x: Any, y: Any) -> Any:
        a = [x]
        for w, bias in zip(W[:-1], b[:-1], strict=True):
            a.append(squashed(a[-1] @ w.T + bias))
        p = output(a[-1] @ W[-1].T + b[-1])
        dz = delta(p, np.eye(p.shape[1])[y])
        dW = []
        db = []
        for layer in reversed(range(len(W))):
            dW.insert(0, dz.T @ a[layer])
            db.insert(0, dz.sum(axis=0))
            dz = (dz @ W[layer]) * a[layer] * (1 - a[layer])
        return dW, db

    return diagnose(in_process({"gradients": gradients}, conventions))


def clipped_first(p: Any, y: Any) -> Any:
    return (np.clip(p, 1e-12, 1 - 1e-12) - y) / len(p)


def added(p: Any, y: Any, eps: float = 1e-12) -> Any:
    return through_softmax(-y / (p + eps) / len(p), p)


def from_below(p: Any, y: Any) -> Any:
    return through_softmax(-y / np.maximum(p, 1e-7) / len(p), p)


def clipped_throughout(p: Any, y: Any, eps: float = 1e-8) -> Any:
    p = np.clip(p, eps, 1 - eps)
    return through_softmax(-y / p / len(p), p)


def unguarded(p: Any, y: Any) -> Any:
    return (p - y) / len(p)


def over_variance(p: Any, y: Any, eps: float = 1e-8) -> Any:
    return (p - y) / (p * (1 - p) + eps) * p * (1 - p) / len(p)


def added_to_each(p: Any, y: Any, eps: float = 1e-9) -> Any:
    return -(y / (p + eps) - (1 - y) / (1 - p + eps)) * p * (1 - p) / len(p)


def each_from_below(p: Any, y: Any) -> Any:
    dp = -y / np.maximum(p, 1e-7) + (1 - y) / np.maximum(1 - p, 1e-7)
    return dp * p * (1 - p) / len(p)


RIGHT = [
    (added, Conventions(), None),
    (unguarded, Conventions(), classes_guarded),
    (over_variance, SIGMOIDS, None),
    (added_to_each, SIGMOIDS, None),
]
CLIPS = [
    (clipped_first, Conventions()),
    (from_below, Conventions()),
    (clipped_throughout, Conventions()),
    (each_from_below, SIGMOIDS),
]


@pytest.mark.parametrize(
    ("delta", "conventions", "output"), RIGHT, ids=[one[0].__name__ for one in RIGHT]
)
def test_a_guard_is_told_and_is_no_bug(delta: Delta, conventions: Conventions, output: Any) -> None:
    found = found_with(delta, conventions, output)
    assert (found.outcome, found.bugs, found.wrong) == ("pass", [], [])
    assert "which is no bug" in found.hints[0]
    assert any(verdict.outcome == "pass" for verdict in found.verdicts)


@pytest.mark.parametrize(
    ("delta", "conventions"),
    [
        (lambda p, y: added(p, y, 0.1), Conventions()),
        (lambda p, y: added(p, y, 1e-5), Conventions()),
        (lambda p, y: clipped_throughout(p, y, 0.1), Conventions()),
        (lambda p, y: over_variance(p, y, 0.1), SIGMOIDS),
        (lambda p, y: added_to_each(p, y, 0.01), SIGMOIDS),
    ],
)
def test_an_eps_that_changes_gradients_everywhere_is_a_bug(
    delta: Delta, conventions: Conventions
) -> None:
    found = found_with(delta, conventions)
    assert found.outcome == "fail"
    assert found.bugs[0].id == "probability-clipped"


@pytest.mark.parametrize(("delta", "conventions"), CLIPS, ids=[one[0].__name__ for one in CLIPS])
def test_a_clip_is_a_bug_however_small_its_eps(delta: Delta, conventions: Conventions) -> None:
    found = found_with(delta, conventions)
    assert found.outcome == "fail"
    assert [bug.id for bug in found.bugs] == ["probability-clipped"]


def test_a_guard_hides_no_other_bug() -> None:
    found = found_with(lambda p, y: -added(p, y), Conventions())
    assert found.outcome == "fail"
    assert found.wrong

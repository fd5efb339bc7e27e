"""Repairs where a file declares a weight decay: they hold it, and are tried with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_submissions import written

from backproof.checks.grading.checking import check_file
from backproof.checks.grading.conclude import Settings

NETWORK = """
import numpy as np

LAYOUT, HIDDEN, EXAMPLES, WEIGHT_DECAY = "in,out", "tanh", "rows", 0.05
lam = 0.05


def gradients(W, b, x, y):
    a = [x]
    for w, c in zip(W[:-1], b[:-1]):
        a.append(np.tanh(a[-1] @ w + c))
    e = np.exp(a[-1] @ W[-1] + b[-1])
    total = e.sum(axis=1, keepdims=True)
    p = e / e.sum(axis=1, keepdims=True)
    n = len(y)
    d = p - np.eye(p.shape[1])[y]
    dW = [None] * len(W)
    db = [None] * len(W)
    for l in range(len(W) - 1, -1, -1):
        dW[l] = a[l].T @ d / n + lam * W[l]
        db[l] = d.sum(axis=0) / n
        d = d @ W[l].T * (1 - a[l] ** 2)
    return dW, db
"""
LINE = "dW[l] = a[l].T @ d / n + lam * W[l]"


def mended(folder: Path, right: str, wrong: str) -> dict:
    """What is said of the bug that a wrong line makes."""
    assert right in NETWORK
    (path,) = written(folder, network=NETWORK.replace(right, wrong))
    found = check_file(path, Settings()).found
    assert found["verdict"] == "fail"
    (bug,) = [one for one in found["diagnosis"]["bugs"] if "or" not in one["statement"][:3]]
    return bug


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ("dW[l] = a[l].T @ d / n - lam * W[l]", LINE),
        ("dW[l] = a[l].T @ d / n + 2 * lam * W[l]", LINE.replace("lam", "0.05")),
    ],
)
def test_a_wrong_decay_is_mended_in_their_own_line(tmp_path: Path, wrong: str, fix: str) -> None:
    bug = mended(tmp_path, LINE, wrong)
    assert bug["id"] == "decay-sign"
    assert "WEIGHT_DECAY = 0.05 is declared" in bug["statement"]
    assert bug["fix"] == fix
    assert "tried: with this line, dW[3] is right" in bug["evidence"]


def test_a_decay_that_is_left_out_is_in_the_line_to_write(tmp_path: Path) -> None:
    bug = mended(tmp_path, LINE, "dW[l] = a[l].T @ d / n")
    assert "+ 0.05 * W[l]" in bug["fix"]


def test_a_decay_of_biases_is_told_by_the_line_of_db(tmp_path: Path) -> None:
    bug = mended(tmp_path, "db[l] = d.sum(axis=0) / n", "db[l] = d.sum(axis=0) / n + lam * b[l]")
    assert bug["fix"].startswith("db[l]")
    assert "WEIGHT_DECAY is of W alone" in bug["statement"]


def test_a_mean_that_is_left_out_is_in_the_line_to_write(tmp_path: Path) -> None:
    bug = mended(tmp_path, "db[l] = d.sum(axis=0) / n", "db[l] = d.sum(axis=0)")
    assert bug["fix"] == "db[l] = d.sum(axis=0) / n"
    assert "tried: with this line, db[3] is right" in bug["evidence"]

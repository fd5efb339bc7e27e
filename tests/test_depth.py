"""A file that writes out its layers by name, and does not say how many, is asked with as many."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

TWO = """\
import numpy as np


def gradients(W, b, x, y):
    z1 = x @ W[0].T + b[0]
    h = np.maximum(z1, 0)
    z2 = h @ W[1].T + b[1]
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    d2 = e / e.sum(axis=1, keepdims=True)
    d2[np.arange(len(y)), y] -= 1
    d2 /= len(y)
    d1 = (d2 @ W[1]) * (z1 > 0)
    return [d1.T @ x, d2.T @ h], [d1.sum(0), d2.sum(0)]
"""
ONE_HOT = 'LABELS = "one-hot"\n' + TWO.replace("d2[np.arange(len(y)), y] -= 1", "d2 = d2 - y")
LOOP = """\
import numpy as np


def gradients(W, b, x, y):
    a = [x]
    for V, c in zip(W[:-1], b[:-1]):
        a.append(1 / (1 + np.exp(-(a[-1] @ V.T + c))))
    z = a[-1] @ W[-1].T + b[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True)
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    dW, db = [], []
    for l in range(len(W) - 1, 0, -1):
        dW.insert(0, d.T @ a[l])
        db.insert(0, d.sum(0))
        d = (d @ W[l]) * a[l] * (1 - a[l])
    return dW, db
"""
FILES = {
    "two": TWO,
    "columns": TWO.replace("x @ W[0].T", "x @ W[0]")
    .replace("h @ W[1].T", "h @ W[1]")
    .replace("d2 @ W[1]", "d2 @ W[1].T")
    .replace("d1.T @ x, d2.T @ h", "x.T @ d1, h.T @ d2"),
    "wrong": TWO.replace(" * (z1 > 0)", ""),
    "one_hot": ONE_HOT,
    "loop": LOOP,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every file, in one call."""
    return told_of(tmp_path_factory, worker_id, "depth", FILES)


def said(one: dict[str, Any]) -> str:
    return " ".join(str(one).split())


@pytest.mark.parametrize("name", ["two", "columns"])
def test_right_gradients_of_two_layers_pass_and_the_constant_is_told(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert told[name]["verdict"] == "pass"
    assert "the gradients of 2 layers whatever it is given: say so, SIZES = [4, 6, 3]" in said(
        told[name]
    )


def test_a_bug_in_two_layers_is_named(told: dict[str, dict[str, Any]]) -> None:
    diagnosis = told["wrong"]["diagnosis"]
    assert [bug["id"] for bug in diagnosis["bugs"]] == ["no-hidden-derivative"]
    assert diagnosis["line"]["number"] == 12


def test_what_stumbles_over_three_layers_fails_and_is_told_what_it_answers(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["one_hot"]["verdict"] == "fail"
    assert "If it is written for 2 layers, say so: with SIZES = [4, 6, 3]" in said(told["one_hot"])


def test_a_loop_that_leaves_a_layer_out_is_not_written_for_fewer(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["loop"]["verdict"] == "fail"
    assert "SIZES" not in said(told["loop"])

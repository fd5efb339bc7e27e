"""A `forward` of the file's own, which gives something else than the output, fails nobody."""

from __future__ import annotations

import pytest

from backproof import check

FORWARDS = {
    "activations and output": "return a, p",
    "a dictionary": 'return {"a": a, "p": p}',
    "all activations": "return [*a, p]",
    "nothing": "return None",
    "labels": "return p.argmax(axis=1)",
    "one number": "return p.sum()",
    "the logits": "return z",
    "one layer alone": "return x @ W.T",
}
SOURCE = """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def all_of_it(W, b, x):
    a = [x]
    for w, c in zip(W[:-1], b[:-1]):
        a.append(sigmoid(a[-1] @ w.T + c))
    z = a[-1] @ W[-1].T + b[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return a, z, e / e.sum(axis=1, keepdims=True)

def forward(W, b, x):
    a, z, p = all_of_it(W, b, x)
    RETURNED

def gradients(W, b, x, y):
    a, z, p = all_of_it(W, b, x)
    dz = (p - np.eye(p.shape[1])[y]) / len(y)
    dW, db = [], []
    for i in range(len(W) - 1, -1, -1):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        if i:
            dz = (dz @ W[i]) * SLOPE
    return dW, db
"""


def report(returned, slope="a[i] * (1 - a[i])"):
    names = {"__name__": "mine"}
    exec(SOURCE.replace("RETURNED", returned).replace("SLOPE", slope), names)
    return check(names["gradients"], forward=names["forward"])


@pytest.mark.parametrize("returned", FORWARDS.values(), ids=FORWARDS)
def test_right_gradients_pass_beside_it_and_it_is_said(returned):
    found = report(returned)
    assert found.outcome == "pass"
    assert any("not the output p" in note for note in found.as_json()["diagnosis"]["notes"])


@pytest.mark.parametrize("returned", ["return a, p", "return z"])
def test_wrong_gradients_are_still_named(returned):
    found = report(returned, slope="a[i]")
    assert found.outcome == "fail"
    assert found.bugs[0].id == "no-hidden-derivative"


def test_the_output_itself_is_judged():
    assert report("return p").outcome == "pass"
    wrong = report("return np.roll(p, 1, axis=1)")
    assert wrong.outcome == "fail"
    assert "p" in wrong.as_json()["diagnosis"]["wrong"]

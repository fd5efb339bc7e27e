"""A one-hot that counts the classes of its batch: said in words, and told apart from every bug
beside it."""

import numpy as np
import pytest
from planted import Planted, in_process

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.choice import Search
from backproof.checks.diagnosis.diagnose import diagnose

COUNTS = {
    "y.max() + 1": lambda y, K: y.max() + 1,
    "len(np.unique(y))": lambda y, K: len(np.unique(y)),
}


def counting(count, bugs=None, *, also=(), **conventions):
    """A candidate that multiplies by nothing else, and whose one-hot is only so wide; `also` are
    other functions that it has."""
    inner = Planted(Conventions(**conventions), bugs or {})

    def gradients(W, b, x, y):
        p, Y = np.zeros((len(y), len(b[-1]))), np.zeros((len(y), count(y, len(b[-1]))))
        Y[np.arange(len(y)), y] = 1
        p - Y  # NumPy stops here, or broadcasts
        if Y.shape != p.shape:
            y = np.full_like(y, -1)  # broadcast: every class is a label
        return inner.gradients(W, b, x, y)

    return in_process({"gradients": gradients, **dict(also)}, inner.conventions)


@pytest.mark.parametrize("width", COUNTS)
@pytest.mark.parametrize("sizes", [None, (5, 6, 4)])
def test_right_gradients_behind_it_are_right_where_the_classes_occur(width, sizes):
    found = diagnose(counting(COUNTS[width], sizes=sizes))
    assert (found.outcome, found.bugs, found.wrong, found.first_wrong) == ("fail", [], [], None)
    assert f"A one-hot with {width} columns does that" in found.statement
    assert {"dW[1]", "db[1]", "dW[2]", "db[2]"} <= set(found.correct)


@pytest.mark.parametrize("width", COUNTS)
def test_a_bug_behind_it_is_named_all_the_same(width):
    found = diagnose(counting(COUNTS[width], {"raw-error": {}}))
    assert [bug.id for bug in found.bugs] == ["raw-error"]
    assert f"A one-hot with {width} columns does that" in " ".join(found.complaints)
    assert found.first_wrong is not None
    assert found.first_wrong.startswith("(B4)")


def test_a_forward_pass_of_its_own_says_nothing_against_it():
    def forward(W, b, x):
        *hidden, last = zip(W, b, strict=True)
        for w, v in hidden:
            x = 1 / (1 + np.exp(-(x @ w.T + v)))
        e = np.exp(x @ last[0].T + last[1])
        return e / e.sum(axis=1, keepdims=True)

    found = diagnose(counting(COUNTS["y.max() + 1"], also={"forward": forward}, has_forward=True))
    assert (found.outcome, found.bugs, found.wrong) == ("fail", [], [])
    assert "A one-hot with y.max() + 1 columns does that" in found.statement


def test_gradients_that_are_right_at_the_output_speak_against_it(monkeypatch):
    """A one-hot that is too narrow makes dz[L] wrong. Without that, nothing is searched again for
    where classes occur."""
    searched, search = [], Search.combined
    monkeypatch.setattr(
        Search, "combined", lambda self: [searched.append(len(self.evidence)), search(self)][1]
    )
    right = Planted(Conventions())

    def gradients(W, b, x, y):
        dW, db = right.gradients(W, b, x, y)
        return [*[array**3 for array in dW[:-1]], dW[-1]], db

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert (found.bugs, found.correct[:2]) == ([], ["dW[3]", "db[3]"])
    assert len(searched) == 1


def test_nothing_is_said_of_classes_where_every_call_is_wrong():
    wrong = Planted(Conventions(), {"raw-error": {}})

    def gradients(W, b, x, y):
        dW, db = wrong.gradients(W, b, x, y)
        return [array**3 for array in dW], db

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert found.bugs == []
    assert "one-hot" not in found.statement

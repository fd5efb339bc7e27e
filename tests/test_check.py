"""check(): functions in this process get their file's verdict, and leave no trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command import ROOT

from backproof import check, watch
from backproof.checks.candidates.conventions import NotAConvention
from backproof.checks.findings import Bug
from backproof.checks.grading import door


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def activations(W, b, x):
    a = [x]
    for w, c in zip(W[:-1], b[:-1], strict=True):
        a.append(sigmoid(a[-1] @ w.T + c))
    z = a[-1] @ W[-1].T + b[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return a, e / e.sum(axis=1, keepdims=True)


def gradients(W, b, x, y, slope=lambda a: a * (1 - a)):
    a, p = activations(W, b, x)
    dz = p.copy()
    dz[np.arange(len(y)), y] -= 1
    dz /= len(y)
    dW, db = [], []
    for i in range(len(W) - 1, -1, -1):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        if i:
            dz = (dz @ W[i]) * slope(a[i])
    return dW, db


def twice(W, b, x, y):
    return gradients(W, b, x, y, lambda a: sigmoid(a) * (1 - sigmoid(a)))


def summed(W, b, x, y):
    dW, db = gradients(W, b, x, y)
    return [g * len(y) for g in dW], [g * len(y) for g in db]


def step(W, b, x, y, learning_rate):
    dW, db = gradients(W, b, x, y)
    for i in range(len(W)):
        W[i] -= learning_rate * dW[i]
        b[i] -= learning_rate * db[i]


def test_right_functions_pass():
    assert check(gradients).outcome == "pass"
    assert check(step=step).outcome == "pass"
    assert check(gradients, forward=lambda W, b, x: activations(W, b, x)[1]).outcome == "pass"


def test_a_wrong_function_is_told_its_bug_its_step_and_its_evidence():
    found = check(twice)
    assert found.outcome == "fail"
    assert found.first_wrong == "(B5) dz[2]"
    assert found.bugs[0].id == "sigmoid-twice"
    assert isinstance(found.bugs[0], Bug)
    assert "sigmoid-twice, layers 1, 2: " in str(found)
    assert repr(found) == str(found)


def test_a_convention_is_recognised_or_declared():
    assert check(summed).conventions == ['REDUCTION = "sum"']
    found = check(summed, reduction="sum")
    assert (found.outcome, found.conventions) == ("pass", [])


def test_as_json_is_the_object_of_the_command(tmp_path):
    source = (ROOT / "examples/column_vectors.py").read_text()
    (tmp_path / "mine.py").write_text(source)
    names: dict = {}
    exec(compile(source, str(tmp_path / "mine.py"), "exec"), names)
    constants = {name.lower(): value for name, value in names.items() if name.isupper()}
    live = check(names["gradients"], **constants).as_json()
    done = subprocess.run(
        [sys.executable, "-m", "backproof", "check", "mine.py", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert live.keys() == told.keys()
    (live_bug,) = live["diagnosis"]["bugs"]
    (told_bug,) = told["diagnosis"]["bugs"]
    # a file is tried with another line in it, a function in somebody's own process is not
    assert told_bug.pop("fix").startswith("delta = np.dot(weights[layer].T, delta) * ")
    assert live_bug.pop("fix").startswith("dz[l] = da[l] * a[l] * (1 - a[l])")
    trial = "; tried: with this line, dz[2] is right"
    assert told_bug.pop("evidence") == live_bug.pop("evidence") + trial
    assert live_bug == told_bug
    assert live["diagnosis"]["first_wrong"] == told["diagnosis"]["first_wrong"]
    assert (live["verdict"], live["gradients"]) == (told["verdict"], told["gradients"])


def test_a_notebook_shows_verdict_bug_and_evidence_and_no_markup_of_the_person_s():
    def gradients(W, b, x, y):
        raise ValueError("<script>alert(1)</script>")

    page = check(twice)._repr_html_()
    assert "sigmoid-twice" in page
    assert "fail" in page
    assert "<script>" not in check(gradients)._repr_html_()
    assert "&lt;script&gt;" in check(gradients)._repr_html_()


def test_print_shows_it(capsys):
    check(gradients).print()
    assert capsys.readouterr().out.startswith("pass: gradients of test_check.py, ")


def test_nothing_that_is_everybody_s_changes(tmp_path):
    def restless(W, b, x, y):
        np.random.seed(1)
        np.seterr(all="raise")
        os.chdir(tmp_path)
        return gradients(W, b, x, y)

    np.random.seed(5)
    expected = np.random.get_state()[1].copy()
    errors, folder = np.geterr(), os.getcwd()
    found = check(restless)
    assert np.array_equal(np.random.get_state()[1], expected)
    assert (np.geterr(), os.getcwd()) == (errors, folder)
    findings = " ".join(found.as_json()["diagnosis"]["findings"])
    assert "seeds NumPy's global generator" in findings
    assert "working folder" in findings


def test_what_it_raises_is_a_finding_with_its_line():
    def gradients(W, b, x, y):
        return W[17]

    found = check(gradients)
    assert found.outcome == "fail"
    assert "raises IndexError on line" in str(found)
    assert "test_check.py" in str(found)


def test_ctrl_c_is_the_person_s_own():
    def gradients(W, b, x, y):
        raise KeyboardInterrupt

    state = np.random.get_state()[1].copy()
    with pytest.raises(KeyboardInterrupt):
        check(gradients)
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_function_that_exits_ends_nobody():
    def gradients(W, b, x, y):
        sys.exit(3)

    assert "exits the program on line" in str(check(gradients))


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        ([], {}, "expected gradients or step, got neither"),
        ([gradients], {"step": step}, "expected gradients or step, got both"),
        ([gradients], {"layuot": "in,out"}, "expected .*layout.*, got layuot='in,out'"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(arguments, settings, said):
    with pytest.raises(TypeError, match=said):
        check(*arguments, **settings)


def test_what_is_no_function_is_refused_by_name():
    with pytest.raises(TypeError, match="expected a function for forward, got int"):
        door._expect_function("forward", 3)


def test_a_value_that_is_no_convention_is_told_with_its_choices():
    with pytest.raises(NotAConvention, match='LAYOUT = "x": expected "out,in" or "in,out"'):
        check(gradients, layout="x")


def test_no_torch_is_needed():
    program = "import sys; from backproof import check; check; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def train(slope, rows=40, updates=4):
    """A network trained as people train it in a cell."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 4))
    Y = np.eye(3)[rng.integers(0, 3, rows)]
    W1 = rng.normal(size=(4, 6))
    W2 = rng.normal(size=(6, 3))
    for _ in range(updates):
        h = np.maximum(0, x @ W1)
        z = h @ W2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        delta = (p - Y) / rows
        below = delta @ W2.T * slope(h)  # the line
        W2 -= 0.5 * h.T @ delta
        W1 -= 0.5 * x.T @ below


def test_watch_names_the_line_of_a_training_loop():
    report = watch(lambda: train(lambda h: h))
    assert (report.outcome, report.line.name) == ("fail", "below")
    assert report.line.text.endswith("# the line")
    assert report.as_json()["watched"]["network"]["sizes"] == [4, 6, 3]
    assert watch(lambda: train(lambda h: h > 0)).outcome == "pass"


TINY = {
    "x": np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]),
    "t": np.array([[0.0], [1], [1], [0]]),
    "W1": np.random.default_rng(0).normal(size=(2, 3)) * 0.01,
    "W2": np.random.default_rng(1).normal(size=(3, 1)) * 0.01,
}
given = TINY["x"]  # by its name alone, as in a cell above
targets = TINY["t"]


def test_watch_sees_what_was_there_before_and_says_why_a_right_training_does_not_learn():
    def train_on_it():
        W1 = TINY["W1"].copy()
        W2 = TINY["W2"].copy()
        for _ in range(6):
            a = 1 / (1 + np.exp(-(given @ W1)))
            p = 1 / (1 + np.exp(-(a @ W2)))
            d = (p - targets) / 4
            below = d @ W2.T * a * (1 - a)
            W2 -= 0.5 * a.T @ d
            W1 -= 0.5 * given.T @ below

    report = watch(train_on_it, try_remedies=True)
    assert report.outcome == "pass"
    found = report.as_json()
    assert "stuck-at-prior" in [one["name"] for one in found["symptoms"]]
    assert any(one["helped"] for one in found["tried"])
    assert report._repr_html_().count("<svg") == 1


def test_watch_judges_nothing_that_it_does_not_recognise():
    report = watch(lambda: sum(range(10)))
    assert report.outcome == "untested"
    with pytest.raises(TypeError, match="expected a function, got int"):
        door._expect_training(3)
    with pytest.raises(ValueError, match="expected a cost of"):
        watch(print, cost="hinge")

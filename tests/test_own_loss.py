"""A candidate's own loss: it tells right gradients from wrong ones where no network can be
declared, and is compared with the network where one can."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.inside.returned import Refused
from backproof.checks.candidates.inside.slopes import slopes
from backproof.checks.candidates.live import LiveProcess
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.findings import Diagnosis
from backproof.checks.grading.checking import check_file
from backproof.checks.grading.conclude import Settings

Gradients = Callable[..., Any]


def net(W: Any, b: Any, x: Any, h: Any = np.tanh) -> Any:
    """Two hidden layers with a connection around the second: no network that can be declared."""
    first = h(x @ W[0].T + b[0])
    second = h(first @ W[1].T + b[1])
    z = (first + second) @ W[2].T + b[2]
    return first, second, z


def cross_entropy(z: Any, y: Any) -> Any:
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def loss(W: Any, b: Any, x: Any, y: Any) -> Any:
    return cross_entropy(net(W, b, x)[-1], y)


def gradients(W: Any, b: Any, x: Any, y: Any, *, skip: bool = True) -> Any:
    first, second, z = net(W, b, x)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    dz = (p / p.sum(axis=1, keepdims=True) - np.eye(3)[y]) / len(x)
    da = dz @ W[2]
    du = da * (1 - second**2)
    below = du @ W[1]
    if skip:
        below = below + da
    d1 = below * (1 - first**2)
    return [d1.T @ x, du.T @ first, dz.T @ (first + second)], [d.sum(axis=0) for d in (d1, du, dz)]


def asked(gradients: Gradients, loss: Gradients, **more: Any) -> Diagnosis:
    constants = {"sizes": (2, 3, 3, 3), **more}
    declared = frozenset(name.upper() for name in constants)
    conventions = Conventions(**constants, has_loss=True, declared=declared)
    process = LiveProcess({"gradients": gradients, "loss": loss})
    return diagnose(CandidateFile(process, conventions))


def in_float32(W: Any, b: Any, x: Any, y: Any) -> Any:
    short = [[array.astype(np.float32) for array in arrays] for arrays in (W, b, [x])]
    return loss(short[0], short[1], short[2][0], y)


def with_decay(W: Any, b: Any, x: Any, y: Any) -> Any:
    return loss(W, b, x, y) + 0.005 * sum((w**2).sum() for w in W)


@pytest.mark.parametrize("own", [loss, in_float32], ids=["float64", "float32"])
def test_right_gradients_of_ones_own_loss_pass(own: Gradients) -> None:
    found = asked(gradients, own)
    assert (found.outcome, found.wrong, found.conventions) == ("pass", [], [])
    assert "of your own loss(W, b, x, y)" in found.statement


def transposed(W: Any, b: Any, x: Any, y: Any) -> Any:
    dW, db = gradients(W, b, x, y)
    return [dW[0], dW[1].T, dW[2]], db


def without_skip(W: Any, b: Any, x: Any, y: Any) -> Any:
    return gradients(W, b, x, y, skip=False)


def doubled(W: Any, b: Any, x: Any, y: Any) -> Any:
    dW, db = gradients(W, b, x, y)
    return [2 * array for array in dW], [2 * array for array in db]


EVERY = ["dW[3]", "db[3]", "dW[2]", "db[2]", "dW[1]", "db[1]"]


@pytest.mark.parametrize(
    ("wrong", "own", "names", "words"),
    [
        (without_skip, loss, ["dW[1]", "db[1]"], ""),
        (without_skip, in_float32, ["dW[1]", "db[1]"], ""),
        (transposed, loss, ["dW[2]"], "dW[2], yours is the transpose of the slope of your loss"),
        (doubled, loss, EVERY, "every gradient is 2 times the slope of your loss"),
        (gradients, with_decay, EVERY[::2], "a weight decay of 0.01, which your dW leave out"),
    ],
    ids=["skip", "skip-float32", "transposed", "doubled", "decay"],
)
def test_wrong_gradients_of_ones_own_loss_fail_and_are_described(
    wrong: Gradients, own: Gradients, names: list[str], words: str
) -> None:
    found = asked(wrong, own)
    assert (found.outcome, found.bugs) == ("fail", [])
    assert found.wrong == names
    assert words in found.statement


def returns_rows(W: Any, b: Any, x: Any, y: Any) -> Any:
    return net(W, b, x)[-1][:, 0]


def draws(W: Any, b: Any, x: Any, y: Any) -> Any:
    return loss(W, b, x, y) + np.random.normal()


def nothing(W: Any, b: Any, x: Any, y: Any) -> None:
    loss(W, b, x, y)


def rough(W: Any, b: Any, x: Any, y: Any) -> Any:
    return np.round(loss(W, b, x, y), 2)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (returns_rows, "returned an array of shape (7,); expected one real number"),
        (draws, "for the same arguments"),
        (nothing, "returned None; expected one number"),
        (rough, "too rough"),
    ],
    ids=["rows", "draws", "nothing", "rough"],
)
def test_a_loss_that_says_nothing_judges_nothing(own: Gradients, words: str) -> None:
    found = asked(gradients, own)
    assert found.outcome == "untested"
    assert words in found.statement


@pytest.mark.parametrize("digits", [3, 4])
def test_a_rounded_loss_calls_no_right_gradient_wrong(digits: int) -> None:
    def rounded(W: Any, b: Any, x: Any, y: Any) -> Any:
        return np.round(loss(W, b, x, y), digits)

    assert asked(gradients, rounded).outcome == "untested"


def test_a_loss_that_edits_its_arguments_is_told() -> None:
    def editing(W: Any, b: Any, x: Any, y: Any) -> Any:
        found = loss(W, b, x, y)
        W[0] *= 2
        return found

    process = LiveProcess({"gradients": gradients, "loss": editing})
    declared = Conventions(sizes=(2, 3, 3, 3), has_loss=True, declared=frozenset({"SIZES"}))
    candidate = CandidateFile(process, declared)
    diagnose(candidate)
    assert candidate.habits.changed == {"W[1]": "loss"}


def plain(W: Any, b: Any, x: Any, y: Any) -> Any:
    a = [x]
    for w, v in zip(W[:-1], b[:-1], strict=True):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + v))))
    z = a[-1] @ W[-1].T + b[-1]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    dz = (p / p.sum(axis=1, keepdims=True) - np.eye(3)[y]) / len(x)
    dW: list[Any] = []
    db: list[Any] = []
    for i in reversed(range(len(W))):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        dz = (dz @ W[i]) * a[i] * (1 - a[i])
    return dW, db


def plain_loss(W: Any, b: Any, x: Any, y: Any) -> Any:
    a = x
    for w, v in zip(W[:-1], b[:-1], strict=True):
        a = 1 / (1 + np.exp(-(a @ w.T + v)))
    return cross_entropy(a @ W[-1].T + b[-1], y)


def test_a_loss_beside_a_network_is_compared_with_it() -> None:
    same = asked(plain, plain_loss)
    assert same.outcome == "pass"
    assert "of your own loss" in same.hints[0]

    def another(W: Any, b: Any, x: Any, y: Any) -> Any:
        return plain_loss(W, b, x, y) ** 2

    def summed(W: Any, b: Any, x: Any, y: Any) -> Any:
        return len(y) * plain_loss(W, b, x, y)

    other = asked(plain, another)
    assert other.outcome == "fail"
    assert "not the one that your gradients belong to" in other.statement
    declared = asked(plain, another, cost="cross-entropy")
    assert declared.outcome == "pass"
    assert "not the one that your gradients belong to" in declared.hints[0]
    assert asked(plain, summed).outcome == "pass"


def test_a_bug_keeps_its_name_beside_the_loss_of_its_network() -> None:
    def wrong(W: Any, b: Any, x: Any, y: Any) -> Any:
        dW, db = plain(W, b, x, y)
        return dW, [0 * db[0], *db[1:]]

    found = asked(wrong, plain_loss)
    assert [bug.id for bug in found.bugs] == ["no-bias-gradient"]


def on_a_corner(W: Any, b: Any, x: Any, y: Any) -> Any:
    """A corner at 0 in every entry: differences agree on 0 there, which is no slope."""
    return sum(np.abs(w).sum() for w in W) + sum((v**2).sum() for v in b)


def test_slopes_are_unknown_on_a_corner_and_known_beside_it() -> None:
    W = [np.array([[0.0, 0.5]])]
    found = slopes(on_a_corner, W, [np.array([0.3])], np.zeros((1, 2)), np.zeros(1))
    assert np.isinf(found.W_bars[0][0, 0])
    assert abs(found.W[0][0, 1] - 1) <= found.W_bars[0][0, 1] < 1e-6
    assert not found.complex  # abs() has no complex derivative, and differences say so


@pytest.mark.parametrize("own", [loss, in_float32], ids=["float64", "float32"])
def test_no_slope_is_farther_off_than_its_error_bar(own: Gradients) -> None:
    random = np.random.default_rng(3)
    W = [random.normal(size=shape) / 2 for shape in ((5, 4), (5, 5), (3, 5))]
    b = [random.normal(size=n) / 2 for n in (5, 5, 3)]
    x = random.normal(size=(6, 4))
    y = np.array([0, 1, 2, 0, 1, 2])
    found = slopes(own, [w.copy() for w in W], [v.copy() for v in b], x, y)
    dW, db = gradients(W, b, x, y)
    assert found.complex == (own is loss)
    for slope, bar, due in zip(
        [*found.W, *found.b], [*found.W_bars, *found.b_bars], [*dW, *db], strict=True
    ):
        assert np.all(np.abs(slope - due) <= bar + 1e-15)
        assert np.isfinite(bar).all()


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(Refused, match="returned nan; expected a finite number"):
        slopes(lambda W, b, x, y: np.nan, [np.ones((1, 1))], [], np.ones((1, 1)), np.ones(1))


def test_a_file_is_asked_in_its_process_and_the_report_says_why(tmp_path: Path) -> None:
    body = "\n\n".join(map(inspect.getsource, (net, cross_entropy, loss, gradients)))
    head = "import numpy as np\nfrom typing import Any\n\nSIZES = [2, 3, 3, 3]\n\n\n"
    path = tmp_path / "residual.py"
    path.write_text(head + body)
    right = check_file(path, Settings())
    assert right.found["verdict"] == "pass"
    assert any(line.startswith("why") and "your own loss" in line for line in right.lines)
    path.write_text(head + body.replace("below = below + da", "below = below - da"))
    wrong = check_file(path, Settings())
    assert wrong.found["diagnosis"]["wrong"] == ["dW[1]", "db[1]"]
    assert any("dW[1], db[1] are not the gradients of your own loss" in one for one in wrong.lines)


def huber(W: Any, b: Any, x: Any, y: Any) -> Any:
    r = np.tanh(x @ W[0].T + b[0]) @ W[1].T + b[1] - y
    q = np.abs(r)
    return np.mean(np.where(q <= 1.0, 0.5 * r**2, q - 0.5))


def gradients_of_huber(W: Any, b: Any, x: Any, y: Any, *, bend: Any) -> Any:
    h = np.tanh(x @ W[0].T + b[0])
    r = h @ W[1].T + b[1] - y
    g = bend(r) / r.size
    dh = g @ W[1] * (1 - h * h)
    return [dh.T @ x, g.T @ h], [dh.sum(axis=0), g.sum(axis=0)]


@pytest.mark.parametrize(
    ("bend", "outcome"),
    [
        (lambda r: np.clip(r, -1, 1), "pass"),
        (np.sign, "fail"),
        (lambda r: np.clip(r, -2, 2), "fail"),
    ],
    ids=["Huber", "as if all errors were large", "another bend"],
)
def test_errors_are_small_and_large_where_a_loss_may_bend(bend: Any, outcome: str) -> None:
    def mine(W: Any, b: Any, x: Any, y: Any) -> Any:
        return gradients_of_huber(W, b, x, y, bend=bend)

    constants = {"labels": "values", "output": "linear", "cost": "quadratic"}
    assert asked(mine, huber, sizes=(3, 5, 1), **constants).outcome == outcome

"""The first wrong step of candidates whose bug has no name, or two; and what else their numbers are
told to show."""

import numpy as np
import pytest
from planted import Planted, in_process
from uncatalogued import UNKNOWN, Uncatalogued

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose


@pytest.mark.parametrize(("name", "step"), UNKNOWN, ids=[name for name, _ in UNKNOWN])
@pytest.mark.usefixtures("without_pairs")
def test_an_unknown_bug_gets_no_name_and_its_first_wrong_step_is_found(name, step):
    # undeclared, tanh in both layers is another convention, beside a bug that has a name
    asked = Conventions(declared=frozenset({"HIDDEN"}))
    found = diagnose(Uncatalogued(asked, unknown=name).candidate())
    assert (found.outcome, found.bugs) == ("fail", [])
    assert (found.first_wrong or "").split()[-1] == step


@pytest.mark.usefixtures("without_pairs")
def test_intermediates_show_the_first_wrong_step_directly():
    class Telling(Uncatalogued):
        def intermediates(self, W, b, x, y):
            zs, acts = self.forward_all(W, b, x)
            L, N = len(W), len(x)
            deltas = [
                self.back_one(W, zs[n], acts[n], self.target(y, n, len(b[-1])), None)[0]
                for n in range(N)
            ]
            found = {"z": {}, "a": {}, "dz": {}, "p": np.array([a[-1] for a in acts])}
            for layer in range(L):
                found["z"][layer + 1] = np.array([z[layer] for z in zs])
                found["dz"][layer + 1] = np.array([delta[layer] for delta in deltas]) / N
                if layer < L - 1:
                    found["a"][layer + 1] = np.array([a[layer + 1] for a in acts])
            return found

    for name, step in (
        ("tanh prime", "(B5) dz[1]"),
        ("relu in layer 2", "(F2) a[2]"),
        ("root of the error", "(B1) dz[3]"),
    ):
        made = Telling(Conventions(has_intermediates=True), unknown=name)
        candidate = in_process(
            {"gradients": made.gradients, "intermediates": made.intermediates}, made.conventions
        )
        assert diagnose(candidate).first_wrong == step


# bugs of the catalogue, and the first line that each gets wrong in a network of three layers
NAMED = {
    "softmax-axis": ({"form": "samples"}, "(F3) p"),
    "softmax-diagonal": ({"form": "p"}, "(B1) dz[3]"),
    "raw-error": ({}, "(B4) da[1]"),
    "updated-weights": ({"eta": 0.3}, "(B4) da[2]"),
    "sigmoid-twice": ({"form": "hidden"}, "(B5) dz[2]"),
    "no-hidden-derivative": ({"form": "one", "layers": [0]}, "(B5) dz[1]"),
    "bias-scalar": ({"layers": [1]}, "(B3) db[2]"),
    "bias-not-summed": ({"form": "rows"}, "(B3) db[3]"),
    "wrong-layer": ({"form": "activation", "layers": [1]}, "(B2) dW[2]"),
}


@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize(
    ("bug", "how", "first"), [(bug, *rest) for bug, rest in NAMED.items()], ids=NAMED
)
def test_a_bug_that_is_named_says_which_step_it_gets_wrong_first(
    bug, how, first, unread, monkeypatch
):
    """Whatever the numbers of single samples show, of which some candidates have few."""
    if unread:
        monkeypatch.setattr(
            "backproof.checks.diagnosis.conclusions.first_wrong", lambda evidence: "dz[3]"
        )
    found = diagnose(Planted(Conventions(), {bug: how}).candidate())
    assert (found.bugs[0].id, found.first_wrong) == (bug, first)


def test_of_two_bugs_the_one_that_comes_first_is_the_first_wrong_step():
    planted = Planted(
        Conventions(),
        {"no-hidden-derivative": {"form": "rest"}, "bias-not-summed": {"form": "mean"}},
    )
    found = diagnose(planted.candidate())
    assert {bug.id for bug in found.bugs} == {"no-hidden-derivative", "bias-not-summed"}
    assert found.first_wrong == "(B3) db[3]"
    assert "these bugs together predict yours" in found.bugs[0].evidence


@pytest.mark.usefixtures("without_pairs")
@pytest.mark.parametrize("seed", range(3))
def test_relu_in_every_hidden_layer_is_wrong_where_a_sigmoid_is_declared(seed):
    def gradients(W, b, x, y):
        a, z = [x], []
        for w, v in zip(W, b, strict=True):
            z.append(a[-1] @ w.T + v)
            a.append(np.maximum(z[-1], 0))
        p = np.exp(z[-1] - z[-1].max(axis=1, keepdims=True))
        delta, dW, db = (p / p.sum(axis=1, keepdims=True) - np.eye(len(b[-1]))[y]) / len(x), [], []
        for layer in reversed(range(len(W))):
            dW.insert(0, delta.T @ a[layer])
            db.insert(0, delta.sum(axis=0))
            delta = delta @ W[layer] * (z[layer - 1] > 0) if layer else delta
        return dW, db

    declared = Conventions(hidden="sigmoid", declared=frozenset({"HIDDEN"}))
    found = diagnose(in_process({"gradients": gradients}, declared), seed=seed)
    assert found.first_wrong == "(F2) a[1]"
    undeclared = diagnose(in_process({"gradients": gradients}, Conventions()), seed=seed)
    assert (undeclared.outcome, undeclared.conventions) == ("pass", ['HIDDEN = "relu"'])


def in_float32(bug, rate, **conventions):
    """A step that keeps its weights in float32, with a bug that has no name."""
    asked = Conventions(protocol="step", learning_rate=rate, **conventions)

    def step(W, b, x, y, learning_rate):
        wrong = Uncatalogued(Conventions(**conventions), unknown=bug)
        dW, db = wrong.gradients(W, b, x, y)
        W, b, dW, db = ([np.float32(array) for array in arrays] for arrays in (W, b, dW, db))
        eta = np.float32(learning_rate)
        return [w - eta * g for w, g in zip(W, dW, strict=True)], [
            v - eta * g for v, g in zip(b, db, strict=False)
        ]

    return in_process({"step": step}, asked)


@pytest.mark.parametrize("rate", [0.5, 0.01])
@pytest.mark.parametrize(
    ("bug", "first"),
    [
        ("cube roots of weights", "(B4) da[1]"),
        ("derivative to a power", "(B5) dz[2]"),
        ("outer product reversed", "(B2) dW[2]"),
    ],
)
@pytest.mark.usefixtures("without_pairs")
def test_the_first_wrong_step_of_a_float32_step_is_not_one_that_rounding_makes(bug, first, rate):
    found = diagnose(in_float32(bug, rate))
    assert found.outcome == "fail"
    assert found.first_wrong == first
    assert first[5:] not in found.correct


def test_a_pass_says_what_a_coarse_step_leaves_open():
    found = diagnose(in_float32("", 1e-4))
    assert found.outcome == "pass"
    assert "Its steps show gradients to" in found.hints[0]
    assert diagnose(in_float32("", 0.5)).hints == []


@pytest.mark.usefixtures("without_pairs")
def test_a_rate_that_depends_on_the_loss_is_no_wrong_step():
    right = Planted(Conventions(protocol="step"))

    def step(W, b, x, y, learning_rate):
        dW, db = Planted(Conventions()).gradients(W, b, x, y)
        converged = max(np.abs(array).max() for array in dW) < 2e-2
        eta = 0.5 * learning_rate if converged else learning_rate
        return [w - eta * g for w, g in zip(W, dW, strict=True)], [
            v - eta * g for v, g in zip(b, db, strict=True)
        ]

    found = diagnose(in_process({"step": step}, right.conventions))
    assert (found.outcome, found.first_wrong) == ("fail", None)
    assert "problems every gradient is 0.5 times the right one" in found.hints[0]


@pytest.mark.usefixtures("without_pairs")
def test_without_biases_a_wrong_dW_of_the_output_does_not_speak_against_the_forward_pass():
    for seed in range(3):
        wrong = Planted(
            Conventions(bias=False, output="sigmoid", cost="half-quadratic", sizes=(3, 5, 4, 2))
        )

        def gradients(W, b, x, y, wrong=wrong):
            dW, db = wrong.gradients(W, b, x, y)
            return [*dW[:-1], -dW[-1] * np.arange(1, 1 + dW[-1].shape[1])], db

        found = diagnose(in_process({"gradients": gradients}, wrong.conventions), seed=seed)
        assert found.first_wrong == "(B2) dW[3]"


def test_a_candidate_that_looks_at_one_example_of_many_is_told_so_too():
    right = Planted(Conventions())
    found = diagnose(
        in_process(
            {"gradients": lambda W, b, x, y: right.gradients(W, b, x[:1], y[:1])}, Conventions()
        )
    )
    assert (found.outcome, found.bugs) == ("fail", [])
    assert found.hints == [
        "Single examples it gets right: write BATCH = 1 if it is meant to take one at a time."
    ]


@pytest.mark.usefixtures("without_pairs")
def test_a_factor_that_has_no_name_is_said():
    right = Planted(Conventions())

    def gradients(W, b, x, y):
        dW, db = right.gradients(W, b, x, y)
        return [0.9 * array for array in dW], [0.9 * array for array in db]

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert (found.outcome, found.bugs) == ("fail", [])
    assert found.hints == [
        "Every gradient is 0.9 times the right one: look for a factor that belongs to nothing."
    ]


@pytest.mark.parametrize(
    "change",
    [lambda db: -db, lambda db: 0.3 * db, lambda db: db**2],
    ids=["sign", "factor", "square"],
)
@pytest.mark.usefixtures("without_pairs")
def test_a_wrong_db_of_the_output_does_not_speak_against_the_forward_pass(change):
    right = Planted(Conventions())

    def gradients(W, b, x, y):
        dW, db = right.gradients(W, b, x, y)
        return dW, [*db[:-1], change(db[-1])]

    assert diagnose(in_process({"gradients": gradients}, Conventions())).first_wrong == "(B3) db[3]"


@pytest.mark.usefixtures("without_pairs")
def test_where_nothing_is_sent_on_the_step_that_sends_is_wrong():
    right = Planted(Conventions())

    def gradients(W, b, x, y):
        dW, db = right.gradients(W, b, x, y)
        return [0 * dW[0], *dW[1:]], [0 * db[0], *db[1:]]

    assert diagnose(in_process({"gradients": gradients}, Conventions())).first_wrong == "(B4) da[1]"


@pytest.mark.parametrize("beside", [{}, {"bias-scalar": {}}], ids=["alone", "beside a scalar bias"])
@pytest.mark.usefixtures("without_pairs")
def test_a_p_that_depends_on_the_batch_is_the_first_wrong_step(beside):
    """Softmax over everything and over classes, the geometric mean of both: no known bug does
    that."""
    wrong = Planted(Conventions(), beside)

    def gradients(W, b, x, y):
        a = x
        for layer in range(len(W) - 1):
            a = 1 / (1 + np.exp(-(a @ W[layer].T + b[layer])))
        z = a @ W[-1].T + b[-1]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = (
            e / e.sum(axis=1, keepdims=True)
            if len(x) == 1
            else e / np.sqrt(e.sum() * e.sum(axis=1, keepdims=True))
        )
        dW, db = wrong.gradients(W, b, x, y)
        dz = (p - np.eye(len(b[-1]))[y]) / len(x)
        dW[-1] = dz.T @ a
        return dW, db

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert (found.bugs, found.first_wrong) == ([], "(F3) p")

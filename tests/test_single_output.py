"""Networks with one sigmoid output, and losses that average over the outputs: right ones pass, and
bugs keep their names."""

import numpy as np
import pytest
from planted import in_process

from backproof.checks.candidates.conventions import Conventions, NotAConvention
from backproof.checks.candidates.declared import read_constants
from backproof.checks.diagnosis.diagnose import diagnose

ONE = {"output": "sigmoid", "sizes": (4, 5, 6, 1)}
FORMS = [
    {"cost": "binary-cross-entropy"},
    {"cost": "half-quadratic", "protocol": "step"},
    {"cost": "quadratic", "labels": "one-hot", "examples": "columns", "layout": "in,out"},
    {
        "cost": "binary-cross-entropy",
        "labels": "one-hot",
        "bias": False,
        "reduction": "sum",
        "batch": 1,
    },
]
BUGS = {
    "": "",
    "sigmoid twice": "sigmoid-twice",
    "raw error": "raw-error",
    "sign": "sign",
    "updated": "updated-weights",
    "no derivative": "no-hidden-derivative",
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def beginner(conventions, bug=""):
    """Layers in a loop, samples in rows: what somebody writes for XOR."""
    c = conventions

    def passes(W, b, x, y, eta):
        W = [w if c.layout == "in,out" else w.T for w in W]
        x, y = (x.T, y.T) if c.examples == "columns" else (x, y)
        a, Y = [x], np.reshape(y, (-1, 1))
        for layer in range(len(W)):
            a.append(sigmoid(a[-1] @ W[layer] + (b[layer] if b else 0)))
        error, dW, db = a[-1] - Y, [], []
        delta = error if c.cost == "binary-cross-entropy" else error * a[-1] * (1 - a[-1])
        delta = (
            delta * (2 if c.cost == "quadratic" else 1) / (1 if c.reduction == "sum" else len(x))
        )
        for layer in reversed(range(len(W))):
            dW.insert(0, (a[layer].T @ delta) * (-1 if bug == "sign" else 1))
            db.insert(0, delta.sum(axis=0) * (-1 if bug == "sign" else 1))
            w = (
                W[layer] - eta * dW[0]
                if bug == "updated"
                else np.cos(W[layer])
                if bug == "other weights"
                else W[layer]
            )
            back = (error if bug == "raw error" else delta) @ w.T
            s = {
                "sigmoid twice": sigmoid(a[layer]) * (1 - sigmoid(a[layer])),
                "no derivative": 1.0,
            }.get(bug, a[layer] * (1 - a[layer]))
            error, delta = back, back * s
        return [g if c.layout == "in,out" else g.T for g in dW], db

    def step(W, b, x, y, rate):
        dW, db = passes(W, b, x, y, rate)
        return [w - rate * g for w, g in zip(W, dW, strict=True)], [
            v - rate * g for v, g in zip(b, db, strict=False)
        ]

    return in_process(
        {"gradients": lambda W, b, x, y: passes(W, b, x, y, 0.3), "step": step}, conventions
    )


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["cost"] + form.get("labels", ""))
def test_one_output_is_judged_like_several(form, bug):
    found = diagnose(beginner(Conventions(**ONE, **form), bug))
    assert found.outcome == ("fail" if bug else "pass")
    assert [one.id for one in found.bugs[:1]] == ([BUGS[bug]] if bug else [])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bug", ["raw error", "no derivative", "other weights"])
@pytest.mark.usefixtures("without_pairs")
def test_the_first_wrong_step_is_found_though_every_delta_is_a_multiple_of_one_vector(bug, bias):
    """One output: with any label, dz[L] is one number, and da[L - 1] a multiple of one row of W."""
    found = diagnose(
        beginner(
            Conventions(output="sigmoid", sizes=(4, 5, 1), cost="half-quadratic", bias=bias), bug
        )
    )
    assert found.first_wrong == {"no derivative": "(B5) dz[1]"}.get(bug, "(B4) da[1]")


def test_the_conventions_of_one_output_may_be_undeclared():
    found = diagnose(
        beginner(Conventions(**ONE, cost="half-quadratic", reduction="sum")).under(
            Conventions(**ONE)
        )
    )
    assert (found.outcome, found.conventions) == (
        "pass",
        ['COST = "half-quadratic"', 'REDUCTION = "sum"'],
    )


def test_a_single_softmax_output_is_refused():
    with pytest.raises(
        NotAConvention,
        match=r'SIZES = .*a single output goes with OUTPUT = "sigmoid" and labels 0 and 1',
    ):
        read_constants({"SIZES": [4, 3, 1]}, ["gradients"])
    assert read_constants(
        {"SIZES": [4, 3, 1], "OUTPUT": "sigmoid", "COST": "quadratic"}, ["gradients"]
    ).sizes == (4, 3, 1)


def averaging(conventions, factor=1.0):
    """np.mean over samples and outputs, of the right gradients for the sum."""
    inner = beginner(
        Conventions(output="sigmoid", cost=conventions.cost, reduction="sum", labels="one-hot")
    )
    gradients = inner.sandbox.functions["gradients"]

    def scaled(W, b, x, y):
        a = x
        for layer in range(len(W)):
            a = sigmoid(a @ W[layer].T + b[layer])
        dW, db = several(W, b, x, y)
        return [factor * g / y.size for g in dW], [factor * g / y.size for g in db]

    def several(W, b, x, y):
        """The sum over the outputs, each by itself: the network with one output, K times."""
        found = None
        for k in range(y.shape[1]):
            one_W, one_b = [*W[:-1], W[-1][k : k + 1]], [*b[:-1], b[-1][k : k + 1]]
            dW, db = gradients(one_W, one_b, x, y[:, k : k + 1])
            full = [np.zeros_like(array) for array in (*W, *b)]
            for total, part in zip(
                full[: len(W) - 1] + full[len(W) : -1], dW[:-1] + db[:-1], strict=True
            ):
                total += part
            full[len(W) - 1][k], full[-1][k] = dW[-1][0], db[-1][0]
            found = (
                full
                if found is None
                else [before + now for before, now in zip(found, full, strict=True)]
            )
        return found[: len(W)], found[len(W) :]

    return in_process({"gradients": scaled}, conventions)


@pytest.mark.parametrize("cost", ["quadratic", "half-quadratic", "binary-cross-entropy"])
@pytest.mark.usefixtures("without_pairs")
def test_the_mean_over_the_outputs_is_right_where_it_is_declared(cost):
    asked = {"output": "sigmoid", "cost": cost, "labels": "one-hot"}
    declared = frozenset({"OUTPUT", "COST", "LABELS", "REDUCTION"})
    assert (
        diagnose(
            averaging(Conventions(**asked, reduction="mean-over-all", declared=declared))
        ).outcome
        == "pass"
    )
    found = diagnose(averaging(Conventions(**asked, declared=declared)))
    assert (found.outcome, found.bugs[0].id) == ("fail", "scale")
    assert 'REDUCTION = "mean-over-all"' in str(found.bugs[0].fix)
    twice = diagnose(
        averaging(Conventions(**asked, reduction="mean-over-all", declared=declared), factor=3.0)
    )
    assert (twice.outcome, twice.bugs) == ("fail", [])

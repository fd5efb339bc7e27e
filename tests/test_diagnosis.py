"""Right, right under another convention, or wrong: what `diagnose` says of candidates whose truth
is known."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from command import ROOT
from planted import Planted, in_process
from uncatalogued import Uncatalogued

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.decay import Fits
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.diagnosis.factor import Fit
from backproof.checks.diagnosis.factors import decompose
from backproof.checks.diagnosis.probes import plan

ALL = frozenset({"LAYOUT", "EXAMPLES", "LABELS", "OUTPUT", "COST", "REDUCTION"})
RIGHT = [
    Conventions(),
    Conventions(layout="in,out", examples="columns", labels="one-hot"),
    Conventions(reduction="sum", protocol="step"),
    Conventions(output="sigmoid", cost="half-quadratic", batch=1),
    Conventions(output="sigmoid", cost="binary-cross-entropy", bias=False),
    Conventions(cost="quadratic", sizes=(3, 5, 4, 2)),
    Conventions(cost="half-quadratic", sizes=(4, 3), protocol="step", learning_rate=0.1),
]


@pytest.mark.parametrize(
    "asked", RIGHT, ids=lambda asked: f"{asked.output},{asked.cost},{asked.protocol}"
)
def test_a_right_candidate_passes_and_no_bug_is_named(asked):
    found = diagnose(Planted(asked).candidate())
    assert (found.outcome, found.bugs, found.conventions, found.wrong) == ("pass", [], [], [])
    assert found.gradients > 100
    assert {verdict.outcome for verdict in found.verdicts} <= {"pass", "untested"}


ENFORCED = """
from jaxtyping import install_import_hook
install_import_hook(["backproof.model", "backproof.checks"], "beartype.beartype")
from planted import Planted
from backproof.checks.activations import ACTIVATIONS
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.by_hand import softmax
from backproof.checks.heads import HEADS
from backproof.checks.problem import draw
drawn = [draw((3, 4, 2), 5, 0, hidden=hidden) for hidden in ACTIVATIONS.values()]
drawn += [draw((3, 4, 2), 5, 0, head=head) for head in HEADS]
for problem in drawn:
    problem.backward(problem.forward())
    problem.bounds("float64")
try:
    softmax(problem.x[0])  # a vector where samples are meant
except Exception as error:
    print(type(error).__name__)
planted = Planted(Conventions(output="sigmoid", cost="quadratic"), {"raw-error": {}})
print([bug.id for bug in diagnose(planted.candidate()).bugs])
"""


def test_a_diagnosis_holds_with_every_shape_enforced():
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-W", "error", "-c", ENFORCED]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("TypeCheckError\n['raw-error']\n", "")


UNDECLARED = [
    (Conventions(reduction="sum"), {"reduction": "mean"}, ['REDUCTION = "sum"']),
    (Conventions(layout="in,out"), {"layout": "out,in"}, ['LAYOUT = "in,out"']),
    (Conventions(labels="one-hot"), {"labels": "integers"}, ['LABELS = "one-hot"']),
    (
        Conventions(examples="columns", layout="in,out"),
        {"examples": "rows", "layout": "out,in"},
        ['LAYOUT = "in,out"', 'EXAMPLES = "columns"'],
    ),
    (Conventions(cost="half-quadratic"), {"cost": "quadratic"}, ['COST = "half-quadratic"']),
    (
        Conventions(layout="in,out", reduction="sum"),
        {"layout": "out,in", "reduction": "mean"},
        ['LAYOUT = "in,out"', 'REDUCTION = "sum"'],
    ),
    (
        Conventions(output="sigmoid", cost="quadratic"),
        {"cost": "cross-entropy", "output": "softmax"},
        ['OUTPUT = "sigmoid"', 'COST = "quadratic"'],
    ),
]


@pytest.mark.parametrize(
    ("true", "claimed", "lines"), UNDECLARED, ids=[" ".join(lines) for _, _, lines in UNDECLARED]
)
def test_another_convention_is_named_as_one_and_passes(true, claimed, lines):
    candidate = replace(Planted(true).candidate(), conventions=replace(true, **claimed))
    found = diagnose(candidate)
    assert (found.outcome, found.bugs, found.conventions) == ("pass", [], lines)
    assert all(line in found.statement for line in lines)


def test_a_step_with_its_own_learning_rate_is_told_to_say_so():
    found = diagnose(
        Planted(Conventions(protocol="step"), {"hard-coded": {"eta": 0.05}}).candidate()
    )
    assert (found.outcome, found.conventions) == ("pass", ["LEARNING_RATE = 0.05"])


def test_n_times_too_much_is_a_bug_where_the_file_itself_says_mean():
    n_times = {"scale": {"factor": "N"}}
    assert diagnose(Planted(Conventions(), n_times).candidate()).conventions == [
        'REDUCTION = "sum"'
    ]
    declared = diagnose(Planted(Conventions(declared=ALL), n_times).candidate())
    assert (declared.outcome, [bug.id for bug in declared.bugs], declared.conventions) == (
        "fail",
        ["scale"],
        [],
    )


PAIRS = [
    {"raw-error": {}, "updated-weights": {"eta": 0.5}},
    {"softmax-diagonal": {"form": "p"}, "sigmoid-twice": {"form": "hidden"}},
    {"no-hidden-derivative": {"form": "a", "layers": [0]}, "scale": {"factor": "K"}},
    {"sign": {"form": "everywhere"}, "no-bias-gradient": {}},
    {"labels-shifted": {"by": 1}, "decay-sign": {"lambda": 0.01}},
    {"transposed": {}, "sample-dropped": {}},
    {"bias-scalar": {}, "wrong-layer": {"form": "row"}},
]


@pytest.mark.parametrize("bugs", PAIRS, ids=["+".join(bugs) for bugs in PAIRS])
def test_two_bugs_are_both_named(bugs):
    asked = Conventions(output="softmax", cost="quadratic", declared=ALL)
    found = diagnose(Planted(asked, bugs).candidate())
    assert set(bugs) <= {bug.id for bug in found.bugs}


def test_an_unknown_bug_is_no_pair_of_known_ones():
    found = diagnose(Uncatalogued(unknown="cube roots of weights").candidate())
    assert (found.bugs, found.first_wrong) == ([], "(B4) da[1]")
    assert "No known bug explains the numbers" in found.statement


def test_a_wrong_forward_is_found_though_the_gradients_are_right():
    right = Planted()
    candidate = in_process(
        {
            "gradients": right.gradients,
            "forward": lambda W, b, x: np.full((len(x), len(b[-1])), 0.5),
        },
        Conventions(has_forward=True),
    )
    found = diagnose(candidate)
    assert (found.outcome, found.wrong) == ("fail", ["p"])


def test_editing_the_arguments_is_a_bug_though_the_gradients_are_right():
    right = Planted()

    def gradients(W, b, x, y):
        found = right.gradients(W, b, x, y)
        x *= 1 - x
        return found

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert found.outcome == "fail"
    assert [(bug.id, bug.where) for bug in found.bugs] == [("in-place", "its arguments")]


def test_a_candidate_that_answers_nothing_fails_with_its_complaint():
    found = diagnose(in_process({"gradients": lambda W, b, x, y: None}, Conventions()))
    assert (found.outcome, found.bugs, found.first_wrong) == ("fail", [], None)
    assert "returned None" in found.statement


def test_a_candidate_that_only_takes_one_example_is_told_to_declare_that():
    right = Planted(Conventions())

    def gradients(W, b, x, y):
        if len(x) > 1:
            raise ValueError("one at a time")
        return right.gradients(W, b, x, y)

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert (found.outcome, found.bugs) == ("fail", [])
    assert "write BATCH = 1" in found.statement


BOTH = {"sigmoid-twice": {"form": "both"}, "updated-weights": {"eta": 0.3}}


def test_two_bugs_are_named_though_the_cost_has_its_half_as_well():
    """COST = "quadratic" is open about its half; what is beside two bugs must not be a third."""
    wrong = Planted(Conventions(output="sigmoid", cost="half-quadratic", protocol="step"), BOTH)
    declared = Conventions(
        output="sigmoid", cost="quadratic", protocol="step", declared=frozenset({"OUTPUT", "COST"})
    )
    found = diagnose(in_process({"step": wrong.step}, declared))
    assert {bug.id for bug in found.bugs if not bug.alternative} == BOTH.keys()
    assert found.conventions == ['COST = "half-quadratic"']


def test_an_undeclared_sum_beside_a_bug_is_a_convention_and_a_declared_one_a_factor():
    wrong = Planted(Conventions(reduction="sum"), {"raw-error": {}})
    found = diagnose(in_process({"gradients": wrong.gradients}, Conventions()))
    assert [bug.id for bug in found.bugs] == ["raw-error"]
    assert found.conventions == ['REDUCTION = "sum"']
    declared = Conventions(declared=frozenset({"REDUCTION"}))
    found = diagnose(in_process({"gradients": wrong.gradients}, declared))
    assert {bug.id for bug in found.bugs} == {"raw-error", "scale"}
    (scale,) = (bug for bug in found.bugs if bug.id == "scale")
    assert str(scale.fix).endswith('or, if that is the loss you mean: REDUCTION = "sum"')


def test_an_odd_shape_in_one_layer_excuses_no_prediction_for_another():
    """dW[3] comes as a column; raw-error explains all that came, and what cannot be computed for
    dW[1] does not."""
    wrong = Planted(
        Conventions(output="sigmoid", cost="half-quadratic", sizes=(2, 3, 1)), {"raw-error": {}}
    )

    def gradients(W, b, x, y):
        a = [x]
        for w, v in zip(W, b, strict=True):
            a.append(1 / (1 + np.exp(-(a[-1] @ w.T + v))))
        error = (a[2] - y[:, None]) / len(x)
        delta = error * a[2] * (1 - a[2])
        back = error @ W[1] * a[1] * (1 - a[1])
        return [back.T @ x, (delta.T @ a[1]).T], [back.sum(axis=0), delta.sum(axis=0)]

    found = diagnose(in_process({"gradients": gradients}, wrong.conventions))
    assert [bug.id for bug in found.bugs] == ["raw-error"]


def test_a_cost_that_was_meant_otherwise_is_said():
    wrong = Planted(Conventions(output="sigmoid", cost="binary-cross-entropy"))
    declared = Conventions(
        output="sigmoid", cost="half-quadratic", declared=frozenset({"OUTPUT", "COST"})
    )
    (bug,) = diagnose(in_process({"gradients": wrong.gradients}, declared)).bugs
    assert bug.id == "cost-mismatch"
    assert str(bug.fix).endswith('or, if that is the loss you mean: COST = "binary-cross-entropy"')


def test_half_a_derivative_of_the_output_has_a_name():
    right = Planted(Conventions(output="sigmoid", cost="half-quadratic"))

    def gradients(W, b, x, y):
        a = [x]
        for w, v in zip(W, b, strict=True):
            a.append(1 / (1 + np.exp(-(a[-1] @ w.T + v))))
        dz, dW, db = (a[-1] - np.eye(len(b[-1]))[y]) * a[-1] / len(x), [], []
        for layer in reversed(range(len(W))):
            dW.insert(0, dz.T @ a[layer])
            db.insert(0, dz.sum(axis=0))
            dz = dz @ W[layer] * a[layer] * (1 - a[layer])
        return dW, db

    (bug, *_) = diagnose(in_process({"gradients": gradients}, right.conventions)).bugs
    assert (bug.id, bug.where) == ("no-hidden-derivative", "the output layer")


def test_nan_is_wrong_and_gets_no_name():
    right = Planted()

    def gradients(W, b, x, y):
        dW, db = right.gradients(W, b, x, y)
        dW[0][0, 0] = np.nan
        return dW, db

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert (found.outcome, found.bugs) == ("fail", [])
    assert "dW[1]" in found.wrong


@pytest.mark.usefixtures("without_pairs")
def test_an_answer_in_float32_is_judged_by_float32_and_an_error_in_it_still_found():
    right = Planted()

    def gradients(W, b, x, y, wrong=1.0):
        dW, db = right.gradients(W, b, x, y)
        return [(w * wrong).astype(np.float32) for w in dW], [v.astype(np.float32) for v in db]

    assert diagnose(in_process({"gradients": gradients}, Conventions())).outcome == "pass"
    off = diagnose(
        in_process({"gradients": lambda *given: gradients(*given, wrong=1.0001)}, Conventions())
    )
    assert (off.outcome, off.bugs) == ("fail", [])


def test_an_epsilon_in_the_denominator_is_not_called_low_precision():
    """As small as float32 rounding, but no float32 number anywhere."""
    right = Planted()

    def gradients(W, b, x, y):
        dW, db = right.gradients(W, b, x, y)
        return [w / (1 + 1e-8 * np.arange(1, w.size + 1).reshape(w.shape)) for w in dW], db

    found = diagnose(in_process({"gradients": gradients}, Conventions()))
    assert (found.outcome, found.bugs) == ("fail", [])


def multiplied(setting, factor):
    """Every gradient times a factor."""
    return Fits(setting, dict.fromkeys(setting.gradients, Fit(factor)))


def test_a_factor_is_read_as_a_function_of_n_not_as_a_number():
    settings = [probe.setting for probe in plan(Conventions())[:4]]
    causes = decompose([multiplied(setting, 1 / setting.N) for setting in settings])
    assert causes is not None
    assert [(cause.id, cause.note) for cause in causes] == [("scale", "1/N times the gradient")]
    assert decompose([multiplied(setting, 1 / 7) for setting in settings]) is None


def test_a_factor_in_one_layer_is_mended_in_the_lines_of_that_layer():
    (bug,) = diagnose(
        Planted(Conventions(), {"scale": {"factor": "K", "layers": [1]}}).candidate()
    ).bugs
    assert (bug.where, bug.see) == ("layer 2", "(B2)")
    assert (
        str(bug.fix) == "dW[2] = dz[2].T @ a[1]; db[2] = dz[2].sum(axis=0)   # without the factor"
    )

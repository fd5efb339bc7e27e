"""Networks of any hidden activation and output: right ones pass, declared or not, and what is wrong
gets its name and its first step beside conventions that are not declared."""

from __future__ import annotations

from itertools import islice
from typing import Any

import activations
import numpy as np
import pytest
from activations import NAMES, Network, sig
from planted import in_process

from backproof.checks.candidates.conventions import Conventions, NotAConvention
from backproof.checks.candidates.declared import read_constants, unread_constants
from backproof.checks.diagnosis.diagnose import diagnose


@pytest.mark.parametrize("name", NAMES)
def test_a_right_network_of_any_activation_passes_and_is_told_what_to_declare(name: str) -> None:
    true = Conventions(hidden=name)
    undeclared = diagnose(in_process({"gradients": Network(true).gradients}, Conventions()))
    assert (undeclared.outcome, undeclared.bugs) == ("pass", [])
    assert undeclared.conventions == ([] if name == "sigmoid" else [f'HIDDEN = "{name}"'])
    declared = diagnose(in_process({"gradients": Network(true).gradients}, true))
    assert (declared.outcome, declared.conventions) == ("pass", [])


@pytest.mark.parametrize("kind", ["single", "beside", "correct", "convention", "unknown"])
def test_a_few_of_each_kind_get_what_they_should(kind: str) -> None:
    """Hundreds in benchmarks/diagnosis.py; crashes of single samples hide a mixture."""
    for case in islice(activations.STREAMS[kind](3), 5):
        assert case.good, case.words


def test_soft_targets_are_recognised_or_declared() -> None:
    true = Conventions(output="sigmoid", cost="quadratic", targets=(0.1, 0.9))
    undeclared = diagnose(in_process({"gradients": Network(true).gradients}, Conventions()))
    assert undeclared.outcome == "pass"
    assert "TARGETS = [0.1, 0.9]" in undeclared.conventions
    declared = diagnose(in_process({"gradients": Network(true).gradients}, true))
    assert (declared.outcome, declared.conventions) == ("pass", [])


def test_real_valued_targets_and_a_linear_output() -> None:
    asked = Conventions(
        hidden="relu",
        output="linear",
        cost="quadratic",
        labels="values",
        declared=frozenset({"HIDDEN", "OUTPUT", "COST", "LABELS"}),
    )
    assert diagnose(in_process({"gradients": Network(asked).gradients}, asked)).outcome == "pass"
    wrong = Network(asked, "bias-scalar")
    found = diagnose(in_process({"gradients": wrong.gradients}, asked))
    assert [bug.id for bug in found.bugs] == ["bias-scalar"]


@pytest.mark.parametrize(("decay", "verdict"), [(0.01, "pass"), (-0.01, "fail")])
def test_a_weight_decay_is_a_convention_and_its_wrong_sign_a_bug(
    decay: float, verdict: str
) -> None:
    network = Network(Conventions(hidden="relu"))

    def decayed(W: Any, b: Any, x: Any, y: Any) -> Any:
        dW, db = network.gradients(W, b, x, y)
        return [d + decay * w for d, w in zip(dW, W, strict=True)], db

    found = diagnose(in_process({"gradients": decayed}, Conventions()))
    assert found.outcome == verdict
    assert 'HIDDEN = "relu"' in found.conventions
    assert ("WEIGHT_DECAY = 0.01" in found.conventions) == (decay > 0)
    assert [bug.id for bug in found.bugs] == ([] if decay > 0 else ["decay-sign"])


def softmax_in_hidden(W: Any, b: Any, x: Any, y: Any) -> Any:
    def soft(z: Any) -> Any:
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    a = [x]
    for matrix, bias in zip(W, b, strict=True):
        a.append(soft(a[-1] @ matrix.T + bias))
    dz = (a[-1] - np.eye(len(b[-1]))[y]) / len(x)
    dW: list[Any] = []
    db: list[Any] = []
    for i in reversed(range(len(W))):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        dz = (dz @ W[i]) * a[i] * (1 - a[i])
    return dW, db


def test_softmax_in_hidden_layers_is_named() -> None:
    found = diagnose(in_process({"gradients": softmax_in_hidden}, Conventions()))
    assert [bug.id for bug in found.bugs] == ["softmax-in-hidden"]
    assert found.first_wrong == "(F2) a[1]"


def dotted(W: Any, b: Any, x: Any, y: Any) -> Any:
    """One example at a time, with a dot product where widths are equal: elsewhere it crashes."""
    a = [x[0]]
    for matrix, bias in zip(W[:-1], b[:-1], strict=True):
        a.append(sig(matrix @ a[-1] + bias))
    z = W[-1] @ a[-1] + b[-1]
    dz = np.exp(z) / np.exp(z).sum() - np.eye(len(z))[y[0]]
    dW: list[Any] = []
    db: list[Any] = []
    for i in reversed(range(len(W))):
        dW.insert(0, np.full(W[i].shape, np.dot(dz, a[i])))
        db.insert(0, dz)
        dz = (dz @ W[i]) * a[i] * (1 - a[i])
    return dW, db


def test_a_dot_product_for_an_outer_one_is_named_where_widths_let_it_pass() -> None:
    asked = Conventions(batch=1, sizes=(4, 4, 4), declared=frozenset({"BATCH", "SIZES"}))
    found = diagnose(in_process({"gradients": dotted}, asked))
    assert [bug.id for bug in found.bugs] == ["dot-for-outer"]


@pytest.mark.parametrize(
    ("constants", "said"),
    [
        ({"HIDDEN": "rleu"}, 'Did you mean "relu"?'),
        ({"OUTPUT": "lineer"}, 'Did you mean "linear"?'),
        ({"HIDDEN": ["relu"], "SIZES": [4, 3, 3, 2]}, "one for each of the 2 hidden layers"),
        ({"OUTPUT": "linear", "COST": "cross-entropy"}, 'beside OUTPUT = "linear"'),
        ({"LABELS": "values", "COST": "cross-entropy"}, "COST"),
        ({"SLOPE": 0.2}, 'expected HIDDEN = "leaky-relu"'),
        ({"TARGETS": [0, 9], "OUTPUT": "tanh"}, "from -1 to 1"),
        ({"TARGETS": [0.9, 0.1]}, "such as (0.1, 0.9)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_a_constant_that_is_none_or_contradicts_another_is_refused_in_one_line(
    constants: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotAConvention) as refused:
        read_constants(constants, ["gradients"])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_constant_that_nobody_reads_is_told() -> None:
    assert unread_constants(["ACTIVATION", "HIDEN", "N_EPOCHS", "HIDDEN"]) == []
    assert unread_constants(["ACTIVATION", "N_EPOCHS"]) == [
        "nobody reads ACTIVATION; did you mean HIDDEN?"
    ]
    assert unread_constants(["LABLES"]) == ["nobody reads LABLES; did you mean LABELS?"]


def test_bugs_of_layers_that_differ_are_one_bug() -> None:
    """The derivative left out of both layers, or another one behind each."""
    mixed = Conventions(hidden=("sigmoid", "tanh"), declared=frozenset({"HIDDEN"}))
    missing = diagnose(
        in_process({"gradients": Network(mixed, "no-hidden-derivative").gradients}, mixed)
    )
    assert [bug.id for bug in missing.bugs] == ["no-hidden-derivative"]
    kinked = Conventions(hidden=("sigmoid", "relu"), declared=frozenset({"HIDDEN"}))
    other = diagnose(
        in_process({"gradients": Network(kinked, "other-derivative").gradients}, kinked)
    )
    assert [bug.id for bug in other.bugs] == ["other-derivative"]

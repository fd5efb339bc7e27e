"""A candidate in its process: every convention translated both ways, and whatever it does instead
of answering."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from asked_files import PLAIN, RIGHT, asked_each, ending_with, running

from backproof.checks import by_hand
from backproof.checks.candidates import declared
from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.candidates.conventions import Conventions, NotAConvention
from backproof.checks.problem import Problem, draw


def ask(
    folder: Path, source: str, question: Question | None = None, call_s: float = 10.0
) -> Answer:
    with running(folder, source, call_s) as candidate:
        return candidate.ask([question or Question(draw((4, 7, 6, 3), 5, seed=0))])[0]


def by_right_hand(problem: Problem) -> by_hand.Backward:
    return by_hand.backward(by_hand.forward(problem.x, problem.W, problem.b), problem.W, problem.y)


def assert_right(answer: Answer, problem: Problem) -> None:
    """Equal to sixteen units in the last place of the largest entry: both sides sum at most 7
    products of a few layers."""
    assert answer.complaint is None
    right = by_right_hand(problem)
    for name, given, expected in (("dW", answer.dW, right.dW), ("db", answer.db, right.db)):
        for layer, gradient in expected.items():
            assert given is not None
            assert given[layer].shape == gradient.shape
            allowed = 16 * np.finfo(float).eps * np.abs(gradient).max() + answer.rounding.get(
                f"{name}[{layer}]", 0.0
            )
            assert (np.abs(given[layer] - gradient) <= allowed).all(), f"{name}[{layer}]"


def in_convention(layout: str, examples: str, labels: str, protocol: str) -> str:
    """A right candidate in other conventions: turned into the plain ones, computed there, turned
    back."""
    source = [RIGHT, f'LAYOUT, EXAMPLES, LABELS = "{layout}", "{examples}", "{labels}"\n\n']
    source += [f"def {protocol}(W, b, x, y{', learning_rate' if protocol == 'step' else ''}):"]
    source += ["    plain = [w.T for w in W]" if layout == "in,out" else "    plain = W"]
    source += ["    x = x.T"] if examples == "columns" else []
    source += [
        "    Y = np.eye(len(b[-1]))[y]"
        if labels == "integers"
        else "    Y = y.T"
        if examples == "columns"
        else "    Y = y"
    ]
    source += [
        "    dW, db = passes(plain, b, x, Y)[5:]",
        "    dW = [d.T for d in dW]" if layout == "in,out" else "    pass",
    ]
    if protocol == "step":
        source += [
            "    for i in range(len(W)):",
            "        W[i] -= learning_rate * dW[i]",
            "        b[i] = b[i] - learning_rate * db[i]",
        ]
    return "\n".join(
        [*source, "    return dW, db" if protocol == "gradients" else "    return None", ""]
    )


COMBINATIONS = list(
    itertools.product(
        ("out,in", "in,out"), ("rows", "columns"), ("integers", "one-hot"), ("gradients",)
    )
)
COMBINATIONS += [("out,in", "rows", "integers", "step"), ("in,out", "columns", "one-hot", "step")]


@pytest.mark.parametrize(
    ("layout", "examples", "labels", "protocol"),
    COMBINATIONS,
    ids=[" ".join(c) for c in COMBINATIONS],
)
def test_a_right_candidate_is_right_in_every_convention(
    tmp_path: Path, layout: str, examples: str, labels: str, protocol: str
) -> None:
    problem = draw((4, 7, 6, 3), 5, seed=3)
    question = Question(problem, kind=protocol, learning_rate=0.25)
    assert_right(
        ask(tmp_path, in_convention(layout, examples, labels, protocol), question), problem
    )


def test_a_wrong_candidate_is_wrong_in_the_same_conventions(tmp_path: Path) -> None:
    problem = draw((4, 7, 6, 3), 5, seed=3)
    wrong = in_convention("in,out", "columns", "one-hot", "step").replace(
        "a[i] * (1 - a[i])", "a[i]"
    )
    with pytest.raises(AssertionError, match="dW\\[2\\]"):
        assert_right(
            ask(tmp_path, wrong, Question(problem, kind="step", learning_rate=0.25)), problem
        )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_one_example_at_a_time_is_put_together_as_its_reduction_says(
    tmp_path: Path, reduction: str
) -> None:
    problem = draw((4, 7, 3), 6, seed=1)
    answer = ask(tmp_path, f'BATCH = 1\nREDUCTION = "{reduction}"\n{PLAIN}', Question(problem))
    weight = 1.0 if reduction == "mean" else 6.0
    assert answer.dW is not None
    # 7 sums of 6 terms: 1e-15
    np.testing.assert_allclose(answer.dW[1], weight * by_right_hand(problem).dW[1], rtol=1e-12)


def test_without_biases_b_is_empty_and_db_is_not_read(tmp_path: Path) -> None:
    problem = draw((4, 7, 3), 6, seed=1)
    problem = Problem(
        problem.x, problem.y, problem.W, {layer: 0 * b for layer, b in problem.b.items()}
    )
    source = PLAIN.replace(
        "passes(W, b, x, np.eye(len(b[-1]))[y])[5:]",
        "passes(W, [0.0] * len(W), x, np.eye(len(W[-1]))[y])[5]",
    )
    answer = ask(tmp_path, "BIAS = False\n" + source, Question(problem))
    assert (answer.complaint, answer.db) == (None, None)
    assert answer.dW is not None
    np.testing.assert_allclose(answer.dW[1], by_right_hand(problem).dW[1], rtol=1e-12)


def test_forward_and_intermediates_come_back_in_rows(tmp_path: Path) -> None:
    problem, extra = (
        draw((4, 7, 6, 3), 5, seed=2),
        "\n\ndef forward(W, b, x):\n    return passes(W, b, x.T, 0)[2].T\n",
    )
    extra += (
        "\n\ndef intermediates(W, b, x, y):\n    z, a, p, dz, da, _, _ = passes(W, b, x.T, "
        "np.eye(len(b[-1]))[y])\n"
    )
    extra += (
        "    return {'z': [v.T for v in z], 'a': [v.T for v in a], 'p': p.T, 'dz': "
        "dict(enumerate([v.T for v in dz], start=1))}\n"
    )
    source = f'EXAMPLES = "columns"\n{PLAIN}{extra}'
    with running(tmp_path, source) as candidate:
        assert candidate.conventions.has_forward
        assert candidate.conventions.has_intermediates
        forward, steps = candidate.ask(
            [Question(problem, kind="forward"), Question(problem, kind="intermediates")]
        )
    passed, back = by_hand.forward(problem.x, problem.W, problem.b), by_right_hand(problem)
    assert forward.p is not None
    assert steps.steps is not None
    np.testing.assert_allclose(forward.p, passed.p, rtol=1e-12)
    np.testing.assert_allclose(steps.steps["z[2]"], passed.z[2], rtol=1e-12)
    np.testing.assert_allclose(steps.steps["a[1]"], passed.a[1], rtol=1e-12)
    np.testing.assert_allclose(steps.steps["dz[1]"], back.dz[1], rtol=1e-9)


def test_a_built_in_learning_rate_is_what_the_gradient_is_read_off_with(tmp_path: Path) -> None:
    problem = draw((4, 7, 3), 6, seed=1)
    source = (
        in_convention("out,in", "rows", "integers", "step")
        .replace("-= learning_rate", "-= 0.5")
        .replace("- learning_rate", "- 0.5")
    )
    assert_right(
        ask(
            tmp_path,
            "LEARNING_RATE = 0.5\n" + source,
            Question(problem, kind="step", learning_rate=2.0),
        ),
        problem,
    )


def test_modules_beside_the_candidate_can_be_imported_even_one_called_checks(
    tmp_path: Path,
) -> None:
    (tmp_path / "checks.py").write_text(RIGHT)
    source = "import numpy as np\nfrom checks import passes\n" + PLAIN.removeprefix(RIGHT)
    problem = draw((4, 7, 6, 3), 5, seed=0)
    assert_right(ask(tmp_path, source, Question(problem)), problem)


HARMLESS = {
    "nested lists": "return [d.tolist() for d in dW], [d.tolist() for d in db]",
    "biases as columns": "return dW, [d[:, None] for d in db]",
    "biases as rows": "return dW, [d[None, :] for d in db]",
    "object array": "return np.array([*dW, None], dtype=object)[:-1], tuple(db)",
    "by layer": "return dict(enumerate(dW, start=1)), dict(enumerate(db, start=1))",
    "forked copies": "import os; os.fork(); return dW, db",
}


def test_harmless_variations_of_what_is_returned_are_read(tmp_path: Path) -> None:
    for answer, problem in asked_each(tmp_path, list(HARMLESS.values())).values():
        assert_right(answer, problem)


def test_float32_answers_say_so(tmp_path: Path) -> None:
    answer = ask(tmp_path, ending_with("return [d.astype('f4') for d in dW], db"))
    assert (answer.complaint, answer.precision) == (None, "float32")


NO_CONVENTIONS = [
    {"LAYOUT": "in-out"},
    {"EXAMPLES": "cols"},
    {"LABELS": 1},
    {"BIAS": "no"},
    {"SIZES": 3},
    {"SIZES": [3]},
    {"SIZES": [3, 1]},
    {"BATCH": 0},
    {"LEARNING_RATE": -1.0},
    {"OUTPUT": "linear", "COST": "binary-cross-entropy"},
    {"COST": ["quadratic"]},
]


@pytest.mark.parametrize("constants", NO_CONVENTIONS, ids=str)
def test_a_constant_that_is_no_convention_is_refused_by_name(constants: dict[str, object]) -> None:
    with pytest.raises(NotAConvention, match=next(iter(constants))):
        declared.read_constants(constants, ["gradients"])


def test_the_lines_to_write_turn_one_convention_into_the_other() -> None:
    found = declared.changed_lines(
        Conventions(), Conventions(layout="in,out", reduction="sum", sizes=(2, 3))
    )
    assert found == ['LAYOUT = "in,out"', 'REDUCTION = "sum"', "SIZES = [2, 3]"]

"""Somebody's own network is told why it does not learn, in the form in which they have it."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import learners
import numpy as np
import pytest
from learners import LEARNERS

from backproof import assert_learns, why

# the wrong version is the network itself: its own step multiplies what overflows
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize("make", LEARNERS, ids=lambda make: make.__name__)
def test_each_of_nine_people_is_answered(make):
    learner = make()
    answer = why(
        learner.W,
        learner.b,
        learner.x,
        learner.y,
        step=learner.step,
        learning_rate=learner.rate,
        time_limit=0.5,
        **learner.settings,
    )
    found = {symptom.name: symptom for symptom in answer.findings}
    assert answer.outcome == "fail"
    assert learner.due in found
    assert learner.helped in found[learner.due].remedy
    assert "--" not in str(answer)  # no flag of ours: it is their code


def healthy(seed=0, **changed):
    random = np.random.default_rng(seed)
    x, y = learners.clouds(random, 200, 6, 3)
    W, b = learners.layers(random, (6, 12, 3), 0.4)
    step = learners.in_out(learners.sigmoid, learners.of_a, learners.softmax)
    return {"W": W, "b": b, "x": x, "y": np.eye(3)[y], "step": step, "learning_rate": 0.5} | changed


def test_a_network_that_learns_passes_and_says_so():
    answer = assert_learns(**healthy())
    assert answer.outcome == "pass"
    assert answer.findings == ()
    assert answer.last_line.startswith("pass: it learns; ")
    assert "by always answering the commonest class" in answer.last_line


def test_a_network_that_does_not_learn_fails_with_the_findings():
    learner = learners.tiny_weights()
    with pytest.raises(AssertionError, match="stuck-at-prior: layer 2 answers the class freq"):
        assert_learns(learner.W, learner.b, learner.x, learner.y, time_limit=0.1)


def test_nothing_that_is_handed_over_is_changed():
    given = healthy(x=healthy()["x"] * 40)
    before = [array.copy() for array in (*given["W"], *given["b"], given["x"], given["y"])]

    def in_place(W, b, x, y, learning_rate):
        x *= 0.5
        for layer in range(2):
            W[layer] -= learning_rate * 0.01
            b[layer] -= learning_rate * 0.01

    why(**given | {"step": in_place}, time_limit=0.1, try_remedies=True)
    after = (*given["W"], *given["b"], given["x"], given["y"])
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_the_same_network_gets_the_same_answer_in_any_form():
    given = healthy()
    W, b, x, y = given["W"], given["b"], given["x"], given["y"]
    forms = [
        (W, b, y),
        ([w.T.copy() for w in W], b, y.argmax(axis=1)),
        ({1: W[0], 2: W[1]}, {1: b[0][:, None], 2: b[1][:, None]}, y),
        ({"W1": W[0], "W2": W[1]}, {"b1": b[0][None], "b2": b[1][None]}, y.argmax(axis=1)[:, None]),
    ]
    losses = [why(one_W, one_b, x, one_y).signs.loss for one_W, one_b, one_y in forms]
    assert losses == losses[:1] * len(losses)


def test_a_single_sigmoid_output_is_no_crash():
    random = np.random.default_rng(0)
    W, b = learners.layers(random, (2, 3, 1), 1.0)
    assert why(W, b, XOR, np.array([0, 1, 1, 0]), output="sigmoid").outcome == "pass"


def test_a_remedy_is_tried_and_its_effect_told():
    learner = learners.four_sigmoids()
    answer = why(
        learner.W,
        learner.b,
        learner.x[:60],
        learner.y[:60],
        learning_rate=0.1,
        time_limit=12.0,  # more than 20 times what it takes
        try_remedies=True,
    )
    (tried,) = [one for one in answer.tried if one.symptom == "vanishing"]
    assert tried.helped
    assert tried.loss < 0.5 * tried.loss_before
    assert "right" in str(tried)
    assert f"tried: with {tried.change[:20]}" in str(answer)


def test_a_remedy_that_does_not_help_is_not_said_to():
    given = healthy()
    rng = np.random.default_rng(0)
    y = given["y"][rng.permutation(len(given["y"]))]
    answer = why(
        [w * 30 for w in given["W"]], given["b"], given["x"], y, time_limit=0.5, try_remedies=True
    )
    assert "labels-shuffled" in answer.names
    assert not any(tried.symptom == "labels-shuffled" for tried in answer.tried)


def test_an_answer_goes_into_json_a_notebook_and_a_picture():
    answer = why(**healthy())
    made = json.loads(json.dumps(answer.as_json(), allow_nan=False))
    assert made["outcome"] == "pass"
    assert made["course"]["glances"][0]["step"] == 0
    page = answer._repr_html_()
    assert page.count("<polyline") == 3  # the loss, and both layers
    assert "pass: it learns" in page


def test_it_needs_neither_torch_nor_jaxtyping():
    code = (
        "import sys; import numpy as np; from backproof import why\n"
        "why([np.ones((2, 2))], [np.zeros(2)], np.eye(2), [0, 1])\n"
        "assert not {'torch', 'jaxtyping', 'backproof.model'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"x": np.zeros((200, 5))}, "W: expected a chain of layers from the 5 columns of x on"),
        (
            {"y": np.zeros(7)},
            "x and y: expected as many targets as samples, got 200 rows of x and 7",
        ),
        ({"y": np.array(["cat", "dog"] * 100)}, "y: expected numbers, got <U3 such as 'cat'"),
        (
            {"x": np.full((200, 6), np.nan)},
            "x: expected finite numbers, got nan in row 0, column 0",
        ),
        ({"y": np.full(200, 7)}, "y: expected labels from 0 to 2 for 3 outputs, got 7 to 7"),
        ({"hidden": "sigmiod"}, "expected an activation of sigmoid, tanh, relu"),
        ({"hidden": ["tanh", "tanh"]}, "hidden: expected 1 activations, one for each hidden layer"),
        ({"output": "linear", "cost": "cross-entropy"}, "expected a cost of quadratic"),
        ({"layout": "rows"}, 'layout: expected "out,in" or "in,out"'),
        ({"history": ["a"]}, "history: expected losses, or dicts with a loss"),
        (
            {"step": lambda W, b, x, y, rate: None},
            "step: expected changed weights, got W as it was",
        ),
        ({"step": lambda W, b, x, y, rate: 3}, "step: expected (W, b), or None after changing"),
        ({"step": lambda W, b, x, y, rate: (W[:1], b)}, "step: expected weights of the shapes"),
        ({"step": lambda W, b, x, y, rate: 1 / 0}, "got ZeroDivisionError: division by zero"),
        (
            {"step": lambda W, b, x, y, rate: time.sleep(9), "time_limit": 0.1},
            "one call within 1 s",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_in_one_line(changed, said):
    with pytest.raises(ValueError, match="expected") as error:
        why(**healthy(**changed))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_class_is_a_finding_and_an_empty_history_none():
    given = healthy(y=np.zeros(200, int))
    answer = why(given["W"], given["b"], given["x"], given["y"], history=[])
    assert answer.findings[0].name == "class-imbalance"
    assert answer.findings[0].hopeless


def test_labels_that_count_from_1_are_a_finding():
    given = healthy()
    answer = why(given["W"], given["b"], given["x"], given["y"].argmax(axis=1) + 1)
    assert answer.names == ("targets-out-of-range",)
    assert answer.findings[0].remedy == "Number them from 0: y = y - 1."


def test_many_samples_are_sampled_and_that_is_said():
    random = np.random.default_rng(0)
    x, y = learners.clouds(random, 5000, 6, 3)
    W, b = learners.layers(random, (6, 12, 3), 0.4)
    answer = why(W, b, x, y)
    assert answer.outcome == "pass"
    assert any("256 of 5,000 samples" in note for note in answer.notes)


def test_a_history_of_losses_tells_the_rate():
    given = healthy()
    del given["step"], given["learning_rate"]
    rising = why(**given, history=[1.1, 3.0, 9.0, 27.0, float("nan")])
    crawling = why(**given, history=[{"loss": 1.1 - 1e-5 * epoch} for epoch in range(20)])
    falling = why(**given, history=[1.1 * 0.8**epoch for epoch in range(20)])
    assert rising.names == ("rate-too-large",)
    assert crawling.names == ("rate-too-small",)
    assert falling.names == ()


def test_a_step_with_its_rate_inside_is_judged_by_how_far_it_goes():
    given = healthy()
    theirs = given["step"]
    slow = why(
        **given | {"step": lambda W, b, x, y: theirs(W, b, x, y, 1e-6), "learning_rate": None},
        time_limit=0.5,
    )
    assert slow.names == ("rate-too-small",)
    assert slow.findings[0].measures["suggested"] > 1e-3
    assert any("moves like one of 1e-06" in note for note in slow.notes)


def test_constant_columns_are_a_remark_and_no_finding():
    given = healthy()
    x = given["x"].copy()
    x[:, 2] = 0
    answer = why(**given | {"x": x})
    assert answer.outcome == "pass"
    assert answer.notes[-1] == "1 of 6 columns of x are constant (2)"


@pytest.mark.parametrize("comes_back", [True, False])
def test_one_step_that_goes_far_is_no_divergence_where_the_next_ones_come_back(comes_back):
    calls = []
    learnt = healthy(learning_rate=0.1)

    def thrown(W, b, x, y, learning_rate):
        calls.append(len(x))
        if len(calls) == 8:
            return [W[0], -200 * W[1]], b
        if len(calls) == 11 and comes_back:
            return [W[0], W[1] / -200], b
        near = 1.0 if comes_back and not 8 < len(calls) < 11 else 1e-9
        return learnt["step"](W, b, x, y, near * learning_rate)

    answer = why(**(learnt | {"step": thrown, "time_limit": 1.0}))
    assert answer.course.over == ("learnt" if comes_back else "diverged")

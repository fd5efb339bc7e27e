"""Symptoms are found in networks of any activation and head, and healthy ones have none."""

from __future__ import annotations

import numpy as np
import pytest

from backproof.checks.learning.finding import ALL_NAMES, NAMES
from backproof.checks.learning.passes import Shape, constant_loss, run
from backproof.checks.learning.related import relation
from benchmarks import symptoms_anywhere
from benchmarks.symptoms_anywhere import PROVOKED, healthy, healthy_case

pytestmark = pytest.mark.slow  # minutes: every symptom in every activation

SHOWN_BY_DOING = ("rate-too-large", "rate-too-small")


def test_the_benchmark_provokes_every_symptom() -> None:
    assert set(PROVOKED) == set(ALL_NAMES) - set(NAMES)


@pytest.mark.parametrize("name", [name for name in PROVOKED if name not in SHOWN_BY_DOING])
def test_a_provoked_symptom_is_found_where_it_is(name: str) -> None:
    make, activations = PROVOKED[name]
    for activation in activations[:: 1 if name != "poor-minimum" else 9]:
        case = make(activation, 103)
        found = {(one.name, one.where) for one in case.ask().findings}
        assert (name, case.where) in found, activation


@pytest.mark.parametrize("name", SHOWN_BY_DOING)
def test_a_rate_that_is_far_off_is_found_by_doing(name: str) -> None:
    case = PROVOKED[name][0]("sigmoid", 0)
    answer = case.ask(time_limit=4.0)
    (found,) = [one for one in answer.findings if one.name == name]
    assert 0.01 < found.measures["suggested"] <= 100


@pytest.mark.parametrize("at", [100, 104, 108])
def test_a_healthy_network_has_no_finding_before_while_and_after_it_learns(at: int) -> None:
    assert healthy(at) == ([], True)


@pytest.mark.parametrize(
    ("output", "cost"),
    [
        ("softmax", "cross-entropy"),
        ("softmax", "quadratic"),
        ("softmax", "binary-cross-entropy"),
        ("sigmoid", "cross-entropy"),
        ("tanh", "half-quadratic"),
        ("linear", "quadratic"),
    ],
)
def test_gradients_are_slopes_of_the_loss_under_every_head(output: str, cost: str) -> None:
    random = np.random.default_rng(0)
    W = {1: random.normal(size=(5, 4)), 2: random.normal(size=(3, 5))}
    b = {1: random.normal(size=5), 2: random.normal(size=3)}
    x = random.normal(size=(7, 4))
    Y = np.eye(3)[random.integers(3, size=7)]
    shape = Shape.of(2, "silu", output, cost)

    def loss(moved: float) -> float:
        W[1][2, 1] += moved
        value = float(run(x, Y, W, b, shape).losses.mean())
        W[1][2, 1] -= moved
        return value

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    # a central difference is off by step**2 and by eps over the step
    assert abs(slope - run(x, Y, W, b, shape).dW[1][2, 1]) < 1e-9 * max(1, abs(slope))


def test_knowing_nothing_of_values_costs_their_variance() -> None:
    Y = np.array([[1.0], [3.0]])
    assert constant_loss(Y, Shape.of(1, (), "linear", "quadratic")) == 1.0
    assert constant_loss(Y, Shape.of(1, (), "linear", "half-quadratic")) == 0.5


def test_a_relation_is_seen_in_xor_among_columns_that_say_nothing() -> None:
    """The wrong version asks neighbours alone: 10 columns of noise hide the two that matter."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 12))
    y = (x[:, 0] > 0) ^ (x[:, 1] > 0)
    Y = y[:, None].astype(float)
    assert relation(x, Y, classes=True).excess > 8
    assert abs(relation(x, random.permutation(Y), classes=True).excess) < 4


def test_a_table_of_truth_that_is_repeated_has_no_copies_to_tell_of() -> None:
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]] * 50)
    random = np.random.default_rng(0)
    given = symptoms_anywhere.network(
        x, np.array([0, 1, 1, 0] * 50), [2, 6, 1], "tanh", "sigmoid", "cross-entropy", 0
    )
    assert symptoms_anywhere.Case(given, "").ask().findings == ()
    numbers = random.normal(size=(100, 2))[random.integers(100, size=200)]
    given = symptoms_anywhere.network(
        numbers, (numbers[:, 0] > 0).astype(int), [2, 6, 1], "tanh", "sigmoid", "cross-entropy", 0
    )
    assert symptoms_anywhere.Case(given, "").ask().names == ("duplicate-rows",)


def test_large_inputs_under_weights_that_learnt_them_are_no_finding() -> None:
    case = healthy_case("tanh", 3)
    unscaled = symptoms_anywhere.inputs_unscaled("tanh", 3)
    assert "inputs-unscaled" in unscaled.ask().names
    assert case.ask().names == ()

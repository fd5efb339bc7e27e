"""The questions: what each must have so that it tells what it is there to tell."""

import numpy as np
import pytest

from backproof.checks import by_hand
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.probes import DEFAULT_SIZES, N_FIRST, plan
from backproof.checks.diagnosis.role import Role

HEADS = [
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("sigmoid", "binary-cross-entropy"),
    ("sigmoid", "half-quadratic"),
]


def by_role(probes):
    return {probe.role: probe for probe in reversed(probes)}


def test_the_first_call_is_asked_twice_and_first():
    first, again = plan(Conventions())[:2]
    assert first.question == again.question or first.question.problem is again.question.problem


def test_the_first_problem_can_tell_suspects_apart():
    problem = plan(Conventions())[0].setting.problem
    assert len(set(DEFAULT_SIZES)) == len(DEFAULT_SIZES) >= 4
    assert len(problem.y) == N_FIRST[0] >= 3
    assert set(problem.y) == set(range(problem.sizes[-1]))
    assert len({N_FIRST, problem.sizes[-1], 2}) == 3


def test_a_step_is_asked_at_two_learning_rates_unless_it_has_its_own():
    rates = {probe.question.learning_rate for probe in plan(Conventions(protocol="step"))}
    assert len(rates) == 2
    assert {
        probe.question.learning_rate
        for probe in plan(Conventions(protocol="step", learning_rate=0.1))
    } == {0.1}


@pytest.mark.parametrize("head", HEADS, ids=lambda head: "+".join(head))
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_rare_probabilities_are_below_every_clip(head, bias):
    probes = by_role(plan(Conventions(output=head[0], cost=head[1], bias=bias)))
    for role in (Role.RARE_LABEL, Role.RARE_CLASS):
        problem = probes[role].setting.problem
        p = by_hand.forward(problem.x, problem.W, problem.b, head=problem.head).p[0]
        # 1e-16 is the smallest clip of the register; exp underflows only at 1e-308
        assert 1e-18 < p.min() < 1e-16
    label = probes[Role.RARE_LABEL].setting.problem
    p = by_hand.forward(label.x, label.W, label.b, head=label.head).p[0]
    assert int(label.y[0]) == int(p.argmin())


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_other_weights_lead_to_the_same_z(bias):
    probes = plan(Conventions(bias=bias))
    single = next(probe for probe in probes if probe.role == Role.SINGLE)
    moved = by_role(probes)[Role.SAME_Z]
    assert not np.allclose(single.setting.problem.W[1], moved.setting.problem.W[1])
    z, other = (
        by_hand.forward(p.x, p.W, p.b).z for p in (single.setting.problem, moved.setting.problem)
    )
    for layer in z:
        # sums of ten terms of order 1
        assert np.allclose(z[layer], other[layer], rtol=1e-12, atol=1e-13)


def test_built_in_sizes_and_batches_are_kept():
    for probe in plan(Conventions(sizes=(5, 4, 3), batch=4), sizes=(9, 9), batch=10):
        assert probe.setting.problem.sizes == (5, 4, 3)
        assert len(probe.setting.problem.y) % 4 == 0


def test_equal_widths_are_asked_where_sizes_are_free():
    square = by_role(plan(Conventions()))[Role.SQUARE].setting.problem
    assert len(set(square.sizes)) == 1
    assert Role.SQUARE not in by_role(plan(Conventions(sizes=(5, 4, 3))))


def test_one_sample_is_asked_with_several_labels():
    first = [
        probe for probe in plan(Conventions()) if probe.role == Role.SINGLE and probe.sample == 0
    ]
    assert len({int(probe.setting.problem.y[0]) for probe in first}) == len(first) >= 2
    assert all(
        np.array_equal(probe.setting.problem.x, first[0].setting.problem.x) for probe in first
    )


def test_there_are_few_questions():
    assert len(plan(Conventions(protocol="step", has_forward=True, has_intermediates=True))) < 20


def test_no_layer_is_as_wide_as_the_batch():
    for sizes in ((7, 3, 9, 7, 4), (11, 7, 5), (4, 3), (7, 11, 13, 2)):
        assert len(plan(Conventions(), sizes=sizes)[0].setting.problem.y) not in sizes

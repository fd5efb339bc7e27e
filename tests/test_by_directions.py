"""Slopes along directions through all parameters: exact in one witness, within an error bar in the
other, in every regime."""

from dataclasses import replace

import numpy as np
import pytest

from backproof.checks.activations import named
from backproof.checks.black_box import slopes
from backproof.checks.heads import CLASSIC
from backproof.checks.problem import REGIMES, draw
from backproof.checks.witnesses import by_directions
from backproof.checks.witnesses.verify import hand, verify

SHAPES = ((4, 7, 6, 3), (6, 4), (5, 9, 1, 7), (8, 5, 3))


def problems(regime: str):
    for seed, sizes in enumerate(SHAPES * 3):
        head = CLASSIC[seed % len(CLASSIC)]
        yield draw(sizes, 1 + seed, seed, regime=regime, head=head)


def off_by(problem) -> tuple[np.ndarray, np.ndarray]:
    """By how much each slope differs from what the gradients by hand say, and what it may."""
    values, errors = by_directions.random_directions(problem)
    mine, rounding = by_directions.project(problem, hand(problem), problem.bounds())
    return np.abs(values["slopes"] - mine["slopes"]), errors["slopes"] + rounding["slopes"]


@pytest.mark.parametrize("regime", REGIMES)
def test_both_ways_agree_with_the_gradients_in_every_regime(regime):
    for problem in problems(regime):
        off, allowed = off_by(problem)
        assert (off <= allowed).all(), problem.id


def test_steps_that_begin_at_the_size_of_large_weights_see_a_plateau(monkeypatch):
    """The wrong version: an eighth of the weights' size and up, where weights of hundreds leave
    nothing but a plateau."""
    monkeypatch.setattr(by_directions, "SMALLEST", 1 / 8)
    monkeypatch.setattr(by_directions, "RUNGS", 3)
    monkeypatch.setattr(by_directions, "min", lambda size, most: size, raising=False)
    monkeypatch.setattr(slopes, "breaks", lambda rungs: False)
    assert any(
        (off[:2] > allowed[:2]).any()
        for problem in problems("converged")
        for off, allowed in [off_by(problem)]
    )


def test_complex_step_sees_what_no_difference_does():
    """One dW ten digits right is wrong by more than rounding explains, along a direction through
    all parameters."""
    problem = draw((4, 7, 6, 3), 5, seed=1)
    wrong, bounds = hand(problem), problem.bounds()
    wrong["dW[2]"] = wrong["dW[2]"] * (1 + 1e-10)
    values, errors = by_directions.random_directions(problem)
    claimed, rounding = by_directions.project(problem, wrong, bounds)
    caught = np.abs(values["slopes"] - claimed["slopes"]) > errors["slopes"] + rounding["slopes"]
    assert caught.tolist() == [False, False, True, True]


def test_torch_network_is_asked_too(monkeypatch):
    """A torch loss that is 1e-6 too large makes the differences disagree, and the complex step
    not."""
    true = by_directions.cost_of
    monkeypatch.setattr(
        by_directions, "cost_of", lambda *head: lambda *args: 1.000001 * true(*head)(*args)
    )
    failed = [
        verdict for verdict in verify(draw((4, 7, 6, 3), 5, seed=1)) if verdict.outcome == "fail"
    ]
    assert {(verdict.quantity, verdict.pair[1]) for verdict in failed} == {
        ("slopes", "random_directions")
    }
    assert all(
        verdict.worst_index[0] < by_directions.DIRECTIONS and verdict.out == 2 for verdict in failed
    )


def test_a_gradient_that_is_missing_projects_to_nothing():
    problem = draw((4, 3), 5, seed=1)
    values = {name: value for name, value in hand(problem).items() if name != "db[1]"}
    assert "slopes" not in by_directions.project(problem, values, problem.bounds())[0]


def test_equal_samples_make_equal_errors_and_these_add_up():
    """A batch of one sample, repeated, has the error bar of that sample alone, not one that shrinks
    with the batch."""
    problem = draw((4, 6, 3), 1, seed=2)
    many = replace(problem, x=np.repeat(problem.x, 50, 0), y=np.repeat(problem.y, 50))
    one, fifty = (p.bounds()["losses"].mean() for p in (problem, many))
    assert fifty == pytest.approx(one, rel=0.2)


def test_steps_keep_away_from_a_kink_however_near_it_is():
    problem = draw((4, 6, 3), 5, seed=1, hidden=named("relu"))
    u = by_directions.directions(problem)[0]
    far = by_directions._until_kink(problem, u)
    assert 0 < far < np.inf
    assert max(by_directions._steps(0.5, far)) <= far / 2
    assert len(by_directions._steps(0.5, 1e-9)) == by_directions.FEWEST_RUNGS
    assert by_directions._steps(0.5, 0.0) == []
    smooth = draw((4, 6, 3), 5, seed=1)
    assert by_directions._until_kink(smooth, u) == np.inf
    problem.x[0] = 0.0
    problem.b[1][:] = 0.0  # on the kink itself, where no step is short enough
    values, bars = by_directions.random_directions(problem)
    assert (bars["slopes"][:2] == by_directions.UNKNOWN).all()
    assert np.isfinite(values["slopes"]).all()
    assert not [v for v in verify(problem) if v.outcome == "fail"]

"""Problems are pure functions of their seed, and each regime is what it says."""

import numpy as np
import pytest

from backproof.checks.heads import CLASSIC
from backproof.checks.problem import HARD_KINDS, REGIMES, draw, standard
from backproof.checks.witnesses.verify import hand


def same(first, second):
    return all((first[layer] == second[layer]).all() for layer in first)


def test_a_problem_is_a_function_of_its_seed():
    once, again, other = (draw((3, 4, 2), 5, seed) for seed in (7, 7, 8))
    assert (once.x == again.x).all()
    assert same(once.W, again.W)
    assert not (once.x == other.x).all()


def test_id_is_what_is_needed_to_draw_it_again():
    assert (
        draw((4, 7, 3), 5, 3, labels="one-class").id
        == "4-7-3 N=5 softmax+cross-entropy fresh one-class seed=3 float64"
    )


@pytest.mark.parametrize("regime", REGIMES)
def test_every_regime_gives_finite_numbers_at_every_depth(regime):
    for hidden in ((), (5,), (6, 4), (3, 3, 3, 3)):
        problem = draw((4, *hidden, 3), 6, seed=1, regime=regime)
        assert all(np.isfinite(array).all() for array in hand(problem).values())


def test_converged_gradients_are_small_and_fresh_ones_are_not():
    fresh, converged = (
        hand(draw((9, 12, 4), 8, 1, regime=regime))["dz[2]"] for regime in ("fresh", "converged")
    )
    assert np.abs(converged).max() < 1e-3 * np.abs(fresh).max()


def test_stationary_gradients_cancel_over_the_batch_though_each_sample_has_one():
    quantities = hand(draw((4, 6, 3), 30, 2, regime="stationary"))
    assert np.abs(quantities["db[2]"]).max() < 1e-3 * np.abs(quantities["dz[2]"]).sum(axis=0).max()


def test_saturated_units_sit_at_zero_or_one():
    a = hand(draw((6, 20, 3), 10, 3, regime="saturated"))["a[1]"]
    assert np.median(a * (1 - a)) < 1e-6


def test_extreme_logits_reach_ten_thousand():
    z = hand(draw((6, 5, 3), 10, 4, regime="extreme-logits"))["z[2]"]
    assert abs(np.abs(z).max() - 1e4) < 1e-6


def test_labels_can_miss_a_class_or_be_all_alike():
    assert draw((3, 4), 50, 5, labels="missing-class").y.max() == 2
    assert len(set(draw((3, 4), 50, 5, labels="one-class").y)) == 1


def test_rounded_problem_is_the_same_in_both_precisions():
    problem = draw((3, 4, 2), 5, 6).rounded_to("float32")
    assert (problem.W[1].astype(np.float32).astype(np.float64) == problem.W[1]).all()
    assert (problem.x.astype(np.float32).astype(np.float64) == problem.x).all()
    assert problem.id.endswith("float32")


def test_standard_problems_cover_depths_regimes_heads_and_kinds():
    problems = list(standard(len(HARD_KINDS)))
    assert len(problems) >= 12
    assert {problem.L - 1 for problem in problems} == {0, 1, 2, 3, 4}
    assert {word for problem in problems for word in problem.name.split()} >= set(REGIMES) | {
        "missing-class",
        "one-class",
    }
    assert {problem.head for problem in problems} == set(CLASSIC)
    assert any(len(problem.y) == 1 for problem in problems)
    assert any(len(set(problem.sizes)) == len(problem.sizes) > 3 for problem in problems)
    assert any(
        problem.sizes[i] == problem.sizes[i + 1]
        for problem in problems
        for i in range(1, problem.L)
    )


def test_problems_beyond_the_hard_ones_are_random_and_repeatable():
    first, again = (list(standard(40, seed=9)) for _ in range(2))
    assert [problem.id for problem in first] == [problem.id for problem in again]
    assert len({problem.id for problem in first}) == 40


def test_unknown_regime_is_refused():
    with pytest.raises(ValueError, match="expected a regime of"):
        draw((3, 2), 4, 0, regime="lukewarm")

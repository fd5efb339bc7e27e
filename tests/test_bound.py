"""The rounding bound: errors stay below it where correlations make them largest, and it is sharp
enough to be of use."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from backproof.checks import bound, by_hand, sums
from backproof.checks.heads import CLASSIC, Head
from backproof.checks.problem import Problem, draw, every_kind
from backproof.checks.quantities import Quantities
from backproof.checks.witnesses import by_differences
from backproof.checks.witnesses.verify import hand, verify

EPS = 2.0**-52
HEADS = [(head.output, head.cost) for head in CLASSIC]


def bounds(problem: Problem, dtype: str = "float64") -> Quantities:
    passed = by_hand.forward(problem.x, problem.W, problem.b, head=problem.head)
    return bound.rounding(
        passed,
        problem.W,
        problem.b,
        problem.y,
        head=problem.head,
        dtype=dtype,
    )


def each(layers, change):
    return {layer: change(layers[layer]) for layer in layers}


def repeated(problem: Problem) -> Problem:
    return replace(
        problem,
        x=np.repeat(problem.x[:1], len(problem.y), 0),
        y=np.repeat(problem.y[:1], len(problem.y)),
    )


# Networks and batches whose rounding errors are as little independent as they can be.
CORRELATED = {
    "one number a row": lambda p: replace(
        p, W=each(p.W, lambda W: np.repeat(np.abs(W[:, :1]), W.shape[1], 1))
    ),
    "one number": lambda p: replace(
        p, W=each(p.W, lambda W: np.full_like(W, 0.1)), b=each(p.b, lambda b: np.full_like(b, 0.5))
    ),
    "small and equal": lambda p: replace(
        p, W=each(p.W, lambda W: np.full_like(W, 0.002)), x=np.full_like(p.x, 0.7)
    ),
    "zeros": lambda p: replace(p, W=each(p.W, np.zeros_like), b=each(p.b, np.zeros_like)),
    "one sample repeated": repeated,
    "weights in order": lambda p: replace(
        p, W=each(p.W, lambda W: np.sort(W, axis=1)), x=np.abs(p.x)
    ),
    "smooth pictures and weights": lambda p: replace(
        p, W=each(p.W, lambda W: np.cumsum(W, 1) / 4), x=np.abs(np.cumsum(p.x, axis=1)) / 10
    ),
    "black and white, one number a row": lambda p: replace(
        p,
        W=each(p.W, lambda W: np.repeat(np.abs(W[:, :1]), W.shape[1], 1)),
        x=(p.x > 0).astype(float),
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", CORRELATED)
def test_errors_stay_within_the_bound_where_they_are_correlated(kind, dtype):
    for seed, (output, cost) in enumerate(HEADS):
        problem = CORRELATED[kind](
            draw((58, 30, 47, 11), 22, seed, head=Head(output, cost))
        ).rounded_to(dtype)
        verdicts = verify(problem, dtype=dtype, differences=False)
        failed = [verdict for verdict in verdicts if verdict.outcome == "fail"]
        assert not failed, failed[0]


def test_samples_that_are_alike_are_off_in_the_same_direction(monkeypatch):
    """The wrong version counts no copies, and adds the squares of their errors as if these were
    independent: rule 3."""
    problem = CORRELATED["one sample repeated"](draw((4, 30, 3), 16384, 0))
    assert {verdict.outcome for verdict in verify(problem, differences=False)} == {"pass"}
    monkeypatch.setattr(bound, "copies_of", lambda rows: np.ones(len(rows)))
    assert any(verdict.outcome == "fail" for verdict in verify(problem, differences=False))


def test_partial_sums_may_be_larger_than_the_last(monkeypatch):
    """The wrong version takes them to be as small as that."""
    problem = CORRELATED["weights in order"](draw((784, 200, 150, 10), 16, 0))
    monkeypatch.setattr(bound, "summing", lambda x, y, products, *others: np.abs(x @ y) + products)
    assert any(verdict.outcome == "fail" for verdict in verify(problem, differences=False))


def test_half_of_float32_eps_is_caught_by_the_float64_bound_and_allowed_by_the_float32_bound():
    problem = draw((6, 5, 4), 7, 3)
    right, allowed = (
        hand(problem),
        {dtype: bounds(problem, dtype) for dtype in ("float64", "float32")},
    )
    for name in ("dW[1]", "dW[2]", "db[1]", "z[1]", "losses"):
        error = 2.0**-24 * np.abs(right[name])
        assert (error > allowed["float64"][name]).any(), name
        assert (error <= allowed["float32"][name]).all(), name


def test_bound_of_a_wide_network_is_two_hundred_times_below_1e_10_of_an_entry():
    """Its median for dW[1] of 784-30-30-10 with 32 samples: 2e-13 of the entry, both sides
    together."""
    problem = draw((784, 30, 30, 10), 32, 0)
    right = by_differences.complex_step(problem)[0]["dW[1]"]
    assert np.median(2 * bounds(problem)["dW[1]"] / np.abs(right)) < 5e-13


def test_bound_covers_every_quantity_in_its_shape_and_is_never_zero():
    for output, cost in HEADS:
        problem = draw((3, 4, 5, 2), 6, 1, regime="saturated", head=Head(output, cost))
        right, allowed = hand(problem), bounds(problem)
        assert set(right) == set(allowed)
        assert all(right[name].shape == allowed[name].shape for name in right)
        assert all(
            (allowed[name] > 0).all() and np.isfinite(allowed[name]).all() for name in allowed
        )


def test_copies_counts_equal_rows_to_twelve_digits():
    rows = np.array([[1.0, 2.0], [1.0, 2.0 + 1e-14], [1.0, 2.1], [0.0, 0.0]])
    assert sums.copies_of(rows).tolist() == [2, 2, 1, 1]


def test_root_of_sum_of_squares_does_not_underflow():
    """The wrong version, squares first, gives 0 for numbers below 1e-162."""
    tiny = np.full((1, 4), 1e-200)
    assert sums.root_sum_squares(tiny, np.ones((4, 1))) == pytest.approx(2e-200)
    assert not (tiny**2).any()


def test_sums_over_samples_are_bounded_where_an_activation_is_zero_but_its_error_is_not():
    """The wrong version scales by the activation alone, and divides an error of 1e-38 by
    nothing."""
    dz, error = np.ones((3, 2)), np.full((3, 2), 1e-7)
    found = sums.over_samples(
        dz, error, dz, np.ones(3), np.zeros((3, 4)), np.full((3, 4), 1e-38), 2.0**-23
    )
    assert all(np.isfinite(array).all() for array in found)
    # three errors of 1e-38, times a dz of 1, in squares
    assert found[0].max() == pytest.approx(np.sqrt(3) * 1e-38, rel=1e-3)


def test_partial_sums_in_random_order_have_the_mean_square_of_the_formula():
    """(N + 1) / 6 sum(p**2) + (N + 1) / 3 sum(p)**2 over all orders of five numbers, which are few
    enough to try."""
    p = np.array([1.0, -2.0, 0.5, 3.0, -1.5])
    tried = [np.cumsum(order) @ np.cumsum(order) for order in itertools.permutations(p)]
    assert np.mean(tried) == pytest.approx(6 / 6 * (p**2).sum() + 6 / 3 * p.sum() ** 2, rel=1e-12)


def test_an_error_too_small_to_be_squared_beside_a_large_one_that_meets_a_zero_is_kept():
    """A dead unit for the sample with the large dz leaves the sum to the other, 1e222 times
    smaller."""
    dz = np.array([[1.0], [1e-222]])
    off = 1e-9 * dz
    a = np.array([[0.0], [1.0]])
    samples = np.ones(2, dtype=np.int64)
    dW, db = sums.over_samples(dz, off, dz, samples, a, np.zeros((2, 1)), EPS)
    assert 1e-231 <= dW[0, 0] <= 2e-231
    assert 1e-9 <= db[0] <= 2e-9


def test_no_error_of_a_product_is_lost_where_squares_underflow():
    x = np.array([[1.0, 1e-200], [1e-200, 1e-200]])
    W = np.array([[0.0, 1e-170], [1.0, 1.0]])
    found = sums.root_sum_squares(x, W)
    exact = np.array([[1e-200, 1e-170], [1e-200, 1e-200]])
    assert (found >= exact * (1 - EPS)).all()
    assert (found <= 2 * exact).all()


def test_a_network_whose_gradients_are_that_small_is_no_false_alarm():
    problem = next(itertools.islice(every_kind(1950), 1949, None))
    assert "extreme-logits" in problem.id
    assert not [verdict for verdict in verify(problem) if verdict.outcome == "fail"]

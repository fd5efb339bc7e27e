"""Every doubtful case fails, and the sentence says what the numbers show."""

import numpy as np
import pytest

from backproof.checks.verdict import describe, judge


def verdict(first, second, allowed=1e-9):
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    bound = (
        np.full(first.shape, allowed) if np.isscalar(allowed) else np.asarray(allowed, dtype=float)
    )
    return judge("4-2", "dW[1]", "(B2)", ("by_hand", "by_autograd"), first, second, bound)


def test_verdict_passes_within_the_bound_and_says_how_close():
    found = verdict([1.0, 2.0], [1.0, 2.0 + 5e-10])
    assert found.outcome == "pass"
    assert found.worst_index == (1,)
    assert 0.49 < found.ratio < 0.51


def test_verdict_fails_beyond_the_bound_and_names_the_worst_entry():
    found = verdict([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.1, 4.0]])
    assert (found.outcome, found.worst_index, found.out, found.of) == ("fail", (1, 0), 1, 4)
    assert found.values == (3.0, 3.1)


def test_worst_is_measured_in_units_of_what_is_allowed():
    assert verdict([0.0, 0.0], [1e-3, 1e-9], allowed=[1.0, 1e-12]).worst_index == (1,)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["first", "second", "both", "bound"])
def test_verdict_fails_on_what_is_not_finite(poison, side):
    first, second = (
        [1.0, poison if side in ("first", "both") else 2.0],
        [1.0, poison if side in ("second", "both") else 2.0],
    )
    found = verdict(first, second, allowed=[1.0, poison if side == "bound" else 1.0])
    assert found.outcome == "fail"
    assert found.worst_index == (1,)


@pytest.mark.parametrize("shapes", [((3, 3), (3,)), ((3,), (3, 1)), ((2, 3), (3, 2)), ((), (1,))])
def test_verdict_fails_on_shapes_that_would_broadcast(shapes):
    found = verdict(np.ones(shapes[0]), np.ones(shapes[1]))
    assert found.outcome == "fail"
    assert str(shapes[0]) in found.reason
    assert str(shapes[1]) in found.reason


def test_verdict_fails_where_nothing_is_compared():
    assert verdict(np.ones((0, 3)), np.ones((0, 3))).reason == "nothing to compare: shape (0, 3)"


def test_vanishing_gradients_are_untested_rather_than_passed():
    assert verdict([1e-12, 0.0], [0.0, 1e-13]).outcome == "untested"
    assert verdict([1e-12, 1.0], [0.0, 1.0]).outcome == "pass"


def test_zero_bound_accepts_equality_alone():
    assert verdict([1.0], [1.0], allowed=[0.0]).outcome == "pass"
    assert verdict([1.0], [1.0 + 1e-15], allowed=[0.0]).outcome == "fail"


W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5], [7.0, 8.0, 9.0]])


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        (-W, "the sign is reversed"),
        (5 * W, "the first is 5 times the second"),
        (W.T, "the first is the transpose of the second"),
        (0 * W, "the first is zero everywhere"),
        (W + [[0, 0, 0], [0, 0.5, 0], [0, 0, 0]], "one entry alone, [1, 1]"),
        (W + [[0, 0, 0], [1, 2, 3], [0, 0, 0]], "only in row 1"),
        (W + [[0, 0, 1], [0, 0, 2], [0, 0, 3]], "only in column 2"),
        (W * [[np.nan, 1, 1], [1, 1, 1], [1, 1, 1]], "1 of 9 entries of the first is not finite"),
        (
            W * [[np.inf, np.nan, 1], [1, 1, 1], [1, 1, 1]],
            "2 of 9 entries of the first are not finite",
        ),
        (W + [[1, 0, 2], [0, 3, 1], [1, 0, 0]], "5 of 9 entries"),
    ],
)
def test_sentence_says_what_the_difference_looks_like(first, sentence):
    assert describe(first, W, np.abs(first - W) > 1e-9) == sentence


def test_sentence_says_whose_entries_are_not_finite():
    bad = np.where(W > 6, np.inf, W)
    assert describe(W, bad, ~np.isfinite(bad)) == "4 of 9 entries of the second are not finite"
    both = describe(np.where(W > 8, np.nan, W), bad, ~np.isfinite(bad))
    assert both == "1 of 9 entries of the first and 4 of 9 entries of the second are not finite"


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        (W * (1 + 5e-7), "9 of 9 entries"),
        (W * (1 - 9.9e-7), "9 of 9 entries"),
        (W + [[0, 0, 0], [0, 0, 0], [0, 0, 1e-6]], "one entry alone, [2, 2]"),
        (W * (1 + 3e-6), "the first is 1.000003 times the second"),
        (W * (1 - 1e-5), "the first is 0.99999 times the second"),
    ],
)
def test_sentence_names_no_factor_that_cannot_be_told_from_1(first, sentence):
    assert describe(first, W, np.abs(first - W) > 1e-9) == sentence


def test_sentence_calls_nothing_a_transpose_that_is_the_same_to_six_digits():
    symmetric = W + W.T
    first = symmetric + [[0, 0, 0], [0, 1e-6, 0], [0, 0, 0]]
    assert describe(first, symmetric, first != symmetric) == "one entry alone, [1, 1]"

"""Histograms and curves are what NumPy and a count by hand say, in a fraction of the time."""

import numpy as np
import pytest

from backproof.model.tensorboard.summaries import BINS, BLOCK, THRESHOLDS, curves, histogram


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (7, 3), (BLOCK,), (BLOCK + 1,), (3, BLOCK)])
def test_a_histogram_counts_every_entry_once(shape, dtype):
    values = np.random.default_rng(len(shape)).normal(size=shape).astype(dtype)
    found = histogram("a", values).histo
    counts, edges = np.histogram(values.astype(np.float64), bins=BINS)
    assert sum(found.bucket) == found.num == values.size
    # an entry whose distance from an edge is a rounding of the range may fall on either side of it;
    # none of these does
    np.testing.assert_array_equal(found.bucket, counts)
    np.testing.assert_array_equal(found.bucket_limit, edges[1:])
    assert (found.min, found.max) == (values.min(), values.max())
    # sums of n terms, in another order: each differs from the exact one by at most n eps times the
    # sum of magnitudes
    wide, bound = values.astype(np.float64), 2 * values.size * np.finfo(np.float64).eps
    assert abs(found.sum - wide.sum()) <= bound * np.abs(wide).sum()
    assert abs(found.sum_squares - (wide**2).sum()) <= bound * (wide**2).sum()


def test_a_histogram_of_equal_entries_has_them_in_its_middle():
    found = histogram("a", np.full((2, 2), 3.0)).histo
    assert (found.min, found.max, found.bucket[BINS // 2], sum(found.bucket)) == (3, 3, 4, 4)


@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf])
def test_a_histogram_refuses_what_is_not_finite(entry):
    with pytest.raises(ValueError, match="expected finite numbers"):
        histogram("a", np.array([0.0, entry]))


def test_curves_count_every_sample_at_every_threshold():
    y = np.array([0, 0, 1, 1, 2])
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]])
    tp, fp, tn, fn, precision, recall = curves(y, p)[0]
    assert tp[0] == 2
    assert fp[0] == 3
    np.testing.assert_array_equal(tp + fn, np.full(THRESHOLDS, 2))
    np.testing.assert_array_equal(fp + tn, np.full(THRESHOLDS, 3))
    half = THRESHOLDS // 2  # at 0.5: the two that are true, and 0.75
    assert (tp[half], fp[half], precision[half], recall[half]) == (2, 1, 2 / 3, 1)
    # at 1: the sample of the third class, of which nobody asked
    assert curves(y, p)[1][:, -1].tolist() == [
        0,
        1,
        2,
        2,
        0,
        0,
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_curves_are_those_of_one_comparison_after_another(dtype):
    random = np.random.default_rng(0)
    y, p = random.integers(4, size=500), random.dirichlet(np.full(4, 0.3), 500).astype(dtype)
    thresholds = np.linspace(0, 1, THRESHOLDS)
    for k, (tp, fp, *_) in enumerate(curves(y, p)):
        reached = p[:, k, None] >= thresholds
        np.testing.assert_array_equal(tp, reached[y == k].sum(axis=0))
        np.testing.assert_array_equal(fp, reached[y != k].sum(axis=0))

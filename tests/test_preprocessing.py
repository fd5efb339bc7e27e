"""x -> (x - mean) / scale: fitted, applied, and refused where it cannot be."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from backproof.model import preprocessing
from backproof.model.preprocessing import Preprocessing, scaling, standardisation

EPS = np.finfo(np.float64).eps


def test_preprocessing_subtracts_the_mean_and_divides_by_the_scale():
    convert = Preprocessing(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    assert convert(np.array([[3.0, 2.0], [1.0, 10.0]])).tolist() == [[1.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_preprocessing_computes_in_float64_and_rounds_once(dtype):
    x = np.random.default_rng(0).normal(size=(7, 3))
    convert = standardisation(x)
    got = convert(x, dtype)
    assert got.dtype == dtype
    assert np.array_equal(got, ((x - convert.mean) / convert.scale).astype(dtype))


def test_preprocessing_gives_the_same_numbers_whatever_the_blocks(monkeypatch):
    x = np.random.default_rng(1).normal(size=(100, 7))
    convert = standardisation(x)
    whole = convert(x)
    monkeypatch.setattr(preprocessing, "BLOCK", 10)
    assert np.array_equal(convert(x), whole)


def test_standardisation_gives_mean_zero_and_deviation_one():
    x = np.random.default_rng(2).normal(5, 3, size=(50, 4))
    z = standardisation(x)(x)
    # A mean of N numbers of magnitude 5 carries at most N eps * 5 of rounding, and dividing by 3
    # shrinks it.
    assert np.abs(z.mean(axis=0)).max() <= 50 * 5 * EPS
    assert np.abs(z.std(axis=0) - 1).max() <= 50 * 5 * EPS


def test_standardisation_makes_a_constant_column_exactly_zero():
    x = np.column_stack([np.full(10, 0.1), np.arange(10.0)])  # the mean of ten times 0.1 is not 0.1
    convert = standardisation(x)
    assert convert.scale[0] == 1
    assert not convert(x)[:, 0].any()


def test_standardisation_has_no_zero_scale_where_the_deviation_underflows():
    assert standardisation(np.array([[1e-200], [2e-200]])).scale.tolist() == [1.0]


def test_scaling_divides_and_keeps_zero():
    assert scaling(2, 16.0)(np.array([[0, 16]], dtype=np.uint8)).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf])
def test_preprocessing_refuses_a_scale_that_is_no_divisor(scale):
    with pytest.raises(ValueError, match="a finite scale other than 0"):
        Preprocessing(np.zeros(1), np.array([scale]))


def test_preprocessing_refuses_rows_of_another_width():
    with pytest.raises(
        ValueError, match=r"expected rows of 4 numbers, got an array of shape \(2, 3\)"
    ):
        scaling(4, 1.0)(np.zeros((2, 3)))


def test_shapes_in_annotations_are_enforced():
    with pytest.raises(TypeCheckError):
        scaling(4, 1.0)(np.zeros(4))
    with pytest.raises(TypeCheckError):
        Preprocessing(np.zeros(2), np.ones(3))

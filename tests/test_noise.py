"""The noise of a function, from its values along a line."""

import numpy as np
import pytest

from backproof.checks.black_box import noise


def values(level: float, seed: int, spacing: float = 1e-4) -> np.ndarray:
    steps = spacing * np.arange(9)
    return 3 + np.sin(1 + steps) + level * np.random.default_rng(seed).normal(size=9)


@pytest.mark.parametrize("level", [1e-13, 1e-8, 1e-4])
def test_noise_is_found_mostly_within_a_factor_of_two(level):
    """A column of the table has 3 to 8 dependent values, about as good as 4 independent ones; the
    paper asks for no more."""
    found = [noise.estimate(values(level, seed)) for seed in range(200)]
    assert np.mean([level / 2 <= estimate.level <= 2 * level for estimate in found]) > 0.65
    assert all(level / 20 <= estimate.level <= 5 * level for estimate in found)
    assert np.median([estimate.level for estimate in found]) == pytest.approx(level, rel=0.3)


def test_smooth_trend_is_not_taken_for_noise():
    """A wrong version, the standard deviation of the values, says 3e-4 here."""
    quiet = values(0.0, 0)
    assert np.std(quiet) > 1e-5
    assert noise.estimate(quiet).level < 1e-14


def test_equal_values_mean_that_the_spacing_is_too_small():
    assert noise.estimate(np.full(9, 2.5)).spacing == "too small"
    assert noise.estimate(np.full(9, 2.5)).level == 0


def test_values_that_differ_in_their_first_digit_mean_that_the_spacing_is_too_large():
    assert noise.estimate(np.exp(np.arange(9.0))).spacing == "too large"


def test_fewer_than_four_values_are_refused():
    with pytest.raises(ValueError, match="expected 4 values or more, got 3"):
        noise.estimate(np.ones(3))


def test_along_tries_a_wider_spacing_where_the_first_was_too_small():
    random, asked = np.random.default_rng(0), []

    def f(t: float) -> float:
        asked.append(t)
        return 2.0 if abs(t) < 1e-7 else 2.0 + 1e-9 * random.normal()

    found = noise.along(f, 1e-9, 2.0)
    assert found.spacing == "good"
    assert 1e-9 / 4 < found.level < 4e-9
    assert len(asked) == 2 * (noise.POINTS - 1)


def test_rounding_of_the_value_itself_is_the_least_noise():
    """Values rounded to float32 have the standard deviation of a uniform error of one unit in the
    last place, 2**-22 at 3."""
    steps = np.linspace(3, 3.5, 10001)
    measured = float(np.std(steps.astype(np.float32) - steps))
    # magnitude 3 lies within a factor of 2 of its binade
    assert noise.of_rounding(3.0, 2.0**-23) == pytest.approx(measured, rel=0.6)

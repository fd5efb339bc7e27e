"""Slopes with error bars: the bar covers the error, and is small."""

import math

import numpy as np
import pytest

from checks.black_box import noise, slopes

EPS = float(np.finfo(np.float64).eps)


def smooth(seed: int):
    random = np.random.default_rng(seed)
    a, b, c = random.normal(size=3)
    scale = 10 ** random.uniform(-3, 3)
    return (lambda t: math.sin(a + t / scale) + c * math.exp(b * t / scale) + 2), (math.cos(a) + b * c) / scale, scale


def rough(seed: int):
    """Two hundred kinks within ten units of length, as a ReLU layer has them, and one smooth part."""
    random = np.random.default_rng(seed)
    at, jump = 10 * random.normal(size=200), random.normal(size=200) / 20
    a, scale = random.normal(), 10 ** random.uniform(-3, 3)
    slope = (float(jump[at > 0].sum()) + math.cos(a)) / scale
    return (lambda t: float((jump * np.maximum(0, at + t / scale)).sum()) + math.sin(a + t / scale)), slope, scale


def measured(f, scale: float, seed: int) -> tuple[slopes.Slope, int]:
    asked: list[float] = []

    def probe(t: float) -> tuple[float, float]:
        asked.append(t)
        return float(f(t) - f(0.0)), float(f(-t) - f(0.0))

    level = max(noise.along(f, 1e-6 * scale, float(f(0.0))).level, noise.of_rounding(float(f(0.0)), EPS))
    start = scale / 8 * 10 ** np.random.default_rng(seed).uniform(-1.5, 1.5)  # a poor guess: thirty times too small or too large
    return slopes.slope(probe, start, lambda: level), 2 * len(asked)


@pytest.mark.parametrize("kind", [smooth, rough])
def test_error_bar_covers_the_error(kind):
    for seed in range(300):
        f, true, scale = kind(seed)
        found, _ = measured(f, scale, seed)
        assert abs(found.value - true) <= found.bar, seed


def test_error_bar_of_a_smooth_function_is_near_machine_precision():
    """Noise 2e-16 over steps of a hundredth is 2e-14; 8 standard deviations and two digits of truncation make 1e-11."""
    bars = [measured(f, scale, seed)[0].bar * scale for seed in range(100) for f, _, scale in [smooth(seed)]]
    assert np.median(bars) < 2e-12
    assert max(bars) < 1e-10


def test_smooth_function_takes_ten_evaluations_at_most_twenty():
    counts = [measured(f, scale, seed)[1] for seed in range(100) for f, _, scale in [smooth(seed)]]
    assert np.median(counts) <= 10
    assert max(counts) <= 20


def test_bar_without_truncation_would_not_cover_the_error():
    """The wrong version: noise alone. exp is off by t**2 / 6 at its smallest step of an eighth."""

    def quadratic_only(t: float) -> tuple[float, float]:
        return math.exp(t) - 1, math.exp(-t) - 1

    found = slopes.with_steps(quadratic_only, (0.5, 0.125), lambda: EPS)
    assert found.noise < abs(found.value - 1) <= found.bar


def test_kink_at_the_point_is_seen_and_a_smooth_bend_is_not():
    kinked, _ = measured(lambda t: 1.0 + abs(t), 1.0, 0)
    assert kinked.kink == pytest.approx(1.0)
    assert measured(lambda t: 1 + t * t + t, 1.0, 0)[0].kink == 0.0


def test_values_that_are_not_finite_leave_an_infinite_bar():
    found, _ = measured(lambda t: 1.0 if t == 0 else math.nan, 1.0, 0)
    assert math.isinf(found.bar)
    assert math.isnan(found.value)


def test_steps_outside_the_domain_are_passed_over():
    found, _ = measured(lambda t: math.log(1 + t) if t > -1 and t < 1 else math.nan, 30.0, 0)
    assert abs(found.value - 1) <= found.bar

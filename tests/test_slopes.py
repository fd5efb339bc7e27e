"""Slopes with error bars: the bar covers the error, and is small; a plateau far away deceives
nobody."""

import math

import numpy as np
import pytest

from backproof.checks.black_box import noise, slopes

EPS = float(np.finfo(np.float64).eps)


def smooth(seed: int):
    random = np.random.default_rng(seed)
    a, b, c = random.normal(size=3)
    scale = 10 ** random.uniform(-3, 3)
    return (
        (lambda t: math.sin(a + t / scale) + c * math.exp(b * t / scale) + 2),
        (math.cos(a) + b * c) / scale,
        scale,
    )


def rough(seed: int):
    """Two hundred kinks within ten units of length, as a ReLU layer has them, and one smooth
    part."""
    random = np.random.default_rng(seed)
    at, jump = 10 * random.normal(size=200), random.normal(size=200) / 20
    a, scale = random.normal(), 10 ** random.uniform(-3, 3)
    slope = (float(jump[at > 0].sum()) + math.cos(a)) / scale
    return (
        (lambda t: float((jump * np.maximum(0, at + t / scale)).sum()) + math.sin(a + t / scale)),
        slope,
        scale,
    )


def saturated(seed: int):
    """Three sigmoids that bend over a thousandth of a unit or less: everywhere else they are as
    flat as if they had no slope."""
    random = np.random.default_rng(seed)
    at, steep, jump = (
        random.uniform(-12, 12, size=3),
        10 ** random.uniform(3, 4, size=3),
        random.normal(size=3),
    )

    def f(t: float) -> float:
        return float((jump / (1 + np.exp(-np.clip(at + steep * t, -700, 700)))).sum())

    a = 1 / (1 + np.exp(-at))
    return f, float((jump * steep * a * (1 - a)).sum()), 1.0


def measured(f, scale: float, seed: int = 0, climb=slopes.ladder) -> tuple[slopes.Slope, int]:
    """Measured by a poor guess of the scale: up to thirty times too small or too large."""
    asked: list[float] = []
    at_0 = float(f(0.0))
    level = max(noise.along(f, 1e-7 * scale, at_0).level, noise.of_rounding(at_0, EPS), EPS / 8)

    def probe(t: float) -> tuple[float, float, float]:
        asked.append(t)
        above, below = float(f(t)), float(f(-t))
        return (
            above - at_0,
            below - at_0,
            max(level, noise.of_rounding(np.array([above, below]), EPS)),
        )

    guess = scale * 10 ** np.random.default_rng(seed).uniform(-1.5, 1.5) if seed else scale
    return slopes.slope(probe, climb(EPS**0.4 * guess, guess / 16)), 2 * len(asked)


KINDS = [smooth, rough, saturated]


@pytest.mark.parametrize("kind", KINDS)
def test_error_bar_covers_the_error(kind):
    for seed in range(300):
        f, true, scale = kind(seed)
        found, _ = measured(f, scale, seed)
        assert abs(found.value - true) <= found.bar, seed


def test_error_bar_of_a_smooth_function_is_near_machine_precision():
    """Noise 2e-16 over steps of a hundredth is 2e-14; 8 standard deviations and three digits of
    truncation make 2e-10."""
    bars = [
        measured(f, scale, seed)[0].bar * scale
        for seed in range(100)
        for f, _, scale in [smooth(seed)]
    ]
    assert np.median(bars) < 1e-9
    assert max(bars) < 1e-7


def test_closer_rungs_make_the_error_bar_smaller():
    def every(smallest: float, largest: float) -> tuple[float, ...]:
        return slopes.closer((smallest, largest))

    problems = [(*kind(seed)[::2], seed) for kind in KINDS for seed in range(60)]
    bars = [
        [measured(*problem, climb)[0].bar for climb in (slopes.ladder, every)]
        for problem in problems
    ]
    assert np.mean([close <= few for few, close in bars]) > 0.7


def test_ladder_takes_ten_evaluations_at_most():
    assert max(measured(*kind(seed)[::2], seed)[1] for kind in KINDS for seed in range(100)) == 10


@pytest.mark.parametrize(
    ("smallest", "largest"), [(EPS**0.4, 1 / 16), (1e-3, 1 / 16), (0.15, 0.6), (1e-12, 1e3)]
)
def test_rungs_keep_their_distance(smallest, largest):
    for steps in (
        slopes.ladder(smallest, largest),
        slopes.closer(slopes.ladder(smallest, largest)),
    ):
        ratios = np.array(steps[1:]) / np.array(steps[:-1])
        assert (steps[0], steps[-1]) == pytest.approx((smallest, largest))
        assert 2 <= len(steps) <= 17
        assert ratios.min() >= 0.99 * slopes.RATIO
    assert ratios.max() <= 1.01 * slopes.RATIO**2


def plateau(t: float) -> float:
    """A slope of -2e-5 at 0 that is lost beyond 0.1: f is 1 there on either side."""
    return 1 - math.exp(-((t / 0.1) ** 2)) * (1 + 2e-5 * t)


def test_large_steps_that_agree_on_a_plateau_are_not_believed():
    """The wrong version climbs from where the plateau begins: all differences are 0 there, and so
    is its error bar."""
    found, _ = measured(plateau, 1.0)
    assert abs(found.value + 2e-5) <= found.bar < 1e-7

    def flat(t: float) -> tuple[float, float, float]:
        return plateau(t) - plateau(0), plateau(-t) - plateau(0), EPS

    wrong = slopes.slope(flat, (1.0, 4.0, 16.0))
    assert wrong.bar < 1e-14 < abs(wrong.value + 2e-5)


def test_rung_that_breaks_the_series_counts_for_nothing(monkeypatch):
    """The wrong version believes it: the slope is less than the smallest steps can see, and the
    plateau sees nothing at all."""

    def hidden(t: float) -> float:
        return 1 - math.exp(-((t / 0.001) ** 2)) * (1 - 1e-11 * t)

    found, asked = measured(hidden, 1.0)
    assert abs(found.value - 1e-11) <= found.bar
    assert asked < 10
    monkeypatch.setattr(slopes, "breaks", lambda rungs: False)
    assert abs(measured(hidden, 1.0)[0].value - 1e-11) > 10 * measured(hidden, 1.0)[0].bar
    seeds = [(f, true, scale, seed) for seed in range(20) for f, true, scale in [saturated(seed)]]
    assert any(
        abs(found.value - true) > found.bar
        for f, true, scale, seed in seeds
        for found in [measured(f, scale, seed)[0]]
    )


def test_repeated_values_are_no_evidence():
    """The function is rounded to a grid of 1e-9: all its differences are 0, and its slope may be
    anything up to the grid over t."""

    def probe(t: float) -> tuple[float, float, float]:
        return 0.0, 0.0, 1e-9

    found = slopes.slope(probe, slopes.ladder(EPS**0.4, 1 / 16))
    assert found.value == 0.0
    assert found.bar > 1e-9 * 16 / math.sqrt(2)


def test_bar_without_truncation_would_not_cover_the_error():
    """The wrong version: noise alone. exp is off by t**2 / 6 at its smallest step of an eighth."""
    found = slopes.slope(lambda t: (math.exp(t) - 1, math.exp(-t) - 1, EPS), (0.125, 0.5))
    assert found.noise < abs(found.value - 1) <= found.bar


def test_kink_at_the_point_is_seen_and_a_smooth_bend_is_not():
    kinked, _ = measured(lambda t: 1.0 + abs(t), 1.0)
    assert kinked.kink == pytest.approx(1.0)
    assert measured(lambda t: 1 + t * t + t, 1.0)[0].kink == 0.0


def test_values_that_are_not_finite_leave_an_infinite_bar():
    found, _ = measured(lambda t: 1.0 if t == 0 else math.nan, 1.0)
    assert math.isinf(found.bar)
    assert math.isnan(found.value)


def test_steps_outside_the_domain_are_not_asked():
    found, _ = measured(lambda t: math.log(1 + t) if t > -1 and t < 1 else math.nan, 30.0)
    assert abs(found.value - 1) <= found.bar < 1e-3

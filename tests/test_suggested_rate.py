"""Which learning rate a short test suggests."""

from __future__ import annotations

import math

import pytest

from backproof.checks.learning.rates import RangeTest

START = 1.0
BROKEN = math.inf


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        # one rate is best, and nothing comes near it
        ({0.1: 0.9, 1.0: 0.2, 10.0: BROKEN}, 1.0),
        # what is easily told apart is told apart in a few steps at any rate: the gentlest is taken
        ({0.1: 0.6, 1.0: 0.1, 10.0: 0.01, 100.0: 0.0, 1000.0: BROKEN}, 1.0),
        # a rate that is too large now and then ends lower by chance
        ({0.1: 0.3, 1.0: 0.25, 10.0: 5.0, 100.0: 0.24}, 0.1),
    ],
)
def test_smallest_rate_that_gains_nearly_as_much_is_suggested(
    losses: dict[float, float], best: float
) -> None:
    assert RangeTest(START, losses, 24).best == best


def test_no_rate_is_suggested_where_none_lowers_the_loss() -> None:
    assert math.isnan(RangeTest(START, {0.1: 1.0, 1.0: 1.5, 10.0: BROKEN}, 24).best)

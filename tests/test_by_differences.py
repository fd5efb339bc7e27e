"""Central differences: their error bars cover what truncation, rounding and underflow do to them,
in either precision."""

import numpy as np
import pytest

from backproof.checks.problem import REGIMES, Problem, draw
from backproof.checks.witnesses import by_differences
from backproof.checks.witnesses.verify import hand

SHAPES = ((4, 7, 6, 3), (6, 4), (6, 9, 8, 2, 4), (3, 20, 2))


def outside(problem: Problem, dtype: str) -> list[str]:
    """The quantities of which an entry is further from the gradient by hand than its error bar."""
    values, bars = by_differences.central_differences(problem, dtype=dtype)
    right = hand(problem)
    return [
        name for name in values if (np.abs(values[name] - right[name]) > bars[name] + 1e-15).any()
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("regime", REGIMES)
def test_error_bars_cover_the_error_in_every_regime(regime, dtype):
    for seed, sizes in enumerate(SHAPES * 2):
        problem = draw(sizes, 1 + seed, seed, regime=regime).rounded_to(dtype)
        assert not outside(problem, dtype), problem.id


def underflowing() -> Problem:
    """A first unit whose activation is 1e-44: float32 makes 0 of it."""
    problem = draw((3, 4, 2), 2, seed=0)
    problem.W[1][0], problem.b[1][0] = 0.0, -101.0
    return problem.rounded_to("float32")


def test_activation_that_underflows_to_zero_is_within_the_bar_of_dW(monkeypatch):
    """The wrong version multiplies the bar of dz by the activation alone, and 0 times anything is
    0."""
    problem = underflowing()
    values, bars = by_differences.central_differences(problem, dtype="float32")
    error = np.abs(values["dW[2]"] - hand(problem)["dW[2]"])[:, 0]
    assert (values["dW[2]"][:, 0] == 0).all()
    assert (error > 0).all()
    assert (error <= bars["dW[2]"][:, 0]).all()
    true = Problem.bounds
    monkeypatch.setattr(
        Problem,
        "bounds",
        lambda *args: {n: v if n == "losses" else 0 * v for n, v in true(*args).items()},
    )
    assert (
        error > by_differences.central_differences(problem, dtype="float32")[1]["dW[2]"][:, 0]
    ).all()

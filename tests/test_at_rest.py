"""Whether a training has come to rest, or would gain if it went on: of courses whose limit is
known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from backproof.checks.learning.by_doing import Course, Glance
from backproof.checks.learning.of_doing import ENOUGH_STEPS, came_to_rest

STEPS = (0, 1, 10, 100, 250, 500, 700, 1000, 1300, 2000)


def course(
    loss: Callable[[int], float], *, steps: tuple[int, ...] = STEPS, better_at: float = math.inf
) -> Course:
    """A training with that loss after so many steps; more is right from some step on."""
    glances = tuple(
        Glance(step, loss(step), 1.0 if step >= better_at else 0.75, 1.0, (), (), ())
        for step in steps
    )
    return Course(glances, 0.1, 4, math.log(2), (), {}, {}, 1.0, "steps")


RESTS: dict[str, Callable[[int], float]] = {
    "stays": lambda step: 0.35,
    "falls to a limit like 1/t": lambda step: 0.35 + 20 / (step + 10),
    "falls to a limit like 1/sqrt(t)": lambda step: 0.35 + 1 / math.sqrt(step + 1),
}
GOES_ON: dict[str, Callable[[int], float]] = {
    "falls to 0 like 1/t": lambda step: 20 / (step + 10),
    "falls evenly": lambda step: 0.6 - step / 5000,
    "has left a plateau": lambda step: 0.35 - 0.1 * (step > 1300),
    "falls by its logarithm": lambda step: 0.8 - 0.05 * math.log(step + 1),
    "rises": lambda step: 0.35 + step / 20000,
}


@pytest.mark.parametrize("loss", RESTS.values(), ids=RESTS)
def test_a_loss_on_its_way_to_a_limit_has_come_to_rest(loss: Callable[[int], float]) -> None:
    assert came_to_rest(course(loss))


@pytest.mark.parametrize("loss", GOES_ON.values(), ids=GOES_ON)
def test_a_loss_that_promises_more_has_not(loss: Callable[[int], float]) -> None:
    assert not came_to_rest(course(loss))


def test_nothing_is_said_after_few_steps_or_while_more_samples_become_right() -> None:
    slow = RESTS["falls to a limit like 1/t"]
    few = tuple(step for step in STEPS if step < ENOUGH_STEPS)
    assert not came_to_rest(course(slow, steps=few))
    assert not came_to_rest(course(slow, better_at=1000))
    assert came_to_rest(course(slow, better_at=500))

"""What a pass had computed when a line raised is read by the names of what it returns."""

import inspect
from dataclasses import fields

import numpy as np
import pytest

from backproof.checks import by_hand
from backproof.checks.problem import draw
from backproof.checks.witnesses.unfinished import unfinished


def test_passes_call_their_variables_as_the_fields_that_they_return():
    layers = inspect.unwrap(by_hand.through_layers).__code__.co_varnames
    assert {field.name for field in fields(by_hand.Forward)} - {"p"} <= set(layers)
    backward = inspect.unwrap(by_hand.backward).__code__.co_varnames
    assert {field.name for field in fields(by_hand.Backward)} <= set(backward)


def test_gradients_that_were_made_before_a_line_raised_are_there():
    problem = draw((4, 6, 3), 5, 0)
    passed = problem.forward()
    broken = {1: problem.W[1], 2: problem.W[2][:, :-1]}  # (B4) gives da[1] with one unit too few
    with pytest.raises(ValueError, match="broadcast") as caught:
        by_hand.backward(passed, broken, problem.Y, head=problem.head)
    found = unfinished(caught.value)
    whole = by_hand.backward(passed, problem.W, problem.Y, head=problem.head)
    gradients = {quantity for quantity in found if quantity.startswith("d")}
    assert gradients == {"dz[2]", "dW[2]", "db[2]", "da[1]"}
    assert np.array_equal(found["dW[2]"], whole.dW[2])
    assert found["da[1]"].shape == (5, 5)


def test_an_error_from_elsewhere_leaves_nothing():
    def raises(dz):
        raise ValueError(str(dz))

    with pytest.raises(ValueError, match="array") as caught:
        raises({1: np.zeros(3)})
    assert unfinished(caught.value) == {}

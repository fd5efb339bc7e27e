"""What learning takes from an activation follows from its h and h'."""

import numpy as np
import pytest

from backproof.checks.activations import ACTIVATIONS
from backproof.checks.learning.activations import flat_sides, slope

BOTH = {"sigmoid", "tanh", "bipolar-sigmoid"}
NONE = {"leaky-relu", "identity"}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_slope_is_that_of_its_activation_and_at_most_the_steepest(name):
    activation = ACTIVATIONS[name]
    z = np.linspace(-6, 6, 201) + 1e-3  # off the kink at 0
    step = 1e-5
    measured = (activation.h(z + step) - activation.h(z - step)) / (2 * step)
    assert np.abs(measured - slope(activation, z)).max() < 1e-8
    assert slope(activation, z).max() <= activation.steepest
    assert activation.h(z).min() >= activation.lowest


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_where_nothing_gets_through(name):
    expected = "both" if name in BOTH else "none" if name in NONE else "left"
    assert flat_sides(ACTIVATIONS[name]) == expected

"""Which functions of a file are called, and which are somebody's own that happen to have such a
name."""

import functools

import pytest

from backproof.checks.candidates.inside.protocol import meant


def gradients(W, b, x, y): ...


def step(W, b, x, y, learning_rate): ...


OWN = {
    "forward(x)": lambda x: x,
    "forward(X, W1, b1)": lambda X, W1, b1: X,
    "forward(X, params)": lambda X, params: X,
    "forward(W, b, x, keep)": lambda W, b, x, keep: x,
}
OURS = {
    "forward(W, b, x)": lambda W, b, x: x,
    "forward(weights, biases, inputs, training=False)": lambda weights, biases, inputs, training=False: (
        inputs
    ),
    "forward(W, b, *rest)": lambda W, b, *rest: rest,
}


@pytest.mark.parametrize("function", OWN.values(), ids=OWN)
def test_a_forward_that_takes_something_else_is_somebody_s_own(function):
    assert meant({"gradients": gradients, "forward": function}) == ["gradients"]


@pytest.mark.parametrize("function", OURS.values(), ids=OURS)
def test_a_forward_that_takes_weights_biases_and_samples_is_checked(function):
    assert meant({"gradients": gradients, "forward": function}) == ["gradients", "forward"]


def test_gradients_goes_before_step_unless_it_cannot_be_called():
    assert meant({"step": step, "gradients": gradients}) == ["gradients", "step"]
    assert meant({"step": step, "gradients": lambda self, x: x}) == ["step"]
    assert meant({"step": lambda optimizer: None, "gradients": gradients}) == ["gradients"]


def test_the_only_one_is_called_whatever_it_takes():
    # so that its error says what is wrong
    assert meant({"gradients": lambda x, y: x}) == ["gradients"]


def test_what_does_not_tell_what_it_takes_is_called():
    assert meant(
        {"gradients": functools.partial(gradients), "forward": functools.partial(gradients)}
    ) == ["gradients"]
    assert meant({"forward": 3, "gradients": gradients}) == ["gradients"]

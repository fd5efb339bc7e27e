"""Arguments of the wrong kind are refused in one line: where, what was expected, what came, what to
do."""

import jaxtyping
import pytest
import torch
from test_suite import leaf, network

from backproof import assert_gradients, check_gradients


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (lambda w: w.square(), ValueError, r"expected a loss of one number, got shape \(3,\)"),
        (lambda w: w.sum().item(), TypeError, "expected a loss that returns a tensor, got float"),
        (
            lambda w: w.sum().to(torch.complex64),
            TypeError,
            "expected a loss of real numbers, got torch.complex64",
        ),
    ],
)
def test_what_is_no_loss_is_refused_clearly(loss, error, message):
    w = leaf(3)
    with pytest.raises(error, match=message):
        check_gradients(lambda: loss(w), {"w": w})


def test_what_is_no_parameter_is_refused_clearly():
    w = leaf(3)
    with pytest.raises(ValueError, match="expected at least one named parameter"):
        check_gradients(lambda: w.sum(), {})
    with pytest.raises(ValueError, match="w: expected a leaf tensor"):
        check_gradients(lambda: w.sum(), {"w": 2 * w})
    with pytest.raises(
        TypeError, match=r"n: expected a tensor of real numbers, got a tensor of torch\.int64"
    ):
        check_gradients(lambda: w.sum(), {"n": torch.arange(3)})


def test_arguments_of_the_wrong_kind_are_refused_in_one_line(monkeypatch):
    # its own checks come first, but not at a reader's
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    module, w = network((2, 2)), leaf(2, 2)
    right = {"w": w}
    cases = [
        (
            w.sum,
            list(module.parameters()),
            "named_parameters: expected pairs of a name and a tensor, got a tensor of shape (2, "
            "2). Pass mod",
        ),
        (
            w.sum,
            module,
            "named_parameters: expected names and tensors, got a module (Sequential). Pass "
            ".named_parameters() of it.",
        ),
        (
            w.sum,
            [w, w],
            "named_parameters: expected pairs of a name and a tensor, got a tensor of shape (2, "
            "2). Pass module.nam",
        ),
        (
            w.sum,
            w,
            "named_parameters: expected names and tensors, got a tensor of shape (2, 2). Pass a "
            'dict such as {"w": w}.',
        ),
        (
            w.sum,
            3,
            'named_parameters: expected names and tensors, got int. Pass a dict such as {"w": w}.',
        ),
        (
            w.sum,
            {0: w},
            "named_parameters: expected a name, got int. Pass pairs of a name and a tensor.",
        ),
        (
            w.sum,
            [("w", w, 1)],
            "named_parameters: expected pairs of a name and a tensor, got 3 things. Pass "
            "module.named_parameters(",
        ),
        (
            w.sum().detach(),
            right,
            "loss: expected a function of no arguments, got a tensor of shape (). Pass one that "
            "computes it: ",
        ),
        (
            lambda x: x,
            right,
            "loss: expected a function of no arguments, got <lambda>(x) (missing a required "
            "argument: 'x').",
        ),
    ]
    for loss, named, message in cases:
        for ask in (check_gradients, assert_gradients):
            with pytest.raises(TypeError) as raised:
                ask(loss, named)
            assert str(raised.value).startswith(message)
            assert "\n" not in str(raised.value)
    with pytest.raises(
        TypeError, match="gradients: expected a dict of names and tensors, got a tensor of shape"
    ):
        check_gradients(w.sum, right, gradients=w)
    with pytest.raises(TypeError, match=r"gradients\['w'\]: expected a tensor, got list"):
        check_gradients(w.sum, right, gradients={"w": [1.0]})
    with pytest.raises(TypeError, match=r"directions: expected a whole number, got 2\.5"):
        check_gradients(w.sum, right, directions=2.5)
    with pytest.raises(ValueError, match="expected at least 2 directions, got 1"):
        check_gradients(w.sum, right, directions=1)

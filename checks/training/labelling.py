"""What a saved network says of rows: through the NumPy forward pass that is verified, without
torch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks import by_hand
from backproof.checks.activations import SIGMOID, Activation, named
from backproof.checks.heads import Head
from backproof.model.command_line import BadInput
from backproof.model.saved_model import SavedModel

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Real


class Overflow(Exception):
    """Numbers too large for the network.

    Attributes:
        row: the first with some.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"numbers that overflow in row {row}")
        self.row = row


def head_of(model: SavedModel) -> Head:
    """A saved network's output and cost.

    Raises: BadInput for names that are not known here.
    """
    try:
        return Head(model.output, model.cost)
    except ValueError as error:
        raise _of_another_version(model, error) from error


def hidden_of(model: SavedModel) -> list[Activation]:
    """The activation of each hidden layer of a saved network.

    Raises: BadInput for names that are not known here.
    """
    try:
        names = model.activation or (SIGMOID.name,) * (len(model.sizes) - 2)
        return [named(name) for name in names]
    except ValueError as error:
        raise _of_another_version(model, error) from error


def _of_another_version(model: SavedModel, error: ValueError) -> BadInput:
    return BadInput(
        f"the network of {model.data}: {error}. Train again, or use the version that trained it."
    )


def probabilities(model: SavedModel, x: Real[np.ndarray, "M n_0"]) -> Inexact[np.ndarray, "M K"]:
    """p of each row, in the precision in which the network was trained; of a network that predicts
    a number, that number in its own unit.

    Args:
        model: the network.
        x: raw values, as in the data that it was trained on.
    Raises: Overflow where a p is no number.
    """
    head = head_of(model)
    hidden = hidden_of(model)
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = model.preprocessing(x, model.W[1].dtype)
        p = by_hand.forward(inputs, model.W, model.b, head=head, hidden=hidden).p
    if model.answers is not None:
        p = p * model.answers.scale.astype(p.dtype) + model.answers.mean.astype(p.dtype)
    wrong = np.flatnonzero(~np.isfinite(p).all(axis=1))
    if len(wrong):
        raise Overflow(int(wrong[0]))
    return p

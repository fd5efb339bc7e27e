"""What a saved network says of rows: through the NumPy forward pass that is verified, without
torch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks import by_hand
from backproof.checks.heads import Head
from backproof.model.checkpoint import SavedModel

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


def probabilities(model: SavedModel, x: Real[np.ndarray, "M n_0"]) -> Inexact[np.ndarray, "M K"]:
    """p of each row, in the precision in which the network was trained.

    Args:
        model: the network.
        x: raw values, as in the data that it was trained on.
    Raises: Overflow where a p is no number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = model.preprocessing(x, model.W[1].dtype)
        p = by_hand.forward(inputs, model.W, model.b, head=Head(model.output, model.cost)).p
    wrong = np.flatnonzero(~np.isfinite(p).all(axis=1))
    if len(wrong):
        raise Overflow(int(wrong[0]))
    return p

"""The four heads: what turns logits and labels into a loss.

Each is an nn.Module called as `cost(logits, y)`, like torch's own `CrossEntropyLoss`, with the same
`reduction` argument.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

OUTPUTS = ("softmax", "sigmoid")
COSTS = ("cross-entropy", "quadratic")


class BinaryCrossEntropy(nn.Module):
    """Sigmoid output, cross-entropy of every class summed, in nats (Nielsen, chapter 3)."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, logits: Float[Tensor, "N K"], y: Int64[Tensor, " N"]) -> Float[Tensor, ...]:
        """The loss: () for "mean", (N,) for "none"."""
        Y = F.one_hot(y, logits.shape[1]).to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits, Y, reduction="none").sum(dim=1)
        if self.reduction == "mean":
            return losses.mean()
        return losses


class Quadratic(nn.Module):
    """The sum over classes of (p - Y)**2, as in 3Blue1Brown's videos, on a softmax or sigmoid
    output."""

    def __init__(self, output: str, reduction: str = "mean") -> None:
        super().__init__()
        self.output = output
        self.reduction = reduction

    def forward(self, logits: Float[Tensor, "N K"], y: Int64[Tensor, " N"]) -> Float[Tensor, ...]:
        """The loss: () for "mean", (N,) for "none"."""
        losses = ((probabilities(logits, self.output) - F.one_hot(y, logits.shape[1])) ** 2).sum(
            dim=1
        )
        if self.reduction == "mean":
            return losses.mean()
        return losses


def cost_of(output: str, cost: str, reduction: str = "mean") -> nn.Module:
    """The loss module of a head: torch's own CrossEntropyLoss for softmax and cross-entropy.

    Args:
        output: "softmax" or "sigmoid".
        cost: "cross-entropy" or "quadratic".
        reduction: "mean" over samples, or "none" for one loss a sample.
    Raises: ValueError for another output or cost.
    """
    if output not in OUTPUTS or cost not in COSTS:
        raise ValueError(
            f"expected an output of {OUTPUTS} and a cost of {COSTS}, got {output!r} and {cost!r}"
        )
    if cost == "quadratic":
        return Quadratic(output, reduction)
    if output == "softmax":
        return nn.CrossEntropyLoss(reduction=reduction)
    return BinaryCrossEntropy(reduction)


def probabilities(logits: Float[Tensor, "N K"], output: str) -> Float[Tensor, "N K"]:
    """p, what the output layer answers."""
    if output == "softmax":
        return logits.softmax(dim=1)
    return logits.sigmoid()

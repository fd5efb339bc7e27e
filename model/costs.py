"""The heads: what turns logits and labels, or targets, into a loss.

Each is an nn.Module called as `cost(logits, y)`, like torch's own `CrossEntropyLoss`, with the same
`reduction` argument.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backproof.model.activations import ACTIVATIONS, SLOPE

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

    # class labels, or the targets themselves
    Answers = Int64[Tensor, " N"] | Float[Tensor, "N K"]

QUADRATIC = ("quadratic", "half-quadratic")
# a linear output is the identity
BY_ELEMENT = ("sigmoid", "linear", *(n for n in ACTIVATIONS if n not in ("sigmoid", "identity")))
OUTPUTS = ("softmax", *BY_ELEMENT)
COSTS = ("cross-entropy", "binary-cross-entropy", *QUADRATIC)


class Cost(nn.Module):
    """A loss a sample, or their mean."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, logits: Float[Tensor, "N K"], y: Answers) -> Float[Tensor, "..."]:
        """The loss: () for "mean", (N,) for "none"."""
        losses = self.losses(logits, targets(y, logits))
        if self.reduction == "mean":
            return losses.mean()
        return losses

    def losses(self, logits: Float[Tensor, "N K"], Y: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
        """One loss a sample."""
        raise NotImplementedError


class BinaryCrossEntropy(Cost):
    """Sigmoid output, cross-entropy of every class summed, in nats (Nielsen, chapter 3)."""

    def losses(self, logits: Tensor, Y: Tensor) -> Tensor:
        """One loss a sample."""
        return F.binary_cross_entropy_with_logits(logits, Y, reduction="none").sum(dim=1)


class BinaryAfterSoftmax(Cost):
    """Softmax output, cross-entropy of every class on its own, summed, in nats.

    log p is a difference of logarithms, and so is log(1 - p), in which the sum runs over all other
    classes: nothing is subtracted from 1.
    """

    def losses(self, logits: Tensor, Y: Tensor) -> Tensor:
        """One loss a sample."""
        K = logits.shape[1]
        own = torch.eye(K, dtype=torch.bool, device=logits.device)
        rest = logits[:, None, :].masked_fill(own, -math.inf).logsumexp(dim=2)
        total = logits.logsumexp(dim=1, keepdim=True)
        return (Y * (total - logits) + (1 - Y) * (total - rest)).sum(dim=1)


class Quadratic(Cost):
    """The sum over outputs of (p - Y)**2, as in 3Blue1Brown's videos, or half of it, as in
    Nielsen's book."""

    def __init__(self, output: str, reduction: str = "mean", times: float = 1.0) -> None:
        super().__init__(reduction)
        self.output = output
        self.times = times

    def losses(self, logits: Tensor, Y: Tensor) -> Tensor:
        """One loss a sample."""
        return self.times * ((probabilities(logits, self.output) - Y) ** 2).sum(dim=1)


def targets(y: Answers, like: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """Y, one row a sample: labels one-hot (of a single output the label itself), targets as they
    are."""
    if y.dim() == 2:
        return y.to(like.dtype)
    if like.shape[1] == 1:
        return y[:, None].to(like.dtype)
    return F.one_hot(y, like.shape[1]).to(like.dtype)


def costs_of(output: str) -> tuple[str, ...]:
    """The costs that may stand behind an output, the usual one first."""
    if output == "softmax":
        return COSTS
    if output == "sigmoid":
        return ("cross-entropy", *QUADRATIC)
    return QUADRATIC


def cost_of(output: str, cost: str, reduction: str = "mean") -> nn.Module:
    """The loss module of a head: torch's own CrossEntropyLoss for softmax and cross-entropy.

    Args:
        output: one of OUTPUTS.
        cost: one of `costs_of` it.
        reduction: "mean" over samples, or "none" for one loss a sample.
    Raises: ValueError for another output or cost.
    """
    if output not in OUTPUTS or cost not in costs_of(output):
        raise ValueError(
            f"expected an output of {OUTPUTS} and a cost of {costs_of(output)} beside it, got "
            f"{output!r} and {cost!r}"
        )
    if cost in QUADRATIC:
        return Quadratic(output, reduction, 0.5 if cost == "half-quadratic" else 1.0)
    if cost == "binary-cross-entropy":
        return BinaryAfterSoftmax(reduction)
    if output == "softmax":
        return nn.CrossEntropyLoss(reduction=reduction)
    return BinaryCrossEntropy(reduction)


def probabilities(logits: Float[Tensor, "N K"], output: str) -> Float[Tensor, "N K"]:
    """p, what the output layer answers."""
    if output == "softmax":
        return logits.softmax(dim=1)
    if output == "linear":
        return logits
    p: Tensor = ACTIVATIONS[output].module(SLOPE)(logits)
    return p

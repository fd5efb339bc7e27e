"""How good a network is: its mean loss and how often it is right, over more samples than would fit
into a step."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backproof.model.distributed import Processes
from backproof.model.network import MLP
from backproof.model.products import linear

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    from backproof.model.costs import Answers

LARGEST_EVALUATION = 8192  # samples at once, so that evaluating needs no more memory than training
KEPT = 10_000  # test samples whose logits are kept, at least: all of MNIST's


@dataclass(frozen=True)
class Samples:
    """Inputs and labels, or numbers to predict, where the arithmetic is."""

    x: Float[Tensor, "N n_0"]
    y: Answers


@dataclass(frozen=True)
class Score:
    """How good a network is.

    Attributes:
        loss: its mean, in nats, or in squared outputs.
        accuracy: share of right answers; NaN where numbers are predicted.
        r2: where numbers are predicted, which part of their variance is: 1 less the mean squared
            error over the variance. None elsewhere.
        mean_squared_error: in squared units of what the network is taught. None elsewhere.
    """

    loss: float
    accuracy: float
    r2: float | None = None
    mean_squared_error: float | None = None


@torch.no_grad()
def evaluate(
    network: MLP,
    samples: Samples,
    cost: Callable[[Tensor, Tensor], Tensor],
    processes: Processes | None = None,
    parts: list[Tensor] | None = None,
) -> Score:
    """Mean loss and accuracy over samples, each counted once, whichever process counts it.

    Args:
        network: as it is.
        samples: all of them, in every process.
        cost: the mean loss of logits and labels.
        processes: that share the work; None for this one alone.
        parts: gets the logits of this process's first samples, part by part.
    """
    processes = processes or Processes()
    loss = 0.0
    right = 0
    squares = 0.0
    rank = processes.rank
    world = processes.world
    mine = Samples(samples.x[rank::world], samples.y[rank::world])
    for x, y in zip(
        torch.split(mine.x, LARGEST_EVALUATION),
        torch.split(mine.y, LARGEST_EVALUATION),
        strict=True,
    ):
        if len(y):
            logits = _logits(network, x)
            if parts is not None and len(parts) * LARGEST_EVALUATION < KEPT:
                parts.append(logits)
            loss += float(cost(logits, y)) * len(y)
            if y.dim() == 1:
                right += int((logits.argmax(dim=1) == y).sum())
            else:
                squares += float((logits.double() - y.double()).square().sum())
    if world > 1:
        sums = torch.tensor([loss, right, squares], dtype=torch.float64, device=samples.x.device)
        loss, right, squares = processes.add_up(sums).tolist()
    N = len(samples.y)
    if samples.y.dim() == 1:
        return Score(loss / N, right / N)
    variance = float(samples.y.double().var(dim=0, correction=0).sum())
    error = squares / N
    return Score(loss / N, math.nan, 1 - error / variance if variance else math.nan, error)


def _activated(network: MLP, layer: int, z: Float[Tensor, "N n"]) -> Float[Tensor, "N n"]:
    """a[layer], in place of z where that is not needed for it."""
    h = network.fast(layer)
    a = torch.empty_like(z) if h.needs_z else z
    h.forward(z, a, network.slope)()
    return a


def _logits(network: MLP, x: Float[Tensor, "N n_0"]) -> Float[Tensor, "N K"]:
    """What `network(x)` says, by the faster products."""
    for layer, W in network.W.items():
        x = linear(x, W, network.b[layer])
        if layer < network.depth:
            x = _activated(network, layer, x)
    return x

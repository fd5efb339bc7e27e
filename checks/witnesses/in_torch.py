"""A problem's network and its batch in torch, on a device and in a precision."""

from __future__ import annotations

import torch
from torch import Tensor

from backproof.checks.activations import Activation, LeakyReLU
from backproof.checks.problem import Problem
from backproof.model.activations import SLOPE
from backproof.model.network import MLP


def network_of(problem: Problem, *, device: str = "cpu", dtype: str = "float64") -> MLP:
    """The module with a problem's weights, biases and activations."""
    names, slope = activations_of(problem)
    return MLP.from_arrays(
        problem.W,
        problem.b,
        activation=names,
        slope=slope,
        dtype=getattr(torch, dtype),
        device=device,
    )


def activations_of(problem: Problem) -> tuple[tuple[str, ...], float]:
    """The names of a problem's activations by layer, and the slope of its leaky ReLUs."""
    hidden = list(problem.activation.values())
    return tuple(activation.name for activation in hidden), _slope(hidden)


def batch_of(
    problem: Problem, *, device: str = "cpu", dtype: str = "float64"
) -> tuple[Tensor, Tensor]:
    """Its samples, and its labels or targets."""
    x = torch.as_tensor(problem.x, dtype=getattr(torch, dtype), device=device)
    y = torch.as_tensor(problem.answers, device=device)
    if y.is_floating_point():
        y = y.to(x.dtype)
    return x, y


def _slope(hidden: list[Activation]) -> float:
    """Of the leaky ReLUs, all of which have the same in torch."""
    slopes = {activation.slope for activation in hidden if isinstance(activation, LeakyReLU)}
    if len(slopes) > 1:
        raise ValueError(f"expected one slope for all leaky ReLUs, got {sorted(slopes)}")
    return slopes.pop() if slopes else SLOPE

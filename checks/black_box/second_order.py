"""A loss whose gradient is the second derivative of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.box import real
from backproof.checks.black_box.box_base import draw_direction
from backproof.checks.black_box.differentiate import filled

Loss = Callable[[], Tensor]


def of_second_order(loss: Loss, tensors: Sequence[Tensor], seed: int) -> Loss:
    """The sum of a loss's gradients, each entry with a weight of its own.

    Its gradient is the matrix of second derivatives times the weights, so one wrong second
    derivative shows in it.

    Args:
        loss: the loss whose second derivatives are asked for.
        tensors: what it is differentiated by.
        seed: of the weights.
    """
    random = np.random.default_rng([seed, 2])
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    weights = [
        torch.as_tensor(draw_direction(random, real(tensor.detach()).shape)).to(
            tensor.device, tensor.dtype.to_real()
        )
        for tensor in wanted
    ]

    def combined() -> Tensor:
        value = loss()
        total = value.detach() * 0
        if not value.requires_grad:
            return total
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            value, wanted, torch.ones_like(value), create_graph=True, allow_unused=True
        )
        for gradient, weight in zip(gradients, weights, strict=True):
            if gradient is None:
                continue
            total = total + (real(filled(gradient)) * weight).sum().to(total.dtype)
        return total

    return combined

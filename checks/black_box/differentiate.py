"""Gradients of some tensors by others: with autograd.grad, and where code refuses that, with
backward()."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def differentiate(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], sent_back: Sequence[Tensor] | None
) -> list[Tensor | None]:
    """What autograd sends to each input; None where nothing depends on it. The graph is kept.

    Args:
        outputs: through which gradients are sent back.
        inputs: to which.
        sent_back: a gradient for each output; None for 1 through a single number.

    Re-entrant checkpoints refuse autograd.grad, so backward() is asked then; it adds to .grad,
    which is cleared before.

    Raises: whatever the backward pass raises.
    """
    if not outputs or not inputs:
        return [None] * len(inputs)
    scalar: Tensor = outputs[0]
    if sent_back is not None:
        scalar = _SentBack.apply(sent_back, *outputs)  # type: ignore[no-untyped-call]
    try:
        return list(torch.autograd.grad(scalar, inputs, allow_unused=True, retain_graph=True))
    except RuntimeError:
        for leaf in inputs:
            leaf.grad = None
        torch.autograd.backward(scalar, retain_graph=True, inputs=None)
        return [leaf.grad for leaf in inputs]


class _SentBack(torch.autograd.Function):
    """A number that sends given gradients back through several tensors, as they lie in memory.

    autograd.grad does the same, but loads torch's symbolic shapes and compiler to compare two
    shapes: seconds, and a hundred MiB.
    """

    @staticmethod
    def forward(ctx: Any, sent_back: Sequence[Tensor], *outputs: Tensor) -> Tensor:
        ctx.sent_back = sent_back
        return torch.zeros(())

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return (None, *ctx.sent_back)


def dense(gradient: Tensor | None) -> Tensor | None:
    """A gradient with every entry, cut off from its graph."""
    if gradient is None:
        return None
    return filled(gradient).detach().resolve_conj().resolve_neg()


def filled(gradient: Tensor) -> Tensor:
    """A gradient with all its zeros, still in its graph."""
    return gradient.to_dense() if gradient.layout != torch.strided else gradient

"""Gradients of some tensors by others: with autograd.grad, and where code refuses that, with
backward()."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def differentiate(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], sent_back: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """What autograd sends to each input; None where nothing depends on it. The graph is kept.

    Re-entrant checkpoints refuse autograd.grad, so backward() is asked then; it adds to .grad,
    which is cleared before.

    Raises: whatever the backward pass raises.
    """
    if not outputs or not inputs:
        return [None] * len(inputs)
    try:
        return list(
            torch.autograd.grad(outputs, inputs, sent_back, allow_unused=True, retain_graph=True)
        )
    except RuntimeError:
        for leaf in inputs:
            leaf.grad = None
        torch.autograd.backward(outputs, sent_back, retain_graph=True, inputs=None)
        return [leaf.grad for leaf in inputs]


def dense(gradient: Tensor | None) -> Tensor | None:
    """A gradient with every entry, cut off from its graph."""
    if gradient is None:
        return None
    return filled(gradient).detach().resolve_conj().resolve_neg()


def filled(gradient: Tensor) -> Tensor:
    """A gradient with all its zeros, still in its graph."""
    return gradient.to_dense() if gradient.layout != torch.strided else gradient

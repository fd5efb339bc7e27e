"""Gradients of some tensors by others: with autograd.grad, and where code refuses that, with
backward()."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# torch's own re-entrant one; DeepSpeed's has this name, too
CHECKPOINT = "CheckpointFunctionBackward"


def differentiate(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], sent_back: Sequence[Tensor] | None
) -> list[Tensor | None]:
    """What autograd sends to each input; None where nothing depends on it. The graph is kept.

    Args:
        outputs: through which gradients are sent back.
        inputs: to which.
        sent_back: a gradient for each output; None for 1 through a single number.

    Re-entrant checkpoints refuse autograd.grad, or hide from it what is used inside of them alone;
    so backward() is asked then.

    Raises: whatever the backward pass raises.
    """
    if not outputs or not inputs:
        return [None] * len(inputs)
    scalar: Tensor = outputs[0]
    if sent_back is not None:
        scalar = _SentBack.apply(sent_back, *outputs)  # type: ignore[no-untyped-call]
    try:
        found: list[Tensor | None] = list(
            torch.autograd.grad(scalar, inputs, allow_unused=True, retain_graph=True)
        )
    except RuntimeError:
        return _by_backward(scalar, inputs)
    if any(gradient is None for gradient in found) and _is_reentrant(scalar):
        return _by_backward(scalar, inputs)
    return found


def _by_backward(scalar: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """The same by backward(), which adds to .grad: that of the inputs is cleared before, and that
    of other tensors is afterwards what it was."""
    others = [leaf for leaf in _leaves(scalar) if all(leaf is not given for given in inputs)]
    before = [leaf.grad for leaf in others]
    for leaf in (*inputs, *others):
        leaf.grad = None
    try:
        torch.autograd.backward(scalar, retain_graph=True, inputs=None)
        return [leaf.grad for leaf in inputs]
    finally:
        for leaf, gradient in zip(others, before, strict=True):
            leaf.grad = gradient


def _is_reentrant(scalar: Tensor) -> bool:
    """Whether a re-entrant checkpoint is among what a tensor was computed by."""
    return any(node.name() == CHECKPOINT for node in _nodes(scalar))


def _leaves(scalar: Tensor) -> list[Tensor]:
    """The tensors whose gradients are kept in .grad."""
    found = [getattr(node, "variable", None) for node in _nodes(scalar)]
    return [leaf for leaf in found if isinstance(leaf, Tensor)]


def _nodes(scalar: Tensor) -> list[Any]:
    """Every step of the graph behind a tensor, once."""
    found: dict[Any, None] = {}
    waiting: list[Any] = [scalar.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in found:
            continue
        found[node] = None
        waiting += [before for before, _ in node.next_functions]
    return list(found)


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

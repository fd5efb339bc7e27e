"""Backward passes made of a forward pass: of the right one, or of one in which a part is held
still, as people do who forget that it moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def backward_of(forward: Callable[..., Tensor]) -> Callable[..., Any]:
    """The backward pass of a forward pass, through which autograd goes."""

    def backward(g: Tensor, *inputs: Tensor) -> list[Tensor | None]:
        leaves = [value.detach().requires_grad_(value.is_floating_point()) for value in inputs]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        with torch.enable_grad():
            output = forward(*leaves)
        found = list(torch.autograd.grad(output, wanted, g, allow_unused=True))
        return [found.pop(0) if leaf.requires_grad else None for leaf in leaves]

    return backward


def changed(right: Callable[..., Any], k: int, change: Callable[..., Any]) -> Callable[..., Any]:
    """A backward pass of which one gradient is changed: `change` is given it and the arguments."""

    def backward(g: Tensor, *inputs: Tensor) -> list[Tensor | None]:
        found = list(right(g, *inputs))
        found[k] = change(found[k], g, *inputs)
        return found

    return backward

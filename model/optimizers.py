"""Gradient descent and Adam, each in a few whole-network operations.

They compute what torch.optim.SGD and torch.optim.Adam compute (a test compares the weights after many steps). They stand here
because making any torch.optim object imports torch's compiler, which takes almost as long as importing torch itself, and
because its bookkeeping would take longer than the arithmetic of a small network's step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1


@runtime_checkable
class Optimizer(Protocol):
    """Changes parameters by their gradients; its state is tensors by name, to be saved with the weights."""

    def step(self) -> None:
        """Update every parameter from its .grad."""

    def state(self) -> dict[str, Tensor]:
        """What a later step depends on."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a state. Raises: KeyError if it is another optimizer's."""


class SGD:
    """v <- momentum v + (g + lambda W); W <- W - learning_rate v.

    Args:
        weights, biases: the parameters; weight decay is for the weights alone.
        learning_rate: per unit of gradient.
        momentum: 0 for plain gradient descent.
        weight_decay: lambda.
    """

    def __init__(
        self, weights: Sequence[Tensor], biases: Sequence[Tensor], learning_rate: float, momentum: float, weight_decay: float
    ) -> None:
        self._weights, self._all = list(weights), [*weights, *biases]
        self._learning_rate, self._momentum, self._weight_decay = learning_rate, momentum, weight_decay
        self._velocity = [torch.zeros_like(parameter) for parameter in self._all] if momentum else []

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter from its .grad."""
        change = _decayed(self._all, self._weights, self._weight_decay)
        if self._momentum:
            torch._foreach_mul_(self._velocity, self._momentum)
            torch._foreach_add_(self._velocity, change)
            change = self._velocity
        torch._foreach_add_(self._all, change, alpha=-self._learning_rate)

    def state(self) -> dict[str, Tensor]:
        """The velocity of each parameter, if there is momentum."""
        return _named("velocity", self._velocity)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a state. Raises: KeyError if it is another optimizer's."""
        _copy("velocity", state, self._velocity)


class Adam:
    """m and v follow g and g**2; W <- W - learning_rate m / (sqrt(v) + epsilon), each corrected for having started at 0.

    Args:
        weights, biases: the parameters; weight decay is for the weights alone.
        learning_rate: about how far a parameter moves in a step.
        weight_decay: lambda, added to the gradient as lambda W.
    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1.
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor], learning_rate: float, weight_decay: float) -> None:
        self._weights, self._all = list(weights), [*weights, *biases]
        self._learning_rate, self._weight_decay, self._steps = learning_rate, weight_decay, 0
        self._m = [torch.zeros_like(parameter) for parameter in self._all]
        self._v = [torch.zeros_like(parameter) for parameter in self._all]

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter from its .grad."""
        gradients = _decayed(self._all, self._weights, self._weight_decay)
        self._steps += 1
        torch._foreach_lerp_(self._m, gradients, 1 - BETA_1)
        torch._foreach_mul_(self._v, BETA_2)
        torch._foreach_addcmul_(self._v, gradients, gradients, value=1 - BETA_2)
        root = torch._foreach_sqrt(self._v)
        torch._foreach_div_(root, math.sqrt(1 - BETA_2**self._steps))
        torch._foreach_add_(root, EPSILON)
        torch._foreach_addcdiv_(self._all, self._m, root, value=-self._learning_rate / (1 - BETA_1**self._steps))

    def state(self) -> dict[str, Tensor]:
        """The moments of each parameter, and how many steps they have seen."""
        return _named("m", self._m) | _named("v", self._v) | {"steps": torch.tensor(self._steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a state. Raises: KeyError if it is another optimizer's."""
        _copy("m", state, self._m)
        _copy("v", state, self._v)
        self._steps = int(state["steps"])


def _decayed(parameters: list[Tensor], weights: list[Tensor], weight_decay: float) -> list[Tensor]:
    """The gradients, those of the weights with lambda W added. The .grads themselves stay what the backward pass made them."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not weight_decay:
        return gradients
    n = len(weights)
    return [*torch._foreach_add(gradients[:n], weights, alpha=weight_decay), *gradients[n:]]


def _named(name: str, tensors: list[Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{index}": tensor for index, tensor in enumerate(tensors)}


def _copy(name: str, state: Mapping[str, Tensor], into: list[Tensor]) -> None:
    for index, tensor in enumerate(into):
        tensor.copy_(state[f"{name}.{index}"])

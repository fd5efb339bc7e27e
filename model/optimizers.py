"""Gradient descent and Adam, each in one operation on the whole network (two where only the weights
decay).

They compute what torch.optim.SGD and torch.optim.Adam compute (a test compares the weights after
many steps). They stand here because making any torch.optim object imports torch's compiler, which
takes almost as long as importing torch itself, and because its bookkeeping would take longer than
the arithmetic of a small network's step. The operations are those that torch's own optimizers call
with `fused=True`; nothing is allocated, and on CUDA a step can be captured in a graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

# Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1
BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-8


@runtime_checkable
class Optimizer(Protocol):
    """Changes parameters by their gradients; its state is tensors by name, to be saved with the
    weights."""

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
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        learning_rate: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        self._groups = _groups(weights, biases, weight_decay)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._velocity = [
            [torch.zeros_like(value) for value in values] if momentum else []
            for _, values, _ in self._groups
        ]

    def step(self) -> None:
        """Update every parameter from its .grad."""
        for (parameters, values, weight_decay), velocity in zip(
            self._groups, self._velocity, strict=True
        ):
            torch._fused_sgd_(
                values,
                _gradients(parameters),
                velocity,
                lr=self._learning_rate,
                momentum=self._momentum,
                weight_decay=weight_decay,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,
            )

    def state(self) -> dict[str, Tensor]:
        """The velocity of each parameter, if there is momentum."""
        return _named("velocity", self._velocity)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a state. Raises: KeyError if it is another optimizer's."""
        _copy("velocity", state, self._velocity)


class Adam:
    """m and v follow g and g**2; W <- W - learning_rate m / (sqrt(v) + epsilon), each corrected for
    having started at 0.

    Args:
        weights, biases: the parameters; weight decay is for the weights alone.
        learning_rate: about how far a parameter moves in a step.
        weight_decay: lambda, added to the gradient as lambda W.
    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        self._groups = _groups(weights, biases, weight_decay)
        self._learning_rate = learning_rate
        self._m = [[torch.zeros_like(value) for value in values] for _, values, _ in self._groups]
        self._v = [[torch.zeros_like(value) for value in values] for _, values, _ in self._groups]
        # A count of steps where the parameters are; exact in float32 up to 2**24 steps, and at
        # 2**24 both corrections are 1.
        self._steps = torch.zeros((), dtype=torch.float32, device=weights[0].device)

    def step(self) -> None:
        """Update every parameter from its .grad."""
        self._steps += 1
        for (parameters, values, weight_decay), m, v in zip(
            self._groups, self._m, self._v, strict=True
        ):
            torch._fused_adam_(
                values,
                _gradients(parameters),
                m,
                v,
                [],
                [self._steps] * len(parameters),
                lr=self._learning_rate,
                beta1=BETA_1,
                beta2=BETA_2,
                weight_decay=weight_decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """The moments of each parameter, and how many steps they have seen."""
        return _named("m", self._m) | _named("v", self._v) | {"steps": self._steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a state. Raises: KeyError if it is another optimizer's."""
        _copy("m", state, self._m)
        _copy("v", state, self._v)
        self._steps.copy_(state["steps"])


# parameters, the same memory without the wish to be differentiated, their lambda
Group = tuple[list[Tensor], list[Tensor], float]


def _groups(
    weights: Sequence[Tensor], biases: Sequence[Tensor], weight_decay: float
) -> list[Group]:
    """Parameters that are updated in one operation: all together where lambda is 0."""
    if weight_decay:
        chosen = [(weights, weight_decay), (biases, 0.0)]
    else:
        chosen = [([*weights, *biases], 0.0)]
    return [
        (list(parameters), [parameter.detach() for parameter in parameters], decay)
        for parameters, decay in chosen
    ]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [gradient for parameter in parameters if (gradient := parameter.grad) is not None]


def _named(name: str, groups: list[list[Tensor]]) -> dict[str, Tensor]:
    return {f"{name}.{index}": tensor for index, tensor in enumerate(itertools.chain(*groups))}


def _copy(name: str, state: Mapping[str, Tensor], into: list[list[Tensor]]) -> None:
    for index, tensor in enumerate(itertools.chain(*into)):
        tensor.copy_(state[f"{name}.{index}"])

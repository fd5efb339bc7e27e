"""The hidden activations as torch has them: a module for autograd, and what the fast passes do in
their place.

Each is one entry of ACTIVATIONS. The page states h and h' for itself, in checks/activations.py, and
`python -m checks` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from backproof.model.products import Run

aten = torch.ops.aten
SLOPE = 0.01
# softplus is z itself from here on, to the last digit of float64; torch's own 20 is off by 2e-9
LINEAR_FROM = 40.0


@dataclass(frozen=True)
class Activation:
    """One activation in torch.

    Attributes:
        name: what --activation calls it.
        module: makes the module that autograd differentiates; it is given the slope of a leaky
            ReLU.
        forward: (z, a, slope) -> what writes h(z) to a when it is called. a lies where z lay,
            unless z is needed.
        backward: (da, z or a, slope) -> what then writes da * h'(z) in da's place.
        needs_z: whether backward reads z. Elsewhere it reads a.
        init: what draws the first weights if nobody says.
    """

    name: str
    module: Callable[[float], nn.Module]
    forward: Callable[[Tensor, Tensor, float], Run]
    backward: Callable[[Tensor, Tensor, float], Run]
    needs_z: bool = False
    init: str = "pytorch"


class BipolarSigmoid(nn.Module):
    """(1 - exp(-z)) / (1 + exp(-z))."""

    def forward(self, z: Tensor) -> Tensor:
        """Twice a sigmoid, less 1."""
        return 2 * z.sigmoid() - 1


def _bipolar_sigmoid(a: Tensor) -> None:
    """In place of z: the same as tanh(z / 2)."""
    a.mul_(0.5).tanh_()


def _bipolar_sigmoid_backward(da: Tensor, a: Tensor) -> None:
    """In place of da: half of what goes back through a tanh with this a."""
    aten.tanh_backward.grad_input(da, a, grad_input=da)
    da.mul_(0.5)


class Identity(nn.Module):
    """z as it is, but a tensor of its own, whose gradient is asked for on its own."""

    def forward(self, z: Tensor) -> Tensor:
        """z."""
        return z.clone()


def _nothing() -> None:
    """What the identity has to do in place."""


def _through(backward: Callable[..., object], *settings: object, **named: object) -> Any:
    """A backward operation of torch's, in da's place: it reads every number once."""
    return lambda da, at, slope: partial(backward, da, at, *settings, **named, grad_input=da)


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation(
            "sigmoid",
            lambda slope: nn.Sigmoid(),
            lambda z, a, slope: partial(torch.sigmoid_, a),
            _through(aten.sigmoid_backward.grad_input),
        ),
        Activation(
            "tanh",
            lambda slope: nn.Tanh(),
            lambda z, a, slope: partial(torch.tanh_, a),
            _through(aten.tanh_backward.grad_input),
        ),
        Activation(
            "relu",
            lambda slope: nn.ReLU(),
            lambda z, a, slope: partial(torch.relu_, a),
            _through(aten.threshold_backward.grad_input, 0),
            init="he",
        ),
        Activation(
            "leaky-relu",
            nn.LeakyReLU,
            lambda z, a, slope: partial(aten.leaky_relu.out, z, slope, out=a),
            lambda da, z, slope: partial(
                aten.leaky_relu_backward.grad_input, da, z, slope, False, grad_input=da
            ),
            needs_z=True,
            init="he",
        ),
        Activation(
            "elu",
            lambda slope: nn.ELU(),
            lambda z, a, slope: partial(aten.elu_, a),
            lambda da, a, slope: partial(
                aten.elu_backward.grad_input, da, 1.0, 1.0, 1.0, True, a, grad_input=da
            ),
            init="he",
        ),
        Activation(
            "softplus",
            lambda slope: nn.Softplus(threshold=LINEAR_FROM),
            lambda z, a, slope: partial(aten.softplus.out, z, 1.0, LINEAR_FROM, out=a),
            _through(aten.softplus_backward.grad_input, 1.0, LINEAR_FROM),
            needs_z=True,
        ),
        Activation(
            "silu",
            lambda slope: nn.SiLU(),
            lambda z, a, slope: partial(aten.silu.out, z, out=a),
            _through(aten.silu_backward.grad_input),
            needs_z=True,
            init="he",
        ),
        Activation(
            "gelu",
            lambda slope: nn.GELU(),
            lambda z, a, slope: partial(aten.gelu.out, z, out=a),
            _through(aten.gelu_backward.grad_input),
            needs_z=True,
            init="he",
        ),
        Activation(
            "gelu-tanh",
            lambda slope: nn.GELU(approximate="tanh"),
            lambda z, a, slope: partial(aten.gelu.out, z, approximate="tanh", out=a),
            _through(aten.gelu_backward.grad_input, approximate="tanh"),
            needs_z=True,
            init="he",
        ),
        Activation(
            "bipolar-sigmoid",
            lambda slope: BipolarSigmoid(),
            lambda z, a, slope: partial(_bipolar_sigmoid, a),
            lambda da, a, slope: partial(_bipolar_sigmoid_backward, da, a),
        ),
        Activation(
            "identity",
            lambda slope: Identity(),
            lambda z, a, slope: _nothing,
            lambda da, a, slope: _nothing,
        ),
    )
}
NAMES = tuple(ACTIVATIONS)


def names_by_layer(activation: str | Sequence[str], hidden: int) -> tuple[str, ...]:
    """The name of each hidden layer's activation.

    Args:
        activation: one for all hidden layers, or one each.
        hidden: how many there are.
    Raises: ValueError for a name that is not known, or where they are not as many as layers.
    """
    if isinstance(activation, str):
        names = (activation,) * hidden
        known = activation in ACTIVATIONS
    else:
        names = tuple(activation)
        known = all(name in ACTIVATIONS for name in names)
    if not known:
        raise ValueError(f"expected an activation of {', '.join(NAMES)}, got {activation!r}")
    if len(names) != hidden:
        raise ValueError(
            f"expected one activation for all hidden layers, or one for each of {hidden}, got "
            f"{len(names)}"
        )
    return names

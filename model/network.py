"""The network as PyTorch has it: an nn.Module of linear layers with activations between them, whose
output is logits."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from backproof.model.activations import ACTIVATIONS, SLOPE, Activation, names_by_layer

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

ROW_CONSTANTS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8)  # what the original network drew from


class MLP(nn.Module):
    """x -> linear -> h -> ... -> linear -> logits; layers are numbered 1..L, as on the page.

    `W[layer]` and `b[layer]` are the parameters themselves, `linear(layer)` and
    `activation(layer)` the modules.

    Args:
        sizes: units of the input and of every layer, such as (784, 16, 16, 10).
        activation: h, by its name in ACTIVATIONS: one for all hidden layers, or one each.
        slope: of leaky ReLUs below 0.
        init: how to draw the first weights: a key of INITS; None leaves the memory as it is, for
            whoever fills it.
        seed: the same seed gives the same weights on every device and in every dtype.
        dtype, device: where the parameters live.
    Raises: ValueError for fewer than two sizes, a size below 1, or an unknown activation or init.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str | Sequence[str] = "sigmoid",
        slope: float = SLOPE,
        init: str | None = "pytorch",
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"expected an input size and at least one layer, each 1 or more, got {tuple(sizes)}"
            )
        if init not in (None, *INITS):
            raise ValueError(f"expected one of {', '.join(INITS)}, got {init!r}")
        self.sizes = tuple(sizes)
        self.activations = names_by_layer(activation, len(self.sizes) - 2)
        self.slope = slope
        self.layers = nn.Sequential(OrderedDict(self._parts(dtype, device)))
        self._linear = tuple(module for module in self.layers if isinstance(module, nn.Linear))
        if init is not None:
            self._draw(INITS[init], torch.Generator("cpu").manual_seed(seed))

    @torch.no_grad()
    def _draw(self, init: Init, generator: torch.Generator) -> None:
        for layer in self.W:
            with torch.device("cpu"):  # whatever somebody's default device is
                W, b = init(self.sizes[layer], self.sizes[layer - 1], generator)
            self.W[layer].copy_(W)
            self.b[layer].copy_(b)

    @classmethod
    def from_arrays(
        cls,
        W: Mapping[int, np.ndarray],
        b: Mapping[int, np.ndarray],
        *,
        activation: str | Sequence[str] = "sigmoid",
        slope: float = SLOPE,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> MLP:
        """The network with these weights and biases, each given by layer 1..L."""
        sizes = [W[1].shape[1], *(len(b[layer]) for layer in range(1, len(b) + 1))]
        settings = {"activation": activation, "slope": slope, "dtype": dtype, "device": device}
        network = cls(sizes, init=None, **settings)  # type: ignore[arg-type]
        network.fill(W, b)
        return network

    @torch.no_grad()
    def fill(self, W: Mapping[int, np.ndarray], b: Mapping[int, np.ndarray]) -> None:
        """Take these weights and biases, each given by layer 1..L, in place of the present ones."""
        for layers, parameters in ((W, self.W), (b, self.b)):
            for layer, parameter in parameters.items():
                parameter.copy_(torch.as_tensor(layers[layer]))

    @staticmethod
    def layers_of(
        state: Mapping[str, np.ndarray], prefix: str = ""
    ) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
        """W and b by layer, out of a state dictionary whose names begin with `prefix`."""
        depth = sum(name.startswith(prefix) and name.endswith(".weight") for name in state)
        W = {layer: state[f"{prefix}layers.linear{layer}.weight"] for layer in range(1, depth + 1)}
        return W, {layer: state[f"{prefix}layers.linear{layer}.bias"] for layer in W}

    def forward(self, x: Float[Tensor, "N n_0"]) -> Float[Tensor, "N K"]:
        """The logits of each row of x; softmax or sigmoid belongs to the cost."""
        logits: Tensor = self.layers(x)
        return logits

    def after(self, name: str, layer: int) -> nn.Sequential:
        """The rest of the network, to be called with z[layer] (name "z") or a[layer] (name "a")."""
        rest = self.layers[2 * layer - 1 if name == "z" else 2 * layer :]
        assert isinstance(rest, nn.Sequential)
        return rest

    @property
    def depth(self) -> int:
        """L, the number of layers that have weights."""
        return len(self.sizes) - 1

    @property
    def W(self) -> dict[int, nn.Parameter]:
        """Weights by layer, each (n_l, n_{l-1})."""
        return {
            layer: cast(nn.Parameter, linear.weight)
            for layer, linear in enumerate(self._linear, start=1)
        }

    @property
    def b(self) -> dict[int, nn.Parameter]:
        """Biases by layer, each (n_l,)."""
        return {layer: linear.bias for layer, linear in enumerate(self._linear, start=1)}

    def linear(self, layer: int) -> nn.Linear:
        """The module that computes z[layer]."""
        return self._linear[layer - 1]

    def activation(self, layer: int) -> nn.Module:
        """The module that computes a[layer], for the hidden layers 1..L-1."""
        return self.layers[2 * layer - 1]

    def fast(self, layer: int) -> Activation:
        """What the fast passes do in its place."""
        return ACTIVATIONS[self.activations[layer - 1]]

    def _parts(
        self, dtype: torch.dtype, device: torch.device | str
    ) -> Iterator[tuple[str, nn.Module]]:
        """linear1, activation1, ..., linearL: parameters not yet filled, so that no global random
        state is touched."""
        for layer in range(1, len(self.sizes)):
            n, n_in = self.sizes[layer], self.sizes[layer - 1]
            yield f"linear{layer}", _Linear(n_in, n, dtype=dtype, device=device)
            if layer < len(self.sizes) - 1:
                yield f"activation{layer}", self.fast(layer).module(self.slope)


class _Linear(nn.Linear):
    """nn.Linear that draws no first weights of its own. (Making it on the "meta" device would
    import a quarter of torch again.)"""

    def reset_parameters(self) -> None:
        """Leave the memory as it is: `MLP` fills it."""


# Each draws one layer, W (n, n_in) and b (n,), in float64 on the CPU, so that a seed means the same
# network everywhere.
Init = Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]


def _uniform(shape: tuple[int, ...], limit: float, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * limit


def _pytorch(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """nn.Linear's own default: uniform within 1/sqrt(n_in), weights and biases alike."""
    limit = 1 / math.sqrt(n_in)
    return _uniform((n, n_in), limit, generator), _uniform((n,), limit, generator)


def _xavier(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform within sqrt(6 / (n_in + n)), biases 0 (Glorot and Bengio, 2010, equation 16)."""
    return _uniform((n, n_in), math.sqrt(6 / (n_in + n)), generator), torch.zeros(
        n, dtype=torch.float64
    )


def _he(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform within sqrt(6 / n_in), so that ReLUs, half of which are silent, keep the size of what
    goes through them; biases 0 (He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015)."""
    return _uniform((n, n_in), math.sqrt(6 / n_in), generator), torch.zeros(n, dtype=torch.float64)


def _normal(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weights of variance 1/n_in, biases of variance 1 (Nielsen, chapter 3)."""
    W = torch.randn((n, n_in), generator=generator, dtype=torch.float64) / math.sqrt(n_in)
    return W, torch.randn(n, generator=generator, dtype=torch.float64)


def _row_constant(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The original network's: one number a unit for all its weights, one number a layer for all its
    biases."""
    numbers = torch.tensor(ROW_CONSTANTS, dtype=torch.float64)
    drawn = numbers[torch.randint(len(numbers), (n + 1,), generator=generator)]
    return drawn[:n, None].expand(n, n_in), drawn[n:].expand(n)


def _constant(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every weight and bias 0.5."""
    return torch.full((n, n_in), 0.5, dtype=torch.float64), torch.full(
        (n,), 0.5, dtype=torch.float64
    )


def _zeros(n: int, n_in: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every weight and bias 0."""
    return torch.zeros((n, n_in), dtype=torch.float64), torch.zeros(n, dtype=torch.float64)


INITS: dict[str, Init] = {
    "pytorch": _pytorch,
    "xavier": _xavier,
    "he": _he,
    "normal": _normal,
    "row-constant": _row_constant,
    "constant": _constant,
    "zeros": _zeros,
}

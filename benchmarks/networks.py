"""Correct networks of other people's kind, and what is planted in them: the population that
benchmarks/black_box.py asks about.

Every network is a pure function of its seed. The regimes are where black-box checks break: weights
a thousand times too large or a hundred times too small, in all layers alike or in each its own way,
units saturated, units that are copies of each other, labels learned by heart, logits of 1e4, losses
of 1e-12 and 1e12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

REGIMES = (
    "fresh",
    "scaled",
    "converged",
    "saturated",
    "extreme-logits",
    "tiny-loss",
    "huge-loss",
    "unequal",
    "constant",
)
ACTIVATIONS = (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.GELU)
COSTS = ("cross-entropy", "squares", "binary")

Change = Callable[[Tensor], Tensor]


@dataclass
class Case:
    """A network's loss as a function of its parameters, and these by name."""

    name: str
    loss: Callable[[dict[str, Tensor]], Tensor]
    parameters: dict[str, Tensor]

    def __call__(self) -> Tensor:
        """The loss, differentiated by autograd as it should be."""
        return self.loss(self.parameters)

    def wrong(self, name: str, change: Change | None) -> Case:
        """The same loss, whose gradient by one parameter goes through a change; None cuts the
        parameter off."""

        def loss(used: dict[str, Tensor]) -> Tensor:
            return self.loss(
                used
                | {name: used[name].detach() if change is None else Wrong.apply(used[name], change)}
            )

        return Case(self.name, loss, self.parameters)


class Wrong(torch.autograd.Function):
    """The identity, whose gradient is tampered with."""

    @staticmethod
    def forward(ctx, value, change):
        ctx.change = change
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.change(gradient), None


def at_entry(flat: int, factor: float) -> Change:
    """Multiply one entry."""

    def change(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient.view(-1)[flat] *= factor
        return gradient

    return change


class Bag(nn.Module):
    """Words, each a row of an embedding; their mean goes on."""

    def __init__(self, words: int, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, size)

    def forward(self, words: Tensor) -> Tensor:
        return self.table(words).mean(dim=1)


def draw(seed: int, dtype: torch.dtype) -> Case:
    """One correct network in one regime, with its loss."""
    random = np.random.default_rng([seed, 77])
    regime, activation = (
        REGIMES[seed % len(REGIMES)],
        ACTIVATIONS[int(random.integers(len(ACTIVATIONS)))],
    )
    sizes = [int(n) for n in random.integers(2, 20, size=random.integers(2, 5))]
    N, normed, words = (
        int(random.integers(1, 17)),
        bool(random.random() < 0.3),
        bool(random.random() < 0.2),
    )
    cost = COSTS[int(random.integers(len(COSTS)))]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = _module(sizes, activation, normed, words).to(torch.float64)
        x = (
            torch.randint(11, (N, 3))
            if words
            else torch.randn(N, sizes[0]).double() * float(10 ** random.uniform(-2, 2))
        )
        y = torch.randint(sizes[-1], (N,))
    scale = _enter(regime, module, x, y, random)
    module, x = module.to(dtype), x if words else x.to(dtype)
    target = functional.one_hot(y, sizes[-1]).to(dtype)

    def loss(used: dict[str, Tensor]) -> Tensor:
        logits = torch.func.functional_call(module, used, (x,))
        if cost == "cross-entropy":
            return scale * functional.cross_entropy(logits, y)
        if cost == "binary":
            return scale * functional.binary_cross_entropy_with_logits(logits, target)
        return scale * (logits - target).square().mean()

    parts = ["embedding"] * words + [activation.__name__] + ["LayerNorm"] * normed
    name = (
        f"{'-'.join(map(str, sizes))} N={N} {'+'.join(parts)} {cost} {regime} seed={seed} "
        f"{str(dtype).removeprefix('torch.')}"
    )
    return Case(name, loss, dict(module.named_parameters()))


def mlp(sizes: tuple[int, ...], N: int, seed: int, dtype: torch.dtype = torch.float64) -> Case:
    """A fresh sigmoid network with cross-entropy, as beginners write it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = _module(list(sizes), nn.Sigmoid, False, False).to(dtype)
        x, y = torch.randn(N, sizes[0]).to(dtype), torch.randint(sizes[-1], (N,))
    name = f"{'-'.join(map(str, sizes))} N={N} seed={seed}"

    def loss(used: dict[str, Tensor]) -> Tensor:
        return functional.cross_entropy(torch.func.functional_call(module, used, (x,)), y)

    return Case(name, loss, dict(module.named_parameters()))


def _module(
    sizes: list[int], activation: type[nn.Module], normed: bool, words: bool
) -> nn.Sequential:
    """Linear, LayerNorm or not, activation, Dropout, ... Linear; in evaluation mode."""
    modules: list[nn.Module] = [Bag(11, sizes[0])] if words else []
    for fan_in, fan_out in pairwise(sizes):
        modules += [
            nn.Linear(fan_in, fan_out),
            *([nn.LayerNorm(fan_out)] if normed else []),
            activation(),
            nn.Dropout(0.5),
        ]
    last = max(i for i, module in enumerate(modules) if isinstance(module, nn.Linear))
    return nn.Sequential(*modules[: last + 1]).eval()


@torch.no_grad()
def _enter(
    regime: str, module: nn.Sequential, x: Tensor, y: Tensor, random: np.random.Generator
) -> float:
    """Change the weights until the network is in the regime; by what its loss is multiplied."""
    linear = [m for m in module if isinstance(m, nn.Linear)]
    last, common = linear[-1], float(10 ** random.uniform(-2, 3))
    for layer in linear:
        if regime in ("scaled", "unequal"):
            layer.weight.mul_(common if regime == "scaled" else float(10 ** random.uniform(-2, 3)))
        if regime == "saturated" and layer is not last:
            layer.weight.mul_(30.0)
        if regime == "constant":
            layer.weight.copy_(layer.weight[:, :1].expand_as(layer.weight))
            layer.bias.fill_(0.1)
    if regime == "converged":
        a = module[:-1](x)
        logits = 14.0 * (2 * functional.one_hot(y, last.out_features) - 1).to(a.dtype)
        fitted = torch.linalg.lstsq(
            torch.cat([a, torch.ones_like(a[:, :1])], dim=1), logits, driver="gelsd", rcond=1e-3
        ).solution
        last.weight.copy_(fitted[:-1].T)
        last.bias.copy_(fitted[-1])
    if regime == "extreme-logits":
        factor = 1e4 / float(module(x).abs().max())
        last.weight.mul_(factor)
        last.bias.mul_(factor)
    return {"tiny-loss": 1e-12, "huge-loss": 1e12}.get(regime, 1.0)

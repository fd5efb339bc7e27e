"""A loss of which nothing is known but its value: asked again, moved along directions, its slopes with error bars.

The parameters are moved in place, so that whatever else looks at their storage moves along, or, to compute in float64, their
data is exchanged for a float64 copy while a Shadow lifts everything that they meet. untouched.py puts all of it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from checks.black_box import noise, slopes
from checks.black_box.shadow import CannotShadow, Shadow
from checks.black_box.slopes import Probe, Slope
from checks.black_box.untouched import Generators

Loss = Callable[[], Tensor]
FRACTION = 1 / 8  # of a parameter's own size: the first step tried; networks bend over about that size
LARGE_WEIGHT, SMALL_WEIGHT = 1.5, 0.5
LEAST_NOISE = 1e-150  # so that a loss that is 0 everywhere divides nothing by 0, not even when squared


class BlackBox:
    """A scalar loss as a function of tensors that it reads by itself.

    Args:
        loss: computes it from the tensors' present values.
        tensors: what to differentiate by.
        lifted: the dtype that is computed in float64 instead, if any.
        draws: the generators' state before each evaluation where the loss draws random numbers; None lets them run on.
    """

    def __init__(
        self, loss: Loss, tensors: Sequence[Tensor], lifted: torch.dtype | None = None, draws: Generators | None = None
    ) -> None:
        self.loss, self.tensors, self.lifted, self.draws = loss, tensors, lifted, draws
        self.evaluations = 0
        if lifted is not None:
            for tensor in tensors:
                tensor.data = tensor.data.to(torch.float64) if tensor.dtype == lifted else tensor.data
        self.at_0 = [tensor.detach().clone() for tensor in tensors]
        self.noise, self.f_0, self.eps = 0.0, float("nan"), 0.0

    def value(self) -> float:
        """The loss at the tensors' present values."""
        return float(self._evaluate(nullcontext() if self.lifted is None else Shadow(self.lifted)).detach())

    def gradients(self, mode: Any = None) -> tuple[Tensor, list[Tensor | None]]:
        """The loss and what autograd says about it; None for a tensor that it says nothing about.

        Raises: ValueError if the loss is not one number; TypeError if it is no tensor; CannotShadow if the lifted code lowers it.
        """
        mode = mode or (nullcontext() if self.lifted is None else Shadow(self.lifted))
        value = self._evaluate(mode)
        if not value.requires_grad:
            return value.detach(), [None] * len(self.tensors)
        wanted = [tensor for tensor in self.tensors if tensor.requires_grad]
        with mode:
            found = iter(torch.autograd.grad(value, wanted, torch.ones_like(value), allow_unused=True)) if wanted else iter(())
        gradients = [next(found) if tensor.requires_grad else None for tensor in self.tensors]
        if self.lifted is not None and any(g is not None and g.dtype == self.lifted for g in gradients):
            raise CannotShadow("a gradient comes back in the low precision")
        return value.detach(), [None if g is None else (g.to_dense() if g.is_sparse else g).detach() for g in gradients]

    def measure_noise(self, eps: float, seed: int) -> None:
        """Estimate the noise of the loss along a direction through all tensors; eps is that of the loss's own dtype."""
        self.eps, self.f_0 = eps, self.value()
        random = np.random.default_rng([seed, len(self.tensors)])
        directions = [self.size(i) * _spacing(at_0.dtype) * self.direction(i, random) for i, at_0 in enumerate(self.at_0)]
        found = noise.along(lambda t: self._moved({i: t * d for i, d in enumerate(directions)}), 1.0, self.f_0)
        self.noise = max(found.level, noise.of_rounding(self.f_0, eps), LEAST_NOISE)

    def direction(self, i: int, random: np.random.Generator) -> Tensor:
        """Weights of magnitude 0.5 to 1.5 and random sign: no entry is overlooked, and no two errors cancel but by chance."""
        shape = tuple(self.tensors[i].shape)
        u = random.uniform(SMALL_WEIGHT, LARGE_WEIGHT, size=shape) * random.choice([-1.0, 1.0], size=shape)
        return torch.as_tensor(u, dtype=torch.float64).to(self.tensors[i].device)

    def size(self, i: int) -> float:
        """Root mean square of a tensor's values, or 1 over the square root of their number where they are all about 0."""
        value = self.at_0[i].to(torch.float64)
        size = float(value.square().mean().sqrt()) if value.numel() else 1.0
        return size if size > 1e-6 else 1 / max(1, value.numel()) ** 0.5

    def probe(self, i: int, u: Tensor, claimed: Tensor) -> Probe:
        """t -> how much more the loss changes than `claimed` says when tensor i moves by t u, and by -t u.

        What is claimed is taken for the distance really moved, so rounding of the moved values does no harm.
        """

        def off(t: float) -> float:
            moved = (self.at_0[i].to(torch.float64) + t * u).to(self.at_0[i].dtype)
            distance = moved.to(torch.float64) - self.at_0[i].to(torch.float64)
            return self._at({i: moved}) - self.f_0 - float((claimed * distance).sum())

        return lambda t: (off(t), off(-t))

    def slope_off(self, i: int, u: Tensor, claimed: Tensor, steps: tuple[float, ...] | None = None) -> Slope:
        """By how much the true slope along u exceeds the claimed one; with these steps, or with those that prove good."""
        probe = self.probe(i, u, claimed)
        if steps:
            return slopes.with_steps(probe, steps, lambda: self.noise)
        return slopes.slope(probe, FRACTION * self.size(i), lambda: self.noise)

    def _moved(self, by: dict[int, Tensor]) -> float:
        return self._at({i: (self.at_0[i].to(torch.float64) + step).to(self.at_0[i].dtype) for i, step in by.items()})

    def _at(self, values: dict[int, Tensor]) -> float:
        """The loss with some tensors at other values; they are put back at once."""
        for i, value in values.items():
            self.tensors[i].data.copy_(value)
        try:
            found = self.value()
        finally:
            for i in values:
                self.tensors[i].data.copy_(self.at_0[i])
        self.noise = max(self.noise, noise.of_rounding(found, self.eps)) if np.isfinite(found) else self.noise
        return found

    def _evaluate(self, mode: Any) -> Tensor:
        self.evaluations += 1
        if self.draws:
            self.draws.restore()
        with mode:
            value: Any = self.loss()
        if not isinstance(value, Tensor):
            raise TypeError(
                f"expected a loss that returns a tensor, got {type(value).__name__}. Return the loss itself, not its .item()."
            )
        if value.numel() != 1:
            raise ValueError(f"expected a loss of one number, got shape {tuple(value.shape)}. Take its mean or sum.")
        if not value.is_floating_point():
            raise TypeError(f"expected a loss of real numbers, got {value.dtype}.")
        return value


def _spacing(dtype: torch.dtype) -> float:
    """Between the points of the noise estimate, in units of a parameter's size.

    eps^0.4 is far above the grid of the parameter's own values, far enough from it that neighbours do not share one rounding error
    (at the root of eps they may, because 1 + h**2 is then 1), and far below the distance over which the loss has many kinks.
    """
    return float(torch.finfo(dtype).eps) ** 0.4

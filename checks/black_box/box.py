"""A loss of which nothing is known but its value: asked again, moved along directions, its slopes
with error bars.

The parameters are moved in place, so that whatever else looks at their storage moves along, or, to
compute in float64, their data is exchanged for a float64 copy while a Shadow lifts everything that
they meet. untouched.py puts all of it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box import noise, slopes
from backproof.checks.black_box.imitation import Changes, root_mean_square
from backproof.checks.black_box.rungs import NOISE_BAR, Probe
from backproof.checks.black_box.shadow import CannotShadow, Shadow
from backproof.checks.black_box.untouched import Generators

Loss = Callable[[], Tensor]
# exponent of eps, for the smallest step and between the points of the noise estimate: see
# `_smallest`
SMALLEST = 0.4
# the largest step, of a parameter's scale: networks that are not saturated bend over about that
# much or more
LARGEST = 1 / 16
COARSEST = 2.0**-7  # the eps of bfloat16: no loss is coarser, however noisy one near 0 looks
LARGE_WEIGHT = 1.5
SMALL_WEIGHT = 0.5
LEAST_NOISE = 1e-300  # so that a loss that is 0 everywhere divides nothing by 0


class BlackBox:
    """A scalar loss as a function of tensors that it reads by itself.

    Args:
        loss: computes it from the tensors' present values.
        tensors: what to differentiate by.
        lifted: the dtypes that are computed in float64 instead, the tensors' own first; empty for
            none.
        draws: the generators' state before each evaluation where the loss draws random numbers;
            None lets them run on.
    """

    def __init__(
        self,
        loss: Loss,
        tensors: Sequence[Tensor],
        lifted: Sequence[torch.dtype] = (),
        draws: Generators | None = None,
    ) -> None:
        self.loss = loss
        self.tensors = tensors
        self.lifted = lifted
        self.draws = draws
        self.evaluations = 0
        for tensor in tensors:
            tensor.data = tensor.data.to(torch.float64) if tensor.dtype in lifted else tensor.data
        self.at_0 = [tensor.detach().clone() for tensor in tensors]
        self.noise = 0.0
        self.measured = False
        self.f_0 = float("nan")
        self.eps = 0.0
        self.grain = 0.0
        self.changes: Sequence[Changes] = ()

    def value(self) -> float:
        """The loss at the tensors' present values."""
        return float(self._evaluate(self._mode()).detach())

    def gradients(self, mode: Any = None) -> tuple[Tensor, list[Tensor | None]]:
        """The loss and what autograd says about it; None for a tensor that it says nothing about.

        Raises: ValueError if the loss is not one number; TypeError if it is no tensor; CannotShadow
        if the lifted code lowers it.
        """
        mode = mode or self._mode()
        value = self._evaluate(mode)
        if not value.requires_grad:
            return value.detach(), [None] * len(self.tensors)
        wanted = [tensor for tensor in self.tensors if tensor.requires_grad]
        with mode:
            if wanted:
                found = iter(
                    torch.autograd.grad(value, wanted, torch.ones_like(value), allow_unused=True)
                )
            else:
                found = iter(())
        gradients = [next(found) if tensor.requires_grad else None for tensor in self.tensors]
        if any(g is not None and g.dtype in self.lifted for g in gradients):
            raise CannotShadow("a gradient comes back in the low precision")
        return value.detach(), [
            None if g is None else (g.to_dense() if g.is_sparse else g).detach() for g in gradients
        ]

    def measure_noise(self, eps: float, seed: int, at_0: float, changes: Sequence[Changes]) -> None:
        """Find the noise of the loss.

        Its operations with random roundings tell it, even where all values round to one and the
        same, as the loss 0 of a confident network does. Where it cannot be run like that, its
        values along a direction through all tensors tell.

        Args:
            eps: of the loss's own dtype.
            seed: of the direction.
            at_0: the loss at the tensors' present values.
            changes: what random roundings do to the loss and its gradients, from imitation.py;
                empty where nobody knows.
        """
        self.eps = eps
        self.grain = eps
        self.f_0 = at_0
        self.changes = changes
        self.noise = max(
            root_mean_square([change for change, _ in changes]),
            noise.of_rounding(at_0, eps),
            LEAST_NOISE,
        )
        self.measured = False
        if not changes:
            self.measure_by_values(seed)

    def measure_by_values(self, seed: int) -> None:
        """Raise the noise, and the smallest steps, to what the loss's values along a direction
        through all tensors show."""
        random = np.random.default_rng([seed, len(self.tensors)])
        directions = [
            self.scale(i) * self._smallest(i) * self.direction(i, random)
            for i in range(len(self.tensors))
        ]
        found = noise.along(
            lambda t: self._moved({i: t * d for i, d in enumerate(directions)}), 1.0, self.f_0
        ).level
        if found > self.noise and self.f_0:
            self.grain = max(self.eps, min(found / abs(self.f_0), COARSEST))
        self.noise = max(self.noise, found)
        self.measured = True

    def claim_rounded(self, i: int, u: Tensor) -> float:
        """What rounding may do to a gradient's slope along u: NOISE_BAR times what random roundings
        do, as for the loss."""
        changed = [gradients[i] for _, gradients in self.changes]
        sums = [
            float((change.to(torch.float64) * u).sum()) for change in changed if change is not None
        ]
        return NOISE_BAR * root_mean_square(sums)

    def direction(self, i: int, random: np.random.Generator) -> Tensor:
        """Weights of magnitude 0.5 to 1.5 and random sign: no entry is overlooked, and no two
        errors cancel but by chance."""
        shape = tuple(self.tensors[i].shape)
        u = random.uniform(SMALL_WEIGHT, LARGE_WEIGHT, size=shape) * random.choice(
            [-1.0, 1.0], size=shape
        )
        return torch.as_tensor(u, dtype=torch.float64).to(self.tensors[i].device)

    def size(self, i: int) -> float:
        """Root mean square of a tensor's values, or 1 over the square root of their number where
        they are all about 0."""
        value = self.at_0[i].to(torch.float64)
        size = float(value.square().mean().sqrt()) if value.numel() else 1.0
        if size > 1e-6:
            return size
        return 1 / max(1, value.numel()) ** 0.5

    def scale(self, i: int) -> float:
        """What the steps along a tensor are measured by: its size, but 1 at most.

        What a unit adds up bends its activation over about 1, however large the weights are; large
        weights in layers above bend the loss over less.
        """
        return min(self.size(i), 1.0)

    def ladder(self, i: int) -> tuple[float, ...]:
        """The steps along a tensor."""
        smallest = self._smallest(i)
        return slopes.ladder(
            self.scale(i) * smallest, self.scale(i) * max(LARGEST, slopes.RATIO * smallest)
        )

    def probe(self, i: int, u: Tensor, claimed: Tensor) -> Probe:
        """t -> how much more the loss changes than `claimed` says when tensor i moves by t u, and
        by -t u; and the noise of that.

        What is claimed is taken for the distance really moved, so rounding of the moved values does
        no harm. Values that are just the one at 0, although they are claimed to change, are no
        evidence yet: a cast to a lower precision may have stopped them, for as long as the eps of
        bfloat16. Asked for the same t again, it knows the answer.
        """

        @cache
        def ask(t: float) -> tuple[float, float]:
            moved = (self.at_0[i].to(torch.float64) + t * u).to(self.at_0[i].dtype)
            distance = moved.to(torch.float64) - self.at_0[i].to(torch.float64)
            return self._at({i: moved}), float((claimed * distance).sum())

        def sides(t: float) -> tuple[float, float, float]:
            (above, more), (below, less) = ask(t), ask(-t)
            rounded = noise.of_rounding(np.array([above, below]), self.eps)
            if above == below == self.f_0 and t < COARSEST * self.scale(i):
                stopped = max(abs(more), abs(less))
            else:
                stopped = 0.0
            return (
                above - self.f_0 - more,
                below - self.f_0 - less,
                max(self.noise, rounded, stopped),
            )

        return sides

    def _mode(self) -> Any:
        if self.lifted:
            return Shadow(self.lifted[0], also=self.lifted[1:])
        return nullcontext()

    def _smallest(self, i: int) -> float:
        """The smallest step along a tensor, and the distance between the points of the noise
        estimate, in units of its scale.

        eps^0.4 is far above the grid of the tensor's own values, far enough from it that neighbours
        do not share one rounding error (at the root of eps they may, because 1 + h**2 is then 1),
        and below eps^(1/3), where truncation begins to show.
        """
        return max(float(torch.finfo(self.at_0[i].dtype).eps), self.grain) ** SMALLEST

    def _moved(self, by: dict[int, Tensor]) -> float:
        return self._at(
            {
                i: (self.at_0[i].to(torch.float64) + step).to(self.at_0[i].dtype)
                for i, step in by.items()
            }
        )

    def _at(self, values: dict[int, Tensor]) -> float:
        """The loss with some tensors at other values; they are put back at once."""
        for i, value in values.items():
            self.tensors[i].data.copy_(value)
        try:
            return self.value()
        finally:
            for i in values:
                self.tensors[i].data.copy_(self.at_0[i])

    def _evaluate(self, mode: Any) -> Tensor:
        self.evaluations += 1
        if self.draws:
            self.draws.restore()
        with mode:
            value: Any = self.loss()
        if not isinstance(value, Tensor):
            raise TypeError(
                f"expected a loss that returns a tensor, got {type(value).__name__}. Return the "
                "loss itself, not its .item()."
            )
        if value.numel() != 1:
            raise ValueError(
                f"expected a loss of one number, got shape {tuple(value.shape)}. Take its mean or "
                "sum."
            )
        if not value.is_floating_point():
            raise TypeError(f"expected a loss of real numbers, got {value.dtype}.")
        return value

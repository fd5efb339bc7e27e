"""What rounding does to a loss and to its gradients, imitated: its own operations are repeated with
random roundings.

Noise can also be seen in the values of the loss (noise.py), but not where they round to one and the
same: a confident network's loss is 0 at every step that would show its noise, and its gradient of
1e-17 is right all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.box import BlackBox, real
from backproof.checks.black_box.box_base import Roundings
from backproof.checks.black_box.parts import all_finite
from backproof.checks.black_box.shadow import Shadow

# each rounds twice as much as real arithmetic; their mean square is five times too small once in
# 100 losses
RUNS = 3
# what bfloat16 holds
SMALL = 1e-30
LARGE = 1e30

Changes = tuple[float, list[Tensor | None]]  # of the loss, and of each gradient
Gradients = Callable[[Shadow], tuple[Tensor, list[Tensor | None]]]


class Imitation(Roundings):
    """What random roundings do to a loss, and, once somebody asks, to its gradients: those take
    several times as long, and where differences agree with a gradient already, nobody asks.

    Args:
        box: the loss.
        mode: rounds at random, for a seed.
        right: the loss and its gradients as they are.
        seed: of the roundings.

    Attributes:
        loss: what each run changes; nothing where the loss cannot be run like that, or gives
            numbers that are not finite.
    """

    def __init__(
        self,
        box: BlackBox,
        mode: Callable[[int], Shadow],
        right: tuple[float, Sequence[Tensor | None]],
        seed: int,
    ) -> None:
        self.box = box
        self.mode = mode
        self.right = right
        self.seed = seed
        self.loss = self._changes_of_the_loss()

    @cached_property
    def gradients(self) -> list[list[Tensor | None]]:
        """What each run changes in the gradients; nothing where nobody knows."""
        changes = imitate(self._gradients, self.mode, self.right, self.seed)
        return [gradients for _, gradients in changes]

    def _changes_of_the_loss(self) -> list[float]:
        self.box.put_back()
        found = []
        try:
            for run in range(RUNS):
                found.append(self.box.value(self.mode(self.seed * RUNS + run)) - self.right[0])
        except Exception:  # somebody's code in a mode that it was never run in may raise anything
            return []
        return found if np.isfinite(found).all() else []

    def _gradients(self, mode: Shadow) -> tuple[Tensor, list[Tensor | None]]:
        return self.box.gradients(mode, recording=False)


def imitate(
    gradients: Gradients,
    mode: Callable[[int], Shadow],
    right: tuple[float, Sequence[Tensor | None]],
    seed: int,
) -> list[Changes]:
    """Compute the loss and its gradients with random roundings.

    Args:
        gradients: computes them within the mode that it is given.
        mode: that, for a seed.
        right: the loss and its gradients as they are.
        seed: of the roundings.
    Returns: what each run changes; nothing where the code cannot be run like that, or gives numbers
    that are not finite.
    """
    found: list[Changes] = []
    try:
        for run in range(RUNS):
            value, others = gradients(mode(seed * RUNS + run))
            pairs = zip(others, right[1], strict=True)
            changed = [
                None if other is None or own is None else _change(other, own)
                for other, own in pairs
            ]
            found.append((float(value) - right[0], changed))
    except Exception:
        # somebody's code in a mode that it was never run in may raise anything; it is then judged
        # without
        return []
    finite = all(_all_finite(changed) for _, changed in found)
    if finite and np.isfinite([change for change, _ in found]).all():
        return found
    return []


def _all_finite(tensors: Sequence[Tensor | None]) -> bool:
    """Whether every tensor that is there has finite entries alone."""
    return all(all_finite(tensor) for tensor in tensors if tensor is not None)


def _change(other: Tensor, own: Tensor) -> Tensor:
    """How much a gradient is changed, by parts if it is complex; with the few digits of bfloat16,
    which is enough for sums, unless it is too small or too large for that."""
    change = real(other - own)
    largest = float(torch.linalg.vector_norm(change, torch.inf)) if change.numel() else 0.0
    if change.dtype == torch.float64 and SMALL < largest < LARGE:
        return change.to(torch.bfloat16)
    return change

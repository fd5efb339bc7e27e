"""Gradients that are sent back through a function's outputs: the same ones to the function and to
its reference.

They are multiples of 1/64 between 0.5 and 1.5 of random sign, which every format holds exactly, and
-2 or -0.5 through a loss.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LEVELS = 64  # of a number, between 0.5 and 1.5


class SentBack:
    """What is sent back through each output; it depends on the seed, and on the output's name and
    shape, alone.

    Args:
        seed: of the numbers.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.known: dict[tuple[str, tuple[int, ...], bool], list[Tensor]] = {}

    def through(self, name: str, output: Tensor, rows: tuple[int, int, int] | None) -> Tensor:
        """The gradient for one output.

        Args:
            name: of the output.
            output: its shape, format and device are the gradient's.
            rows: the first, the one behind the last, and how many the whole has, where the output
                is some rows of it; None for the whole.
        """
        shape = tuple(output.shape)
        if rows is not None:
            shape = (rows[2], *shape[1:])
        levels = self._levels(name, shape, output.is_complex())
        if rows is not None:
            levels = [part[rows[0] : rows[1]] for part in levels]
        kind = output.dtype.to_real()
        unit = torch.tensor(1 / LEVELS if shape else 1.0, dtype=kind, device=output.device)
        parts = [part.to(output.device) * unit for part in levels]
        if output.is_complex():
            return torch.complex(*parts)
        return parts[0]

    def _levels(self, name: str, shape: tuple[int, ...], is_complex: bool) -> list[Tensor]:
        """The numbers in units of their spacing, those of the imaginary part last."""
        key = (name, shape, is_complex)
        if key not in self.known:
            random = np.random.default_rng([self.seed, *name.encode()])
            count = 1 + is_complex
            self.known[key] = [_drawn(random, shape) for _ in range(count)]
        return self.known[key]


def _drawn(random: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    if not shape:  # a loss; a power of two leaves every digit of its gradients as it is
        return torch.tensor(-2.0 if random.integers(2) else -0.5, dtype=torch.float64)
    sizes = random.integers(
        LEVELS // 2, LEVELS + LEVELS // 2, size=shape, endpoint=True, dtype=np.int8
    )
    signs = random.integers(0, 1, size=shape, endpoint=True, dtype=np.int8)
    signs *= 2
    signs -= 1
    sizes *= signs
    return torch.as_tensor(np.asarray(sizes))

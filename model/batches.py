"""Batches out of samples in memory: gathered many at a time, without a loop over samples, into
memory that is used again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

    from backproof.model.costs import Answers

# Gathered at once. On a CPU: long enough for both cores to fetch from memory, short enough to stay
# in their caches. On CUDA: as many steps as are worth recording together.
BLOCK_BYTES = {"cpu": 1 << 20, "cuda": 8 << 20}
# in a block, however small its batches are: a step is bound, and on CUDA recorded, for each
MOST_PLACES = 100


class Batches:
    """The full batches of an epoch, one after the other.

    Args:
        x, y: the samples, where the arithmetic is.
        batch_size: samples a batch, of all processes together; of fewer samples, all are one batch.
        rank, world: which process this is, and of how many. Each gets every `world`-th row of every
            batch.
    Attributes:
        batch_size: samples a full batch, of all processes together.
        places: x and y of this process's part of each batch that one block of memory holds, as
            views of it. Batches come to lie in them again and again, so whatever is done to a batch
            can be bound to its place once.
    """

    def __init__(
        self,
        x: Float[Tensor, "N n_0"],
        y: Answers,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._x = x
        self._y = y
        self._rank = rank
        self._world = world
        self.batch_size = min(batch_size, len(y))
        self._mine = len(range(rank, self.batch_size, world))
        count = max(
            1, BLOCK_BYTES[x.device.type] // max(1, self._mine * x.shape[1] * x.element_size())
        )
        block = min(count, MOST_PLACES, len(y) // self.batch_size) * self._mine
        self._block_x = x.new_empty(block, x.shape[1])
        self._block_y = y.new_empty(block, *y.shape[1:])
        pair = torch.split(self._block_x, self._mine), torch.split(self._block_y, self._mine)
        self.places = list(zip(*pair, strict=True))

    def __call__(self, batches: Int64[Tensor, "steps N"]) -> Iterator[int]:
        """Gather batches, given by the rows of their samples, a block at a time.

        Yields: how many lie in the first places now, until more are asked for.
        """
        for together in torch.split(batches, len(self.places)) if len(batches) else ():
            rows = together[:, self._rank :: self._world].reshape(-1)
            torch.index_select(self._x, 0, rows, out=self._block_x[: len(rows)])
            torch.index_select(self._y, 0, rows, out=self._block_y[: len(rows)])
            yield len(together)

    def share(self, rows: Int64[Tensor, " N"]) -> tuple[Tensor, Tensor]:
        """x and y of this process's share of a batch that may have fewer samples than the others,
        in memory of their own."""
        mine = rows[self._rank :: self._world]
        return self._x[mine], self._y[mine]

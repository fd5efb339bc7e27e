"""Batches out of samples in memory: gathered many at a time, without a loop over samples, into memory that is used again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

BLOCK_BYTES = 1 << 20  # gathered at once: long enough for both cores to fetch from memory, short enough to stay in their caches


class Batches:
    """The samples of an epoch, a batch at a time.

    What it yields are views of one block of memory: they hold until the next batch is asked for.

    Args:
        x, y: the samples, where the arithmetic is.
        batch_size: samples a batch; the last of an epoch may be smaller.
        rank, world: which process this is, and of how many. Each gets every `world`-th row of every batch.
    """

    def __init__(self, x: Float[Tensor, "N n_0"], y: Int64[Tensor, " N"], batch_size: int, rank: int = 0, world: int = 1) -> None:
        self._x, self._y, self._rank, self._world = x, y, rank, world
        self._batch_size = min(batch_size, len(y))
        self._mine = len(range(rank, self._batch_size, world))
        count = max(1, BLOCK_BYTES // max(1, self._mine * x.shape[1] * x.element_size()))
        self._block = min(count * self._mine, -(-len(y) // self._mine) * self._mine)
        self._block_x, self._block_y = x.new_empty(self._block, x.shape[1]), y.new_empty(self._block)
        self._views = self._split(self._block)

    def __call__(self, order: Int64[Tensor, " N"]) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Gather the samples in an order.

        Yields: x and y of this process's part of each batch, and how many samples the whole batch has.
        """
        full, last = divmod(len(order), self._batch_size)
        mine = self._share(order, full * self._batch_size)
        for start in range(0, full * self._mine, self._block):
            rows = mine[start : min(start + self._block, full * self._mine)]
            for x, y in self._gather(rows):
                yield x, y, self._batch_size
        if last:
            rows = mine[full * self._mine :]
            yield self._x[rows], self._y[rows], last

    def _share(self, order: Tensor, whole: int) -> Tensor:
        """This process's rows of every batch, one batch after the other; `whole` is where the smaller last batch begins."""
        if self._world == 1:
            return order
        mine = order[:whole].view(-1, self._batch_size)[:, self._rank :: self._world]
        return torch.cat([mine.reshape(-1), order[whole:][self._rank :: self._world]])

    def _gather(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        count = len(rows)
        torch.index_select(self._x, 0, rows, out=self._block_x[:count])
        torch.index_select(self._y, 0, rows, out=self._block_y[:count])
        return self._views[: count // self._mine]

    def _split(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """Views of the block's first batches, made once for full blocks: a view takes as long as a small product."""
        pair = torch.split(self._block_x[:count], self._mine), torch.split(self._block_y[:count], self._mine)
        return list(zip(*pair, strict=True))

"""A step on CUDA, recorded once and replayed: the card then starts its kernels by itself, and nobody waits for Python.

A small network's step is a dozen kernels of a few microseconds each; asking for each of them takes Python longer than that. A CUDA
graph holds the whole step: gathering the batch, both passes, the optimizer. Only the numbers of the rows change between replays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

Step = Callable[[Tensor, Tensor], None]
Record = Callable[[Callable[[], None]], Callable[[], None]]

WARM_UP = 3  # steps before recording, in which libraries take the memory that they need (torch's notes on CUDA graphs ask for some)


class Replay:
    """Steps on batches of one size.

    Args:
        step: one step on x and y; it must find everything else where it was in the step before.
        x, y: all samples, on the card.
        N: samples in a batch.
        aside: runs a step away from the stream that recording must not disturb.
        record: turns a step into one that can be replayed. It does not run it.
    """

    def __init__(
        self,
        step: Step,
        x: Float[Tensor, "M n_0"],
        y: Int64[Tensor, " M"],
        N: int,
        *,
        aside: Callable[[Callable[[], None]], None] | None = None,
        record: Record | None = None,
    ) -> None:
        self._step, self._x, self._y = step, x, y
        self._rows, self._batch_x, self._batch_y = y.new_empty(N), x.new_empty(N, x.shape[1]), y.new_empty(N)
        self._aside, self._record = aside or _aside, record or _record
        self._steps, self._replay = 0, self._run

    def __call__(self, rows: Int64[Tensor, " N"]) -> None:
        """One step on the samples in these rows."""
        self._rows.copy_(rows)
        if self._steps < WARM_UP:
            self._aside(self._run)
        else:
            if self._steps == WARM_UP:
                self._replay = self._record(self._run)
            self._replay()
        self._steps += 1

    def _run(self) -> None:
        torch.index_select(self._x, 0, self._rows, out=self._batch_x)
        torch.index_select(self._y, 0, self._rows, out=self._batch_y)
        self._step(self._batch_x, self._batch_y)


def _aside(run: Callable[[], None]) -> None:
    """On a stream of its own, which waits for what came before and is waited for by what comes after."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)


def _record(run: Callable[[], None]) -> Callable[[], None]:
    """Into a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay

"""Steps on CUDA, recorded once and replayed: the card then starts its kernels by itself, and nobody
waits for Python.

A small network's step is a dozen kernels of a few microseconds each; asking for each of them takes
Python longer than that. A CUDA graph holds all the steps of a block of batches: both passes of
each, and the optimizer. Only the samples change between replays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from backproof.model.products import Run

# steps before recording, in which libraries take the memory that they need (torch's notes on CUDA
# graphs ask for some)
WARM_UP = 3


def in_turn(steps: Sequence[Run], count: int) -> None:
    """The first `count` steps, one after the other: what `Replay` does without a card."""
    for step in steps[:count]:
        step()


class Replay:
    """Steps in a row. A few are run as they are; from then on each run of so many is recorded once,
    and replayed.

    Args:
        steps: each bound to the memory of its batch; they must find everything else where it was
            the time before.
        aside: runs steps away from the stream that recording must not disturb.
        record: turns a run of steps into one that can be replayed. It does not run it.
    """

    def __init__(
        self,
        steps: Sequence[Run],
        *,
        aside: Callable[[Run], None] | None = None,
        record: Callable[[Run], Run] | None = None,
    ) -> None:
        self._steps = steps
        self._aside = aside or _aside
        self._record = record or _record
        self._warm = 0
        self._recorded = dict[int, Run]()

    def __call__(self, count: int) -> None:
        """The first `count` steps, on what their memory holds now."""
        run = partial(in_turn, self._steps, count)
        if self._warm < WARM_UP:
            self._aside(run)
            self._warm += count
            return
        if count not in self._recorded:
            self._recorded[count] = self._record(run)
        self._recorded[count]()


def _aside(run: Run) -> None:
    """On a stream of its own, which waits for what came before and is waited for by what comes
    after."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)


def _record(run: Run) -> Run:
    """Into a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay

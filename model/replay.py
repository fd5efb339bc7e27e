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
from torch import Tensor

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
        parameters: whose .grad the steps leave: what they left while they were recorded is where
            every replay leaves it, whoever put another tensor there in between.
        device: where all of it is, which need not be the current card.
        aside: runs steps away from the stream that recording must not disturb.
        record: turns a run of steps into one that can be replayed. It does not run it.
    """

    def __init__(
        self,
        steps: Sequence[Run],
        *,
        parameters: Sequence[Tensor] = (),
        device: torch.device | None = None,
        aside: Callable[[Run], None] | None = None,
        record: Callable[[Run], Run] | None = None,
    ) -> None:
        self._steps = steps
        self._parameters = parameters
        self._gradients: list[Tensor | None] = []
        self._aside = aside or partial(_aside, device)
        self._record = record or partial(_record, device)
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
            self._gradients = [parameter.grad for parameter in self._parameters]
        self._recorded[count]()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient


def _aside(device: torch.device | None, run: Run) -> None:
    """On a stream of its own, which waits for what came before and is waited for by what comes
    after."""
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            run()
        torch.cuda.current_stream().wait_stream(stream)


def _record(device: torch.device | None, run: Run) -> Run:
    """Into a CUDA graph."""
    with torch.cuda.device(device):
        graph = torch.cuda.CUDAGraph()
        # torch's own stream for this is made once, on whichever card was the first
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.graph(graph, stream=stream):
            run()
    return graph.replay

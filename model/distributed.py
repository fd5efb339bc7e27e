"""The few lines that make the same script run under torchrun: one process of several, or the only
one.

Every process draws the same weights and the same shuffles, takes its rows of every batch, and adds
its gradients to those of the others before each step. So all of them hold the same weights at every
moment, and nothing but gradients travels.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import torch
from torch import Tensor

from backproof.model.command_line import BadInput
from backproof.model.program import die_with_parent

# after which a process that has not been heard of counts as lost; one that died is noticed at once
SILENCE = timedelta(minutes=5)


class LostProcess(Exception):
    """Another process of the run is gone: there is nobody to add gradients with."""


@dataclass(frozen=True)
class Processes:
    """Which process this is.

    Attributes:
        rank: its number; 0 leads: it alone checks, prints and writes.
        world: how many there are, on all machines.
        local_world: how many share this machine.
    """

    rank: int = 0
    world: int = 1
    local_world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0

    def add_up(self, tensor: Tensor) -> Tensor:
        """Replace a tensor, in place, by its sum over all processes.

        Raises: LostProcess if one of them is gone.
        """
        if self.world > 1:
            with noticing_loss():
                torch.distributed.all_reduce(tensor)
        return tensor

    def add_up_all(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one dtype, in place, by their sums over all processes, in a single
        message.

        Raises: LostProcess if a process is gone.
        """
        flat = self.add_up(torch.cat([tensor.reshape(-1) for tensor in tensors]))
        for tensor, total in zip(
            tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True
        ):
            tensor.copy_(total.view_as(tensor))

    def any(self, here: bool) -> bool:
        """Whether something is so in at least one process: what all must agree on before they go
        on."""
        if self.world > 1:
            return bool(self.add_up(torch.tensor(float(here), device=device_of_messages())) > 0)
        return here


@contextmanager
def noticing_loss() -> Iterator[None]:
    """Turn what torch raises when a message finds no receiver into LostProcess."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcess(" ".join(str(error).split())[:200]) from error


def join(device: str) -> Processes:
    """Join the other processes that torchrun started, or be the only one.

    Args:
        device: "cpu", whose processes talk through gloo, or "cuda", through nccl; each takes the
            card of its local rank.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes()
    die_with_parent()  # torchrun, which may be killed
    if device == "cuda":
        torch.cuda.set_device(_own_card())
    signal.signal(signal.SIGTERM, _end)  # what torchrun sends to the others when one is lost
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=SILENCE)
    return Processes(
        torch.distributed.get_rank(), world, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    )


def _own_card() -> int:
    """The card of this process's local rank.

    Raises: BadInput where this machine has fewer cards than processes.
    """
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    cards = torch.cuda.device_count()
    if rank >= cards:
        local = os.environ.get("LOCAL_WORLD_SIZE", str(rank + 1))
        raise BadInput(
            f"torchrun: expected a CUDA device for each of {local} processes, got {cards}. Start "
            f"--nproc-per-node={cards}, or use --device cpu."
        )
    return rank


def leave(processes: Processes) -> None:
    """Say goodbye, so that nobody counts this process as lost.

    A DistributedDataParallel that outlives the group ends the program with "terminate called": let
    go of it before.
    """
    if processes.world > 1 and torch.distributed.is_initialized():
        gc.collect()  # it refers to itself
        torch.distributed.destroy_process_group()


def device_of_messages() -> str:
    """Where a tensor must lie to travel."""
    if torch.distributed.get_backend() == "nccl":
        return "cuda"
    return "cpu"


def _end(number: int, frame: FrameType | None) -> None:
    # once is enough: what follows is writing the state to disk
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise LostProcess("torchrun ended this process")

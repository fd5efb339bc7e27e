"""Where the arithmetic happens."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from backproof.model.command_line import BadInput


def usable(name: str) -> str:
    """The device to use for "auto", "cpu" or "cuda".

    Raises: BadInput where CUDA is asked for and there is none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            f"--device: expected a CUDA device, got a machine where torch {torch.__version__} "
            "sees none. Use --device cpu."
        )
    return name


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply float32 as float32 while this lasts: TF32, which NVIDIA's containers switch on,
    keeps 10 of 23 bits, and right gradients would be called wrong."""
    before = torch.get_float32_matmul_precision()
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def answering_for(device: str, sizes: Sequence[int]) -> Iterator[None]:
    """Tell what a card cannot do in one line: it has too little memory, or something else is wrong
    with it.

    Args:
        device: where the arithmetic is.
        sizes: of the network.
    Raises: BadInput in place of what torch raises.
    """
    shape = "-".join(map(str, sizes))
    memory_line = (
        f"--hidden: expected a network that fits into memory, got {shape}. Give fewer units, or a "
        "smaller --batch-size."
    )
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise BadInput(memory_line) from error
    except torch.AcceleratorError as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"--device: expected a {device} device that works, got: {reason}. Use --device cpu."
        ) from error


# multiply-adds of a forward pass; with less, threads wait for each other longer than they compute
A_THREADS_SHARE = 800_000


def threads_for(sizes: Sequence[int], batch_size: int) -> int:
    """How many threads a step of this size is worth, of as many as there are cores.

    A function of the sizes and the machine alone, so that a resumed run rounds as the run before it
    did.
    """
    work = batch_size * sum(n * n_in for n_in, n in itertools.pairwise(sizes))
    return max(1, min(work // A_THREADS_SHARE, os.cpu_count() or 1))


# of each parameter: itself, its gradient, two moments, and the state that is kept while the next is
# computed
COPIES = 6


def bytes_for(sizes: Sequence[int], itemsize: int) -> int:
    """What training a network of these sizes takes at least; its first weights are drawn in
    float64, 8 bytes each."""
    parameters = sum(n * (n_in + 1) for n_in, n in itertools.pairwise(sizes))
    return parameters * max(COPIES * itemsize, 3 * 8)


def memory() -> int:
    """Bytes that this machine has; where it doesn't say, more than any has."""
    known = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in known:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2**63

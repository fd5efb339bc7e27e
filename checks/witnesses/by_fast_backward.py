"""What the backward pass that trains, `model.backward.Backward`, computes for a problem: checked
like anybody else's.

It trains in two ways, so it is two witnesses: one fills every .grad, the other descends without
storing a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from backproof.checks.heads import Head
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities, by_name
from backproof.checks.witnesses.in_torch import activations_of, batch_of
from backproof.model.backward import Backward
from backproof.model.network import MLP


def witness(problem: Problem, *, device: str = "cpu", dtype: str = "float64") -> Quantities:
    """Everything that the fast passes leave in memory, transposed, because they have samples in
    columns.

    They write z where a will be and da where dz will be, so neither is left.

    Args:
        problem: what to differentiate.
        device: "cpu" or "cuda".
        dtype: the precision in which it computes.
    Returns: hidden a, p, dz, dW and db, as float64 arrays by name.
    """
    network, passes = _run(problem, device, dtype)
    found = (
        {"p": _array(passes.p.t())}
        | by_name("a", _rows(passes.a))
        | by_name("dz", _rows(passes.dz))
    )
    return found | by_name("dW", _gradients(network.W)) | by_name("db", _gradients(network.b))


def step(
    problem: Problem, *, device: str = "cpu", dtype: str = "float64"
) -> tuple[Quantities, Quantities]:
    """The gradients that a step of plain descent went along: (W - W') / eta, where it began at W
    and ended at W'.

    After a step of the usual length, the last digits of the gradients would be lost behind those of
    W. This one is so long that W itself is lost behind the gradients; and eta is a power of 2, so
    that multiplying by it changes no digit of theirs.

    Args:
        problem, device, dtype: as for `witness`. In float32, gradients above 7e25 overflow, in
            float64 those above 1e205.
    Returns: dW and db by name, and how far off each may be besides the rounding of the gradient
        itself: N + 1 partial sums may have W in them, each rounded to eps of it, and the difference
        of W and W' is rounded once.
    """
    eta = 2.0 ** (np.finfo(dtype).maxexp // 3)
    eps = float(np.finfo(dtype).eps)
    N = len(problem.y)
    network, _ = _run(problem, device, dtype, eta)
    start = by_name("dW", problem.W) | by_name("db", problem.b)
    end = by_name("dW", _arrays(network.W)) | by_name("db", _arrays(network.b))
    found = {quantity: (start[quantity] - end[quantity]) / eta for quantity in end}
    return found, {
        quantity: eps * ((N + 1) * np.abs(start[quantity]) / eta + np.abs(dW))
        for quantity, dW in found.items()
    }


def _run(
    problem: Problem, device: str, dtype: str, descend: float | None = None
) -> tuple[MLP, Backward]:
    """The problem's network after one forward and backward pass, and these passes."""
    shape = problem.sizes, len(problem.y), problem.head, *activations_of(problem)
    network, passes = _laid_out(*shape, device, dtype, descend)
    network.fill(problem.W, problem.b)
    for memory in (passes.p, *passes.a.values(), *passes.dz.values()):
        memory.fill_(float("nan"))  # whatever is not overwritten shows
    passes(*batch_of(problem, device=device, dtype=dtype))
    return network, passes


@lru_cache(maxsize=2)
def _laid_out(
    sizes: tuple[int, ...],
    N: int,
    head: Head,
    activation: tuple[str, ...],
    slope: float,
    device: str,
    dtype: str,
    descend: float | None,
) -> tuple[MLP, Backward]:
    """A network and its passes; used again for the next problem of the same shape, as training uses
    them for the next batch."""
    network = MLP(
        sizes,
        activation=activation,
        slope=slope,
        init=None,
        dtype=getattr(torch, dtype),
        device=device,
    )
    return network, Backward(network, N, head.output, head.cost, descend=descend)


def _gradients(parameters: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {
        layer: _array(tensor.grad)
        for layer, tensor in parameters.items()
        if tensor.grad is not None
    }


def _arrays(tensors: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {layer: _array(tensor) for layer, tensor in tensors.items()}


def _rows(columns: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {layer: _array(tensor.t()) for layer, tensor in columns.items()}


def _array(tensor: Tensor) -> np.ndarray:
    # a copy: the memory is used again
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float64)

"""What the backward pass that trains, `model.backward.Backward`, computes for a problem: checked like anybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from checks.problem import Problem
from checks.quantities import Quantities, by_name
from model.backward import Backward
from model.network import MLP


def witness(problem: Problem, *, device: str = "cpu", dtype: str = "float64") -> Quantities:
    """Everything that the fast passes leave in memory, transposed, because they have samples in columns.

    They write z where a will be and da where dz will be, so neither is left.

    Args:
        problem: what to differentiate.
        device: "cpu" or "cuda".
        dtype: the precision in which it computes.
    Returns: hidden a, p, dz, dW and db, as float64 arrays by name.
    """
    network, passes = _laid_out(problem.sizes, len(problem.y), problem.output, problem.cost, device, dtype)
    network.fill(problem.W, problem.b)
    for memory in (passes.p, *passes.a.values(), *passes.dz.values()):
        memory.fill_(float("nan"))  # whatever is not overwritten shows
    passes(torch.as_tensor(problem.x, dtype=getattr(torch, dtype), device=device), torch.as_tensor(problem.y, device=device))
    found = {"p": _array(passes.p.t())} | by_name("a", _arrays(passes.a)) | by_name("dz", _arrays(passes.dz))
    return found | by_name("dW", _gradients(network.W)) | by_name("db", _gradients(network.b))


@lru_cache(maxsize=1)
def _laid_out(sizes: tuple[int, ...], N: int, output: str, cost: str, device: str, dtype: str) -> tuple[MLP, Backward]:
    """A network and its passes; used again for the next problem of the same shape, as training uses them for the next batch."""
    network = MLP(sizes, init=None, dtype=getattr(torch, dtype), device=device)
    return network, Backward(network, N, output, cost)


def _gradients(parameters: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {layer: _array(tensor.grad) for layer, tensor in parameters.items() if tensor.grad is not None}


def _arrays(tensors: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {layer: _array(tensor.t()) for layer, tensor in tensors.items()}


def _array(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float64)  # a copy: the memory is used again

"""The same quantities out of `model.network` through `.backward()`, on any device and in any
dtype."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities, by_name
from backproof.checks.witnesses.in_torch import batch_of, network_of
from backproof.model.costs import cost_of, probabilities, targets
from backproof.model.network import MLP


def witness(problem: Problem, *, device: str = "cpu", dtype: str = "float64") -> Quantities:
    """Everything that autograd computes for a problem.

    Args:
        problem: what to differentiate.
        device: "cpu" or "cuda".
        dtype: the precision in which the module computes.
    Returns: z, a, p, losses and every gradient, as float64 arrays by name.
    """
    network, x, y = _placed(problem, device, dtype)
    z, a = _record(network)
    logits = network(x)
    losses = cost_of(problem.output, problem.cost, reduction="none")(logits, y)
    cost_of(problem.output, problem.cost)(logits, y).backward()
    found = {"p": _array(probabilities(logits, problem.output)), "losses": _array(losses)}
    found |= by_name("z", _arrays(z)) | by_name("a", _arrays(a))
    found |= by_name("dz", _gradients(z)) | by_name("da", _gradients(a))
    found |= by_name("dW", _gradients(network.W)) | by_name("db", _gradients(network.b))
    if problem.head.is_quadratic:
        return found | _through_output(logits.detach(), y, problem)
    return found


def parameters(problem: Problem, *, device: str = "cpu", dtype: str = "float64") -> Quantities:
    """The same for dW and db alone, and sooner: nothing on the way to them is kept."""
    network, x, y = _placed(problem, device, dtype)
    cost_of(problem.output, problem.cost)(network(x), y).backward()
    return by_name("dW", _gradients(network.W)) | by_name("db", _gradients(network.b))


def _placed(problem: Problem, device: str, dtype: str) -> tuple[MLP, Tensor, Tensor]:
    """The network of a problem and its batch, on a device and in a precision."""
    where = {"device": device, "dtype": dtype}
    return network_of(problem, **where), *batch_of(problem, **where)


def _record(network: MLP) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """z and a by layer, filled by the next forward pass; each keeps its gradient."""
    z: dict[int, Tensor] = {}
    a: dict[int, Tensor] = {}

    def keep(into: dict[int, Tensor], layer: int, module: torch.nn.Module) -> None:
        def hook(module: torch.nn.Module, args: object, result: Tensor) -> None:
            result.retain_grad()
            into[layer] = result

        module.register_forward_hook(hook)

    for layer in range(1, network.depth + 1):
        keep(z, layer, network.linear(layer))
        if layer < network.depth:
            keep(a, layer, network.activation(layer))
    return z, a


def _gradients(tensors: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {
        layer: _array(tensor.grad) for layer, tensor in tensors.items() if tensor.grad is not None
    }


def _arrays(tensors: Mapping[int, Tensor]) -> dict[int, np.ndarray]:
    return {layer: _array(tensor) for layer, tensor in tensors.items()}


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _through_output(logits: Tensor, y: Tensor, problem: Problem) -> Quantities:
    """dp, and for a softmax its Jacobian J, a row at a time: what the quadratic cost passes
    through."""
    z = logits.requires_grad_()
    p = probabilities(z, problem.output)
    leaf = p.detach().requires_grad_()
    squares = cost_of("linear", problem.cost)
    (dp,) = torch.autograd.grad(squares(leaf, targets(y, leaf)), leaf)
    if not problem.head.is_softmax:
        return {"dp": _array(dp)}
    rows = [torch.autograd.grad(p[:, i].sum(), z, retain_graph=True)[0] for i in range(p.shape[1])]
    return {"dp": _array(dp), "J": _array(torch.stack(rows, dim=1))}

"""The same gradients from the loss alone, every one of them, in milliseconds.

Samples are independent and z is linear in W. So nudge one unit of z[l] in all samples at once and
read the N losses: that is one column of dz[l], and (B2) and (B3) make dW[l] and db[l] of it. The
sum of n_l batch-forwards reaches every parameter.

Two kinds of nudge. The *complex step* moves z along the imaginary axis: Im f(z + ih) / h has
neither truncation (h = 1e-30, the error is of order h**2) nor cancellation (nothing is subtracted),
because the activations and softmax are analytic (Squire and Trapp, Using Complex Variables to
Estimate Derivatives of Real Functions, SIAM Review 40, 1998), or are so on either side of 0.
*Central differences* of the torch forward come with an error bar from two step sizes; a difference
without one is no evidence. Neither ever asks for an activation's derivative.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from backproof.checks import by_hand
from backproof.checks.activations import IDENTITY, Activation, named
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities, by_name
from backproof.checks.witnesses.in_torch import batch_of, network_of
from backproof.model.costs import cost_of

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Complex128, Float64

IMAGINARY_STEP = 1e-30
# numbers in one stacked nudge: 16 MiB of complex128, so that memory stays small and caches warm
LARGEST_STACK = 2**20


def complex_step(problem: Problem, *, activations: bool = True) -> tuple[Quantities, Quantities]:
    """Every dz, da, dW and db by the complex step on the NumPy forward, in float64.

    Args:
        problem: what to differentiate.
        activations: False leaves da out, which takes half of the time and reaches no parameter.
    Returns: the gradients, and how far each may be off beyond rounding, one number a quantity:
        products below the smallest float64 underflow to 0 before they are divided by the step, so
        at most tiny / h (2e-278) for each term of a sum; and h**2 of the third derivative, which
        only shows where the first is 0.
    """
    passed = problem.forward()
    dz = {}
    da = {}
    for layer in range(1, problem.L):
        # an activation looks at its own unit alone, so all units of z are nudged in one call, and
        # each stack takes one of them
        h = problem.activation[layer].h
        nudges = {"z": h(passed.z[layer] + 1j * IMAGINARY_STEP)}
        if activations:
            nudges["a"] = passed.a[layer] + 1j * IMAGINARY_STEP
        found = _complex_columns(problem, layer, passed.a[layer], nudges)
        dz[layer] = found["z"]
        if activations:
            da[layer] = found["a"]
    logits = passed.z[problem.L]
    dz[problem.L] = _complex_columns(
        problem, problem.L, logits, {"z": logits + 1j * IMAGINARY_STEP}
    )["z"]
    return _assemble(dz, da, passed.a), _lost(problem, passed, da)


def _lost(problem: Problem, passed: by_hand.Forward, da: dict[int, np.ndarray]) -> Quantities:
    """What a complex step may lose of each quantity: what is below the smallest float64, and, of an
    output that can meet its target exactly, where the gradient is 0, the third derivative."""
    a = passed.a
    lost = float(np.finfo(np.float64).tiny) / IMAGINARY_STEP
    if not problem.head.tells_classes:
        steepest = max(float(reach.max()) for reach in _reach(problem).values())
        summed = float(np.abs(passed.p).max() + np.abs(problem.Y).max())
        lost += IMAGINARY_STEP**2 * steepest**3 * (1 + summed)
    N = len(a[0])
    layers = [layer + 1 for layer in a]
    dW = {layer: np.asarray(lost * N * np.abs(a[layer - 1]).max()) for layer in layers}
    dz, db = (dict.fromkeys(layers, np.asarray(lost * terms)) for terms in (1, N))
    return (
        by_name("dz", dz)
        | by_name("da", dict.fromkeys(da, np.asarray(lost)))
        | by_name("dW", dW)
        | by_name("db", db)
    )


def central_differences(
    problem: Problem, *, device: str = "cpu", dtype: str = "float64"
) -> tuple[Quantities, Quantities]:
    """Every dz, da, dW and db by central differences of the torch forward on its device, with error
    bars.

    Args:
        problem: what to differentiate.
        device: where the forward runs.
        dtype: the precision of the forward.
    Returns: the gradients and their error bars, both by quantity. The step is eps^(1/3), where
        truncation (order h**2) and rounding (order eps/h) balance, in units of the distance over
        which the loss bends: 1 at the logits, less where a unit reaches them through large weights,
        never below 8 units in the last place. With steps h and 2h, D(h) - D(2h) is three times the
        truncation of D(h), so it is an error bar with a factor of 3 in hand; the rounding of the
        two losses over the distance between them is added. (B2) multiplies dz by activations that
        are rounded, too, or have underflowed to 0: what they may be off by, times the largest that
        dz can be, belongs to the bar of dW. Where a nudge may carry a unit over a kink, its own or
        one further on, a difference says nothing, and the bar is as large as the gradient can be.
    """
    network = network_of(problem, device=device, dtype=dtype)
    x, y = batch_of(problem, device=device, dtype=dtype)
    cost = cost_of(problem.output, problem.cost, reduction="none")
    bounds = problem.bounds(dtype)
    rounding = torch.as_tensor(bounds["losses"], device=device)
    values: dict[str, dict[int, np.ndarray]] = {"z": {}, "a": {0: problem.x}}
    bars: dict[str, dict[int, np.ndarray]] = {"z": {}, "a": {}}
    given = {0: problem.x}
    a = x
    reach = _reach(problem)
    passed = problem.forward()
    with torch.no_grad():
        for layer in problem.W:
            z = network.linear(layer)(a)
            nudged = {"z": z} if layer == problem.L else {"z": z, "a": network.activation(layer)(z)}
            for name, at in nudged.items():
                losses = _rest_of(network.after(name, layer), cost, y)
                reached = torch.as_tensor(reach[name, layer], dtype=at.dtype, device=device)
                steps = _steps(at, reached)
                column, bar = _central_columns(losses, at, steps, rounding)
                over = _over_kinks(problem, passed, name, layer, _float64(steps))
                values[name][layer] = column
                bars[name][layer] = bar + over
            a = nudged.get("a", z)
            given[layer] = _float64(a)
    del values["a"][0]
    errors = _assemble(bars["z"], bars["a"], _magnitudes(given))
    for layer in range(2, problem.L + 1):
        errors[f"dW[{layer}]"] += (np.abs(values["z"][layer]) + bars["z"][layer]).T @ bounds[
            f"a[{layer - 1}]"
        ]
    return _assemble(values["z"], values["a"], given), errors


def _complex_columns(
    problem: Problem,
    layer: int,
    at: Float64[np.ndarray, "N n"],
    nudges: dict[str, Complex128[np.ndarray, "N n"]],
) -> dict[str, Float64[np.ndarray, "N n"]]:
    """For each nudge what it does to the loss, unit by unit: as many units at once as the stack may
    hold.

    Args:
        problem: whose network goes on from here.
        layer: which a (or, for the last, which z) is moved.
        at: it, before.
        nudges: it, with all units moved, by what was moved; each stack takes one unit of one of
            them.
    """
    (N, n), columns = at.shape, np.concatenate(list(nudges.values()), axis=1)
    together = max(1, LARGEST_STACK // (N * max(problem.sizes[layer:])))
    found = np.empty(columns.shape)
    for first in range(0, columns.shape[1], together):
        units = np.arange(first, min(first + together, columns.shape[1]))
        moved = np.repeat(at[None].astype(np.complex128), len(units), axis=0)
        moved[np.arange(len(units)), :, units % n] = columns[:, units].T
        losses = _losses_from(problem, layer, moved.reshape(-1, n)).reshape(len(units), N)
        found[:, units] = losses.imag.T / IMAGINARY_STEP / N
    return dict(zip(nudges, np.split(found, len(nudges), axis=1), strict=True))


def _losses_from(
    problem: Problem, layer: int, at: Complex128[np.ndarray, "M n"]
) -> Complex128[np.ndarray, " M"]:
    """The losses of M samples given their a[layer], or z[L]: the rest of the network is itself a
    network."""
    Y = np.tile(problem.Y, (len(at) // len(problem.y), 1))
    if layer < problem.L:
        W = {deeper - layer: problem.W[deeper] for deeper in problem.W if deeper > layer}
        b = {deeper - layer: problem.b[deeper] for deeper in problem.b if deeper > layer}
        hidden = list(problem.activation.values())[layer:]
        at = by_hand.through_layers(at, W, b, hidden)[0][len(W)]
    return by_hand.losses(at, Y, head=problem.head)


def _rest_of(rest: nn.Module, cost: nn.Module, y: Tensor) -> Callable[[Tensor], Tensor]:
    """From stacked copies of all samples' z[layer] or a[layer] to the loss of each row."""
    return lambda moved: cast(Tensor, cost(rest(moved), _repeated(y, len(moved))))


def _repeated(y: Tensor, rows: int) -> Tensor:
    """Labels or targets as often as it takes to fill so many rows."""
    return y.repeat(rows // len(y), *[1] * (y.dim() - 1))


def _reach(problem: Problem) -> dict[tuple[str, int], np.ndarray]:
    """By how much a unit of z[layer] or a[layer] can move any logit, per unit of its own (1 at
    least): an activation is nowhere steeper than its steepest."""
    to_logits = np.eye(problem.sizes[-1])
    reach = {("z", problem.L): np.ones(problem.sizes[-1])}
    for layer in range(problem.L - 1, 0, -1):
        to_logits = to_logits @ np.abs(problem.W[layer + 1])
        reach["a", layer] = np.maximum(to_logits.max(axis=0), 1)
        to_logits = to_logits * problem.activation[layer].steepest
        reach["z", layer] = np.maximum(to_logits.max(axis=0), 1)
    return reach


def _over_kinks(
    problem: Problem, passed: by_hand.Forward, name: str, layer: int, steps: np.ndarray
) -> Float64[np.ndarray, "N n"]:
    """How far off differences may be whose nudges may carry a unit over a kink; 0 elsewhere.

    Args:
        problem: whose network goes on from here.
        passed: its forward pass.
        name, layer: z or a, and of which layer, is nudged.
        steps: by how much, entry by entry; and twice that.
    """
    n = steps.shape[1]
    moved = np.eye(n)
    crossed = np.zeros(steps.shape, dtype=bool)
    for further in range(layer, problem.L + 1):
        if further > layer:
            moved = np.abs(problem.W[further]) @ moved
        if further > layer or name == "z":
            h = _activation_after(problem, further)
            if h.in_pieces:
                # (N, n_further, 1) against (N, n_further, n): may any unit be carried over 0?
                reached = 2 * steps[:, None, :] * moved
                crossed |= (np.abs(passed.z[further])[:, :, None] <= reached).any(axis=1)
            moved = moved * h.steepest
    if not crossed.any():
        return np.zeros(steps.shape)
    N = len(steps)
    return np.where(crossed, 2 * _steepest_loss(problem, passed) @ moved / N, 0)


def _activation_after(problem: Problem, layer: int) -> Activation:
    """What z[layer] goes through."""
    if layer < problem.L:
        return problem.activation[layer]
    if problem.head.is_softmax:
        return IDENTITY
    return named(problem.head.output)


def _steepest_loss(problem: Problem, passed: by_hand.Forward) -> Float64[np.ndarray, "N K"]:
    """The most by which a sample's loss can change per unit of its outputs; of its logits, where
    the cost is no square."""
    summed = np.abs(passed.p) + np.abs(problem.Y)
    if problem.head.is_quadratic:
        return 2 * summed
    return problem.sizes[-1] + summed


def _float64(tensor: Tensor) -> Float64[np.ndarray, "..."]:
    return np.asarray(tensor.cpu().to(torch.float64).numpy())


def _steps(at: Tensor, reach: Tensor) -> Tensor:
    """By how much each entry is nudged."""
    eps = torch.finfo(at.dtype).eps
    return torch.maximum(eps ** (1 / 3) / reach, 8 * eps * at.abs())


def _central_columns(
    losses: Callable[[Tensor], Tensor], at: Tensor, steps: Tensor, rounding: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Column j: the central difference of every sample's loss in unit j, and its error bar, both
    over N."""
    N, n = at.shape
    together = max(1, LARGEST_STACK // at.numel())
    columns = []
    bars = []
    for first in range(0, n, together):
        units = torch.arange(first, min(first + together, n), device=at.device)
        step = steps[:, units]
        near, distance = _difference(losses, at, units, step)
        far, _ = _difference(losses, at, units, 2 * step)
        columns.append(near / N)
        bars.append(((near - far).abs() + 2 * rounding[:, None] / distance) / N)
    return _float64(torch.cat(columns, dim=1)), _float64(torch.cat(bars, dim=1))


def _difference(
    losses: Callable[[Tensor], Tensor], at: Tensor, units: Tensor, step: Tensor
) -> tuple[Tensor, Tensor]:
    """(f(at + step) - f(at - step)) over the distance that was really moved, a column a unit; and
    that distance."""
    M, (N, n) = len(units), at.shape
    up = at.repeat(M, 1, 1)
    down = at.repeat(M, 1, 1)
    up[torch.arange(M), :, units] += step.T
    down[torch.arange(M), :, units] -= step.T
    distance = (up - down)[torch.arange(M), :, units].T
    above, below = (losses(moved.reshape(M * N, n)).reshape(M, N).T for moved in (up, down))
    return (above - below) / distance, distance


def _assemble(
    dz: dict[int, np.ndarray], da: dict[int, np.ndarray], a: dict[int, np.ndarray]
) -> Quantities:
    """dW and db from dz by (B2) and (B3), and all of it by name."""
    dW = {layer: dz[layer].T @ a[layer - 1] for layer in dz}
    db = {layer: dz[layer].sum(axis=0) for layer in dz}
    return by_name("dz", dz) | by_name("da", da) | by_name("dW", dW) | by_name("db", db)


def _magnitudes(a: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    return {layer: np.abs(array) for layer, array in a.items()}

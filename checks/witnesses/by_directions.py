"""Slopes of a problem's loss along random directions through all parameters at once: nothing about
layers is assumed.

The other differences read per-sample losses and use (F1) to reach every parameter cheaply; if that
were wrong, they would be, too. Here a network is a black box, parameters in, one loss out, and it
is asked in two ways. The torch network is moved to and fro: its slope comes with an error bar of
rounding and truncation (checks/black_box/slopes.py, which does the same to losses of which even
less is known). The NumPy network is moved along the imaginary axis, where there is neither: Im
f(theta + ihu) / h is the slope to rounding.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from backproof.checks import by_hand
from backproof.checks.activations import named
from backproof.checks.black_box import noise, slopes
from backproof.checks.black_box.difference_quotients import NOISE_BAR, Slope
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities
from backproof.checks.witnesses.in_torch import batch_of, network_of
from backproof.model.costs import cost_of

DIRECTIONS = 2
EPS = float(np.finfo(np.float64).eps)
IMAGINARY_STEP = 1e-30
LEAST_NOISE = 1e-150  # so that a loss that is 0 everywhere divides nothing by 0
# the smallest step: 2**28 times what rounds away beside 1, and less than networks of large weights
# bend over
SMALLEST = 2.0**-24
# up to 1, each slopes.RATIO times the one before: evaluations of so small a network cost little
RUNGS = 13
FEWEST_RUNGS = 4  # to see whether differences agree
UNKNOWN = 1e300  # the error bar of a slope that nobody can measure


def directions(problem: Problem) -> list[Quantities]:
    """Random weights for every parameter, by the name of its gradient: magnitudes of 0.5 to 1.5,
    either sign."""
    random = np.random.default_rng([problem.L, *problem.sizes, len(problem.y)])
    shapes = {f"dW[{layer}]": W.shape for layer, W in problem.W.items()}
    shapes |= {f"db[{layer}]": b.shape for layer, b in problem.b.items()}
    return [
        {
            name: random.uniform(0.5, 1.5, size=shape) * random.choice([-1.0, 1.0], size=shape)
            for name, shape in shapes.items()
        }
        for _ in range(DIRECTIONS)
    ]


def random_directions(
    problem: Problem, *, device: str = "cpu", bounds: Quantities | None = None
) -> tuple[Quantities, Quantities]:
    """The slopes of the loss along `directions`, and their error bars, both under the name
    "slopes".

    First those of the torch network by differences, then those of the NumPy network by the complex
    step. Both run in float64 whatever precision is judged: the problem's numbers are representable
    in both, and a difference of float32 losses sees little.

    Args:
        problem: what to differentiate.
        device: where the torch network runs.
        bounds: the rounding bounds of the problem in float64, if they are known already.
    """
    bounds = bounds or problem.bounds()
    # mean: errors of equal samples are equal, and add up
    along = directions(problem)
    rounding = float(bounds["losses"].mean())
    found = [_differences(problem, u, rounding, device) for u in along]
    exact, rounded = (
        np.array(of)
        for of in zip(*((_complex(problem, u), _sum(bounds, u)) for u in along), strict=True)
    )
    bars = np.array([slope.bar for slope in found])
    return (
        {"slopes": np.concatenate([[slope.value for slope in found], exact])},
        {"slopes": np.concatenate([bars, rounded])},
    )


def project(
    problem: Problem, values: Quantities, errors: Quantities
) -> tuple[Quantities, Quantities]:
    """What gradients say about the same slopes, and how far that may be off; nothing where a
    gradient is missing."""
    along = directions(problem)
    if any(
        name not in of or of[name].shape != u.shape
        for name, u in along[0].items()
        for of in (values, errors)
    ):
        return values, errors
    sums = np.array([sum(float((values[name] * u[name]).sum()) for name in u) for u in along])
    bars = np.array([_sum(errors, u) for u in along])
    return values | {"slopes": np.tile(sums, 2)}, errors | {"slopes": np.tile(bars, 2)}


def _differences(problem: Problem, u: Quantities, rounding: float, device: str) -> Slope:
    """The slope of the torch network's loss along u.

    The noise of a value is what rounding may do to it at the start, or to a value of its size, if
    that is more. The steps are measured by the weights' size, but by 1 at most: what a unit adds up
    bends its activation over about 1.
    """
    network = network_of(problem, device=device)
    x, y = batch_of(problem, device=device)
    cost = cost_of(problem.output, problem.cost)
    parameters = {f"dW[{layer}]": W for layer, W in network.W.items()}
    parameters |= {f"db[{layer}]": b for layer, b in network.b.items()}
    moved = [
        (p, p.detach().clone(), torch.as_tensor(u[name], device=device))
        for name, p in parameters.items()
    ]

    @torch.no_grad()
    def loss(t: float) -> float:
        for parameter, at_0, way in moved:
            torch.add(at_0, way, alpha=t, out=parameter)
        return float(cost(network(x), y))

    def probe(t: float, at_0: float) -> tuple[float, float, float]:
        above = loss(t)
        below = loss(-t)
        rounded = noise.of_rounding(np.array([above, below]), EPS)
        return above - at_0, below - at_0, max(rounding / NOISE_BAR, rounded, LEAST_NOISE)

    steps = _steps(min(_size(problem), 1.0), _until_kink(problem, u))
    if not steps:
        return replace(slopes.NOTHING, value=0.0, noise=UNKNOWN, truncation=0.0)
    return slopes.slope(partial(probe, at_0=loss(0.0)), steps)


def _steps(size: float, until_kink: float) -> list[float]:
    """The rungs to climb: all of them, or, where a kink lies on the way, those that keep away from
    it; none where there is no room."""
    rungs = [size * SMALLEST * slopes.RATIO**k for k in range(RUNGS)]
    top = until_kink / 2
    below = [step for step in rungs if step <= top]
    if below == rungs or len(below) >= FEWEST_RUNGS:
        return below
    if top < size * EPS:
        return []
    return [top / slopes.RATIO**k for k in reversed(range(FEWEST_RUNGS))]


def _until_kink(problem: Problem, u: Quantities) -> float:
    """How far the network may be moved along u, either way, until a unit whose activation is in
    pieces comes to 0: its z over how fast z moves, in which nothing but h is differentiated."""
    passed = _moved(problem, u)
    activations = dict(problem.activation)
    if not problem.head.is_softmax:
        activations[problem.L] = named(problem.output)
    nearest = np.inf
    for layer, activation in activations.items():
        if activation.in_pieces:
            z = passed.z[layer]
            speed = np.abs(z.imag) / IMAGINARY_STEP
            distance = np.abs(z.real) / np.maximum(speed, LEAST_NOISE)
            nearest = min(nearest, float(distance.min()))
    return nearest


def _moved(problem: Problem, u: Quantities) -> by_hand.Forward:
    """The forward pass of the NumPy network, moved along u by the imaginary step."""
    h = 1j * IMAGINARY_STEP
    W = {layer: value + h * u[f"dW[{layer}]"] for layer, value in problem.W.items()}
    b = {layer: value + h * u[f"db[{layer}]"] for layer, value in problem.b.items()}
    return by_hand.forward(problem.x, W, b, head=problem.head, hidden=problem.hidden)


def _complex(problem: Problem, u: Quantities) -> float:
    """The slope of the NumPy network's loss along u: no step to choose, and nothing is
    subtracted."""
    passed = _moved(problem, u)
    losses = by_hand.losses(passed.z[problem.L], problem.Y, head=problem.head)
    return float(losses.imag.mean() / IMAGINARY_STEP)


def _sum(errors: Quantities, u: Quantities) -> float:
    """How far a slope may be off if each gradient may be off so much."""
    return sum(float((errors[name] * np.abs(u[name])).sum()) for name in u)


def _size(problem: Problem) -> float:
    """Root mean square of the weights; 1 where they are about 0."""
    size = float(np.sqrt(np.mean(np.concatenate([W.ravel() for W in problem.W.values()]) ** 2)))
    if size > 1e-6:
        return size
    return 1.0

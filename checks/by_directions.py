"""Slopes of a problem's loss along random directions through all parameters at once: nothing about layers is assumed.

The other differences read per-sample losses and use (F1) to reach every parameter cheaply; if that were wrong, they would be, too.
Here the torch network is a black box: parameters in, one loss out. Its noise is measured, the step found, the error bar reported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from checks.black_box import noise, slopes
from checks.problem import Problem
from checks.quantities import Quantities
from model.costs import cost_of
from model.network import MLP

DIRECTIONS = 2
SPACING = 0.4  # exponent of eps: see checks/black_box/box.py, where the same is done to losses of which even less is known
EPS, LEAST_NOISE = float(np.finfo(np.float64).eps), 1e-150


def directions(problem: Problem) -> list[Quantities]:
    """Random weights for every parameter, by the name of its gradient: magnitudes of 0.5 to 1.5, either sign."""
    random = np.random.default_rng([problem.L, *problem.sizes, len(problem.y)])
    shapes = {f"d{name}[{layer}]": value.shape for name in "Wb" for layer, value in getattr(problem, name).items()}
    return [
        {name: random.uniform(0.5, 1.5, size=shape) * random.choice([-1.0, 1.0], size=shape) for name, shape in shapes.items()}
        for _ in range(DIRECTIONS)
    ]


def random_directions(problem: Problem, *, device: str = "cpu") -> tuple[Quantities, Quantities]:
    """The slopes of the torch network's loss along `directions`, and their error bars, both under the name "slopes".

    The network runs in float64 whatever precision is judged: the problem's numbers are representable in both, and a difference of
    float32 losses would see little.

    Args:
        problem: what to differentiate.
        device: where the loss is computed.
    """
    network = MLP.from_arrays(problem.W, problem.b, device=device)
    x, y = (torch.as_tensor(array, device=device) for array in (problem.x, problem.y))
    cost = cost_of(problem.output, problem.cost)

    @torch.no_grad()
    def loss(t: float, u: Quantities) -> float:
        for name, parameters, values in (("W", network.W, problem.W), ("b", network.b, problem.b)):
            for layer, parameter in parameters.items():
                parameter.copy_(torch.as_tensor(values[layer] + t * u[f"d{name}[{layer}]"]))
        return float(cost(network(x), y))

    found = [_slope(partial(loss, u=u), _size(problem)) for u in directions(problem)]
    return {"slopes": np.array([slope.value for slope in found])}, {"slopes": np.array([slope.bar for slope in found])}


def _slope(loss: Callable[[float], float], size: float) -> slopes.Slope:
    """The slope of a loss at 0, its noise measured first."""
    at_0 = loss(0.0)
    level = max(noise.along(loss, EPS**SPACING * size, at_0).level, noise.of_rounding(at_0, EPS), LEAST_NOISE)
    return slopes.slope(lambda t: (loss(t) - at_0, loss(-t) - at_0), size / 8, lambda: level)


def _size(problem: Problem) -> float:
    """Root mean square of the weights; 1 where they are about 0."""
    size = float(np.sqrt(np.mean(np.concatenate([W.ravel() for W in problem.W.values()]) ** 2)))
    return size if size > 1e-6 else 1.0


def project(problem: Problem, values: Quantities, errors: Quantities) -> tuple[Quantities, Quantities]:
    """What gradients say about the same slopes, and how far that may be off; nothing where a gradient is missing."""
    along = directions(problem)
    if any(name not in of or of[name].shape != u.shape for name, u in along[0].items() for of in (values, errors)):
        return values, errors
    sums = np.array([sum(float((values[name] * u[name]).sum()) for name in u) for u in along])
    bars = np.array([sum(float((errors[name] * np.abs(u[name])).sum()) for name in u) for u in along])
    return values | {"slopes": sums}, errors | {"slopes": bars}

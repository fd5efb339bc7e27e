"""Arrays in the form of a candidate's conventions: what it is given, and what it hands back.

Nothing is rescaled here: whether it sums or averages, and which factor its cost carries, is for the
one who judges the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.problem import Problem


def arguments(problem: Problem, conventions: Conventions) -> dict[str, np.ndarray]:
    """What the candidate is given: copies, contiguous, by name: "W1", "b1", ..., "x", "y"."""
    columns = conventions.examples == "columns"
    W = {layer: W if conventions.layout == "out,in" else W.T for layer, W in problem.W.items()}
    b = problem.b if conventions.bias else {}
    y = problem.y if conventions.labels == "integers" else problem.Y
    given = {f"W{layer}": array for layer, array in W.items()} | {
        f"b{layer}": array for layer, array in b.items()
    }
    given |= {"x": problem.x.T if columns else problem.x, "y": y.T if columns else y}
    return {name: array.copy(order="C") for name, array in given.items()}


def weights_back(
    arrays: Sequence[np.ndarray | None], conventions: Conventions
) -> dict[int, np.ndarray]:
    """Weights or their gradients, layer 1 first -> by layer, (n_l, n_{l-1}) if the shape was right;
    a None leaves its layer out."""
    turn = conventions.layout == "in,out"
    return {
        layer: array.T if turn else array
        for layer, array in enumerate(arrays, start=1)
        if array is not None
    }


def biases_back(
    arrays: Sequence[np.ndarray | None], problem: Problem, conventions: Conventions
) -> dict[int, np.ndarray]:
    """Biases or their gradients, layer 1 first -> by layer; a column or a row of n_l becomes
    (n_l,).

    Other shapes stay, but for a db that keeps its samples: where those are columns it becomes (N,
    n_l), one row a sample.
    """
    found = {layer: array for layer, array in enumerate(arrays, start=1) if array is not None}
    lines = {layer: ((len(b), 1), (1, len(b))) for layer, b in problem.b.items()}
    found = {
        layer: array.reshape(-1) if array.shape in lines.get(layer, ()) else array
        for layer, array in found.items()
    }
    kept = {
        layer: (len(b), len(problem.y))
        for layer, b in problem.b.items()
        if conventions.examples == "columns"
    }
    return {
        layer: array.T if array.shape == kept.get(layer) else array
        for layer, array in found.items()
    }


def samples_back(array: np.ndarray, n: int, conventions: Conventions) -> np.ndarray:
    """Activations or their gradients -> (N, n), one row a sample; one example may come without its
    batch axis."""
    if array.shape == (n,):
        return array.reshape(1, n)
    if conventions.examples == "columns":
        return array.T
    return array

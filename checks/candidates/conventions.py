"""A candidate's conventions: read from its constants, and translated to and from the project's own,
in this one place.

The project's are those of EQUATIONS.md: rows are samples, W[l] is (n_l, n_{l-1}), labels are
integers. What a candidate gets, and what comes back from it, is in its own. Nothing is rescaled
here: whether it sums or averages, and which factor its cost carries, is for the one who judges the
numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from backproof.checks.problem import Problem, targets

CHOICES: dict[str, tuple[str, ...]] = {  # the first is the default
    "LAYOUT": ("out,in", "in,out"),
    "EXAMPLES": ("rows", "columns"),
    "LABELS": ("integers", "one-hot"),
    "OUTPUT": ("softmax", "sigmoid"),
    "COST": ("cross-entropy", "quadratic", "half-quadratic", "binary-cross-entropy"),
    "REDUCTION": ("mean", "sum", "mean-over-all"),
}
# beyond, a check takes minutes; gradients of a smaller network are as wrong
MOST_WEIGHTS = 2_000_000
LARGEST_BATCH = 1_000
CONSTANTS = (*CHOICES, "BIAS", "SIZES", "BATCH", "LEARNING_RATE")


class NotAConvention(ValueError):
    """A constant holds something that is no convention; the text says which, what was expected, and
    what came."""


@dataclass(frozen=True)
class Conventions:
    """How a candidate wants to be asked, and what it means by its answers.

    Attributes:
        layout: W[l] is (n_l, n_{l-1}) for "out,in", (n_{l-1}, n_l) for "in,out".
        examples: x is (N, n_0) for "rows", (n_0, N) for "columns"; one-hot labels and activations
            go with it.
        labels: y is (N,) int64 for "integers"; (N, K) or (K, N) float64 for "one-hot".
        output, cost: the head; "half-quadratic" is half the sum of (p - Y)**2,
            "binary-cross-entropy" goes with a sigmoid output.
        reduction: its loss is the "mean" or the "sum" over the samples of a call; "mean-over-all"
            is the mean over outputs, too.
        bias: whether the network has biases; without, b is an empty list and db is not read.
        sizes: the only sizes that its code can handle, or None for any.
        batch: the only number of samples that a call may have, or None for any.
        learning_rate: the only learning rate that its step can handle, because it is built in, or
            None for any.
        protocol: which function it defines, "gradients" or "step"; gradients where it defines both.
        builds: whether its step is a method of the object that its make(W, b) returns.
        has_forward, has_intermediates: whether it defines these functions, too.
        declared: the constants that the module itself sets.
    """

    layout: str = "out,in"
    examples: str = "rows"
    labels: str = "integers"
    output: str = "softmax"
    cost: str = "cross-entropy"
    reduction: str = "mean"
    bias: bool = True
    sizes: tuple[int, ...] | None = None
    batch: int | None = None
    learning_rate: float | None = None
    protocol: str = "gradients"
    builds: bool = False
    has_forward: bool = False
    has_intermediates: bool = False
    declared: frozenset[str] = frozenset()

    @property
    def averages(self) -> bool:
        """Whether the loss of several calls is the mean of theirs."""
        return self.reduction != "sum"

    @property
    def is_quadratic(self) -> bool:
        """Whether its loss is a sum of squares, halved or not."""
        return self.cost in ("quadratic", "half-quadratic")

    @property
    def head(self) -> tuple[str, str]:
        """Output and cost by their names in checks.by_hand.HEADS."""
        return self.output, {
            "half-quadratic": "quadratic",
            "binary-cross-entropy": "cross-entropy",
        }.get(self.cost, self.cost)


def read(constants: Mapping[str, Any], functions: Sequence[str]) -> Conventions:
    """From a module's constants, as far as it sets any, and the names of the functions that it
    defines.

    Raises: NotAConvention for a value that is none, and for a pair of output and cost that has no
    equation.
    """
    found: dict[str, Any] = {}
    for name, choices in CHOICES.items():
        if name in constants:
            if isinstance(constants[name], str):
                value = constants[name].replace(" ", "")
            else:
                value = constants[name]
            _expect(
                value in choices, name, " or ".join(f'"{choice}"' for choice in choices), constants
            )
            found[name.lower()] = value
    if "BIAS" in constants:
        _expect(isinstance(constants["BIAS"], bool), "BIAS", "True or False", constants)
        found["bias"] = constants["BIAS"]
    if constants.get("SIZES") is not None:
        sizes = constants["SIZES"]
        fits = isinstance(sizes, list) and len(sizes) > 1 and all(_whole(size) for size in sizes)
        _expect(fits, "SIZES", "the input size and every layer's, such as [4, 7, 3]", constants)
        single = (
            'the last of 2 classes or more; a single output goes with OUTPUT = "sigmoid" and '
            "labels 0 and 1"
        )
        _expect(sizes[-1] > 1 or found.get("output") == "sigmoid", "SIZES", single, constants)
        _expect(
            sum(m * n for m, n in pairwise(sizes)) <= MOST_WEIGHTS,
            "SIZES",
            f"at most {MOST_WEIGHTS:,} weights",
            constants,
        )
        found["sizes"] = tuple(sizes)
    if constants.get("BATCH") is not None:
        fits = _whole(constants["BATCH"]) and constants["BATCH"] <= LARGEST_BATCH
        _expect(
            fits, "BATCH", f"a number of examples such as 1, at most {LARGEST_BATCH:,}", constants
        )
        found["batch"] = constants["BATCH"]
    if (rate := constants.get("LEARNING_RATE")) is not None:
        _expect(
            isinstance(rate, int | float) and 0 < rate < np.inf,
            "LEARNING_RATE",
            "a number above 0 such as 0.1",
            constants,
        )
        found["learning_rate"] = float(rate)
    if (found.get("output", "softmax"), found.get("cost")) == ("softmax", "binary-cross-entropy"):
        raise NotAConvention(
            'COST = "binary-cross-entropy": expected OUTPUT = "sigmoid" beside it, got "softmax"'
        )
    return Conventions(
        **found,
        protocol="gradients" if "gradients" in functions else "step",
        builds="make" in functions and not {"gradients", "step"} & set(functions),
        has_forward="forward" in functions,
        has_intermediates="intermediates" in functions,
        declared=frozenset(constants),
    )


def changed_lines(before: Conventions, after: Conventions) -> list[str]:
    """The constants to write, such as `LAYOUT = "in,out"`, that make `after` out of `before`."""
    names = [field.name for field in fields(Conventions) if field.name.upper() in CONSTANTS]
    differing = [name for name in names if getattr(before, name) != getattr(after, name)]
    return [f"{name.upper()} = {_literal(getattr(after, name))}" for name in differing]


def arguments(problem: Problem, conventions: Conventions) -> dict[str, np.ndarray]:
    """What the candidate is given: copies, contiguous, by name: "W1", "b1", ..., "x", "y"."""
    columns = conventions.examples == "columns"
    K = problem.sizes[-1]
    W = {layer: W if conventions.layout == "out,in" else W.T for layer, W in problem.W.items()}
    b = problem.b if conventions.bias else {}
    y = problem.y if conventions.labels == "integers" else targets(problem.y, K)
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


def _expect(fits: bool, name: str, expected: str, constants: Mapping[str, Any]) -> None:
    if not fits:
        raise NotAConvention(f"{name} = {_literal(constants[name])}: expected {expected}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _literal(value: Any) -> str:
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, tuple):
        text = repr(list(value))
    else:
        text = repr(value)
    if len(text) <= 60:
        return text
    return text[:57] + "..."

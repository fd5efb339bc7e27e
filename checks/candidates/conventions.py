"""A candidate's conventions: read from its constants, and translated to and from the project's own,
in this one place.

The project's are those of EQUATIONS.md: rows are samples, W[l] is (n_l, n_{l-1}), labels are
integers. What a candidate gets, and what comes back from it, is in its own. Nothing is rescaled
here: whether it sums or averages, and which factor its cost carries, is for the one who judges the
numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from backproof.checks.activations import NAMES, Activation, named
from backproof.checks.heads import COSTS, OUTPUTS, Head, costs_of, usual_cost
from backproof.checks.problem import PLAIN, Problem

CHOICES: dict[str, tuple[str, ...]] = {  # the first is the default
    "LAYOUT": ("out,in", "in,out"),
    "EXAMPLES": ("rows", "columns"),
    "LABELS": ("integers", "one-hot", "values"),
    "OUTPUT": OUTPUTS,
    "COST": COSTS,
    "REDUCTION": ("mean", "sum", "mean-over-all"),
}
# beyond, a check takes minutes; gradients of a smaller network are as wrong
MOST_WEIGHTS = 2_000_000
LARGEST_BATCH = 1_000
# with the samples of the largest question, or of a batch, an array of them has 0.1 to 0.8 GB
WIDEST = 100_000
CONSTANTS = (
    *CHOICES,
    "TARGETS",
    "HIDDEN",
    "SLOPE",
    "WEIGHT_DECAY",
    "BIAS",
    "SIZES",
    "BATCH",
    "LEARNING_RATE",
)
# what people write, and mean one of these by it
MISTAKEN = {
    "ACTIVATION": "HIDDEN",
    "ACTIVATIONS": "HIDDEN",
    "HIDDEN_ACTIVATION": "HIDDEN",
    "OUTPUT_ACTIVATION": "OUTPUT",
    "LOSS": "COST",
    "LOSS_FUNCTION": "COST",
    "COST_FUNCTION": "COST",
    "ALPHA": "SLOPE",
    "LEAKY_SLOPE": "SLOPE",
    "BATCH_SIZE": "BATCH",
    "LR": "LEARNING_RATE",
    "LAMBDA": "WEIGHT_DECAY",
    "L2": "WEIGHT_DECAY",
    "REG": "WEIGHT_DECAY",
    "USE_BIAS": "BIAS",
    "LAYER_SIZES": "SIZES",
    "LAYERS": "SIZES",
}


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
        labels: y is (N,) int64 for "integers"; (N, K) or (K, N) float64 for "one-hot", and for
            "values", which are real-valued targets.
        targets: what a class that is not the label should give, and what the label should.
        hidden: the activation of all hidden layers, or one each.
        slope: of the leaky ReLU below 0.
        weight_decay: the multiple of W that its gradients or steps add to dW.
        output, cost: the head; "half-quadratic" is half the sum of (p - Y)**2,
            "binary-cross-entropy" goes with a sigmoid or softmax output.
        reduction: its loss is the "mean" or the "sum" over the samples of a call; "mean-over-all"
            is the mean over outputs, too.
        bias: whether the network has biases; without, b is an empty list and db is not read.
        sizes: the only sizes that its code can handle, or None for any.
        batch: the only number of samples that a call may have, or None for any.
        learning_rate: the only learning rate that its step can handle, because it is built in, or
            None for any.
        protocol: which function it defines, "gradients" or "step"; gradients where it defines both.
        builds: whether its step is a method of the object that its make(W, b) returns.
        has_forward, has_intermediates, has_loss: whether it defines these functions, too.
        declared: the constants that the module itself sets.
    """

    layout: str = "out,in"
    examples: str = "rows"
    labels: str = "integers"
    targets: tuple[float, float] = PLAIN
    hidden: str | tuple[str, ...] = "sigmoid"
    slope: float = 0.01
    weight_decay: float = 0.0
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
    has_loss: bool = False
    declared: frozenset[str] = frozenset()

    @property
    def averages(self) -> bool:
        """Whether the loss of several calls is the mean of theirs."""
        return self.reduction != "sum"

    @property
    def activations(self) -> Activation | tuple[Activation, ...]:
        """That of all hidden layers, or one each."""
        if isinstance(self.hidden, str):
            return named(self.hidden, self.slope)
        return tuple(named(name, self.slope) for name in self.hidden)

    @property
    def is_quadratic(self) -> bool:
        """Whether its loss is a sum of squares, halved or not."""
        return self.cost in ("quadratic", "half-quadratic")

    @property
    def head(self) -> Head:
        """Output and cost of the equations; the half of a cost is a factor on its gradients, and no
        other head."""
        if self.is_quadratic:
            return Head(self.output, "quadratic")
        return Head(self.output, self.cost)


def read(constants: Mapping[str, Any], functions: Sequence[str]) -> Conventions:
    """From a module's constants, as far as it sets any, and the names of the functions that it
    defines.

    Raises: NotAConvention for a value that is none, and for constants that contradict each other.
    """
    found: dict[str, Any] = {}
    for name in CHOICES:
        if name in constants:
            found[name.lower()] = _choice(name, constants)
    for name, read_one in READERS.items():
        if constants.get(name) is not None:
            found[name.lower()] = read_one(name, constants)
    conventions = Conventions(
        **found,
        protocol="gradients" if "gradients" in functions else "step",
        builds="make" in functions and not {"gradients", "step"} & set(functions),
        has_forward="forward" in functions,
        has_intermediates="intermediates" in functions,
        has_loss="loss" in functions,
        declared=frozenset(constants) & frozenset(CONSTANTS),
    )
    return _consistent(conventions)


def _choice(name: str, constants: Mapping[str, Any]) -> str:
    """One of a few words."""
    value = constants[name]
    if isinstance(value, str):
        value = value.replace(" ", "")
    if value not in CHOICES[name]:
        raise _no_choice(name, constants[name], CHOICES[name])
    return str(value)


def _no_choice(name: str, value: Any, choices: Sequence[str]) -> NotAConvention:
    """That a word is none of some, and which one it looks like."""
    text = f"{name} = {_literal(value)}: expected {' or '.join(_literal(one) for one in choices)}"
    like = difflib.get_close_matches(str(value).lower(), choices, n=1)
    if like:
        text += f". Did you mean {_literal(like[0])}?"
    return NotAConvention(text)


def _hidden(name: str, constants: Mapping[str, Any]) -> str | tuple[str, ...]:
    """An activation, or one for each hidden layer."""
    value = constants[name]
    names = value if isinstance(value, list | tuple) else [value]
    for one in names:
        if one not in NAMES:
            raise _no_choice(name, one, NAMES)
    if isinstance(value, str):
        return value
    return tuple(names)


def _slope(name: str, constants: Mapping[str, Any]) -> float:
    slope = constants[name]
    _expect(_is_number(slope), name, "a number such as 0.01", constants)
    return float(slope)


def _weight_decay(name: str, constants: Mapping[str, Any]) -> float:
    decay = constants[name]
    _expect(_is_number(decay) and decay >= 0, name, "a number of at least 0", constants)
    return float(decay)


def _targets(name: str, constants: Mapping[str, Any]) -> tuple[float, float]:
    pair = constants[name]
    expected = "what the other classes get and what the label gets, such as (0.1, 0.9)"
    fits = isinstance(pair, list | tuple) and len(pair) == 2 and all(map(_is_number, pair))
    _expect(fits and pair[0] < pair[1], name, expected, constants)
    return float(pair[0]), float(pair[1])


def _bias(name: str, constants: Mapping[str, Any]) -> bool:
    _expect(isinstance(constants[name], bool), name, "True or False", constants)
    return bool(constants[name])


def _sizes(name: str, constants: Mapping[str, Any]) -> tuple[int, ...]:
    sizes = constants[name]
    fits = isinstance(sizes, list | tuple) and len(sizes) > 1 and all(map(_whole, sizes))
    _expect(fits, name, "the input size and every layer's, such as [4, 7, 3]", constants)
    weights = sum(m * n for m, n in pairwise(sizes))
    _expect(weights <= MOST_WEIGHTS, name, f"at most {MOST_WEIGHTS:,} weights", constants)
    _expect(max(sizes) <= WIDEST, name, f"at most {WIDEST:,} units in a layer", constants)
    return tuple(sizes)


def _batch(name: str, constants: Mapping[str, Any]) -> int:
    batch = constants[name]
    fits = _whole(batch) and batch <= LARGEST_BATCH
    expected = f"a number of examples such as 1, at most {LARGEST_BATCH:,}"
    _expect(fits, name, expected, constants)
    return int(batch)


def _learning_rate(name: str, constants: Mapping[str, Any]) -> float:
    rate = constants[name]
    fits = _is_number(rate) and 0 < rate < np.inf
    _expect(fits, name, "a number above 0 such as 0.1", constants)
    return float(rate)


READERS = {
    "TARGETS": _targets,
    "HIDDEN": _hidden,
    "SLOPE": _slope,
    "WEIGHT_DECAY": _weight_decay,
    "BIAS": _bias,
    "SIZES": _sizes,
    "BATCH": _batch,
    "LEARNING_RATE": _learning_rate,
}


def _consistent(found: Conventions) -> Conventions:
    """The conventions, if no constant contradicts another; a cost that is not declared is the usual
    one of the output.

    Raises: NotAConvention, which names both.
    """
    if found.cost == "binary-cross-entropy" and "OUTPUT" not in found.declared:
        found = replace(found, output="sigmoid")
    if found.labels == "values" and "COST" not in found.declared:
        # real-valued targets are met by squares, and reached by a linear output
        output = found.output if "OUTPUT" in found.declared else "linear"
        found = replace(found, output=output, cost="quadratic")
    goes_with_output = "COST" in found.declared or found.cost in costs_of(found.output)
    if not goes_with_output:
        found = replace(found, cost=usual_cost(found.output))
    try:
        head = found.head
    except ValueError as error:
        costs = " or ".join(_literal(cost) for cost in costs_of(found.output))
        raise NotAConvention(
            f"COST = {_literal(found.cost)}: expected {costs} beside OUTPUT = "
            f"{_literal(found.output)}"
        ) from error
    if found.sizes and found.sizes[-1] == 1 and head.is_softmax:
        raise NotAConvention(
            f"SIZES = {list(found.sizes)}: expected the last of 2 classes or more; a single output "
            'goes with OUTPUT = "sigmoid" and labels 0 and 1'
        )
    if not isinstance(found.hidden, str) and found.sizes:
        layers = len(found.sizes) - 2
        if len(found.hidden) != layers:
            raise NotAConvention(
                f"HIDDEN = {list(found.hidden)}: expected one activation, or one for each of the "
                f"{layers} hidden layers of SIZES = {list(found.sizes)}"
            )
    if found.labels == "values" and not head.is_quadratic:
        raise NotAConvention(
            'LABELS = "values": expected COST = "quadratic" or "half-quadratic" beside it, got '
            f"{_literal(found.cost)}"
        )
    if "SLOPE" in found.declared and "leaky-relu" not in (found.hidden, *found.hidden):
        raise NotAConvention(
            f'SLOPE = {found.slope:g}: expected HIDDEN = "leaky-relu" beside it, got '
            f"{_literal(found.hidden)}"
        )
    _reachable(found)
    return found


def _reachable(found: Conventions) -> None:
    """Raise where the output can never reach a target.

    Raises: NotAConvention with the range of the output.
    """
    if found.targets == PLAIN or found.output == "softmax":
        lowest, highest = 0.0, 1.0
    else:
        lowest = named(found.output).lowest
        highest = named(found.output).highest
    low, high = found.targets
    if "TARGETS" in found.declared and (low < lowest or high > highest):
        raise NotAConvention(
            f"TARGETS = {found.targets}: expected numbers that OUTPUT = {_literal(found.output)} "
            f"can reach, from {lowest:g} to {highest:g}"
        )


def unread(constants: Collection[str]) -> list[str]:
    """A sentence for each constant that nobody reads, though it looks like one that is read."""
    found = []
    for name in constants:
        meant = MISTAKEN.get(name)
        if meant is None and name not in CONSTANTS:
            like = difflib.get_close_matches(name, CONSTANTS, n=1, cutoff=0.8)
            meant = like[0] if like else None
        if meant is not None and meant not in constants:
            found.append(f"nobody reads {name}; did you mean {meant}?")
    return found


def changed_lines(before: Conventions, after: Conventions) -> list[str]:
    """The constants to write, such as `LAYOUT = "in,out"`, that make `after` out of `before`."""
    names = [field.name for field in fields(Conventions) if field.name.upper() in CONSTANTS]
    differing = [name for name in names if getattr(before, name) != getattr(after, name)]
    return [f"{name.upper()} = {_literal(getattr(after, name))}" for name in differing]


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


def _expect(fits: bool, name: str, expected: str, constants: Mapping[str, Any]) -> None:
    if not fits:
        raise NotAConvention(f"{name} = {_literal(constants[name])}: expected {expected}")


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(np.isfinite(value))


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

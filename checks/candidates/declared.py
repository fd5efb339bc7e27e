"""A candidate's conventions as its constants declare them, and what is said of constants."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from backproof.checks.activations import NAMES, named
from backproof.checks.candidates.conventions import CHOICES, CONSTANTS, Conventions, NotAConvention
from backproof.checks.heads import costs_of, usual_cost
from backproof.checks.problem import PLAIN

# beyond, a check takes minutes; gradients of a smaller network are as wrong
MOST_WEIGHTS = 2_000_000
LARGEST_BATCH = 1_000
# with the samples of the largest question, or of a batch, an array of them has 0.1 to 0.8 GB
WIDEST = 100_000
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


def read_constants(constants: Mapping[str, Any], functions: Sequence[str]) -> Conventions:
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


def unread_constants(constants: Collection[str]) -> list[str]:
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

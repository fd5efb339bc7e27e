"""Who says what about a problem, and every witness against every other.

A testimony is a witness's numbers together with how far each of them may be off: by rounding in the witness's own precision, and
for differences by the error bar that they came with. Two testimonies agree when they differ by no more than both may be off.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from checks import bound, by_autograd, by_differences, by_directions, by_hand
from checks.problem import Problem
from checks.quantities import Quantities, collect, equation, names
from checks.verdict import Verdict, judge, missing

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

    Layers = dict[int, Float64[np.ndarray, "..."]]


@dataclass(frozen=True)
class Testimony:
    """What one witness says: values, how far off each may be, or why it could not speak."""

    witness: str
    values: Quantities = field(default_factory=dict)
    errors: Quantities = field(default_factory=dict)
    failure: tuple[str, str, str] | None = None  # quantity, equation, reason

    def covers(self, quantity: str) -> bool:
        """Whether this witness is asked for a quantity: differences know nothing but gradients, random directions only slopes."""
        if self.witness == "random_directions" or quantity == "slopes":
            return quantity == "slopes" and self.witness not in ("complex_step", "central_differences")
        return self.witness in FULL_WITNESSES or quantity[:2] in ("dz", "da", "dW", "db")


FULL_WITNESSES = ("by_hand", "by_hand_float32", "by_autograd")


def verify(problem: Problem, *, device: str = "cpu", dtype: str = "float64", differences: bool = True) -> list[Verdict]:
    """Let every witness testify on a problem, and compare every pair on every quantity that both cover.

    Args:
        problem: what to differentiate; it should be rounded to `dtype` already.
        device: where autograd and the torch forward run.
        dtype: their precision. The NumPy witnesses run in float64; for float32 the hand-written pass runs in it, too.
        differences: False leaves central differences out, which cost most and see least.
    Returns: a verdict for every pair and quantity, in the order of computation.
    """
    with np.errstate(all="ignore"):
        testimonies = list(_testimonies(problem, device, dtype, differences))
        return list(_compare(problem, testimonies))


def _testimonies(problem: Problem, device: str, dtype: str, differences: bool) -> Iterator[Testimony]:
    """Each witness in turn."""
    bounds = {precision: _bounds(problem, precision) for precision in {"float64", dtype}}
    yield _hear("by_hand", lambda: (hand(problem), bounds["float64"]))
    if dtype != "float64":
        yield _hear(f"by_hand_{dtype}", lambda: (hand(problem, dtype), bounds[dtype]))
    yield _hear("by_autograd", lambda: (by_autograd.witness(problem, device=device, dtype=dtype), bounds[dtype]))
    yield _hear("complex_step", lambda: _with_rounding(by_differences.complex_step(problem), bounds["float64"]))
    if differences:
        yield _hear("central_differences", lambda: by_differences.central_differences(problem, device=device, dtype=dtype))
        yield _hear("random_directions", lambda: by_directions.random_directions(problem, device=device))


def hand(problem: Problem, dtype: str = "float64") -> Quantities:
    """The hand-written passes of a problem in a precision; every number as float64."""

    def cast(layers: Layers) -> dict[int, np.ndarray]:
        return {layer: array.astype(dtype) for layer, array in layers.items()}

    head, W = {"output": problem.output, "cost": problem.cost}, cast(problem.W)
    passed = by_hand.forward(problem.x.astype(dtype), W, cast(problem.b), output=problem.output)
    losses = by_hand.losses(passed.z[problem.L], problem.y, **head)
    found = collect(passed, losses, by_hand.backward(passed, W, problem.y, **head))
    return {quantity: np.asarray(value, dtype=np.float64) for quantity, value in found.items()}


def _bounds(problem: Problem, dtype: str) -> Quantities:
    """Rounding bounds; none at all, so that every comparison fails, if the forward pass itself is broken."""
    try:
        passed = by_hand.forward(problem.x, problem.W, problem.b, output=problem.output)
        return bound.rounding(passed, problem.W, problem.b, problem.y, output=problem.output, cost=problem.cost, dtype=dtype)
    except (ValueError, IndexError, KeyError, TypeError):
        return {}


def _with_rounding(found: tuple[Quantities, Quantities], bounds: Quantities) -> tuple[Quantities, Quantities]:
    values, errors = found
    return values, {quantity: error + bounds[quantity] for quantity, error in errors.items()}


def _hear(witness: str, speak: Callable[[], tuple[Quantities, Quantities]]) -> Testimony:
    """Call a witness; one that raises is quoted with the line of by_hand.py on which it did."""
    try:
        return Testimony(witness, *speak())
    except Exception as error:  # a witness is code under test: whatever it raises is its finding, never our crash
        return Testimony(witness, failure=_where(error))


def _where(error: Exception) -> tuple[str, str, str]:
    """Quantity, equation and reason of an exception: the deepest line of by_hand.py that it passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == by_hand.__file__:
            line = linecache.getline(frame.filename, frame.lineno or 0)
            tag, target = re.search(r"\([FB]\d\)", line), re.match(r"\s*(\w+)", line)
            reason = f"{type(error).__name__} on line {frame.lineno} of checks/by_hand.py: {error}"
            return (target[1] if target else "?", tag[0] if tag else frame.name, reason)
    return "all", "", f"{type(error).__name__}: {error}"


def _compare(problem: Problem, testimonies: list[Testimony]) -> Iterator[Verdict]:
    """Every pair on every quantity; a witness that could not speak fails once against each other."""
    for first, second in combinations(testimonies, 2):
        for silent in (first, second):
            if silent.failure:
                quantity, tag, reason = silent.failure
                yield missing(problem.id, quantity, tag, (first.witness, second.witness), f"{silent.witness}: {reason}")
    spoke = [_with_slopes(problem, testimony) for testimony in testimonies if not testimony.failure]
    asked = ["slopes"] if any(testimony.witness == "random_directions" for testimony in spoke) else []
    for quantity in names(problem.L, problem.output, problem.cost) + asked:
        tag = "" if quantity == "slopes" else equation(quantity, problem.L, problem.output, problem.cost)
        for first, second in combinations([testimony for testimony in spoke if testimony.covers(quantity)], 2):
            yield _compare_one(problem.id, quantity, tag, first, second)


def _with_slopes(problem: Problem, testimony: Testimony) -> Testimony:
    """What a witness's gradients say about the slopes along random directions."""
    if testimony.witness not in FULL_WITNESSES:
        return testimony
    values, errors = by_directions.project(problem, testimony.values, testimony.errors)
    return replace(testimony, values=values, errors=errors)


def _compare_one(problem_id: str, quantity: str, tag: str, first: Testimony, second: Testimony) -> Verdict:
    pair = (first.witness, second.witness)
    for testimony in (first, second):
        if quantity not in testimony.values or quantity not in testimony.errors:
            return missing(problem_id, quantity, tag, pair, f"{testimony.witness} computed no {quantity}, or it has no bound")
    allowed = first.errors[quantity], second.errors[quantity]
    if allowed[0].shape != allowed[1].shape:
        return missing(problem_id, quantity, tag, pair, f"bounds of shape {allowed[0].shape} and {allowed[1].shape}")
    return judge(problem_id, quantity, tag, pair, first.values[quantity], second.values[quantity], allowed[0] + allowed[1])

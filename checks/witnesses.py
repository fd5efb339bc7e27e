"""Who says what about a problem, and every witness against every other.

A testimony is a witness's numbers together with how far each of them may be off: by rounding in the witness's own precision, and
for differences by the error bar that they came with. Two testimonies agree when they differ by no more than both may be off.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from checks import bound, by_autograd, by_differences, by_fast_backward, by_hand
from checks.problem import Problem
from checks.quantities import Quantities, by_name, collect, equation, names
from checks.verdict import Verdict, judge, missing

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

    Layers = dict[int, Float64[np.ndarray, "..."]]


@dataclass(frozen=True)
class Testimony:
    """What one witness says: values, how far off each may be, and where it broke off, why."""

    witness: str
    values: Quantities = field(default_factory=dict)
    errors: Quantities = field(default_factory=dict)
    failure: str | None = None

    def covers(self, quantity: str) -> bool:
        """Whether this witness is asked for a quantity: the fast backward keeps what it needs, differences know only gradients."""
        if self.witness == "fast_backward":
            return quantity == "p" or quantity.startswith(("a[", "dz", "dW", "db"))
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
        return _compare(problem, testimonies)


def _testimonies(problem: Problem, device: str, dtype: str, differences: bool) -> Iterator[Testimony]:
    """Each witness in turn."""
    bounds = {precision: _bounds(problem, precision) for precision in {"float64", dtype}}
    yield _hear("by_hand", lambda: (hand(problem), bounds["float64"]))
    if dtype != "float64":
        yield _hear(f"by_hand_{dtype}", lambda: (hand(problem, dtype), bounds[dtype]))
    yield _hear("by_autograd", lambda: (by_autograd.witness(problem, device=device, dtype=dtype), bounds[dtype]))
    yield _hear("fast_backward", lambda: (by_fast_backward.witness(problem, device=device, dtype=dtype), bounds[dtype]))
    yield _hear("complex_step", lambda: _with_rounding(by_differences.complex_step(problem), bounds["float64"]))
    if differences:
        yield _hear("central_differences", lambda: by_differences.central_differences(problem, device=device, dtype=dtype))


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
    """Call a witness; one that raises is left with what it had computed until then."""
    try:
        return Testimony(witness, *speak())
    except Exception as error:  # a witness is code under test: whatever it raises is its finding, never our crash
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        line = _line(error, by_hand.__file__)
        place = f" on line {line} of checks/by_hand.py" if line else ""
        reason = f"{type(error).__name__}{place}: {' '.join(str(error).split())}"
        variables = {name: value for frame in reversed(frames) for name, value in frame.f_locals.items()}
        return Testimony(witness, _computed_in(variables) if line else {}, failure=reason)


def _line(error: Exception, filename: str) -> int | None:
    """The deepest line of a file that an exception passed through."""
    lines = [number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == filename]
    return lines[-1] if lines else None


def _computed_in(variables: Mapping[str, Any]) -> Quantities:
    """The quantities among the local variables of the passes when one broke off; backward already had a whole forward pass."""
    passed = variables.get("passed")
    layers = {name: variables.get(name, {}) for name in ("dz", "da", "dW", "db")}
    layers |= {"z": passed.z, "a": passed.a} if passed else {name: variables.get(name, {}) for name in ("z", "a")}
    found = {"p": passed.p} if passed else {}
    for name, arrays in layers.items():
        found |= by_name(name, arrays)
    return found | {name: variables[name] for name in ("p", "losses", "dp", "J") if variables.get(name) is not None}


def _compare(problem: Problem, testimonies: list[Testimony]) -> list[Verdict]:
    """Every pair on every quantity, in the order of computation; a witness that broke off fails once against each other."""
    order = names(problem.L, problem.output, problem.cost)
    pairs = list(combinations(testimonies, 2))
    verdicts = [_compare_broken(problem, order, *pair) for pair in pairs if pair[0].failure or pair[1].failure]
    for quantity in order:
        for first, second in pairs:
            if first.covers(quantity) and second.covers(quantity) and not (first.failure or second.failure):
                verdicts.append(_compare_one(problem, quantity, first, second))
    place = {quantity: index for index, quantity in enumerate(order)}
    return sorted(verdicts, key=lambda verdict: place.get(verdict.quantity, len(order)))


def _compare_broken(problem: Problem, order: list[str], first: Testimony, second: Testimony) -> Verdict:
    """Where a witness broke off: the first quantity that it had not computed, or had in the wrong shape."""
    broken, other = (first, second) if first.failure else (second, first)
    pair, reason = (first.witness, second.witness), f"{broken.witness}: {broken.failure}"
    for quantity in order:
        used = (
            quantity.startswith("dz") and quantity.replace("dz", "db") in broken.values
        )  # a dz[l] that db[l] was made of was right, and overwritten later
        absent = quantity not in broken.values
        if broken.covers(quantity) and (absent or (not used and _shape(broken, quantity) != _shape(other, quantity))):
            return missing(problem.id, quantity, equation(quantity, problem.L, problem.output, problem.cost), pair, reason)
    return missing(problem.id, "all", "", pair, reason)


def _shape(testimony: Testimony, quantity: str) -> tuple[int, ...] | None:
    return testimony.values[quantity].shape if quantity in testimony.values else None


def _compare_one(problem: Problem, quantity: str, first: Testimony, second: Testimony) -> Verdict:
    pair, problem_id = (first.witness, second.witness), problem.id
    tag = equation(quantity, problem.L, problem.output, problem.cost)
    for testimony in (first, second):
        if quantity not in testimony.values or quantity not in testimony.errors:
            return missing(problem_id, quantity, tag, pair, f"{testimony.witness} computed no {quantity}, or it has no bound")
    allowed = first.errors[quantity], second.errors[quantity]
    if allowed[0].shape != allowed[1].shape:
        return missing(problem_id, quantity, tag, pair, f"bounds of shape {allowed[0].shape} and {allowed[1].shape}")
    return judge(problem_id, quantity, tag, pair, first.values[quantity], second.values[quantity], allowed[0] + allowed[1])

"""What becomes of a candidate's arrays: the gradient that a step implies, the sum over single
calls, NaN and infinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from backproof.checks.candidates.candidate import Answer
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities, Quantity, kind_of

Key = TypeVar("Key", int, str)
PRECISIONS = ("float64", "float32", "float16")  # the finest first


def believed(precisions: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The precision of an answer as a whole, and of those arrays that came in a coarser one.

    A network that computes in float32 returns every dW in it. Where some dW came in float64, the
    computation was meant to be in float64, and a db in float32 shows what its delta has been
    through: each array is then judged by its own.

    Raises: ValueError for a precision that no answer can have.
    """
    ranks = {name: PRECISIONS.index(precision) for name, precision in precisions.items()}
    weights = {name: rank for name, rank in ranks.items() if kind_of(name) == "dW"} or ranks
    whole = min(weights.values(), default=0)
    return PRECISIONS[whole], {
        name: PRECISIONS[rank] for name, rank in ranks.items() if rank > whole
    }


def implied(problem: Problem, after: Answer, rate: float) -> Answer:
    """(before - after) / rate, and what the subtraction cost: the step rounds to a unit in the last
    place of the weights."""
    rounding: Quantities = {}
    found: dict[str, dict[int, np.ndarray]] = {"dW": {}, "db": {}}
    for name, before, moved in (("dW", problem.W, after.dW), ("db", problem.b, after.db)):
        for layer, array in (moved or {}).items():
            try:
                gradient = (before[layer] - array) / rate
            except ValueError:
                expected = f"expected {before[layer].shape}, in (n_l, n_(l-1))"
                return Answer(
                    complaint=f"step left {name[1]}[{layer}] with shape {array.shape}; {expected}"
                )
            found[name][layer] = gradient
            size = np.maximum(np.abs(before[layer]), np.abs(array))
            quantity = f"{name}[{layer}]"
            eps = float(np.finfo(after.shorter.get(quantity, after.precision)).eps)
            rounding[quantity] = np.broadcast_to(eps * size / rate, gradient.shape)
    return replace(
        after, dW=found["dW"], db=None if after.db is None else found["db"], rounding=rounding
    )


def not_finite(kind: str, answer: Answer) -> str | None:
    """The clause on NaN and infinity, with the first array that holds any."""
    found = {f"dW[{layer}]": array for layer, array in (answer.dW or {}).items()}
    found |= {f"db[{layer}]": array for layer, array in (answer.db or {}).items()}
    found |= (answer.steps or {}) | ({} if answer.p is None else {"p": answer.p})
    for name, array in found.items():
        if count := int((~np.isfinite(array)).sum()):
            what = "NaN" if np.isnan(array).any() else "infinity"
            return f"{kind} returned {what} in {name}, {count} of {array.size} entries"
    return None


def together(answers: Sequence[Answer], *, averages: bool) -> Answer:
    """The calls of one question, part after part of its samples, as if they had been one call."""
    weight = 1 / len(answers) if averages else 1.0
    shorter: dict[str, str] = {}
    for answer in answers:
        shorter |= answer.shorter
    joined = Answer(
        complaint=next((answer.complaint for answer in answers if answer.complaint), None),
        changed_arguments=any(answer.changed_arguments for answer in answers),
        edits=next((answer.edits for answer in answers if answer.edits), ""),
        may_edit=any(answer.may_edit for answer in answers),
        precision=max((answer.precision for answer in answers), key=PRECISIONS.index),
        shorter=shorter,
    )
    try:
        return replace(
            joined,
            dW=_total([answer.dW for answer in answers], weight),
            db=_total([answer.db for answer in answers], weight),
            rounding=_total([answer.rounding for answer in answers], weight) or {},
            p=(
                _joined([{"p": answer.p} for answer in answers if answer.p is not None], weight)
                or {}
            ).get("p"),
            steps=_joined([answer.steps for answer in answers if answer.steps is not None], weight),
        )
    except (KeyError, ValueError):
        return replace(
            joined,
            complaint=joined.complaint
            or "its answers have other shapes from one example to the next.",
        )


def _total(
    parts: Sequence[Mapping[Key, np.ndarray] | None], weight: float
) -> dict[Key, np.ndarray] | None:
    """The sum of each array over the calls, times the weight of a call; None where a call has
    none."""
    given = [part for part in parts if part is not None]
    if len(given) < len(parts):
        return None
    if set().union(*given) - set(given[0]):
        raise KeyError("a layer that the first call did not have")
    total = {}
    for key in given[0]:
        total[key] = weight * np.sum([part[key] for part in given], axis=0)
    return total


def _joined(parts: Sequence[Quantities], weight: float) -> Quantities | None:
    """Each array's rows, call after call; gradients weigh as much as their call does in the whole
    loss."""
    if not parts:
        return None
    found = {}
    for name in parts[0]:
        whole = np.concatenate([part[name] for part in parts])
        found[name] = weight * whole if Quantity.parse(name).is_backward else whole
    return found or None

"""Who says what about a problem, and every witness against every other.

A testimony is a witness's numbers together with how far each of them may be off: by rounding in the
witness's own precision, and for differences by the error bar that they came with. Two testimonies
agree when they differ by no more than both may be off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks import by_hand
from backproof.checks.problem import Problem
from backproof.checks.quantities import (
    Quantities,
    Quantity,
    by_name,
    collect,
    equation,
    kind_of,
    names,
    of_parameters,
)
from backproof.checks.verdict import Verdict, judge, missing
from backproof.checks.witnesses import by_autograd, by_differences, by_directions, by_fast_backward
from backproof.checks.witnesses.retrace import retraced
from backproof.checks.witnesses.testimony import FULL_WITNESSES, Testimony, hear

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64

    Layers = dict[int, Float64[np.ndarray, "..."]]


def verify(
    problem: Problem, *, device: str = "cpu", dtype: str = "float64", differences: bool = True
) -> list[Verdict]:
    """Let every witness testify on a problem, and compare every pair on every quantity that both
    cover.

    Args:
        problem: what to differentiate; it should be rounded to `dtype` already.
        device: where autograd and the torch forward run.
        dtype: their precision. The NumPy witnesses run in float64; for float32 the hand-written
            pass runs in it, too.
        differences: False leaves central differences out, which cost most and see least.
    Returns: a verdict for every pair and quantity, in the order of computation.
    """
    with np.errstate(all="ignore"):
        testimonies = list(_testimonies(problem, device, dtype, differences))
        return cross_examine(problem, testimonies, dtype)


def verify_quickly(
    problem: Problem, *, device: str = "cpu", dtype: str = "float64"
) -> list[Verdict]:
    """The same for a network in training: every parameter, by hand, by autograd, by the fast
    backward pass, from the loss.

    Each is compared with the pass by hand, on dW and db alone: they cannot all be right where
    anything that they are made of is wrong. Where one is not, everything is verified, to find out
    what went wrong first.

    Args:
        problem, device, dtype: as for `verify`.
    Returns: a verdict for every witness and parameter; or all those of `verify` without
    differences, if they fail, too.
    """
    with np.errstate(all="ignore"):
        bounds = bounds_of(problem, dtype)
        # the bound is of first order in eps, so that of float64 is the same in smaller units
        smaller = float(np.finfo(np.float64).eps / np.finfo(dtype).eps)
        if smaller < 1:
            exact = {quantity: smaller * array for quantity, array in bounds.items()}
        else:
            exact = bounds
        by_hand_ = _hear_by_hand("by_hand", problem, "float64", exact)
        others = [
            hear(
                "by_autograd",
                lambda: (by_autograd.parameters(problem, device=device, dtype=dtype), bounds),
            ),
            hear(
                "fast_backward",
                lambda: (by_fast_backward.witness(problem, device=device, dtype=dtype), bounds),
            ),
            hear(
                "complex_step",
                lambda: with_rounding(
                    by_differences.complex_step(problem, activations=False), exact
                ),
            ),
        ]
        verdicts = _compare(
            problem, [(by_hand_, other) for other in others], of_parameters(problem.L)
        )
    if all(verdict.outcome != "fail" for verdict in verdicts):
        return verdicts
    everything = verify(problem, device=device, dtype=dtype, differences=False)
    if any(verdict.outcome == "fail" for verdict in everything):
        return everything
    return verdicts


def cross_examine(
    problem: Problem, testimonies: list[Testimony], dtype: str = "float64"
) -> list[Verdict]:
    """Every testimony against every other, and each of those that computed dz on their way against
    its own sums.

    Args:
        problem: on which they testify.
        testimonies: what is known of a witness goes by its name.
        dtype: the precision of those that do not always compute in float64.
    """
    slopes = any(testimony.witness == "random_directions" for testimony in testimonies)
    if slopes:
        heard = [_with_slopes(problem, testimony) for testimony in testimonies]
    else:
        heard = testimonies
    order = names(problem.L, problem.head) + ["slopes"] * slopes
    return _compare(problem, list(combinations(heard, 2)), order) + _compare_retraced(
        problem, testimonies, dtype
    )


def _testimonies(
    problem: Problem, device: str, dtype: str, differences: bool
) -> Iterator[Testimony]:
    """Each witness in turn."""
    bounds = {precision: bounds_of(problem, precision) for precision in {"float64", dtype}}
    yield _hear_by_hand("by_hand", problem, "float64", bounds["float64"])
    if dtype != "float64":
        yield _hear_by_hand(f"by_hand_{dtype}", problem, dtype, bounds[dtype])
    yield hear(
        "by_autograd",
        lambda: (by_autograd.witness(problem, device=device, dtype=dtype), bounds[dtype]),
    )
    yield hear(
        "fast_backward",
        lambda: (by_fast_backward.witness(problem, device=device, dtype=dtype), bounds[dtype]),
    )
    yield hear(
        "fast_step",
        lambda: with_rounding(
            by_fast_backward.step(problem, device=device, dtype=dtype), bounds[dtype]
        ),
    )
    yield hear(
        "complex_step",
        lambda: with_rounding(by_differences.complex_step(problem), bounds["float64"]),
    )
    if differences:
        yield hear(
            "central_differences",
            lambda: by_differences.central_differences(problem, device=device, dtype=dtype),
        )
        yield hear(
            "random_directions", lambda: by_directions.random_directions(problem, device=device)
        )


def _hear_by_hand(witness: str, problem: Problem, dtype: str, bounds: Quantities) -> Testimony:
    kept: Quantities = {}
    return hear(witness, lambda: (hand(problem, dtype, kept), bounds), kept)


def hand(problem: Problem, dtype: str = "float64", kept: Quantities | None = None) -> Quantities:
    """The hand-written passes of a problem in a precision; every number as float64.

    Args:
        kept: gets what the forward pass computed before anything else begins, so that it is there
            if that raises.
    """

    def cast(layers: Layers) -> dict[int, np.ndarray]:
        return {layer: array.astype(dtype, copy=False) for layer, array in layers.items()}

    W = cast(problem.W)
    x = problem.x.astype(dtype, copy=False)
    y = problem.answers
    head = problem.head
    hidden = problem.hidden
    passed = by_hand.forward(x, W, cast(problem.b), head=head, hidden=hidden)
    kept = {} if kept is None else kept
    kept |= {"p": passed.p} | by_name("z", passed.z) | by_name("a", passed.a)
    losses = by_hand.losses(passed.z[problem.L], y, head=head)
    kept["losses"] = losses
    found = collect(passed, losses, by_hand.backward(passed, W, y, head=head, hidden=hidden))
    return {quantity: np.asarray(value, dtype=np.float64) for quantity, value in found.items()}


def bounds_of(problem: Problem, dtype: str) -> Quantities:
    """Rounding bounds; none at all, so that every comparison fails, if the forward pass itself is
    broken."""
    try:
        return problem.bounds(dtype)
    except (ValueError, IndexError, KeyError, TypeError):
        return {}


def with_rounding(
    found: tuple[Quantities, Quantities], bounds: Quantities
) -> tuple[Quantities, Quantities]:
    """Values and errors of a witness that rounds beside what it knows to be off by."""
    values, errors = found
    return values, {quantity: error + bounds[quantity] for quantity, error in errors.items()}


def _compare(
    problem: Problem, pairs: list[tuple[Testimony, Testimony]], order: list[str]
) -> list[Verdict]:
    """Pairs on every quantity of an order that both cover, in it; a witness that broke off fails
    once in each pair."""
    id = problem.id
    verdicts = [
        _compare_broken(problem, order, *pair)
        for pair in pairs
        if pair[0].failure or pair[1].failure
    ]
    whole = [pair for pair in pairs if not (pair[0].failure or pair[1].failure)]
    for quantity in order:
        both = [pair for pair in whole if pair[0].covers(quantity) and pair[1].covers(quantity)]
        tag = _tag(problem, quantity)
        verdicts += [_compare_one(id, quantity, tag, *pair) for pair in both]
    place = {quantity: index for index, quantity in enumerate(order)}
    return sorted(verdicts, key=lambda verdict: place.get(verdict.quantity, len(order)))


def _compare_retraced(problem: Problem, testimonies: list[Testimony], dtype: str) -> list[Verdict]:
    """Those who compute dz and a on their way, each with the sums of its own numbers."""
    pairs = [
        pair
        for testimony in testimonies
        if testimony.witness in (*FULL_WITNESSES, "fast_backward")
        and (
            pair := retraced(
                problem, testimony, "float64" if testimony.witness == "by_hand" else dtype
            )
        )
    ]
    verdicts = []
    for pair in pairs:
        verdicts += [_compare_one(problem.id, q, _tag(problem, q), *pair) for q in pair[1].values]
    return verdicts


def _with_slopes(problem: Problem, testimony: Testimony) -> Testimony:
    """What a witness's gradients say about the slopes along random directions."""
    if testimony.failure or testimony.witness not in FULL_WITNESSES:
        return testimony
    values, errors = by_directions.project(problem, testimony.values, testimony.errors)
    return replace(testimony, values=values, errors=errors)


def _compare_broken(
    problem: Problem, order: list[str], first: Testimony, second: Testimony
) -> Verdict:
    """Where a witness broke off: the first quantity that it had not computed, or had in the wrong
    shape."""
    broken, other = (first, second) if first.failure else (second, first)
    pair = (first.witness, second.witness)
    reason = f"{broken.witness}: {broken.failure}"
    for quantity in order:
        # a dz[l] of which db[l] was made already was right, and overwritten later
        beside = Quantity.parse(quantity).beside("db")
        used = kind_of(quantity) == "dz" and beside in broken.values
        absent = quantity not in broken.values
        known = quantity in other.values
        if broken.covers(quantity) and (
            absent or (known and not used and _shape(broken, quantity) != _shape(other, quantity))
        ):
            return missing(problem.id, quantity, _tag(problem, quantity), pair, reason)
    return missing(problem.id, "all", "", pair, reason)


def _tag(problem: Problem, quantity: str) -> str:
    """The equation to look at; slopes come from all of them."""
    if quantity == "slopes":
        return ""
    return equation(quantity, problem.L, problem.head)


def _shape(testimony: Testimony, quantity: str) -> tuple[int, ...] | None:
    if quantity in testimony.values:
        return testimony.values[quantity].shape
    return None


def _compare_one(id: str, quantity: str, tag: str, first: Testimony, second: Testimony) -> Verdict:
    pair = (first.witness, second.witness)
    for testimony in (first, second):
        if quantity not in testimony.values or quantity not in testimony.errors:
            return missing(
                id,
                quantity,
                tag,
                pair,
                f"{testimony.witness} computed no {quantity}, or it has no bound",
            )
    allowed = first.errors[quantity], second.errors[quantity]
    if allowed[0].shape != allowed[1].shape:
        return missing(
            id, quantity, tag, pair, f"bounds of shape {allowed[0].shape} and {allowed[1].shape}"
        )
    return judge(
        id,
        quantity,
        tag,
        pair,
        first.values[quantity],
        second.values[quantity],
        allowed[0] + allowed[1],
    )

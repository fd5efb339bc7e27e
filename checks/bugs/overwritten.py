"""Suspects of a loop that keeps one of its passes: `=` where `+=` is due, one variable for all
units, or a `return` inside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at
from backproof.checks.bugs.register import Variant, places, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.findings import Fix, Place

ENDS = ((-1, "last"), (0, "first"))  # which pass of the loop is left


@suspect(
    "loop-overwrites",
    "a loop keeps what one of its passes makes, and the others are lost: = stands where += is due, "
    "one variable holds all of them, or it returns too early",
    Fix.of_steps("da"),
    "(B4)",
    rank=255,
    alone=True,
)
def loop_overwrites(shape: Shape) -> Iterator[Variant]:
    """(B4) with one unit above, (B5) with the delta of one unit for all, (B2) and (B3) with one
    sample."""
    L = shape.L
    for end, which in ENDS:
        for layers in places(range(1, L)):
            place = Place.of(layers, L)
            above: Hooks = (at("da", layers, _of_one_above, end),)
            yield Variant(place, above, f"da[l] from the {which} unit of layer l + 1 alone")
            for step in ("da", "dz"):
                note = f"{step}[l] of the {which} unit in all units"
                fix = Fix.of_steps(step)
                yield Variant(place, (at(step, layers, _of_one_unit, end),), note, fix=fix)
    if shape.several_in_call:
        yield from _of_one_sample(shape)


def _of_one_sample(shape: Shape) -> Iterator[Variant]:
    """dW and db, or one of them, of one sample of each call."""
    L = shape.L
    kinds: list[tuple[str, ...]] = [("dW",)]
    if shape.bias:
        kinds = [("dW", "db"), ("dW",), ("db",)]
    for end, which in ENDS:
        for layers in places(range(1, L + 1)):
            for some in kinds:
                if end == 0 and len(layers) == L and some == kinds[0]:
                    continue  # what takes one example at a time, and is given more, does the same
                for divided in (True, False):
                    yield _sample(layers, L, some, end, which, divided)


def _sample(
    layers: tuple[int, ...], L: int, kinds: tuple[str, ...], end: int, which: str, divided: bool
) -> Variant:
    hooks = tuple(at(f"{kind}_delta", layers, _one_sample, end, divided) for kind in kinds)
    note = f"{' and '.join(kinds)} of the {which} sample alone"
    if not divided:
        note += ", not divided by N"
    everywhere = len(layers) == L and L > 1
    place = Place.of(layers, L, kinds=() if len(kinds) == 2 else kinds, everywhere=everywhere)
    return Variant(place, hooks, note, fix=Fix.of_steps(*kinds))


def _of_one_above(run: HookedPass, layer: int, da: np.ndarray, end: int) -> np.ndarray:
    delta = run.get("upstream", layer + 1)
    return np.outer(delta[:, end], run.get("matrix", layer + 1)[end])


def _of_one_unit(run: HookedPass, layer: int, value: np.ndarray, end: int) -> np.ndarray:
    return np.repeat(value[:, [end]], value.shape[1], axis=1)


def _one_sample(
    run: HookedPass, layer: int, delta: np.ndarray, end: int, divided: bool
) -> np.ndarray:
    """A delta in which all samples of each call but one are 0."""
    in_call = run.setting.in_call
    keep = np.zeros(in_call)
    keep[end] = 1.0
    if run.setting.mean and not divided:
        keep[end] = in_call
    return delta * np.tile(keep, run.setting.calls)[:, None]

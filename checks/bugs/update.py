"""Suspects of the line that updates a parameter, and of what is handed back in place of a
gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, at
from backproof.checks.bugs.register import Variant, places, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.findings import Fix, Place


@dataclass(frozen=True)
class Update:
    """One wrong line: as it is written of a {parameter}, and what a step then shows for a gradient,
    of (W, its gradient, the rate)."""

    note: str
    shown: Callable[[np.ndarray, np.ndarray, float], np.ndarray]


# a step shows (W before - W after) / rate
UPDATES = (
    Update("{parameter} - d{parameter} / learning_rate", lambda W, g, rate: g / rate**2),
    Update("{parameter} - learning_rate * {parameter}", lambda W, g, rate: W),
    Update("learning_rate * d{parameter}", lambda W, g, rate: W / rate - g),
    Update("-learning_rate * d{parameter}", lambda W, g, rate: W / rate + g),
    Update(
        "d{parameter} - learning_rate * {parameter}", lambda W, g, rate: W / rate - g / rate + W
    ),
    Update(
        "{parameter} - learning_rate * ({parameter} - learning_rate * d{parameter})",
        lambda W, g, rate: W - rate * g,
    ),
)
TYPED_RATES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 5e-3, 3e-3, 2e-3, 1e-3, 1e-4)
UPDATE_LINE = Fix("W[l] -= learning_rate * dW[l]", "W[l] and dW[l] each in its place")
OF_BIAS = Fix("b[l] -= learning_rate * db[l]", "b[l] and db[l] each in its place")


@suspect(
    "update-line",
    "the line of the update divides, or adds the wrong thing",
    UPDATE_LINE,
    "(B2)",
    rank=225,
    alone=True,
)
def update_line(shape: Shape) -> Iterator[Variant]:
    """What a step leaves of W, made of W, dW and the rate in another way; or the updated W handed
    back for dW."""
    if shape.steps:
        for update in UPDATES:
            yield from _everywhere(shape, update.note, _shown_by_step, update)
        return
    for rate in TYPED_RATES:
        note = f"{{parameter}} - {rate:.3g} * d{{parameter}} in place of d{{parameter}}"
        yield from _everywhere(shape, note, _updated, rate)


def _everywhere(
    shape: Shape, note: str, change: Callable[..., np.ndarray], given: Update | float
) -> Iterator[Variant]:
    """In some layers, in W and b or in one of them."""
    L = shape.L
    kinds: list[tuple[str, ...]] = [("dW",)]
    if shape.bias:
        kinds = [("dW", "db"), ("db",), ("dW",)]
    for layers in places(range(1, L + 1)):
        for some in kinds:
            hooks = tuple(at(f"returned_{kind}", layers, change, kind, given) for kind in some)
            alone = some if shape.bias and len(some) == 1 else ()
            everywhere = len(layers) == L and L > 1
            place = Place.of(layers, L, kinds=alone, everywhere=everywhere)
            parameter = "W[l]"
            fix = UPDATE_LINE
            if some == ("db",):
                parameter = "b[l]"
                fix = OF_BIAS
            yield Variant(place, hooks, note.format(parameter=parameter), fix=fix)


def _parameter(run: HookedPass, layer: int, kind: str) -> np.ndarray:
    if kind == "dW":
        return run.problem.W[layer]
    return run.problem.b[layer]


def _shown_by_step(
    run: HookedPass, layer: int, gradient: np.ndarray, kind: str, update: Update
) -> np.ndarray:
    rate = run.setting.learning_rate or 1.0
    return update.shown(_parameter(run, layer, kind), gradient, rate)


def _updated(
    run: HookedPass, layer: int, gradient: np.ndarray, kind: str, rate: float
) -> np.ndarray:
    return _parameter(run, layer, kind) - rate * gradient

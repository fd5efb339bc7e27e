"""Suspects that merely multiply gradients: which factors, where, and what could have put them
there.

A prediction that fits up to one factor for each gradient leaves a table of factors. `decompose`
reads it: reversed signs, db that is zero or a mean, the mean or the 2 forgotten or taken twice, a
learning rate that has got into the gradient. Each reading says which factor it expects on any other
question, so that 1/N is told from 1/7 by asking with another N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from backproof.checks.bugs.wrong_pass import Setting
from backproof.checks.diagnosis.evidence import CLOSE
from backproof.checks.diagnosis.readings import (
    SYMBOLS,
    Reading,
    causes_of,
    layer_of,
    looks_like_a_rate,
    place_of,
    reading,
)

Factors = dict[str, float | None]  # by gradient; None where any factor would do


def decompose(table: list[tuple[Setting, Factors]], close: float = CLOSE) -> list[Reading] | None:
    """The simplest causes that give every factor of every question; [] if all are 1, None if
    nothing known does."""
    return next(decompositions(table, close), None)


def decompositions(
    table: list[tuple[Setting, Factors]], close: float = CLOSE
) -> Iterator[list[Reading]]:
    """The simplest, and others with the same factors: 1/2 in one layer may be a 2 forgotten, or a
    learning rate of 0.5."""
    first: list[str] | None = None
    for causes in sorted(
        _guesses(table, close), key=lambda causes: sum(cause.unlikely for cause in causes)
    ):
        ids = [cause.id for cause in causes]
        if (first is None or (first in ALIKE and ids in ALIKE)) and all(
            _agrees(*row, causes, close) for row in table
        ):
            first = first or ids
            yield causes


ALIKE = (["scale"], ["learning-rate-folded"])


def _agrees(setting: Setting, factors: Factors, causes: list[Reading], close: float) -> bool:
    for quantity, factor in factors.items():
        expected = math.prod(cause.factor(setting, quantity) for cause in causes)
        if factor is not None and not math.isclose(factor, expected, rel_tol=close, abs_tol=1e-30):
            return False
    return True


def _guesses(table: list[tuple[Setting, Factors]], close: float) -> Iterator[list[Reading]]:
    """Causes read off the question that says most: the one with the fewest undetermined factors and
    the most samples."""
    yield []
    known = [
        (setting, factors)
        for setting, factors in table
        if any(factor is not None for factor in factors.values())
    ]
    if not known:
        return
    setting, factors = max(
        known, key=lambda row: (-sum(factor is None for factor in row[1].values()), row[0].in_call)
    )
    left = {quantity: factor for quantity, factor in factors.items() if factor is not None}
    causes: list[Reading] = []
    if absent := {quantity for quantity, factor in left.items() if factor == 0}:
        if any(quantity.startswith("dW") for quantity in absent):
            return
        causes.append(reading("no-bias-gradient", absent, setting, "db = 0", lambda at: 0.0))
        left = {quantity: factor for quantity, factor in left.items() if factor != 0}
    if reversed_ := {quantity for quantity, factor in left.items() if factor < 0}:
        everywhere = reversed_ == left.keys()
        causes.append(
            reading(
                "sign",
                reversed_ if not everywhere else set(factors),
                setting,
                "minus the gradient",
                lambda at: -1.0,
            )
        )
    sizes = {quantity: abs(factor) for quantity, factor in left.items()}
    for more in _magnitudes(setting, sizes, close):
        yield [*causes, *more]


def _magnitudes(setting: Setting, sizes: dict[str, float], close: float) -> Iterator[list[Reading]]:
    """Causes of factors that are all positive."""
    means = {
        quantity
        for quantity, size in sizes.items()
        if quantity.startswith("db")
        and math.isclose(
            size * setting.in_call, sizes.get(f"dW{quantity[2:]}", math.nan), rel_tol=close
        )
    }
    if means and setting.in_call > 1:
        note = "the mean over the samples where the sum is due"
        mean = reading("bias-not-summed", means, setting, note, lambda at: 1 / at.in_call)
        rest = {
            quantity: size * (setting.in_call if quantity in means else 1)
            for quantity, size in sizes.items()
        }
        yield from ([mean, *more] for more in _common(setting, rest, close))
    yield from _common(setting, sizes, close)


def _common(setting: Setting, sizes: dict[str, float], close: float) -> Iterator[list[Reading]]:
    """Causes that act on dW and db alike, or on some gradients for no reason that is known here."""
    off = {quantity for quantity, size in sizes.items() if not math.isclose(size, 1, rel_tol=close)}
    if not off:
        yield []
        return
    yield from _of_one_value(setting, sizes, off, close)
    yield from _geometric(setting, sizes, close)
    yield from _of_several_values(setting, _grouped(sizes, close), close)


def _of_one_value(
    setting: Setting, sizes: dict[str, float], off: set[str], close: float
) -> Iterator[list[Reading]]:
    """All gradients that are off carry the same factor: `scale` if N, K or 2 make it, else a
    learning rate."""
    values = [sizes[quantity] for quantity in off]
    if not all(math.isclose(value, values[0], rel_tol=close) for value in values):
        return
    if off != sizes.keys():
        where = off
    else:
        where = {
            f"{kind}[{layer}]" for kind in ("dW", "db") for layer in range(1, setting.problem.L + 1)
        }
    yield from ([cause] for cause in causes_of(setting, where, values[0], close))


def _geometric(setting: Setting, sizes: dict[str, float], close: float) -> Iterator[list[Reading]]:
    """eta^(L - l), or with a common factor: each layer further back has the rate once more."""
    layers = _by_layer(sizes, close)
    L = setting.problem.L
    if layers is None or not {L - 1, L} <= layers.keys():
        return
    ratio = layers[L - 1] / layers[L]
    fits = all(
        math.isclose(value, layers[L] * ratio ** (L - layer), rel_tol=close)
        for layer, value in layers.items()
    )
    if not fits or math.isclose(ratio, 1, rel_tol=close):
        return
    behind = {f"{kind}[{layer}]" for kind in ("dW", "db") for layer in range(1, L)}
    everything = behind | {f"dW[{L}]", f"db[{L}]"}
    if math.isclose(layers[L], 1, rel_tol=close):
        common = []
    else:
        common = [*causes_of(setting, everything, layers[L], close)][:1]
    if not common and not math.isclose(layers[L], 1, rel_tol=close):
        return
    for name, base in _bases(setting, ratio, close):
        id = "learning-rate-folded" if name.startswith("eta") else "scale"
        note = f"{name}^(L - l) times the gradient"
        yield [*common, Reading(id, place_of(behind, L), note, _once_a_layer(base))]


def _once_a_layer(base: Callable[[Setting], float]) -> Callable[[Setting, str], float]:
    return lambda at, quantity: base(at) ** (at.problem.L - layer_of(quantity))


def _bases(
    setting: Setting, ratio: float, close: float
) -> Iterator[tuple[str, Callable[[Setting], float]]]:
    """What could be multiplied in once a layer."""
    rate = setting.learning_rate
    if rate is not None and math.isclose(ratio, rate, rel_tol=close):
        yield "eta", lambda at: at.learning_rate or 1.0
    for name in ("1/N", "N", "1/K", "K"):
        if math.isclose(SYMBOLS[name](setting), ratio, rel_tol=close):
            yield name, SYMBOLS[name]
    if looks_like_a_rate(ratio, close):
        yield f"eta = {ratio:.6g}, eta", lambda at: ratio


def _of_several_values(
    setting: Setting, groups: dict[object, tuple[float, set[str]]], close: float
) -> Iterator[list[Reading]]:
    """Each layer, or each kind of gradient, its own factor: all of them must have a known cause."""
    found: list[Reading] = []
    for value, where in groups.values():
        if math.isclose(value, 1, rel_tol=close):
            continue
        causes = list(causes_of(setting, where, value, close))
        if not causes:
            return
        found.append(causes[0])
    if len({cause.id for cause in found}) <= 2:
        yield found


def _by_layer(sizes: dict[str, float], close: float) -> dict[int, float] | None:
    """One factor a layer, where dW and db of each layer agree; else None."""
    found: dict[int, float] = {}
    for quantity, size in sizes.items():
        layer = layer_of(quantity)
        if not math.isclose(found.setdefault(layer, size), size, rel_tol=close):
            return None
    return found


def _grouped(sizes: dict[str, float], close: float) -> dict[object, tuple[float, set[str]]]:
    """Gradients that share a factor."""
    groups: dict[object, tuple[float, set[str]]] = {}
    for quantity, size in sizes.items():
        for value, members in groups.values():
            if math.isclose(size, value, rel_tol=close):
                members.add(quantity)
                break
        else:
            groups[quantity] = (size, {quantity})
    return groups

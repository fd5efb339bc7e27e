"""Suspects that merely multiply gradients: which factors, where, and what could have put them
there.

A prediction that fits up to one factor for each gradient leaves a table of factors. `decompose`
reads it: reversed signs, db that is zero or a mean, the mean or the 2 forgotten or taken twice, a
learning rate that has got into the gradient. Each reading says which factor it expects on any other
question, so that 1/N is told from 1/7 by asking with another N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from backproof.checks.bugs.backward import BIAS_NOT_SUMMED
from backproof.checks.bugs.factors import LEARNING_RATE, NO_BIAS, SCALE, SIGN
from backproof.checks.bugs.register import Suspect
from backproof.checks.bugs.setting import Setting
from backproof.checks.diagnosis.decay import Fits
from backproof.checks.diagnosis.readings import (
    ONCE_A_LAYER,
    Reading,
    causes_of,
    looks_like_a_rate,
    place_of,
    reading,
)
from backproof.checks.diagnosis.rounding import CLOSE
from backproof.checks.quantities import Quantity, kind_of, layer_of, of_parameters

Sizes = dict[str, float]  # of the factor of each gradient


def decompose(table: Sequence[Fits], close: float = CLOSE) -> list[Reading] | None:
    """The simplest causes that give every factor of every question; [] if all are 1, None if
    nothing known does."""
    return next(decompositions(table, close), None)


# a factor of 1/2 in one layer is a 2 forgotten, or a learning rate of 0.5
INTERCHANGEABLE = ([SCALE.id], [LEARNING_RATE.id])


def decompositions(table: Sequence[Fits], close: float = CLOSE) -> Iterator[list[Reading]]:
    """The simplest causes, and others with the same factors where these are interchangeable."""
    first: list[str] | None = None
    for causes in sorted(_guesses(table, close), key=_how_unlikely):
        ids = [cause.id for cause in causes]
        as_good = first is None or (first in INTERCHANGEABLE and ids in INTERCHANGEABLE)
        if as_good and all(_agrees(fits, causes, close) for fits in table):
            first = first or ids
            yield causes


def _how_unlikely(causes: list[Reading]) -> tuple[int, int]:
    """Two causes are as good as one, which may be what they come to together; three are not."""
    return sum(cause.unlikely for cause in causes), len(causes)


def _agrees(fits: Fits, causes: list[Reading], close: float) -> bool:
    """Whether the causes together put each factor of a question where it is."""
    for name, factor in fits.factors.items():
        expected = math.prod(cause.factor(fits.setting, name) for cause in causes)
        if factor is not None and not math.isclose(factor, expected, rel_tol=close, abs_tol=1e-30):
            return False
    return True


def _guesses(table: Sequence[Fits], close: float) -> Iterator[list[Reading]]:
    """Causes read off the question that says most: the one with the fewest undetermined factors and
    the most samples."""
    yield []
    known = [fits for fits in table if _determined(fits)]
    if not known:
        return
    telling = max(known, key=_how_telling)
    setting = telling.setting
    left = _determined(telling)
    causes: list[Reading] = []
    absent = {name for name, factor in left.items() if factor == 0}
    if any(kind_of(name) == "dW" for name in absent):
        return
    if absent:
        note = "db = 0"
        if setting.learning_rate is not None:
            note = "a step leaves b as it was"
        causes.append(reading(NO_BIAS, absent, setting, note, lambda at: 0.0))
        left = {name: factor for name, factor in left.items() if factor != 0}
    negative = {name for name, factor in left.items() if factor < 0}
    if negative:
        turned = set(telling.of) if negative == left.keys() else negative
        causes.append(reading(SIGN, turned, setting, "minus the gradient", lambda at: -1.0))
    sizes = {name: abs(factor) for name, factor in left.items()}
    for more in _magnitudes(setting, sizes, close):
        yield [*causes, *more]


def _determined(fits: Fits) -> Sizes:
    """The factors that rounding does not leave open."""
    return {name: factor for name, factor in fits.factors.items() if factor is not None}


def _how_telling(fits: Fits) -> tuple[int, int]:
    return len(_determined(fits)) - len(fits.of), fits.setting.in_call


def _magnitudes(setting: Setting, sizes: Sizes, close: float) -> Iterator[list[Reading]]:
    """Causes of factors that are all positive."""
    means = {name for name in sizes if _is_mean(name, sizes, setting.in_call, close)}
    if means and setting.in_call > 1:
        note = "the mean over the samples where the sum is due"
        mean = reading(BIAS_NOT_SUMMED, means, setting, note, lambda at: 1 / at.in_call)
        as_sums = {
            name: size * (setting.in_call if name in means else 1) for name, size in sizes.items()
        }
        for more in _common(setting, as_sums, close):
            yield [mean, *more]
    yield from _common(setting, sizes, close)


def _is_mean(name: str, sizes: Sizes, in_call: int, close: float) -> bool:
    """Whether a db is by N smaller than its dW."""
    beside = sizes.get(Quantity.parse(name).beside("dW"), math.nan)
    return kind_of(name) == "db" and math.isclose(sizes[name] * in_call, beside, rel_tol=close)


def _common(setting: Setting, sizes: Sizes, close: float) -> Iterator[list[Reading]]:
    """Causes that act on dW and db alike, or on some gradients for no reason that is known here."""
    off = {name for name, size in sizes.items() if not math.isclose(size, 1, rel_tol=close)}
    if not off:
        yield []
        return
    yield from _of_one_value(setting, sizes, off, close)
    yield from _geometric(setting, sizes, close)
    yield from _of_several_values(setting, sizes, close)


def _of_one_value(
    setting: Setting, sizes: Sizes, off: set[str], close: float
) -> Iterator[list[Reading]]:
    """All gradients that are off carry the same factor: `scale` if N, K or 2 make it, else a
    learning rate."""
    values = [sizes[name] for name in off]
    if not all(math.isclose(value, values[0], rel_tol=close) for value in values):
        return
    where = off
    if off == sizes.keys():
        where = set(of_parameters(setting.problem.L))
    for cause in causes_of(setting, where, values[0], close):
        yield [cause]


@dataclass(frozen=True)
class Base:
    """What may be multiplied in once a layer: as it is written, of which bug, and how large."""

    text: str
    suspect: Suspect
    value: Callable[[Setting], float]


def _geometric(setting: Setting, sizes: Sizes, close: float) -> Iterator[list[Reading]]:
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
    everything = set(of_parameters(L))
    behind = {name for name in everything if layer_of(name) < L}
    common: list[Reading] = []
    if not math.isclose(layers[L], 1, rel_tol=close):
        common = list(causes_of(setting, everything, layers[L], close))[:1]
        if not common:
            return
    for base in _bases(setting, ratio, close):
        note = f"{base.text}^(L - l) times the gradient"
        place = place_of(behind, L)
        yield [*common, Reading(base.suspect.id, place, note, _once_a_layer(base.value))]


def _once_a_layer(base: Callable[[Setting], float]) -> Callable[[Setting, str], float]:
    return lambda at, name: base(at) ** (at.problem.L - layer_of(name))


def _bases(setting: Setting, ratio: float, close: float) -> Iterator[Base]:
    """What could be multiplied in once a layer."""
    rate = setting.learning_rate
    if rate is not None and math.isclose(ratio, rate, rel_tol=close):
        yield Base("eta", LEARNING_RATE, lambda at: at.learning_rate or 1.0)
    for symbol in ONCE_A_LAYER:
        if math.isclose(symbol.value(setting), ratio, rel_tol=close):
            yield Base(symbol.text, SCALE, symbol.value)
    if looks_like_a_rate(ratio, close):
        yield Base(f"eta = {ratio:.6g}, eta", LEARNING_RATE, lambda at: ratio)


def _of_several_values(setting: Setting, sizes: Sizes, close: float) -> Iterator[list[Reading]]:
    """Each layer, or each kind of gradient, its own factor: all of them must have a known cause. A
    factor of 4 where there are 4 classes may be either, and other questions tell which."""
    by_group: list[list[Reading]] = []
    for group in _grouped(sizes, close):
        if not math.isclose(group.value, 1, rel_tol=close):
            causes = list(causes_of(setting, group.names, group.value, close))
            by_group.append(causes[:LIKELIEST])
    if len(by_group) > MOST_GROUPS:
        by_group = [causes[:1] for causes in by_group]
    for found in product(*by_group):
        if len({cause.id for cause in found}) <= 2:
            yield list(found)


LIKELIEST = 3  # causes of one factor beside others
MOST_GROUPS = 3  # of gradients, each with its own factor, for which all of these are combined


def _by_layer(sizes: Sizes, close: float) -> dict[int, float] | None:
    """One factor a layer, where dW and db of each layer agree; else None."""
    found: dict[int, float] = {}
    for name, size in sizes.items():
        layer = layer_of(name)
        if not math.isclose(found.setdefault(layer, size), size, rel_tol=close):
            return None
    return found


@dataclass
class Group:
    """Gradients that share a factor."""

    value: float
    names: set[str]


def _grouped(sizes: Sizes, close: float) -> list[Group]:
    """Gradients by their factors."""
    groups: list[Group] = []
    for name, size in sizes.items():
        for group in groups:
            if math.isclose(size, group.value, rel_tol=close):
                group.names.add(name)
                break
        else:
            groups.append(Group(size, {name}))
    return groups

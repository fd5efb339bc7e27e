"""What could have put a factor on some gradients: the mean or the 2, a sign, a learning rate, a
bias that has none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from backproof.checks.bugs.factors import LEARNING_RATE, SCALE, SIGN
from backproof.checks.bugs.register import Suspect
from backproof.checks.bugs.setting import Setting
from backproof.checks.findings import Fix, Place
from backproof.checks.quantities import kind_of, layer_of


@dataclass(frozen=True)
class Reading:
    """One cause for factors.

    Attributes:
        id: of the bug.
        place: where it acts.
        note: in words.
        factor: (setting, name of a gradient) -> the factor that it puts on that gradient.
        unlikely: whether another cause says why it is just this number.
        fix: the line, where it is not the bug's usual one.
    """

    id: str
    place: Place
    note: str
    factor: Callable[[Setting, str], float]
    unlikely: bool = False
    fix: Fix | None = None


@dataclass(frozen=True)
class Symbol:
    """A number that code may multiply by: how it is written, what it is in a setting, and whether
    it is what np.mean of a matrix divides by, beyond the samples."""

    text: str
    value: Callable[[Setting], float]
    over_outputs: bool = False


SYMBOLS = (
    Symbol("N", lambda at: at.in_call),
    Symbol("1/N", lambda at: 1 / at.in_call),
    Symbol("2", lambda at: 2.0),
    Symbol("1/2", lambda at: 0.5),
    Symbol("K", lambda at: at.K),
    Symbol("1/K", lambda at: 1 / at.K, over_outputs=True),
    Symbol("2N", lambda at: 2 * at.in_call),
    Symbol("2/N", lambda at: 2 / at.in_call),
    Symbol("N/2", lambda at: at.in_call / 2),
    Symbol("1/(2N)", lambda at: 0.5 / at.in_call),
    Symbol("1/N^2", lambda at: at.in_call**-2),
    Symbol("N^2", lambda at: at.in_call**2),
    Symbol("2/K", lambda at: 2 / at.K, over_outputs=True),
    Symbol("K/2", lambda at: at.K / 2),
    Symbol("2K", lambda at: 2 * at.K),
    Symbol("1/(2K)", lambda at: 0.5 / at.K, over_outputs=True),
    Symbol("N/K", lambda at: at.in_call / at.K),
    Symbol("K/N", lambda at: at.K / at.in_call),
    Symbol("NK", lambda at: at.in_call * at.K),
    Symbol("1/(NK)", lambda at: 1 / (at.in_call * at.K)),
    Symbol("N/(N - 1)", lambda at: at.in_call / max(at.in_call - 1, 1)),
    Symbol("4", lambda at: 4.0),
    Symbol("1/4", lambda at: 0.25),
)
ONCE_A_LAYER = tuple(symbol for symbol in SYMBOLS if symbol.text in {"1/N", "N", "1/K", "K"})

OVER_OUTPUTS = Fix.of_steps(
    "dzL",
    comment="np.mean of a matrix divides by its columns, too: if that is your loss, "
    'REDUCTION = "mean-over-all"',
)


def causes_of(setting: Setting, names: set[str], value: float, close: float) -> Iterator[Reading]:
    """What could have put one factor on some gradients."""
    place = place_of(names, setting.problem.L, setting.bias)
    matching = [symbol for symbol in SYMBOLS if _is(symbol.value(setting), value, close)]
    for symbol in matching:
        note = f"{symbol.text} times the gradient"
        cause = reading(SCALE, names, setting, note, symbol.value)
        if place.is_whole_network and symbol.over_outputs:
            cause = replace(cause, fix=OVER_OUTPUTS)
        elif symbol.text == "N" and setting.mean and cause.fix and len(cause.fix.steps) == 1:
            line = f"{cause.fix.line} / N"
            cause = replace(cause, fix=replace(cause.fix, line=line, comment=MEAN_HERE))
        unlikely = not place.is_whole_network and _is_rate(setting.learning_rate, value, close)
        yield replace(cause, unlikely=unlikely)
    yield from _of_given_rate(setting, names, value, close)
    if place.is_whole_network and (_is(value, 2, close) or _is(value, 0.5, close)):
        return  # that is the 2 of the cost
    if place.is_whole_network and value > 1 and matching:
        return  # nobody divides by a rate where there is none
    yield from _of_own_rate(setting, names, value, close)


def _is(first: float, second: float, close: float) -> bool:
    return math.isclose(first, second, rel_tol=close)


def _is_rate(rate: float | None, value: float, close: float) -> bool:
    """Whether a factor is a learning rate, or one over it."""
    return rate is not None and (_is(value, rate, close) or _is(value, 1 / rate, close))


def _of_given_rate(
    setting: Setting, names: set[str], value: float, close: float
) -> Iterator[Reading]:
    """A power of the learning rate that the step was given."""
    rate = setting.learning_rate
    if rate is None:
        return
    for power, text in ((1, "twice"), (-1, "not at all"), (2, "three times")):
        if _is(rate**power, value, close):
            note = f"the learning rate is applied {text}"
            yield reading(LEARNING_RATE, names, setting, note, _rate_to(power))


def _of_own_rate(
    setting: Setting, names: set[str], value: float, close: float
) -> Iterator[Reading]:
    """A learning rate that nobody gave."""
    rate = setting.learning_rate
    if rate is None:
        if looks_like_a_rate(value, close):
            note = f"{value:.6g} times the gradient"
            yield reading(LEARNING_RATE, names, setting, note, lambda at: value)
    elif looks_like_a_rate(value * rate, close):
        own = value * rate
        note = f"a learning rate of its own, {own:.6g}"
        yield reading(
            LEARNING_RATE, names, setting, note, lambda at: own / (at.learning_rate or 1.0)
        )


def _rate_to(power: int) -> Callable[[Setting], float]:
    return lambda at: (at.learning_rate or 1.0) ** power


def looks_like_a_rate(value: float, close: float) -> bool:
    """Whether a number, its reciprocal or its root is a learning rate as people type it: 0.5, 0.3,
    0.2, 0.1, 0.05 and so on.

    Only these: a factor of 0.9 is more likely something else, for which there is no name here.
    """
    below = min(value, 1 / value)
    for candidate in (below, math.sqrt(below)):
        digit = candidate / 10.0 ** math.floor(math.log10(candidate) + close)
        if 1e-7 < candidate < 0.6 and any(_is(digit, typed, close) for typed in (1, 2, 3, 5)):
            return True
    return False


MEAN_HERE = "as long as dz is not divided by N yet; else without a factor N"
WITHOUT = {  # what is said of the right line where only some gradients are wrong
    SCALE.id: "without the factor",
    SIGN.id: "with this sign, and minus it in the update",
}


def reading(
    suspect: Suspect,
    names: set[str],
    setting: Setting,
    note: str,
    factor: Callable[[Setting], float],
) -> Reading:
    """A cause that acts on some gradients alone. Which of them is by kind and layer, so that it
    holds for other widths, too."""
    chosen = frozenset(names)
    place = place_of(names, setting.problem.L, setting.bias)
    fix = None
    if suspect.id in WITHOUT and not place.is_whole_network:
        kinds = sorted({kind_of(name) for name in names})
        fix = Fix.of_steps(*kinds, comment=WITHOUT[suspect.id])

    if suspect.id == LEARNING_RATE.id and place.kinds == ("db",):
        line = "b[l] -= learning_rate * db[l]"
        fix = Fix(line, LEARNING_RATE.fix.comment, ("db",))

    def on(at: Setting, name: str) -> float:
        return factor(at) if name in chosen else 1.0

    return Reading(suspect.id, place, note, on, fix=fix)


def place_of(names: set[str], L: int, bias: bool = True) -> Place:
    """ "all layers", "layer 1", "db of layer 1"."""
    layers = {layer_of(name) for name in names}
    kinds = {kind_of(name) for name in names}
    everywhere = len(layers) == L and L > 1
    if len(kinds) == 1 and bias:
        return Place.of(layers, L, kinds=tuple(kinds), everywhere=everywhere)
    return Place.of(layers, L, everywhere=everywhere)

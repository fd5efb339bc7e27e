"""Suspects that merely multiply gradients: which factors, where, and what could have put them there.

A prediction that fits up to one factor for each gradient leaves a table of factors. `decompose` reads it: reversed signs, db that
is zero or a mean, the mean or the 2 forgotten or taken twice, a learning rate that has got into the gradient. Each reading says
which factor it expects on any other question, so that 1/N is told from 1/7 by asking with another N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checks.diagnosis.evidence import CLOSE
from checks.suspects.register import SUSPECTS, Suspect, named
from checks.suspects.wrong_pass import Setting

Factors = dict[str, float | None]  # by gradient; None where any factor would do


for entry in (
    Suspect(
        "sign",
        "the sign is reversed",
        "W[l] -= learning_rate * dW[l]   # with dz[L] = (p - Y) / N: p first, and minus the gradient",
        "(B1)",
    ),
    Suspect("scale", "the gradient carries a factor that does not belong there", "divide by N exactly once, in dz[L]", "(B1)"),
    Suspect(
        "learning-rate-folded",
        "the learning rate has got into the gradient itself, or is missing from a step",
        "W[l] -= learning_rate * dW[l]   # once for each layer, outside the backward pass",
        "(B2)",
    ),
    Suspect("no-bias-gradient", "the bias has no gradient, so it never trains", "db[l] = dz[l].sum(axis=0)", "(B3)"),
    Suspect(
        "decay-sign",
        "a multiple of the weights is in the gradient, though no weight decay was declared; or it has the wrong sign",
        "dW[l] = dz[l].T @ a[l - 1]   # with decay: + weight_decay * W[l], a plus",
        "(B2)",
    ),
):
    SUSPECTS[entry.id] = entry


@dataclass(frozen=True)
class Reading:
    """One cause for factors: the bug, where, in words, and the factor that it puts on a gradient of any setting."""

    id: str
    where: str
    note: str
    factor: Callable[[Setting, str], float]


SYMBOLS: dict[str, Callable[[Setting], float]] = {
    "N": lambda at: at.in_call,
    "1/N": lambda at: 1 / at.in_call,
    "2": lambda at: 2.0,
    "1/2": lambda at: 0.5,
    "K": lambda at: at.K,
    "1/K": lambda at: 1 / at.K,
    "2N": lambda at: 2 * at.in_call,
    "2/N": lambda at: 2 / at.in_call,
    "N/2": lambda at: at.in_call / 2,
    "1/(2N)": lambda at: 0.5 / at.in_call,
    "1/N^2": lambda at: at.in_call**-2,
    "N^2": lambda at: at.in_call**2,
    "2/K": lambda at: 2 / at.K,
    "K/2": lambda at: at.K / 2,
    "2K": lambda at: 2 * at.K,
    "1/(2K)": lambda at: 0.5 / at.K,
    "N/K": lambda at: at.in_call / at.K,
    "K/N": lambda at: at.K / at.in_call,
    "NK": lambda at: at.in_call * at.K,
    "1/(NK)": lambda at: 1 / (at.in_call * at.K),
    "4": lambda at: 4.0,
    "1/4": lambda at: 0.25,
}


def decompose(table: list[tuple[Setting, Factors]], close: float = CLOSE) -> list[Reading] | None:
    """The simplest causes that give every factor of every question; [] if all are 1, None if nothing known does."""
    for causes in _guesses(table, close):
        if all(_agrees(setting, factors, causes, close) for setting, factors in table):
            return causes
    return None


def _agrees(setting: Setting, factors: Factors, causes: list[Reading], close: float) -> bool:
    for quantity, factor in factors.items():
        expected = math.prod(cause.factor(setting, quantity) for cause in causes)
        if factor is not None and not math.isclose(factor, expected, rel_tol=close, abs_tol=1e-30):
            return False
    return True


def _guesses(table: list[tuple[Setting, Factors]], close: float) -> Iterator[list[Reading]]:
    """Causes read off the question that says most: the one with the fewest undetermined factors and the most samples."""
    yield []
    known = [(setting, factors) for setting, factors in table if any(factor is not None for factor in factors.values())]
    if not known:
        return
    setting, factors = max(known, key=lambda row: (-sum(factor is None for factor in row[1].values()), row[0].in_call))
    left = {quantity: factor for quantity, factor in factors.items() if factor is not None}
    causes: list[Reading] = []
    if absent := {quantity for quantity, factor in left.items() if factor == 0}:
        if any(quantity.startswith("dW") for quantity in absent):
            return
        causes.append(_reading("no-bias-gradient", absent, setting, "db = 0", lambda at: 0.0))
        left = {quantity: factor for quantity, factor in left.items() if factor != 0}
    if reversed_ := {quantity for quantity, factor in left.items() if factor < 0}:
        everywhere = reversed_ == left.keys()
        causes.append(
            _reading("sign", reversed_ if not everywhere else set(factors), setting, "minus the gradient", lambda at: -1.0)
        )
    sizes = {quantity: abs(factor) for quantity, factor in left.items()}
    for more in _magnitudes(setting, sizes, close):
        yield [*causes, *more]


def _magnitudes(setting: Setting, sizes: dict[str, float], close: float) -> Iterator[list[Reading]]:
    """Causes of factors that are all positive."""

    def same(values: list[float]) -> bool:
        return all(math.isclose(value, values[0], rel_tol=close) for value in values)

    off = {quantity for quantity, size in sizes.items() if not math.isclose(size, 1, rel_tol=close)}
    if not off:
        yield []
        return
    weights = {quantity: size for quantity, size in sizes.items() if quantity.startswith("dW")}
    biases = {quantity: size for quantity, size in sizes.items() if quantity.startswith("db")}
    for common, shared in _common(setting, weights, close):
        mean = {q for q, size in biases.items() if math.isclose(size, common / setting.in_call, rel_tol=close)}
        rest = {q for q, size in biases.items() if math.isclose(size, common, rel_tol=close)}
        if mean and mean | rest == biases.keys() and setting.in_call > 1 and same(list(weights.values())):
            note = "the mean over the samples where the sum is due"
            yield [*shared, _reading("bias-not-summed", mean, setting, note, lambda at: 1 / at.in_call)]
    yield from _of_one_value(setting, sizes, off, close)
    yield from _geometric(setting, sizes, close)
    yield from _of_several_values(setting, _grouped(sizes, close), close)


def _common(setting: Setting, weights: dict[str, float], close: float) -> Iterator[tuple[float, list[Reading]]]:
    """The factor that all dW share, with its cause."""
    value = next(iter(weights.values()), 1.0)
    if math.isclose(value, 1, rel_tol=close):
        yield 1.0, []
        return
    for name, symbol in SYMBOLS.items():
        if math.isclose(symbol(setting), value, rel_tol=close):
            everything = {f"{kind}[{layer}]" for kind in ("dW", "db") for layer in range(1, setting.problem.L + 1)}
            yield value, [_reading("scale", everything, setting, f"{name} times the gradient", symbol)]


def _of_one_value(setting: Setting, sizes: dict[str, float], off: set[str], close: float) -> Iterator[list[Reading]]:
    """All gradients that are off carry the same factor: `scale` if N, K or 2 make it, else a learning rate."""
    values = [sizes[quantity] for quantity in off]
    if not all(math.isclose(value, values[0], rel_tol=close) for value in values):
        return
    where = (
        off if off != sizes.keys() else {f"{kind}[{layer}]" for kind in ("dW", "db") for layer in range(1, setting.problem.L + 1)}
    )
    yield from ([cause] for cause in _causes(setting, where, values[0], close))


def _causes(setting: Setting, where: set[str], value: float, close: float) -> Iterator[Reading]:
    """What could have put one factor on some gradients."""
    for name, symbol in SYMBOLS.items():
        if math.isclose(symbol(setting), value, rel_tol=close):
            yield _reading("scale", where, setting, f"{name} times the gradient", symbol)
    rate = setting.learning_rate
    if rate is not None:
        for power, text in ((1, "twice"), (-1, "not at all"), (2, "three times")):
            if math.isclose(rate**power, value, rel_tol=close):
                note = f"the learning rate is applied {text}"
                yield _reading("learning-rate-folded", where, setting, note, _rate_to(power))
    if rate is None and _looks_like_a_rate(value, close):
        yield _reading("learning-rate-folded", where, setting, f"{value:.6g} times the gradient", lambda at: value)
    if rate is not None and _looks_like_a_rate(value * rate, close):
        note = f"a learning rate of its own, {value * rate:.6g}"
        yield _reading("learning-rate-folded", where, setting, note, lambda at: value * rate / (at.learning_rate or 1.0))


def _rate_to(power: int) -> Callable[[Setting], float]:
    return lambda at: (at.learning_rate or 1.0) ** power


def _looks_like_a_rate(value: float, close: float) -> bool:
    """Whether a number, its reciprocal or its root is a learning rate as people type it: 0.5, 0.3, 0.2, 0.1, 0.05 and so on.

    Only these: a factor of 0.9 is more likely something else, for which there is no name here.
    """
    below = min(value, 1 / value)
    for candidate in (below, math.sqrt(below)):
        digit = candidate / 10.0 ** math.floor(math.log10(candidate) + close)
        if 1e-7 < candidate < 0.6 and any(math.isclose(digit, typed, rel_tol=close) for typed in (1, 2, 3, 5)):
            return True
    return False


def _geometric(setting: Setting, sizes: dict[str, float], close: float) -> Iterator[list[Reading]]:
    """eta^(L - l), or with a common factor: each layer further back has the rate once more."""
    layers = _by_layer(sizes, close)
    L = setting.problem.L
    if layers is None or L < 2 or L not in layers:
        return
    ratio = layers.get(L - 1, math.nan) / layers[L]
    fits = all(math.isclose(value, layers[L] * ratio ** (L - layer), rel_tol=close) for layer, value in layers.items())
    if not fits or math.isclose(ratio, 1, rel_tol=close):
        return
    behind = {f"{kind}[{layer}]" for kind in ("dW", "db") for layer in range(1, L)}
    everything = behind | {f"dW[{L}]", f"db[{L}]"}
    common = [] if math.isclose(layers[L], 1, rel_tol=close) else [*_causes(setting, everything, layers[L], close)][:1]
    if not common and not math.isclose(layers[L], 1, rel_tol=close):
        return
    for name, base in _bases(setting, ratio, close):
        id = "learning-rate-folded" if name.startswith("eta") else "scale"
        note = f"{name}^(L - l) times the gradient"
        yield [*common, Reading(id, _where(behind, L), note, _once_a_layer(base))]


def _once_a_layer(base: Callable[[Setting], float]) -> Callable[[Setting, str], float]:
    return lambda at, quantity: base(at) ** (at.problem.L - _layer(quantity))


def _bases(setting: Setting, ratio: float, close: float) -> Iterator[tuple[str, Callable[[Setting], float]]]:
    """What could be multiplied in once a layer."""
    rate = setting.learning_rate
    if rate is not None and math.isclose(ratio, rate, rel_tol=close):
        yield "eta", lambda at: at.learning_rate or 1.0
    for name in ("1/N", "N", "1/K", "K"):
        if math.isclose(SYMBOLS[name](setting), ratio, rel_tol=close):
            yield name, SYMBOLS[name]
    if _looks_like_a_rate(ratio, close):
        yield f"eta = {ratio:.6g}, eta", lambda at: ratio


def _of_several_values(setting: Setting, groups: dict[object, tuple[float, set[str]]], close: float) -> Iterator[list[Reading]]:
    """Each layer, or each kind of gradient, its own factor: all of them must have a known cause."""
    found: list[Reading] = []
    for value, where in groups.values():
        if math.isclose(value, 1, rel_tol=close):
            continue
        causes = list(_causes(setting, where, value, close))
        if not causes:
            return
        found.append(causes[0])
    if len({cause.id for cause in found}) <= 2:
        yield found


def _by_layer(sizes: dict[str, float], close: float) -> dict[int, float] | None:
    """One factor a layer, where dW and db of each layer agree; else None."""
    found: dict[int, float] = {}
    for quantity, size in sizes.items():
        layer = _layer(quantity)
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


def _layer(quantity: str) -> int:
    return int(quantity[3:-1])


def _reading(id: str, quantities: set[str], setting: Setting, note: str, factor: Callable[[Setting], float]) -> Reading:
    """A cause that acts on some gradients alone. Which of them is by kind and layer, so that it holds for other widths, too."""
    chosen = frozenset(quantities)
    where = _where(quantities, setting.problem.L, setting.bias)
    return Reading(id, where, note, lambda at, quantity: factor(at) if quantity in chosen else 1.0)


def _where(quantities: set[str], L: int, bias: bool = True) -> str:
    """ "all layers", "layer 1", "db of layer 1"."""
    layers = {_layer(quantity) for quantity in quantities}
    kinds = {quantity[:2] for quantity in quantities}
    text = "all layers" if len(layers) == L and L > 1 else named(layers, L)
    return f"{min(kinds)} of {text}" if len(kinds) == 1 and bias else text

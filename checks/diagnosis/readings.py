"""What could have put a factor on some gradients: the mean or the 2, a sign, a learning rate, a
bias that has none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from backproof.checks.bugs.register import SUSPECTS, Suspect, named
from backproof.checks.bugs.wrong_pass import Setting

for entry in (
    Suspect(
        "sign",
        "the sign is reversed",
        "{dzL}   # p first; and minus the gradient: W[l] -= learning_rate * dW[l]",
        "(B1)",
    ),
    Suspect(
        "scale",
        "the gradient carries a factor that does not belong there",
        "{dzL}   # no other factor further back",
        "(B1)",
    ),
    Suspect(
        "learning-rate-folded",
        "the learning rate has got into the gradient itself, or is missing from a step",
        "W[l] -= learning_rate * dW[l]   # once a layer; the gradient itself knows no learning "
        "rate",
        "(B2)",
    ),
    Suspect("no-bias-gradient", "the bias has no gradient, so it never trains", "{db}", "(B3)"),
    Suspect(
        "decay-sign",
        "a multiple of the weights is in the gradient, where the loss is asked without weight "
        "decay; or it has the wrong sign",
        "{dW}   # or, if you mean it, ask with your weight decay at 0; in the update it is + "
        "weight_decay * W[l], a plus",
        "(B2)",
    ),
):
    SUSPECTS[entry.id] = entry


@dataclass(frozen=True)
class Reading:
    """One cause for factors: the bug, where, in words, and the factor that it puts on a gradient of
    any setting.

    One is `unlikely` where another says why it is just this number; `fix` is the line, where it is
    not the bug's usual one.
    """

    id: str
    where: str
    note: str
    factor: Callable[[Setting, str], float]
    unlikely: bool = False
    fix: str = ""


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


OVER_OUTPUTS = (
    "{dzL}   # np.mean of a matrix divides by its columns, too: if that is your loss, "
    'REDUCTION = "mean-over-all"'
)


def causes_of(setting: Setting, where: set[str], value: float, close: float) -> Iterator[Reading]:
    """What could have put one factor on some gradients."""
    everywhere = place_of(where, setting.problem.L, setting.bias) == "all layers"
    rate = setting.learning_rate
    own = (
        rate is not None
        and not everywhere
        and any(math.isclose(value, rate**power, rel_tol=close) for power in (1, -1))
    )
    for name, symbol in SYMBOLS.items():
        if math.isclose(symbol(setting), value, rel_tol=close):
            cause = reading("scale", where, setting, f"{name} times the gradient", symbol)
            fix = OVER_OUTPUTS if everywhere and name in ("1/K", "2/K", "1/(2K)") else cause.fix
            yield replace(cause, unlikely=own, fix=fix)
    if rate is not None:
        for power, text in ((1, "twice"), (-1, "not at all"), (2, "three times")):
            if math.isclose(rate**power, value, rel_tol=close):
                note = f"the learning rate is applied {text}"
                yield reading("learning-rate-folded", where, setting, note, _rate_to(power))
    if everywhere and any(math.isclose(value, two, rel_tol=close) for two in (2, 0.5)):
        return  # that is the 2 of the cost
    if (
        everywhere
        and value > 1
        and any(math.isclose(symbol(setting), value, rel_tol=close) for symbol in SYMBOLS.values())
    ):
        return  # nobody divides by a rate where there is none
    if rate is None and looks_like_a_rate(value, close):
        yield reading(
            "learning-rate-folded",
            where,
            setting,
            f"{value:.6g} times the gradient",
            lambda at: value,
        )
    if rate is not None and looks_like_a_rate(value * rate, close):
        note = f"a learning rate of its own, {value * rate:.6g}"
        yield reading(
            "learning-rate-folded",
            where,
            setting,
            note,
            lambda at: value * rate / (at.learning_rate or 1.0),
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
        if 1e-7 < candidate < 0.6 and any(
            math.isclose(digit, typed, rel_tol=close) for typed in (1, 2, 3, 5)
        ):
            return True
    return False


def layer_of(quantity: str) -> int:
    """2, of "dW[2]"."""
    return int(quantity[3:-1])


def reading(
    id: str, quantities: set[str], setting: Setting, note: str, factor: Callable[[Setting], float]
) -> Reading:
    """A cause that acts on some gradients alone. Which of them is by kind and layer, so that it
    holds for other widths, too."""
    chosen = frozenset(quantities)
    where = place_of(quantities, setting.problem.L, setting.bias)
    kinds = {quantity[:2] for quantity in quantities}
    fix = ""
    if id in ("scale", "sign") and where != "all layers":
        wrong = {
            "scale": "without the factor",
            "sign": "with this sign, and minus it in the update",
        }[id]
        fix = f"{'; '.join(f'{{{kind}}}' for kind in sorted(kinds))}   # {wrong}"
    return Reading(
        id, where, note, lambda at, quantity: factor(at) if quantity in chosen else 1.0, fix=fix
    )


def place_of(quantities: set[str], L: int, bias: bool = True) -> str:
    """ "all layers", "layer 1", "db of layer 1"."""
    layers = {layer_of(quantity) for quantity in quantities}
    kinds = {quantity[:2] for quantity in quantities}
    text = "all layers" if len(layers) == L and L > 1 else named(layers, L)
    if len(kinds) == 1 and bias:
        return f"{min(kinds)} of {text}"
    return text

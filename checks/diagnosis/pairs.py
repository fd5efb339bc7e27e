"""Which two bugs at once are worth computing: those whose effects, each seen alone, do not
contradict the answers.

There are tens of thousands of pairs. Each bug alone is known to change some gradients and to leave
others: where only one of two acts, the answer must be what that one predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.hooked_pass import CannotBeComputed, HookedPass
from backproof.checks.bugs.register import SUSPECTS, Variant
from backproof.checks.diagnosis.closeness import equals, some
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import kind_of, layer_of

Places = int  # one bit for each gradient of each question


@dataclass(frozen=True)
class Compared:
    """A gradient of a question, whose answer a pair is held against."""

    item: Evidence
    name: str


@dataclass(frozen=True)
class Effect:
    """What a variant does alone: which gradients it changes, which of those are then as they came,
    and how far off the rest is."""

    variant: Variant
    touched: Places
    matched: Places
    off: float

    @property
    def hides(self) -> bool:
        """Whether it sends something else back than the delta, so that what happened to the delta
        is not seen further back."""
        return any(hook.step == "upstream" for hook in self.variant.hooks)


def _effect(variant: Variant, items: list[Evidence]) -> Effect | None:
    """Of a variant on some questions; None where it cannot be computed."""
    touched = 0
    matched = 0
    off = 0.0
    bit = 1
    previous = None
    for item in items:
        run = HookedPass(item.setting, variant.hooks, correct=item.correct, previous=previous)
        if variant.rate_from:
            run = run.shifted(1.0)
        previous = run if variant.in_sequence else None
        try:
            predictions = {name: run.value(name) for name in item.setting.gradients}
        except CannotBeComputed:
            return None
        for name, predicted in predictions.items():
            if _differs(predicted, item, name):
                touched |= bit
            if variant.rate_from or equals(item, name, predicted, variant):
                matched |= bit
            off = max(off, _distance(predicted, item, name))
            bit <<= 1
    return Effect(variant, touched, matched, off)


def _distance(predicted: np.ndarray, item: Evidence, name: str) -> float:
    """The largest difference to what came, in units of its largest entry."""
    given = item.came(name, predicted.shape)
    if given is None or given.shape != predicted.shape:
        return float("inf")
    came = some(item, given)
    size = float(np.abs(came).max()) or 1.0
    return float(np.abs(came - some(item, predicted)).max()) / size


def plausible(
    variants: Sequence[Variant], items: list[Evidence], *, in_sequence: bool
) -> Iterator[tuple[Variant, Variant]]:
    """Pairs that touch nothing but what is wrong, together all of it, and where one acts alone it
    acts rightly.

    Args:
        variants: of all suspects.
        items: the questions on which they are tried.
        in_sequence: only pairs with a bug that shows in a sequence of calls; otherwise only pairs
            without.
    """
    compared = [Compared(item, name) for item in items for name in item.setting.gradients]
    effects = []
    for variant in variants:
        if not variant.alone and (in_sequence or not variant.in_sequence):
            effect = _effect(variant, items)
            if effect is not None:
                effects.append(effect)
    if not effects:
        return
    fit = _fitting(effects, compared)
    if in_sequence:
        shows = np.array([effect.variant.in_sequence for effect in effects])
        fit &= shows[:, None] | shows
    for one, other in np.argwhere(np.triu(fit, 1)):
        yield effects[one].variant, effects[other].variant


def _fitting(effects: list[Effect], compared: Sequence[Compared]) -> np.ndarray:
    """Which pairs are worth computing, as a square table."""
    ids = np.array([effect.variant.id for effect in effects])
    touched = np.array([effect.touched for effect in effects], dtype=np.int64)
    hides = np.array([effect.hides for effect in effects])
    wrong = _bits(compared, lambda one: one.name in one.item.wrongs)
    both = touched[:, None] | touched
    missing = ~both & wrong
    # Two touch all that is wrong, and nothing else; but one that replaces a delta may hide what the
    # other does.
    covers = (missing == 0) & ((both & ~wrong == 0) | hides[:, None] | hides)
    beside = _beside(effects, touched, hides, compared)
    return covers & beside & beside.T & (ids[:, None] != ids) & _near(effects)


def _beside(
    effects: list[Effect], touched: np.ndarray, hides: np.ndarray, compared: Sequence[Compared]
) -> np.ndarray:
    """Whether what only the first of two changes came as that one predicts alone; not below a delta
    that the other replaces."""
    only = touched[:, None] & ~touched
    only = np.where(hides, _highest_layer(only, compared), only)
    # A db made of another layer's delta is what the other may have changed.
    borrows = np.array([SUSPECTS[effect.variant.id].borrows for effect in effects])
    weights = _bits(compared, lambda one: kind_of(one.name) == "dW")
    only = np.where(borrows[:, None], only & weights, only)
    # What is moved between dW and db is what the other has made of it.
    moved = np.array([effect.variant.moved for effect in effects])
    only = np.where(moved[:, None], 0, only)
    matched = np.array([effect.matched for effect in effects], dtype=np.int64)
    return np.asarray(only & ~matched[:, None] == 0)


def _highest_layer(chosen: np.ndarray, compared: Sequence[Compared]) -> np.ndarray:
    """Of some gradients, those of the layer nearest to the output."""
    highest = np.zeros_like(chosen)
    rest = chosen
    for layer in sorted({layer_of(one.name) for one in compared}, reverse=True):
        of_layer = _bits(compared, lambda one, layer=layer: layer_of(one.name) == layer)
        here = rest & of_layer
        highest = np.where(highest == 0, here, highest)
        rest = rest & ~here
    return highest


# of the largest entry: float16 keeps 11 bits of each number, and sums of few of them cancel little
ROUNDED_AWAY = 0.1


def _near(effects: list[Effect]) -> np.ndarray:
    """A shorter number format changes little, so its partner must come close alone."""
    close = np.array([effect.off < ROUNDED_AWAY for effect in effects])
    short = np.array([SUSPECTS[effect.variant.id].rounds for effect in effects])
    return (close | ~short[:, None]) & (close[:, None] | ~short)


def _bits(compared: Sequence[Compared], chosen: Callable[..., bool]) -> int:
    return sum(1 << bit for bit, one in enumerate(compared) if chosen(one))


def _differs(predicted: np.ndarray, item: Evidence, name: str) -> bool:
    """Whether a prediction is another than the correct one by more than rounding."""
    correct = item.correct.value(name)
    if predicted is correct:
        return False
    if predicted.shape != correct.shape:
        return True
    off = np.abs(some(item, predicted) - some(item, correct))
    return bool((off > some(item, item.rounding.bounds[name])).any())

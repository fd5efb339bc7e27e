"""Which two bugs at once are worth computing: those whose effects, each seen alone, do not
contradict the answers.

There are tens of thousands of pairs. Each bug alone is known to change some gradients and to leave
others: where only one of two acts, the answer must be what that one predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.register import Variant
from backproof.checks.bugs.wrong_pass import Pass
from backproof.checks.diagnosis.evidence import Evidence

Places = int  # one bit for each gradient of each question


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
        return any(step == "up" for step, _ in self.variant.hooks)


def _effect(variant: Variant, items: list[Evidence]) -> Effect | None:
    """Of a variant on some questions; None where it cannot be computed."""
    touched = 0
    matched = 0
    off = 0.0
    bit = 1
    previous = None
    for item in items:
        run = Pass(item.setting, variant.hooks, right=item.right, previous=previous)
        run = run.shifted(1.0) if variant.rate_from else run
        previous = run if variant.in_sequence else None
        try:
            predictions = {quantity: run.named(quantity) for quantity in item.setting.gradients}
        except (ValueError, IndexError, KeyError):
            return None
        for quantity, predicted in predictions.items():
            touched |= bit * _differs(predicted, item, quantity)
            given = item.came(quantity, predicted.shape)
            if given is None or given.shape != predicted.shape:
                off = np.inf
            else:
                some = item.some(given)
                expected = item.some(predicted)
                off = max(
                    off, float(np.abs(some - expected).max()) / (float(np.abs(some).max()) or 1.0)
                )
                matched |= bit * bool(
                    variant.rate_from or item.equals(quantity, predicted, variant)
                )
            bit <<= 1
    return Effect(variant, touched, matched, off)


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
    places = [(item, quantity) for item in items for quantity in item.setting.gradients]
    tried = [
        variant
        for variant in variants
        if not variant.alone and (in_sequence or not variant.in_sequence)
    ]
    effects = [effect for variant in tried if (effect := _effect(variant, items))]
    if effects:
        fit = _fitting(effects, places)
        if in_sequence:
            shows = np.array([effect.variant.in_sequence for effect in effects])
            fit &= shows[:, None] | shows
        for one, other in np.argwhere(np.triu(fit, 1)):
            yield effects[one].variant, effects[other].variant


def _fitting(effects: list[Effect], places: Sequence[tuple[Evidence, str]]) -> np.ndarray:
    """Which pairs are worth computing, as a square table."""
    ids = np.array([effect.variant.id for effect in effects])
    touched = np.array([effect.touched for effect in effects], dtype=np.int64)
    hides = np.array([effect.hides for effect in effects])
    wrong = _bits(places, lambda item, quantity: quantity in item.wrongs)
    both = touched[:, None] | touched
    missing = ~(touched[:, None] | touched) & wrong
    # Two touch all that is wrong, and nothing else; but one that replaces a delta may hide what the
    # other does.
    covers = (missing == 0) & ((both & ~wrong == 0) | hides[:, None] | hides)
    beside = _beside(effects, touched, hides, places)
    return covers & beside & beside.T & (ids[:, None] != ids) & _near(effects, ids)


def _beside(
    effects: list[Effect],
    touched: np.ndarray,
    hides: np.ndarray,
    places: Sequence[tuple[Evidence, str]],
) -> np.ndarray:
    """Whether what only the first of two changes came as that one predicts alone; not below a delta
    that the other replaces."""
    only = touched[:, None] & ~touched
    highest = np.zeros_like(only)
    rest = only
    for layer in sorted({int(quantity[3:-1]) for _, quantity in places}, reverse=True):
        here = rest & _bits(places, lambda _, quantity, layer=layer: int(quantity[3:-1]) == layer)
        highest = np.where(highest == 0, here, highest)
        rest = rest & ~here
    only = np.where(hides, highest, only)
    # A db made of another layer's delta is what the other may have changed.
    borrowed = np.array([effect.variant.id == "wrong-layer" for effect in effects])
    weights = _bits(places, lambda _, quantity: quantity.startswith("dW"))
    only = np.where(borrowed[:, None], only & weights, only)
    # What is moved between dW and db is what the other has made of it.
    only = np.where(np.array([effect.variant.moved for effect in effects])[:, None], 0, only)
    matched = np.array([effect.matched for effect in effects], dtype=np.int64)
    return np.asarray(only & ~matched[:, None] == 0)


# of the largest entry: float16 keeps 11 bits of each number, and sums of few of them cancel little
ROUNDED_AWAY = 0.1


def _near(effects: list[Effect], ids: np.ndarray) -> np.ndarray:
    """A shorter number format changes little, so its partner must come close alone."""
    close = np.array([effect.off < ROUNDED_AWAY for effect in effects])
    short = ids == "low-precision"
    return (close | ~short[:, None]) & (close[:, None] | ~short)


def _bits(places: Sequence[tuple[Evidence, str]], chosen: Callable[..., bool]) -> int:
    return sum(1 << bit for bit, place in enumerate(places) if chosen(*place))


def _differs(predicted: np.ndarray, item: Evidence, quantity: str) -> bool:
    right = item.right.named(quantity)
    if predicted is right:
        return False
    if predicted.shape != right.shape:
        return True
    return bool(
        (np.abs(item.some(predicted) - item.some(right)) > item.some(item.bounds[quantity])).any()
    )

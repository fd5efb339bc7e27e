"""Which two bugs at once are worth computing: those whose effects, each seen alone, do not contradict the answers.

There are tens of thousands of pairs. Each bug alone is known to change some gradients and to leave others: where only one of two
acts, the answer must be what that one predicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from checks.diagnosis.evidence import Evidence
from checks.suspects.register import Variant
from checks.suspects.wrong_pass import Pass

Places = frozenset[tuple[int, str]]  # (which question, which gradient)


@dataclass(frozen=True)
class Effect:
    """What a variant does alone: which gradients it changes, which of those are then as they came, and how far off the rest is."""

    variant: Variant
    touched: Places
    matched: Places
    off: float

    @property
    def hides(self) -> bool:
        """Whether it sends something else back than the delta, so that what happened to the delta is not seen further back."""
        return any(step == "up" for step, _ in self.variant.hooks)


def _effect(variant: Variant, items: list[Evidence]) -> Effect | None:
    """Of a variant on some questions; None where it cannot be computed."""
    touched, matched, off, previous = set(), set(), 0.0, None
    for index, item in enumerate(items):
        run = Pass(item.setting, variant.hooks, right=item.right, previous=previous)
        run = run.shifted(1.0) if variant.rate_from else run
        previous = run if variant.in_sequence else None
        try:
            predictions = {quantity: run.named(quantity) for quantity in item.setting.gradients}
        except (ValueError, IndexError, KeyError):
            return None
        for quantity, predicted in predictions.items():
            if _differs(predicted, item, quantity):
                touched.add((index, quantity))
            given = item.came(quantity, predicted.shape)
            if given is None or given.shape != predicted.shape:
                off = np.inf
                continue
            off = max(off, float(np.abs(given - predicted).max()) / (float(np.abs(given).max()) or 1.0))
            if variant.rate_from or item.equals(quantity, predicted):
                matched.add((index, quantity))
    return Effect(variant, frozenset(touched), frozenset(matched), off)


def plausible(variants: Sequence[Variant], items: list[Evidence], *, in_sequence: bool) -> Iterator[tuple[Variant, Variant]]:
    """Pairs that touch nothing but what is wrong, together all of it, and where one acts alone it acts rightly.

    Args:
        variants: of all suspects.
        items: the questions on which they are tried.
        in_sequence: only pairs with a bug that shows in a sequence of calls; otherwise only pairs without.
    """
    wrong = frozenset((index, quantity) for index, item in enumerate(items) for quantity in item.wrongs)
    tried = [variant for variant in variants if not variant.alone and (in_sequence or not variant.in_sequence)]
    effects = [effect for variant in tried if (effect := _effect(variant, items))]
    for one, other in combinations(effects, 2):
        if one.variant.id == other.variant.id or not _covers(one, other, wrong):
            continue
        if in_sequence and not (one.variant.in_sequence or other.variant.in_sequence):
            continue
        if _stands_beside(one, other) and _stands_beside(other, one) and _near(one, other):
            yield one.variant, other.variant


def _covers(one: Effect, other: Effect, wrong: Places) -> bool:
    """Whether two touch all that is wrong, and nothing else; but one that replaces a delta may hide what the other does."""
    touched = one.touched | other.touched
    return touched >= wrong if one.hides or other.hides else touched == wrong


def _stands_beside(one: Effect, other: Effect) -> bool:
    """Whether what only one of two changes came as that one predicts alone; not below a delta that the other replaces."""
    only = one.touched - other.touched
    if other.hides:
        highest = max((int(quantity[3:-1]) for _, quantity in only), default=0)
        only = frozenset(place for place in only if int(place[1][3:-1]) == highest)
    if one.variant.id == "wrong-layer":  # its db is made of another layer's delta, which the other may have changed
        only = frozenset(place for place in only if place[1].startswith("dW"))
    return only <= one.matched


ROUNDED_AWAY = 0.1  # of the largest entry: float16 keeps 11 bits of each number, and sums of few of them cancel little


def _near(one: Effect, other: Effect) -> bool:
    """A shorter number format changes little, so its partner must come close alone."""
    partners = [partner for effect, partner in ((one, other), (other, one)) if effect.variant.id == "low-precision"]
    return all(partner.off < ROUNDED_AWAY for partner in partners)


def _differs(predicted: np.ndarray, item: Evidence, quantity: str) -> bool:
    right = item.right.named(quantity)
    return predicted.shape != right.shape or bool((np.abs(predicted - right) > item.bounds[quantity]).any())

"""Which suspects explain the answers: one rather than two, and all of those that the numbers cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from checks import suspects_backward, suspects_forward, suspects_layers, suspects_output, suspects_state  # noqa: F401 - they enter the register
from checks.evidence import CLOSE, CLOSE_FLOAT32, Evidence, Match, explain
from checks.factors import Reading, decompose
from checks.suspects import Variant, all_variants
from checks.wrong_pass import Hooks, Pass

# How often each was found (bug-catalogue), with what has no count behind: the order in which equal explanations are named.
ORDER = (
    "raw-error",
    "updated-weights",
    "softmax-diagonal",
    "double-softmax",
    "bias-scalar",
    "sigmoid-twice",
    "sign",
    "no-hidden-derivative",
    "cost-mismatch",
    "scale",
    "bias-not-summed",
    "stale-accumulator",
    "learning-rate-folded",
    "softmax-axis",
    "no-bias-gradient",
    "transposed",
    "wrong-layer",
    "in-place",
    "labels-shifted",
    "sample-dropped",
    "low-precision",
    "probability-clipped",
    "decay-sign",
)


@dataclass(frozen=True)
class Cause:
    """One bug of an explanation."""

    id: str
    where: str
    note: str


@dataclass
class Explanation:
    """Bugs that together predict every answer.

    Attributes:
        causes: one or two, the one that comes first in ORDER first.
        hooks, variant, readings, decays: what predicts the numbers, for the evidence sentence.
        residual: the largest relative difference that is left.
    """

    causes: list[Cause]
    hooks: Hooks = ()
    variant: Variant | None = None
    readings: list[Reading] = field(default_factory=list)
    residual: float = 0.0
    match: Match | None = None

    @property
    def rank(self) -> tuple[int, ...]:
        """Simple before complicated, common before rare."""
        return (len(self.causes), *sorted(ORDER.index(cause.id) for cause in self.causes))


def _ranked(found: Iterable[Explanation]) -> list[Explanation]:
    """The likeliest first, one for each set of ids, and none with more bugs than need be."""
    by_ids: dict[frozenset[str], Explanation] = {}
    ranked = sorted(found, key=lambda explanation: explanation.rank)
    for explanation in [one for one in ranked if len(one.causes) == len(ranked[0].causes)]:
        by_ids.setdefault(frozenset(cause.id for cause in explanation.causes), explanation)
    return list(by_ids.values())


class Search:
    """What explains some evidence.

    Args:
        evidence: every question, in the order of asking; at least one of them answered.
    """

    def __init__(self, evidence: list[Evidence]) -> None:
        evidence = [item for item in evidence if item.is_of_gradients]
        answered = [item for item in evidence if item.given is not None]
        self.evidence = sorted(evidence, key=lambda item: (item.given is None, -len(item.wrongs), item.probe.role == "single"))
        self.sequence = [item for item in evidence if item.probe.role in ("first", "again")]
        self.widest = self.evidence[0]
        self.precise = all(item.answer.precision == "float64" for item in answered)
        self.close = CLOSE if self.precise else CLOSE_FLOAT32
        self.variants = [
            variant
            for variant in all_variants(self.widest.setting)
            if (self.precise or variant.id != "low-precision") and (self.keeps_state or not variant.in_sequence)
        ]

    @property
    def keeps_state(self) -> bool:
        """Whether the same question got another answer the second time."""
        if len(self.sequence) < 2 or any(item.given is None for item in self.sequence):
            return False
        first, again = (item.given or {} for item in self.sequence)
        return first.keys() != again.keys() or any(not np.array_equal(first[q], again[q], equal_nan=True) for q in first)

    def simplest(self) -> list[Explanation]:
        """Every explanation by one bug, the likeliest first; [] if there is none."""
        return _ranked(self.singles())

    def combined(self) -> list[Explanation]:
        """The same by two bugs."""
        return _ranked(self.with_factor()) or _ranked(self.pairs())

    def singles(self) -> Iterator[Explanation]:
        """The right pass with one factor's cause, or one variant alone."""
        yield from self._of_right_pass(1)
        for variant in self.variants:
            match = explain(variant.hooks, self._held_against(variant), variant=variant, free=False)
            if match is not None:
                yield self._explanation([variant], match, [])

    def with_factor(self) -> Iterator[Explanation]:
        """Two causes of factors, or a variant whose gradients carry one more, or a decay."""
        yield from self._of_right_pass(2)
        for variant in self.variants:
            match = explain(variant.hooks, self._held_against(variant), variant=variant)
            readings = decompose(match.factors, self.close) if match else None
            if match and readings and len(readings) == 1:
                yield self._explanation([variant], match, readings)

    def pairs(self) -> Iterator[Explanation]:
        """Two variants, if together they touch what is wrong; then two and a factor, or one with a decay."""
        for first, second in self._plausible_pairs():
            for order in ((first, second), (second, first)) if _meet(first, second) else ((first, second),):
                hooks = order[0].hooks + order[1].hooks
                both = Variant(
                    first.id, first.where, hooks, "", first.rate_from or second.rate_from, first.in_sequence or second.in_sequence
                )
                match = explain(hooks, self._held_against(both), variant=both, free=False)
                if match is not None:
                    yield self._explanation([first, second], match, [], both)
        for variant in self.variants:
            match = explain(variant.hooks, self._held_against(variant), variant=variant, decay=True)
            if match is not None and _decays_alike(match) and decompose(match.factors, self.close) == []:
                yield self._explanation([variant], match, [])

    def _of_right_pass(self, most: int) -> Iterator[Explanation]:
        for decay in (False, True):
            match = explain((), self.evidence, decay=decay)
            if match is None or (decay and not _decays_alike(match)):
                continue
            readings = decompose(match.factors, self.close)
            bugs = len(readings or []) + bool(decay)
            if readings is not None and 0 < bugs <= most:
                yield self._explanation([], match, readings)
                return

    def _held_against(self, variant: Variant) -> list[Evidence]:
        return self.sequence if variant.in_sequence else self.evidence

    def _explanation(
        self, variants: list[Variant], match: Match, readings: list[Reading], whole: Variant | None = None
    ) -> Explanation:
        causes = [Cause(variant.id, variant.where, variant.note) for variant in variants]
        causes += [Cause(reading.id, reading.where, reading.note) for reading in readings]
        if any(decays for _, decays in match.decays):
            causes.append(_decay_cause(match))
        causes.sort(key=lambda cause: ORDER.index(cause.id))
        whole = whole or (variants[0] if variants else None)
        return Explanation(causes, whole.hooks if whole else (), whole, readings, match.residual, match)

    def _plausible_pairs(self) -> Iterator[tuple[Variant, Variant]]:
        """Pairs that touch nothing but what is wrong, together all of it, and where one acts alone it acts rightly."""
        yield from self._pairs_on([self.widest], in_sequence=False)
        if self.keeps_state:
            yield from self._pairs_on(self.sequence, in_sequence=True)

    def _pairs_on(self, items: list[Evidence], in_sequence: bool) -> Iterator[tuple[Variant, Variant]]:
        """Those that show on some questions; with one that shows in a sequence, or without any."""
        wrong = frozenset((index, quantity) for index, item in enumerate(items) for quantity in item.wrongs)
        tried = [variant for variant in self.variants if not variant.alone and (in_sequence or not variant.in_sequence)]
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


ROUNDED_AWAY = 0.1  # of the largest entry: float16 keeps 11 bits of each number, and sums of few of them cancel little


def _near(one: Effect, other: Effect) -> bool:
    """A shorter number format changes little, so its partner must come close alone."""
    partners = [partner for effect, partner in ((one, other), (other, one)) if effect.variant.id == "low-precision"]
    return all(partner.off < ROUNDED_AWAY for partner in partners)


def _differs(predicted: np.ndarray, item: Evidence, quantity: str) -> bool:
    right = item.right.named(quantity)
    return predicted.shape != right.shape or bool((np.abs(predicted - right) > item.bounds[quantity]).any())


def _meet(first: Variant, second: Variant) -> bool:
    """Whether both replace the same step, so that their order matters."""
    return bool({step for step, _ in first.hooks} & {step for step, _ in second.hooks})


def _decays_alike(match: Match) -> bool:
    """Whether every question shows one multiple of W, or one multiple of W before each gradient got its factor."""
    if not all(decays for _, decays in match.decays):
        return False
    plain = [list(decays.values()) for _, decays in match.decays]
    before = [
        [multiple / (factors[quantity] or 1.0) for quantity, multiple in decays.items()]
        for (_, factors), (_, decays) in zip(match.factors, match.decays, strict=True)
    ]
    return any(all(_alike(values) for values in form) and len({np.sign(v[0]) for v in form}) == 1 for form in (plain, before))


def _alike(values: list[float]) -> bool:
    return max(values) - min(values) <= CLOSE * max(map(abs, values))


def _decay_cause(match: Match) -> Cause:
    decays = match.decays[0][1]
    value = next(iter(decays.values()))
    kinds = sorted({quantity[:2] for quantity in decays})
    return Cause("decay-sign", " and ".join(kinds), f"g {'-' if value < 0 else '+'} {abs(value):.6g} W")

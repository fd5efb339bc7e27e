"""Which suspects explain the answers: one rather than two, and all of those that the numbers cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from checks.diagnosis.evidence import CLOSE, CLOSE_FLOAT32, Evidence
from checks.diagnosis.factors import Reading, decompose
from checks.diagnosis.matching import Match, explain
from checks.diagnosis.pairs import plausible
from checks.suspects.register import Variant, all_variants
from checks.suspects.wrong_pass import Hooks

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
        for first, second in self._pairs():
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

    def _pairs(self) -> Iterator[tuple[Variant, Variant]]:
        yield from plausible(self.variants, [self.widest], in_sequence=False)
        if self.keeps_state:
            yield from plausible(self.variants, self.sequence, in_sequence=True)

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

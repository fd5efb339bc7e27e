"""Which suspects explain the answers: one rather than two, and all of those that the numbers cannot
tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from backproof.checks.bugs.register import Variant, all_variants
from backproof.checks.bugs.wrong_pass import Hooks
from backproof.checks.diagnosis.decay import decays_alike, described
from backproof.checks.diagnosis.evidence import (
    CLOSE,
    CLOSE_FLOAT32,
    Evidence,
    differs_from_call_to_call,
)
from backproof.checks.diagnosis.factors import decompose, decompositions
from backproof.checks.diagnosis.matching import Match, Row, explain
from backproof.checks.diagnosis.pairs import plausible
from backproof.checks.diagnosis.readings import Reading

# How often each was found (bug-catalogue), with what has no count behind: the order in which equal
# explanations are named.
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
    """One bug of an explanation; `evidence` is what shows it, where that is not how well its
    prediction fits."""

    id: str
    where: str
    note: str
    fix: str = ""
    evidence: str = ""


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
        """Simple before complicated; what predicts exact zeros before what predicts rounding there;
        common before rare."""
        noise = self.match.noise if self.match else 0
        unlikely = sum(reading.unlikely for reading in self.readings)
        return (
            len(self.causes),
            noise,
            unlikely,
            *sorted(ORDER.index(cause.id) for cause in self.causes),
        )


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
        self.evidence = sorted(evidence, key=_how_little_it_says)
        self.sequence = [item for item in evidence if item.probe.role in ("first", "again")]
        self.widest = self.evidence[0]
        self.precise = all(item.answer.precision == "float64" for item in answered)
        self.close = CLOSE if self.precise else CLOSE_FLOAT32
        self.keeps_state = differs_from_call_to_call(evidence)
        self.variants = [
            variant
            for variant in all_variants(self.widest.setting)
            if (self.precise or variant.id != "low-precision")
            and (self.keeps_state or not variant.in_sequence)
        ]

    def simplest(self) -> list[Explanation]:
        """Every explanation by one bug, the likeliest first; [] if there is none."""
        return self._confirmed(_ranked(self._telling(self.singles())))

    def combined(self) -> list[Explanation]:
        """The same by two bugs."""
        return self._confirmed(
            _ranked(self._telling(self.with_factor())) or _ranked(self._telling(self.pairs()))
        )

    def _telling(self, found: Iterable[Explanation]) -> Iterator[Explanation]:
        """Those that explain more than the right pass does: predictions are compared generously,
        and that must not be all."""
        right = explain((), self.evidence, free=False)
        return (
            one
            for one in found
            if right is None or (one.match is not None and one.match.misfits < right.misfits)
        )

    def _confirmed(self, found: list[Explanation]) -> list[Explanation]:
        """Those that explain every entry, where gradients are too large to look at all of them each
        time."""
        if not any(item.is_large for item in self.evidence):
            return found
        whole = {id(item): replace(item, whole=True, of_right={}) for item in self.evidence}
        kept = []
        for one in found:
            held = [
                whole[id(item)]
                for item in (self._held_against(one.variant) if one.variant else self.evidence)
            ]
            decays = one.match is not None and any(decays for _, decays in one.match.decays)
            if (
                explain(
                    one.hooks,
                    held,
                    variant=one.variant,
                    free=bool(one.readings) or decays,
                    decay=decays,
                )
                is not None
            ):
                kept.append(one)
        return kept

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

        def of_one_cause(row: Row) -> bool:
            readings = decompose([row], self.close)
            return readings is not None and len(readings) <= 1

        for variant in self.variants:
            match = explain(
                variant.hooks, self._held_against(variant), variant=variant, sensible=of_one_cause
            )
            readings = decompose(match.factors, self.close) if match else None
            if match and readings and len(readings) == 1:
                yield self._explanation([variant], match, readings)

    def pairs(self) -> Iterator[Explanation]:
        """Two variants, if together they touch what is wrong; then two and a factor, or one with a
        decay."""
        for first, second in self._pairs():
            for both in (
                (first.beside(second), second.beside(first))
                if _meet(first, second)
                else (first.beside(second),)
            ):
                match = explain(both.hooks, self._held_against(both), variant=both, free=False)
                if match is not None:
                    yield self._explanation([first, second], match, [], both)
        for variant in self.variants:
            match = explain(variant.hooks, self._held_against(variant), variant=variant, decay=True)
            if (
                match is not None
                and decays_alike(match.factors, match.decays, self.close)
                and decompose(match.factors, self.close) == []
            ):
                yield self._explanation([variant], match, [])

    def _of_right_pass(self, most: int) -> Iterator[Explanation]:
        for decay in (False, True):
            match = explain((), self.evidence, decay=decay)
            if match is None or (
                decay and not decays_alike(match.factors, match.decays, self.close)
            ):
                continue
            for readings in decompositions(match.factors, self.close):
                if 0 < len(readings) + bool(decay) <= most:
                    yield self._explanation([], match, readings)
            return

    def _pairs(self) -> Iterator[tuple[Variant, Variant]]:
        yield from plausible(self.variants, [self.widest], in_sequence=False)
        if self.keeps_state:
            yield from plausible(self.variants, self.sequence, in_sequence=True)

    def _held_against(self, variant: Variant) -> list[Evidence]:
        if variant.in_sequence:
            return self.sequence
        return self.evidence

    def _explanation(
        self,
        variants: list[Variant],
        match: Match,
        readings: list[Reading],
        whole: Variant | None = None,
    ) -> Explanation:
        causes = [
            Cause(variant.id, variant.where, variant.note, variant.fix) for variant in variants
        ]
        causes += [
            Cause(reading.id, reading.where, reading.note, reading.fix) for reading in readings
        ]
        if any(decays for _, decays in match.decays):
            causes.append(Cause("decay-sign", *described(match.decays)))
        causes.sort(key=lambda cause: ORDER.index(cause.id))
        whole = whole or (variants[0] if variants else None)
        return Explanation(
            causes, whole.hooks if whole else (), whole, readings, match.residual, match
        )


def _how_little_it_says(item: Evidence) -> tuple[bool, bool, int, bool]:
    """To sort by: complaints say nothing, zeros little, since many bugs make them, and one sample
    less than several."""
    zero = not any(array.any() for array in (item.given or {}).values())
    return item.given is None, zero, -len(item.wrongs), item.probe.role == "single"


def _meet(first: Variant, second: Variant) -> bool:
    """Whether both replace the same step, so that their order matters."""
    return bool({step for step, _ in first.hooks} & {step for step, _ in second.hooks})

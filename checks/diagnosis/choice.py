"""Which suspects explain the answers: one rather than two, and all of those that the numbers cannot
tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from backproof.checks.bugs.factors import DECAY
from backproof.checks.bugs.hooked_pass import Hooks
from backproof.checks.bugs.register import SUSPECTS, Suspect, Variant, all_variants
from backproof.checks.diagnosis.closeness import is_large
from backproof.checks.diagnosis.decay import Fits, decay_note, decay_place, decays_alike, note_of
from backproof.checks.diagnosis.evidence import Evidence, differs_from_call_to_call
from backproof.checks.diagnosis.factor import Freedom
from backproof.checks.diagnosis.factors import decompose, decompositions
from backproof.checks.diagnosis.matching import (
    EXACTLY,
    UP_TO_FACTORS,
    WITH_DECAY,
    Match,
    explain,
)
from backproof.checks.diagnosis.pairs import plausible
from backproof.checks.diagnosis.readings import Reading
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.rounding import CLOSE, CLOSE_FLOAT32
from backproof.checks.diagnosis.weight_decay import decay_of_output, decayed
from backproof.checks.findings import Fix, Place


@dataclass(frozen=True)
class Cause:
    """One bug of an explanation; `evidence` is what shows it, where that is not how well its
    prediction fits."""

    id: str
    place: Place
    note: str
    fix: Fix | None = None
    evidence: str = ""

    @property
    def suspect(self) -> Suspect:
        """Its entry in the register."""
        return SUSPECTS[self.id]


@dataclass
class Explanation:
    """Bugs that together predict every answer.

    Attributes:
        causes: one or two, the one of the lower rank first.
        variant, readings: what predicts the numbers; no variant where that is the correct pass.
        match: how well it fits.
    """

    causes: list[Cause]
    variant: Variant | None = None
    readings: list[Reading] = field(default_factory=list)
    match: Match | None = None

    @property
    def hooks(self) -> Hooks:
        """The steps that it replaces."""
        return self.variant.hooks if self.variant else ()

    @property
    def residual(self) -> float:
        """The largest relative difference that is left."""
        return self.match.residual if self.match else 0.0

    @property
    def ids(self) -> frozenset[str]:
        """Of its bugs."""
        return frozenset(cause.id for cause in self.causes)

    @property
    def edits_arrays(self) -> bool:
        """Whether one of its bugs is code that edits an array."""
        return any(cause.suspect.edits_arrays for cause in self.causes)

    @property
    def rank(self) -> tuple[int, ...]:
        """Simple before complicated; what predicts exact zeros before what predicts rounding there;
        common before rare."""
        noise = self.match.noise if self.match else 0
        unlikely = sum(reading.unlikely for reading in self.readings)
        ranks = sorted(cause.suspect.rank for cause in self.causes)
        return (len(self.causes), noise, unlikely, *ranks)


def by_rank(causes: Iterable[Cause]) -> list[Cause]:
    """The common bugs before the rare."""
    return sorted(causes, key=lambda cause: cause.suspect.rank)


def _ranked(found: Iterable[Explanation]) -> list[Explanation]:
    """The likeliest first, one for each set of ids, and none with more bugs than need be."""
    by_ids: dict[frozenset[str], Explanation] = {}
    ranked = sorted(found, key=lambda explanation: explanation.rank)
    for explanation in ranked:
        if len(explanation.causes) == len(ranked[0].causes):
            by_ids.setdefault(explanation.ids, explanation)
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
        self.sequence = [item for item in evidence if item.probe.role in (Role.FIRST, Role.AGAIN)]
        self.widest = self.evidence[0]
        self.precise = all(item.answer.precision == "float64" for item in answered)
        self.close = CLOSE if self.precise else CLOSE_FLOAT32
        self.keeps_state = differs_from_call_to_call(evidence)
        self.variants = [
            variant
            for variant in all_variants(self.widest.setting)
            if (self.precise or not SUSPECTS[variant.id].rounds)
            and (self.keeps_state or not variant.in_sequence)
        ]

    def simplest(self) -> list[Explanation]:
        """Every explanation by one bug, the likeliest first; [] if there is none."""
        return self._confirmed(_ranked(self._telling(self.singles())))

    def combined(self) -> list[Explanation]:
        """Every explanation by two bugs, the likeliest first; [] if there is none."""
        with_factor = _ranked(self._telling(self.with_factor()))
        return self._confirmed(with_factor or _ranked(self._telling(self.pairs())))

    def _telling(self, found: Iterable[Explanation]) -> Iterator[Explanation]:
        """Those that explain more than the correct pass does: predictions are compared generously,
        and that must not be all."""
        correct = explain((), self.evidence, freedom=EXACTLY)
        for one in found:
            if correct is None or (one.match and one.match.misfits < correct.misfits):
                yield one

    def _confirmed(self, found: list[Explanation]) -> list[Explanation]:
        """Those that explain every entry, where gradients are too large to look at all of them each
        time."""
        if not any(is_large(item) for item in self.evidence):
            return found
        whole = {id(item): replace(item, whole=True) for item in self.evidence}
        kept = []
        for one in found:
            held = [whole[id(item)] for item in self._held_against(one.variant)]
            decays = one.match is not None and one.match.decays
            freedom = Freedom(factor=bool(one.readings) or decays, decay=decays)
            if explain(one.hooks, held, variant=one.variant, freedom=freedom) is not None:
                kept.append(one)
        return kept

    def common_factors(self) -> Iterator[float]:
        """By what all gradients are multiplied where one variant predicts them but for that."""
        known: set[float] = set()
        for variant in self.variants:
            held = self._held_against(variant)
            match = explain(variant.hooks, held, variant=variant, sensible=self._has_one_factor)
            for factor in self._common(match.fits) if match else ():
                if round(factor, 9) not in known:
                    known.add(round(factor, 9))
                    yield factor

    def _has_one_factor(self, fits: Fits) -> bool:
        return bool(self._common([fits]))

    def _common(self, table: Sequence[Fits]) -> list[float]:
        """The factor of all gradients that show one; [] where two differ."""
        factors: list[float] = []
        for fits in table:
            factors += [one for one in fits.factors.values() if one is not None]
        alike = all(math.isclose(one, factors[0], rel_tol=self.close) for one in factors)
        return factors[:1] if alike else []

    def singles(self) -> Iterator[Explanation]:
        """The correct pass with one factor's cause, or one variant alone."""
        yield from self._of_correct_pass(1)
        for variant in self.variants:
            match = self._explained(variant, EXACTLY)
            if match is not None:
                yield self._explanation([variant], match, [])

    def with_factor(self) -> Iterator[Explanation]:
        """Two causes of factors, or a variant whose gradients carry one more, or a decay."""
        yield from self._of_correct_pass(2)

        def of_one_cause(fits: Fits) -> bool:
            readings = decompose([fits], self.close)
            return readings is not None and len(readings) <= 1

        for variant in self.variants:
            held = self._held_against(variant)
            match = explain(variant.hooks, held, variant=variant, sensible=of_one_cause)
            readings = decompose(match.fits, self.close) if match else None
            if match and readings and len(readings) == 1:
                yield self._explanation([variant], match, readings)

    def pairs(self) -> Iterator[Explanation]:
        """Two variants, if together they touch what is wrong; then one with a decay."""
        for first, second in self._pairs():
            orders = [first.beside(second)]
            if _meet(first, second):
                orders.append(second.beside(first))
            for both in orders:
                match = self._explained(both, EXACTLY)
                if match is not None:
                    yield self._explanation([first, second], match, [], both)
        for variant in self.variants:
            match = self._explained(variant, WITH_DECAY)
            if match is None or not decays_alike(match.fits, self.close):
                continue
            if decompose(match.fits, self.close) == []:
                yield self._explanation([variant], match, [])
        yield from self._updated_with_decay()

    def _updated_with_decay(self) -> Iterator[Explanation]:
        """A weight decay of the wrong sign, or one that is not declared, in weights that are read
        after their update: it is in what goes back through them, too."""
        decay = decay_of_output(self.widest)
        if decay == 0:
            return
        place = Place(L=self.widest.setting.problem.L, kinds=("dW",))
        cause = Cause(DECAY.id, place, note_of(decay))
        rest = [decayed(item, decay) for item in self.evidence]
        for variant in self.variants:
            if variant.rate_from:
                match = explain(variant.hooks, rest, variant=variant, freedom=EXACTLY)
                if match is not None:
                    found = Cause(variant.id, variant.place, variant.note, variant.fix)
                    yield Explanation(by_rank([found, cause]), variant, [], match)

    def _explained(self, variant: Variant, freedom: Freedom) -> Match | None:
        held = self._held_against(variant)
        return explain(variant.hooks, held, variant=variant, freedom=freedom)

    def _of_correct_pass(self, most: int) -> Iterator[Explanation]:
        """Causes of factors alone, or with a decay: at most so many bugs."""
        for freedom in (UP_TO_FACTORS, WITH_DECAY):
            match = explain((), self.evidence, freedom=freedom)
            if match is None or (freedom.decay and not decays_alike(match.fits, self.close)):
                continue
            for readings in decompositions(match.fits, self.close):
                if 0 < _how_many(readings, freedom, most) <= most:
                    yield self._explanation([], match, readings)
            return

    def _pairs(self) -> Iterator[tuple[Variant, Variant]]:
        yield from plausible(self.variants, [self.widest], in_sequence=False)
        if self.keeps_state:
            yield from plausible(self.variants, self.sequence, in_sequence=True)

    def _held_against(self, variant: Variant | None) -> list[Evidence]:
        if variant is not None and variant.in_sequence:
            return self.sequence
        return self.evidence

    def _explanation(
        self,
        variants: list[Variant],
        match: Match,
        readings: list[Reading],
        whole: Variant | None = None,
    ) -> Explanation:
        """What some variants and readings explain; `whole` is both variants in one."""
        causes = [Cause(one.id, one.place, one.note, one.fix) for one in variants]
        causes += [Cause(one.id, one.place, one.note, one.fix) for one in readings]
        if match.decays:
            causes.append(Cause(DECAY.id, decay_place(match.fits), decay_note(match.fits)))
        if whole is None and variants:
            whole = variants[0]
        return Explanation(by_rank(causes), whole, readings, match)


PLACES_OF_ONE = 3  # at which one bug may have put different factors


def _how_many(readings: list[Reading], freedom: Freedom, most: int) -> int:
    """As how many bugs factors and a decay count: where two are looked for, one bug at three places
    is no more than two."""
    bugs = len(readings) + freedom.decay
    one_bug = len({reading.id for reading in readings}) == 1 and not freedom.decay
    if one_bug and most > 1 and len(readings) <= PLACES_OF_ONE:
        return min(bugs, most)
    return bugs


def _how_little_it_says(item: Evidence) -> tuple[bool, bool, int, bool]:
    """To sort by: complaints say nothing, zeros little, since many bugs make them, and one sample
    less than several."""
    zero = not any(array.any() for array in item.gradients.values())
    return item.given is None, zero, -len(item.wrongs), item.probe.role == Role.SINGLE


def _meet(first: Variant, second: Variant) -> bool:
    """Whether both replace the same step, so that their order matters."""
    steps = {hook.step for hook in first.hooks}
    return any(hook.step in steps for hook in second.hooks)

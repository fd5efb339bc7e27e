"""Which known bugs explain what a watched script took off its weights.

A step shows W before and after, and no gradient. Where one of its gradients is right, that tells
the rate; else a rate is believed that stands in the script, alone or with a cost that is as likely
as the one that was taken for it, where a known bug then predicts every number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass
from backproof.checks.bugs.register import SUSPECTS, Variant
from backproof.checks.bugs.setting import Setting
from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.diagnosis.choice import Explanation, Search
from backproof.checks.diagnosis.conclusions import failed
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.guards import is_guard, told_of_guard
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Diagnosis
from backproof.checks.grading.bug_lines import line_of_bug
from backproof.checks.grading.seen_conventions import conventions_of
from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.carried import may_be_same
from backproof.checks.recording.script.handed import handed
from backproof.checks.recording.script.lines import gradients_of, likely_rates, takes_gradients
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.watched import Watched, concluded
from backproof.checks.recording.script.written import Rate, conventions

MOST_RATES = 3  # that are tried where no gradient is right
MOST_CHOICES = 4  # of the labels of those
MOST_LATER = 2  # steps of one sample after the first that are held against a bug
MOST_RIVALS = 3  # readings by another cost that are tried
UPDATE_LINE = "update-line"
HALF = 2.0  # what half a loss puts on the rate
ENOUGH = 12  # wrong entries that two bugs do not fit by chance


@dataclass(frozen=True)
class Told:
    """What one reading of a step comes to.

    Attributes:
        diagnosis: in the terms of a report.
        explanations: by known bugs, the likeliest first.
        evidence: what they were held against first.
    """

    diagnosis: Diagnosis
    explanations: list[Explanation]
    evidence: Evidence


@dataclass(frozen=True)
class Explained:
    """What known bugs say of a script.

    Attributes:
        found: as it is read, by the cost under which they explain it.
        diagnosis: of the step.
        reading: of it, by that cost.
        told: the same with its reasons.
    """

    found: Watched
    diagnosis: Diagnosis
    reading: Reading
    told: Told

    @property
    def rank(self) -> tuple[bool, bool, int, bool]:
        """By a bug rather than by none, of a cost that the script computes, by a common one rather
        than by a rare, and a wrong derivative under the cost that has one."""
        ranks = [SUSPECTS[bug.id].rank for bug in self.diagnosis.bugs]
        head = self.reading.head
        return not ranks, not self.reading.shows_cost, min(ranks, default=0), not head.is_quadratic


def explained(found: Watched) -> Explained | None:
    """Which known bug predicts what the first step took off; without any bug where none does, None
    where nothing can be predicted, as of a step of Adam's."""
    if not found.wrong:
        return None
    known: list[Explained] = []
    for reading in [found.reading, *found.rivals[:MOST_RIVALS]]:
        told = _under(reading, found.later)
        if told is not None:
            known.append(Explained(found, told.diagnosis, reading, told))
    if not known:
        return None
    best = min(known, key=lambda one: one.rank)
    if best.diagnosis.bugs and best.reading is not found.reading:
        best = replace(best, found=concluded(best.reading, found.recorded))
    return _guarded(best) or _with_line(best)


def _guarded(best: Explained) -> Explained | None:
    """The same without any bug, where all that it shows is an eps that keeps the output's
    probabilities from being divided by 0."""
    first = best.told.explanations[0] if best.told.explanations else None
    if first is None or first.variant is None or len(first.causes) > 1:
        return None
    if not is_guard(first.variant):
        return None
    reading = _with_guard(best.reading, first.variant)
    found = concluded(reading, best.found.recorded)
    if found.wrong:
        return None
    hints = [told_of_guard(first.variant)]
    diagnosis = replace(best.diagnosis, bugs=[], verdicts=[], hints=hints)
    return replace(best, found=found, diagnosis=diagnosis, reading=reading)


def _with_guard(reading: Reading, guard: Variant) -> Reading:
    """A reading by the gradients that a guard makes of the right ones."""
    page = reading.page
    run = HookedPass(Setting(page.problem, page.weight), guard.hooks)
    backward = [quantity for quantity in page.values if quantity.is_backward]
    known = [one for one in backward if one.kind in ("da", "dz", "dW", "db")]
    instead = {one: run.value(str(one)) for one in known}
    return replace(reading, page=replace(page, instead=instead))


def _with_line(best: Explained) -> Explained:
    """The same, with the line on which its bug was written, where that comes first."""
    first = best.told.explanations[0] if best.told.explanations else None
    if first is None or first.variant is None or best.reading.before is not None:
        return best
    if best.found.network.gathered is not None:
        return best  # its lines make single numbers
    with np.errstate(all="ignore"):
        line = line_of_bug(best.found, first.variant, best.told.evidence)
    known = best.found.found
    if line is None or (known is not None and (known.file, known.line) == (line.file, line.line)):
        return best  # which has the name that holds it
    return replace(best, found=replace(best.found, found=line))


def _after(reading: Reading, later: Sequence[Sequence[Reading]]) -> Iterator[tuple[Reading, ...]]:
    """The steps after one of a single sample, read as that one is: of each, with any label that it
    may have had."""
    choices = []
    for each in later[:MOST_LATER]:
        some = [one for one in each if may_be_same(one, reading)]
        choices += [some] if some else []
    yield from islice(product(*choices), MOST_CHOICES)


def _under(reading: Reading, later: Sequence[Sequence[Reading]]) -> Told | None:
    """Of one reading: by one bug, or else by two where the rate is known."""
    least: Told | None = None
    for evidence in _asked(reading, later):
        if not any(item.wrongs for item in evidence):
            continue  # by this rate everything would be right
        search = Search(evidence)
        with np.errstate(all="ignore"):
            found = search.simplest()
            if not found and any(reading.seen.values()) and _is_telling(evidence):
                found = search.combined()
            found = _without_rare(found)
            seen = conventions_of(reading)
            told = Told(failed(seen, seen, evidence, found), found, evidence[0])
        if found:
            return told
        least = least or told
    return least


def _without_rare(found: list[Explanation]) -> list[Explanation]:
    """Without a wrong line of the update, where another bug explains as much: parameters that are
    zero, as biases are at first, look like it."""
    usual = [one for one in found if UPDATE_LINE not in one.ids]
    return usual or found


def _asked(reading: Reading, later: Sequence[Sequence[Reading]]) -> Iterator[list[Evidence]]:
    """The step as answers to questions: by one rate or another, or by the gradients that an
    optimizer is handed. Where the output's delta is one number, one step alone tells nothing."""
    if takes_gradients(reading):
        rates = list(_rates(reading))
        for after in _after(reading, later):
            yield from (_by_rate(reading, rate, after) for rate in rates if after)
        if not (later and reading.is_single):
            yield from (_by_rate(reading, rate) for rate in rates)
        return
    made = handed(reading)
    if made is None:
        return
    factors = [made.factor]
    if not any(reading.seen.values()):
        factors = [1 / one.factor for one in conventions(reading.page)]
    for factor in factors:
        yield [_evidence(Role.FIRST, reading, made.gradients, {}, Rate(1.0, factor))]


def _rates(reading: Reading) -> Iterator[Rate]:
    """The likeliest first; then those by which a known bug would predict every number."""
    likely = likely_rates(reading)[:MOST_RATES]
    yield from (_as_written(reading, rate) for rate in likely)
    if reading.descent is not None:
        return
    first = _as_written(reading, likely[0])
    with np.errstate(all="ignore"):
        factors = list(Search(_by_rate(reading, first)).common_factors())
    for factor in factors:
        written = reading.written.rate_of(first.rate * factor, reading.page)
        if written is not None:
            yield written


def _as_written(reading: Reading, rate: float) -> Rate:
    return reading.written.rate_of(rate, reading.page) or Rate.of_mean(rate)


def _is_telling(evidence: list[Evidence]) -> bool:
    """Whether enough numbers are wrong, and each known well enough, for two bugs to be told from
    chance."""
    first = evidence[0]
    if first.answer.precision != "float64":
        return False
    return sum(first.gradients[name].size for name in first.wrongs) >= ENOUGH


def _by_rate(reading: Reading, rate: Rate, later: Sequence[Reading] = ()) -> list[Evidence]:
    """The step, and the one before it where that is what counts, or those after it."""
    asked = [(Role.FIRST, reading), *((Role.OTHER, one) for one in later)]
    if reading.before is not None:
        asked = [(Role.FIRST, reading.before), (Role.AGAIN, reading)]
    found = []
    for role, one in asked:
        gradients, unread = gradients_of(one, rate.eta)
        found.append(_evidence(role, one, gradients, unread, rate, rate.eta))
    return found


def _evidence(
    role: Role,
    reading: Reading,
    gradients: dict[Quantity, np.ndarray],
    unread: dict[Quantity, float],
    rate: Rate,
    learning_rate: float | None = None,
) -> Evidence:
    problem = reading.page.problem
    layers = range(1, problem.L + 1)
    has_bias = all(Quantity("db", layer) in gradients for layer in layers)
    answer = Answer(
        dW={layer: gradients[Quantity("dW", layer)] for layer in layers},
        db={layer: gradients[Quantity("db", layer)] for layer in layers} if has_bias else None,
        rounding={
            str(quantity): np.full(gradients[quantity].shape, error)
            for quantity, error in unread.items()
        },
        precision=_precision(reading),
    )
    convention = rate.convention
    setting = Setting(
        problem,
        reading.page.weight * rate.rate / rate.eta,
        learning_rate=learning_rate,
        bias=has_bias,
        mean=convention is None or not convention.summed,
        half=convention is not None and convention.halved == HALF and reading.head.is_quadratic,
    )
    return Evidence(Probe(role, Question(problem), setting), answer)


def _precision(reading: Reading) -> str:
    """The coarsest in which its weights came."""
    eps = max(change.eps for change in reading.changes.values())
    return "float64" if eps < 1e-12 else "float32"

"""Which known bugs explain what a watched script took off its weights.

A step shows W before and after, and no gradient. Where one of its gradients is right, that tells
the rate; else a rate is believed that stands in the script, alone or with a cost that is as likely
as the one that was taken for it, where a known bug then predicts every number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.bugs.register import SUSPECTS
from backproof.checks.bugs.setting import Setting
from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.diagnosis.choice import Search
from backproof.checks.diagnosis.conclusions import failed
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Diagnosis
from backproof.checks.grading.seen_conventions import conventions_of
from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.lines import gradients_of, likely_rates, takes_gradients
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.watched import Watched, concluded
from backproof.checks.recording.script.written import Rate

MOST_RATES = 3  # that are tried where no gradient is right
MOST_RIVALS = 3  # readings by another cost that are tried
HALF = 2.0  # what half a loss puts on the rate
ENOUGH = 12  # wrong entries that two bugs do not fit by chance


@dataclass(frozen=True)
class Explained:
    """What known bugs say of a script.

    Attributes:
        found: as it is read, by the cost under which they explain it.
        diagnosis: of the step.
        reading: of it, by that cost.
    """

    found: Watched
    diagnosis: Diagnosis
    reading: Reading

    @property
    def rank(self) -> tuple[bool, int]:
        """By a bug rather than by none, and by a common one rather than by a rare."""
        ranks = [SUSPECTS[bug.id].rank for bug in self.diagnosis.bugs]
        return not ranks, min(ranks, default=0)


def explained(found: Watched) -> Explained | None:
    """Which known bug predicts what the first step took off; without any bug where none does, None
    where nothing can be predicted, as of a step of Adam's."""
    if not found.wrong:
        return None
    known: list[Explained] = []
    for reading in [found.reading, *found.rivals[:MOST_RIVALS]]:
        diagnosis = _under(reading) if takes_gradients(reading) else None
        if diagnosis is not None:
            known.append(Explained(found, diagnosis, reading))
    if not known:
        return None
    best = min(known, key=lambda one: one.rank)
    if best.diagnosis.bugs and best.reading is not found.reading:
        return replace(best, found=concluded(best.reading, found.recorded))
    return best


def _under(reading: Reading) -> Diagnosis | None:
    """By one rate or another; by one bug, or else by two where the rate is known."""
    least: Diagnosis | None = None
    for rate in _rates(reading):
        evidence = _asked(reading, rate)
        if not any(item.wrongs for item in evidence):
            continue  # by this rate everything would be right
        search = Search(evidence)
        with np.errstate(all="ignore"):
            found = search.simplest()
            if not found and reading.descent is not None and _is_telling(evidence):
                found = search.combined()
            conventions = conventions_of(reading)
            diagnosis = failed(conventions, conventions, evidence, found)
        if found:
            return diagnosis
        least = least or diagnosis
    return least


def _rates(reading: Reading) -> Iterator[Rate]:
    """The likeliest first; then those by which a known bug would predict every number."""
    likely = likely_rates(reading)[:MOST_RATES]
    yield from (_as_written(reading, rate) for rate in likely)
    if reading.descent is not None:
        return
    first = _as_written(reading, likely[0])
    with np.errstate(all="ignore"):
        factors = list(Search(_asked(reading, first)).common_factors())
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


def _asked(reading: Reading, rate: Rate) -> list[Evidence]:
    """The step, and the one before it where that is what counts, as answers to questions."""
    if reading.before is not None:
        return [_evidence(Role.FIRST, reading.before, rate), _evidence(Role.AGAIN, reading, rate)]
    return [_evidence(Role.FIRST, reading, rate)]


def _evidence(role: Role, reading: Reading, rate: Rate) -> Evidence:
    gradients, unread = gradients_of(reading, rate.eta)
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
        learning_rate=rate.eta,
        bias=has_bias,
        mean=convention is None or not convention.summed,
        half=convention is not None and convention.halved == HALF and reading.head.is_quadratic,
    )
    return Evidence(Probe(role, Question(problem), setting), answer)


def _precision(reading: Reading) -> str:
    """The coarsest in which its weights came."""
    eps = max(change.eps for change in reading.changes.values())
    return "float64" if eps < 1e-12 else "float32"

"""The line of a candidate's own file that makes the first wrong step: its telling calls, once more
with their lines recorded."""

from __future__ import annotations

from dataclasses import replace

from backproof.checks.candidates.candidate import Candidate
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.statement import statement_of
from backproof.checks.findings import Diagnosis, Line, Step
from backproof.checks.recording.ask import Asked, Recordable, Traced, labels_of, trace
from backproof.checks.recording.labels import label
from backproof.checks.recording.listing import listing
from backproof.checks.recording.repair import ways

# the most telling first; of one sample, db[l] is dz[l] itself
ORDER = (
    Role.SINGLE,
    Role.SAME_Z,
    Role.FIRST,
    Role.AGAIN,
    Role.ORDER,
    Role.SQUARE,
    Role.RATE,
    Role.LABELS,
    Role.RARE_LABEL,
    Role.RARE_CLASS,
    Role.OTHER,
)

# arrays that one call made, beyond which it takes too long to find out what each of them is: names
# are a help, and no more
MOST_MADE = 600


def telling(evidence: list[Evidence]) -> list[Asked]:
    """The questions that were answered wrongly, in the order in which they are worth recording."""
    wrong = [item for item in evidence if item.wrongs and item.probe.role in ORDER]
    wrong.sort(key=lambda item: ORDER.index(item.probe.role))
    return [Asked(item.probe.question, item.setting.weight, item.setting.mean) for item in wrong]


def with_line(found: Diagnosis, candidate: Candidate) -> Diagnosis:
    """A diagnosis with the line of its first wrong step, or the reason why none is named."""
    step = found.first_step
    if found.outcome == "pass" or step is None or not found.telling:
        return found
    if found.asked is not None and found.asked != candidate.conventions:
        candidate = candidate.under(found.asked)
    if not isinstance(candidate, Recordable):
        return replace(found, line_reason="Calls of this candidate cannot be recorded.")
    edits = any(bug.id == "in-place" for bug in found.bugs)
    asked_again = found.telling
    if step.instead is not None:  # a factor of one sample shows only beside those of others
        asked_again = [one for one in found.telling if one.samples > 1] or found.telling
    traced = trace(candidate, asked_again, step.quantity, in_place=edits)
    found, step = _told_by_line(found, step, traced)
    line = _line(traced)
    written = []
    if line is not None and traced.own is not None and traced.source is not None:
        asked = found.asked or candidate.conventions
        written = ways(traced.own, traced.source, line, step, asked)
    return replace(
        found,
        line=line,
        line_reason=traced.reason or None,
        names=names_of(traced),
        ways=written,
    )


def _told_by_line(found: Diagnosis, step: Step, traced: Traced) -> tuple[Diagnosis, Step]:
    """The diagnosis with one first wrong step where its numbers left two, and lines tell which: a
    line that makes the first of them wrong, or one behind it that makes it right."""
    if step.instead is None or traced.found is None or traced.own is None:
        return found, step
    known = replace(step, instead=None)
    if traced.found.quantity != step.quantity:
        if len(traced.own.recording.made) > MOST_MADE:
            return found, step
        right = label(traced.own.recording, traced.own.page).names
        if step.quantity not in right:
            return found, step
        known = step.instead
    told = replace(found, first_step=known)
    return replace(told, statement=statement_of(told)), known


def names_of(traced: Traced) -> dict[str, str]:
    """What the person's program calls the right quantities, and the first wrong one."""
    if traced.own is None:
        return {}
    names = {}
    if len(traced.own.recording.made) <= MOST_MADE:
        labels = label(traced.own.recording, traced.own.page)
        names = {str(quantity): name for quantity, name in labels.names.items() if name}
    if traced.found is not None and traced.found.name:
        names[str(traced.found.quantity)] = traced.found.name
    return names


def with_listing(found: Diagnosis, candidate: Candidate, first: Probe) -> Diagnosis:
    """A diagnosis with the candidate's file line by line.

    Args:
        found: what is known already.
        candidate: whose calls are recorded.
        first: a question of several samples, of which a few are enough.
    """
    if found.asked is not None and found.asked != candidate.conventions:
        candidate = candidate.under(found.asked)
    if not isinstance(candidate, Recordable):
        return found
    asked = Asked(first.question, first.setting.weight, first.setting.mean)
    labels, sources = labels_of(candidate, asked)
    lines = (
        [line for source in sources for line in listing(source, labels, found.line)]
        if labels is not None
        else []
    )
    return replace(found, listing=lines)


def _line(traced: Traced) -> Line | None:
    """In the terms of a report."""
    if traced.found is None or traced.source is None:
        return None
    where = traced.found
    return Line(
        traced.source.file,
        traced.source.cell,
        where.line,
        traced.source.line(where.line),
        where.function,
        str(where.quantity),
        where.name,
    )

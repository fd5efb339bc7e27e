"""Answers that are right: as they were asked, or for something that somebody means and does not
declare: another factor or head, a weight decay, a penalty, smoothed labels, a clip."""

from __future__ import annotations

from dataclasses import replace

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis import penalties, smoothing
from backproof.checks.diagnosis.asked import Asked, Heard
from backproof.checks.diagnosis.conclusions import (
    passed,
)
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    asked_as,
    factor_conventions,
    other_heads,
    other_hidden,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.gradient_clipping import clipped, told
from backproof.checks.diagnosis.right import right_under
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.weight_decay import undeclared_decay, without_decay
from backproof.checks.findings import Diagnosis


def passed_as_meant(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That everything is right, if it is so under the conventions asked, others that differ by a
    factor, or another head."""
    right = right_under(heard.conventions, heard.evidence)
    if right is None:
        return None
    return passed(declared, heard.conventions, right, heard.evidence)


def passed_with_decay(asked: Asked, declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That everything is right but for a weight decay that the file does not declare, under its
    head or another one that it leaves open."""
    if "WEIGHT_DECAY" in declared.declared or not heard.evidence:
        return None
    before = heard.conventions
    for head in (before, *other_heads(before)):
        for other in (head, *factor_conventions(head)):
            if undeclared_decay(other, [asked_as(before, other, heard.evidence[0])]) is None:
                continue
            found = _passed_decayed(asked, declared, heard, other)
            if found is not None:
                return found
    return None


def _passed_decayed(
    asked: Asked, declared: Conventions, heard: Heard, other: Conventions
) -> Diagnosis | None:
    """The same under one head."""
    evidence = all_asked_as(heard.conventions, other, heard.evidence)
    # the second step of an object may hold momentum, too: that shows once the decay is taken off
    again = Role.AGAIN if other.builds else None
    decay = undeclared_decay(other, [item for item in evidence if item.probe.role is not again])
    if decay is None:
        return None
    conventions = replace(other, weight_decay=decay)
    evidence = asked.without_momentum(conventions, without_decay(evidence, decay))
    return passed_as_meant(declared, Heard(conventions, evidence))


def beyond_constants(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """What is right for a loss that no constant can declare: with a penalty that goes with 1/N or
    sign(W), or with labels that the code smooths. Under the head of the file, or one that it leaves
    open."""
    if not heard.evidence:
        return None
    if any(item.answer.complaint or item.answer.changed_arguments for item in heard.evidence):
        return None
    before = heard.conventions
    for head in (before, *other_heads(before)):
        for other in (head, *factor_conventions(head)):
            first = [asked_as(before, other, heard.evidence[0])]
            if penalties.penalty_in(other, first):
                held = all_asked_as(before, other, heard.evidence)
                penalty = penalties.penalty_in(other, _without_second(other, held))
                if penalty is not None:
                    return penalties.told(penalty, declared)
            if smoothing.smoothing_in(first):
                found = _smoothed(declared, other, all_asked_as(before, other, heard.evidence))
                if found is not None:
                    return found
    return None


def _without_second(conventions: Conventions, evidence: list[Evidence]) -> list[Evidence]:
    """All but the second step of an object, which may hold momentum of the first."""
    if not conventions.builds:
        return evidence
    return [item for item in evidence if item.probe.role is not Role.AGAIN]


def _smoothed(
    declared: Conventions, other: Conventions, evidence: list[Evidence]
) -> Diagnosis | None:
    """That every gradient is right for labels which the code smooths; as a convention where TARGETS
    can say it."""
    found = smoothing.smoothing_in(evidence)
    if found is None:
        return None
    targets = smoothing.as_targets(found, declared, evidence)
    if targets is None or "TARGETS" in declared.declared:
        return smoothing.told(found, declared)
    conventions = replace(other, targets=targets)
    as_said = all_asked_as(other, conventions, evidence)
    return passed_as_meant(declared, Heard(conventions, as_said)) or smoothing.told(found, declared)


def clipped_and_right(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That gradients are clipped, which is no bug, and whether the rest is right."""
    found = clipped(heard.evidence)
    if found is None:
        return None
    rest = list(found.evidence)
    as_asked = heard.as_declared or heard
    right = bool(rest) and any(
        right_under(other, all_asked_as(heard.conventions, other, rest)) is not None
        for other in other_hidden(as_asked.conventions)
    )
    return told(found, rest_is_right=right)

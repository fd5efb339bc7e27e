"""Under which conventions every answer is right: those that were asked, or others that the file
leaves open."""

from __future__ import annotations

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    asked_as,
    factor_conventions,
    other_heads,
    other_targets,
    rescaled,
)
from backproof.checks.diagnosis.evidence import Evidence


def right_under(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """The conventions under which everything is right: those given, others that differ by a factor,
    or another head."""
    if any(item.answer.changed_arguments or item.answer.complaint for item in evidence):
        return None
    if not any(item.is_wrong for item in evidence):
        return conventions
    gradients = [item for item in evidence if item.is_of_gradients]
    if not any(item.is_wrong for item in evidence if not item.is_of_gradients):
        other = rescaled(conventions, gradients)
        if other is not None:
            return other
    for head in other_heads(conventions):
        as_head = all_asked_as(conventions, head, evidence)
        if not any(item.is_wrong for item in as_head):
            return head
        other = rescaled(head, [item for item in as_head if item.is_of_gradients])
        if other is not None:
            return other
    return _with_soft_targets(conventions, evidence)


def _with_soft_targets(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """Targets other than 0 and 1 under which everything is right."""
    for soft in other_targets(conventions):
        for head in (soft, *other_heads(soft)):
            for other in (head, *factor_conventions(head)):
                if asked_as(conventions, other, evidence[0]).is_wrong:
                    continue
                as_other = all_asked_as(conventions, other, evidence)
                if not any(item.is_wrong for item in as_other):
                    return other
    return None

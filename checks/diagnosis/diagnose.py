"""Somebody's implementation: right, right under another convention, or wrong, where first, and by
which bug.

The simplest explanation wins: right, then a convention, then one bug, then two. Nothing is named
that does not predict every answer to within rounding; where nothing does, the first wrong step is
all that is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backproof.checks.candidates.candidate import Candidate
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.bugs import Bug
from backproof.checks.diagnosis.choice import Explanation, Search
from backproof.checks.diagnosis.classes import where_classes_occur
from backproof.checks.diagnosis.conclusions import Diagnosis, failed, passed
from backproof.checks.diagnosis.conventional import (
    asked_as,
    factor_conventions,
    other_heads,
    rescaled,
    translations,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.low_precision import rounded_away
from backproof.checks.diagnosis.matching import explain
from backproof.checks.diagnosis.probes import plan


def diagnose(
    candidate: Candidate,
    *,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    batch: int | None = None,
) -> Diagnosis:
    """Ask a candidate, and say what its answers mean.

    Args:
        candidate: whoever can be asked.
        sizes: units of the input and of each layer of the first problem, unless the candidate has
            its own built in.
        seed: of the problems.
        batch: samples of the first problem, unless the candidate has its own.
    Returns: the diagnosis. Answers that cannot be used are in it as complaints; nothing is raised
    for them.
    """
    with np.errstate(all="ignore"):
        declared = candidate.conventions
        asked = _Asked(candidate, sizes, seed, batch)
        evidence = asked.under(declared)
        found = declared
        if (right := _right_under(declared, evidence)) is not None:
            return passed(declared, declared, right, evidence)
        for other in _translated(asked, declared, evidence, against_declared=False):
            again = asked.under(other)
            if (right := _right_under(other, again)) is not None:
                return passed(declared, other, right, again)
            if not _usable(evidence) and _usable(again):
                evidence = again
                found = other
        explanations = _explained(asked, declared, found, evidence)
        if isinstance(explanations, Diagnosis):
            return explanations
        if not explanations and (settled := _under_another_factor(found, evidence)):
            found, evidence, explanations = settled
        if not explanations and (counted := where_classes_occur(found, evidence, beside_bugs=True)):
            return failed(declared, found, *counted)
        return failed(declared, found, evidence, explanations)


def _explained(
    asked: _Asked, declared: Conventions, found: Conventions, evidence: list[Evidence]
) -> list[Explanation] | Diagnosis:
    """Bugs that explain wrong numbers; before two are believed in at once, a wrong declaration, or
    classes that are counted."""
    # zeros alone look like many bugs
    something = any(array.any() for item in evidence for array in (item.given or {}).values())
    search = Search(evidence) if something and any(item.wrongs for item in evidence) else None
    if search and (simplest := search.simplest()):
        return simplest
    for other in _translated(asked, declared, evidence, against_declared=True):
        again = asked.under(other)
        if (right := _right_under(other, again)) is not None:
            return passed(declared, other, right, again)
    if counted := where_classes_occur(found, evidence, beside_bugs=False):
        return failed(declared, found, *counted)
    if search:
        return search.combined() or rounded_away(evidence)
    return []


def _under_another_factor(
    conventions: Conventions, evidence: list[Evidence]
) -> tuple[Conventions, list[Evidence], list[Explanation]] | None:
    """Two bugs that explain the answers if the sum was meant for the mean, or the half of a
    quadratic cost."""
    if not any(item.is_wrong_at_output for item in evidence):
        return None  # with another factor, all that is right would be wrong
    for other in factor_conventions(conventions):
        as_other = [asked_as(conventions, other, item) for item in evidence]
        found = Search(as_other).combined() if any(item.wrongs for item in as_other) else []
        if found := [one for one in found if all(cause.id != "scale" for cause in one.causes)]:
            return other, as_other, found
    return None


class _Asked:
    """A candidate and the problems that it is asked."""

    def __init__(
        self, candidate: Candidate, sizes: Sequence[int] | None, seed: int, batch: int | None
    ) -> None:
        self.candidate = candidate
        self.sizes = sizes
        self.seed = seed
        self.batch = batch

    def under(self, conventions: Conventions, first_only: bool = False) -> list[Evidence]:
        """All questions, or the first alone, under some conventions."""
        probes = plan(conventions, sizes=self.sizes, seed=self.seed, batch=self.batch)[
            : 1 if first_only else None
        ]
        if conventions == self.candidate.conventions:
            candidate = self.candidate
        else:
            candidate = self.candidate.under(conventions)
        answers = candidate.ask([probe.question for probe in probes])
        return [Evidence(probe, answer) for probe, answer in zip(probes, answers, strict=True)]


def _usable(evidence: list[Evidence]) -> bool:
    return any(item.given is not None and item.is_of_gradients for item in evidence)


def _right_under(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """The conventions under which everything is right: those given, others that differ by a factor,
    or another head."""
    if any(item.answer.changed_arguments for item in evidence) or any(
        item.answer.complaint for item in evidence
    ):
        return None
    if not any(item.is_wrong for item in evidence):
        return conventions
    gradients = [item for item in evidence if item.is_of_gradients]
    if not any(item.is_wrong for item in evidence if not item.is_of_gradients) and (
        other := rescaled(conventions, gradients)
    ):
        return other
    for head in other_heads(conventions):
        as_head = [asked_as(conventions, head, item) for item in evidence]
        if not any(item.is_wrong for item in as_head):
            return head
        if other := rescaled(head, [item for item in as_head if item.is_of_gradients]):
            return other
    return None


def _translated(
    asked: _Asked, declared: Conventions, evidence: list[Evidence], *, against_declared: bool
) -> list[Conventions]:
    """Other ways to put the question: those alone under which the first one gets an answer, if it
    had one a right one."""
    found = []
    for other in translations(declared, against_declared=against_declared):
        (first,) = asked.under(other, first_only=True)
        usable = first.given is not None and not first.answer.complaint
        as_heads = (first, *(asked_as(other, head, first) for head in other_heads(other)))
        if usable and (
            evidence[0].given is None or any(explain((), [one]) is not None for one in as_heads)
        ):
            found.append(other)
    return found


__all__ = ["Bug", "Diagnosis", "diagnose"]

"""Answers that are wrong: the simplest bugs that explain them, beside a convention that is not
declared, or where the numbers first go wrong."""

from __future__ import annotations

from dataclasses import dataclass

from backproof.checks.bugs.factors import SCALE
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.asked import Asked, Heard, translated
from backproof.checks.diagnosis.at_output import nearly_settled
from backproof.checks.diagnosis.choice import Explanation, Search
from backproof.checks.diagnosis.classes import WhereComplete, where_classes_occur
from backproof.checks.diagnosis.conclusions import (
    against_labels,
    failed,
    failed_behind,
    first_step,
    undecided,
)
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    factor_conventions,
    settled_by_output,
    translations,
)
from backproof.checks.diagnosis.evidence import Evidence, differs_from_call_to_call
from backproof.checks.diagnosis.low_precision import rounded_away
from backproof.checks.diagnosis.meant import passed_as_meant, passed_with_decay
from backproof.checks.diagnosis.unknown_activation import shown_wrong
from backproof.checks.diagnosis.weight_decay import without_decay
from backproof.checks.findings import Diagnosis


def wrong(asked: Asked, declared: Conventions, heard: Heard) -> Diagnosis:
    """Bugs that explain wrong numbers; before two are believed in at once, a wrong declaration, or
    classes that are counted."""
    mixed = heard
    heard = heard.as_likely
    evidence = heard.evidence
    search = search_of(evidence)
    explanations = search.simplest() if search else []
    if explanations:
        return failed(declared, heard.conventions, evidence, explanations)
    own_step = _first_wrong_for_its_own_function(asked, declared, heard)
    if own_step == "":
        return undecided(heard.conventions, evidence)
    settled = _with_settled_output(heard)
    if settled is not heard:
        heard = settled
        evidence = heard.evidence
        search = search_of(evidence)
        explanations = search.simplest() if search else []
        if explanations:
            return failed(declared, heard.conventions, evidence, explanations)
    for other in translated(asked, declared, evidence, against_declared=True):
        again = asked.hear(other)
        found = passed_as_meant(declared, again) or passed_with_decay(asked, declared, again)
        if found is not None and other.labels != declared.labels and "LABELS" in declared.declared:
            return against_labels(declared, heard.conventions, evidence, other)
        if found is not None:
            return found
    complete = where_classes_occur(heard.conventions, evidence, beside_bugs=False)
    if complete:
        return _failed_where_complete(declared, heard, complete)
    put_otherwise = _put_otherwise(asked, declared, heard)
    if put_otherwise is not None:
        heard = put_otherwise
        evidence = heard.evidence
        search = search_of(evidence)
        explanations = search.simplest() if search else []
        if explanations:
            return failed(declared, heard.conventions, evidence, explanations)
    if search:
        explanations = search.combined() or rounded_away(evidence)
    if explanations:
        return failed(declared, heard.conventions, evidence, explanations)
    rescaled = _under_another_factor(heard)
    if rescaled is not None:
        return failed(declared, rescaled.conventions, rescaled.evidence, rescaled.explanations)
    complete = where_classes_occur(heard.conventions, evidence, beside_bugs=True)
    if complete:
        return _failed_where_complete(declared, heard, complete)
    for one in (mixed, _with_settled_output(mixed)):
        explanations = _beside_mixed(heard, one)
        if explanations:
            return failed(declared, one.conventions, one.evidence, explanations)
    found = failed(declared, heard.conventions, evidence, [])
    if own_step is None or found.first_step is None or found.first_step.quantity.kind != "a":
        return found
    return failed_behind(found, own_step, evidence)


def _with_settled_output(heard: Heard) -> Heard:
    """The convention first, then what is wrong beside it: as the output layer shows it, if that is
    right under another head or factor, maybe but for a weight decay."""
    before = heard.conventions
    found = settled_by_output(before, heard.evidence) or nearly_settled(before, heard.evidence)
    if found is None:
        return heard
    evidence = all_asked_as(before, found, heard.evidence)
    return Heard(found, without_decay(evidence, found.weight_decay - before.weight_decay))


def _put_otherwise(asked: Asked, declared: Conventions, heard: Heard) -> Heard | None:
    """The questions in a layout, or with examples or labels, that the file does not declare, where
    that alone makes the output layer right, or one bug explains every number; None where neither is
    so."""
    if not any(item.is_wrong_at_output for item in heard.evidence):
        return None
    for other in translations(declared, against_declared=False):
        (first,) = asked.under(other, first_only=True)
        if first.given is None or first.answer.complaint or not first.says_something:
            continue
        again = asked.hear(other).as_likely
        search = search_of(again.evidence)
        if search is not None and (_is_right_at_output(again) or search.simplest()):
            return again
    return None


def _is_right_at_output(heard: Heard) -> bool:
    """Whether every gradient of the output layer came, in every answer, and is right."""
    of_gradients = [item for item in heard.evidence if item.is_of_gradients]
    return all(item.is_whole and not item.is_wrong_at_output for item in of_gradients)


def _first_wrong_for_its_own_function(
    asked: Asked, declared: Conventions, heard: Heard
) -> str | None:
    """Where a hidden activation is the first wrong step and none is declared, it may be one that is
    not known here: the first step that is wrong given that one, "" if none is; None where that
    does not apply."""
    evidence = heard.evidence
    if "HIDDEN" in declared.declared or not heard.conventions.bias:
        return None
    if any(item.answer.changed_arguments or item.answer.complaint for item in evidence):
        return None
    if differs_from_call_to_call(evidence):
        return None
    step = first_step([], evidence, None)
    if step is None or step.quantity.kind != "a":
        return None
    return shown_wrong(
        heard.conventions, evidence, asked.close_together(heard.conventions, evidence)
    )


def _beside_mixed(heard: Heard, mixed: Heard) -> list[Explanation]:
    """Bugs in more layers than those that are unlike the others, if there is such a mixture: then
    it is meant."""
    search = search_of(mixed.evidence)
    if mixed is heard or search is None:
        return []
    usual = heard.conventions.hidden
    odd = {layer for layer, name in enumerate(mixed.conventions.hidden, 1) if name != usual}
    found = search.simplest()
    return [one for one in found if not odd.issuperset(one.causes[0].place.layers)]


def _failed_where_complete(
    declared: Conventions, heard: Heard, complete: WhereComplete
) -> Diagnosis:
    """Wrong by the way in which classes are counted, and by what is wrong where that does not
    matter."""
    return failed(
        declared,
        heard.conventions,
        complete.evidence,
        complete.explanations,
        complete.sentence,
    )


def search_of(evidence: list[Evidence]) -> Search | None:
    """For bugs, where there is something to explain: zeros alone look like many bugs."""
    something = any(item.says_something for item in evidence)
    if something and any(item.wrongs for item in evidence):
        return Search(evidence)
    return None


@dataclass(frozen=True)
class Settled:
    """Answers under conventions that a file does not declare, and what explains them there."""

    conventions: Conventions
    evidence: list[Evidence]
    explanations: list[Explanation]


def _under_another_factor(heard: Heard) -> Settled | None:
    """Two bugs that explain the answers if the sum was meant for the mean, or the half of a
    quadratic cost."""
    if not any(item.is_wrong_at_output for item in heard.evidence):
        return None  # with another factor, all that is right would be wrong
    for other in factor_conventions(heard.conventions):
        as_other = all_asked_as(heard.conventions, other, heard.evidence)
        if not any(item.wrongs for item in as_other):
            continue
        found = [one for one in Search(as_other).combined() if SCALE.id not in one.ids]
        if found:
            return Settled(other, as_other, found)
    return None

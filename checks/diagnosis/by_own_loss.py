"""What a candidate's own loss adds: whether right gradients belong to it, and what there is to hold
others against."""

from __future__ import annotations

from dataclasses import replace

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis import own_loss_told
from backproof.checks.diagnosis.asked import Asked, Heard, answered
from backproof.checks.diagnosis.conclusions import (
    failed,
)
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
)
from backproof.checks.diagnosis.evidence import differs_from_call_to_call
from backproof.checks.diagnosis.hidden_layers import recognised
from backproof.checks.diagnosis.own_loss import OwnLoss
from backproof.checks.diagnosis.own_loss_asked import as_evidence
from backproof.checks.diagnosis.right import right_under
from backproof.checks.diagnosis.wrong import search_of, wrong
from backproof.checks.findings import Diagnosis


def beside_own_loss(asked: Asked, found: Diagnosis) -> Diagnosis:
    """Right gradients, beside the candidate's own loss if it defines one."""
    declared = asked.candidate.conventions
    if found.outcome != "pass" or not declared.has_loss or found.asked is None or asked.own:
        return found
    own = asked.own_loss(found.asked)
    if own.complaint:
        hint = f"Your own loss is not compared: {own.complaint}"
        return replace(found, hints=[*found.hints, hint])
    return own_loss_told.beside_network(own, found, declared)


def by_own_loss(asked: Asked, declared: Conventions, heard: Heard) -> Diagnosis | None:
    """What the candidate's own loss says of gradients that are right under no convention: they are
    its own; or wrong, and then it shows which network is meant, or is all that there is to hold
    them against."""
    own = asked.own_loss(heard.conventions)
    evidence = heard.evidence
    search = search_of(evidence)
    if own.complaint:
        explanations = search.simplest() if search else []
        says_network = {"HIDDEN", "OUTPUT", "COST"} & declared.declared
        if explanations or says_network or not answered(evidence):
            return None
        return own_loss_told.unusable(own, heard.conventions)
    complaints = any(item.answer.complaint or item.answer.changed_arguments for item in evidence)
    if own.agrees:
        if complaints or differs_from_call_to_call(evidence):
            return None
        return own_loss_told.passed(own, declared, heard.conventions)
    network = _network_of(own, heard.conventions)
    if network is not None:
        return wrong(asked, declared, asked.hear(network))
    explanations = search.simplest() if search else []
    if explanations:
        found = failed(declared, heard.conventions, evidence, explanations)
        return replace(found, hints=[*found.hints, f"{own_loss_told.OF_NO_NETWORK}."])
    return own_loss_told.failed(own, declared, heard.conventions)


def _network_of(own: OwnLoss, conventions: Conventions) -> Conventions | None:
    """The network that can be declared whose loss a candidate's own is; None if there is none."""
    evidence = as_evidence(own)
    if not evidence:
        return None
    shown = recognised(conventions, evidence)
    return right_under(shown, all_asked_as(conventions, shown, evidence))

"""Bugs in words: what the code does, the evidence in numbers, the line that repairs it, where to read more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from checks.diagnosis.choice import Cause, Explanation
from checks.diagnosis.evidence import Evidence
from checks.diagnosis.low_precision import passed_through
from checks.suspects.register import SUSPECTS


@dataclass(frozen=True)
class Bug:
    """One bug, in words that somebody can act on.

    Attributes:
        id: its name in the catalogue.
        where: "layer 1", "the output layer".
        statement: what the code does, in a sentence.
        evidence: how well its prediction fits the answers, and how badly the right gradients do.
        residual: the largest relative difference between prediction and answers.
        fix: the line that repairs it.
        see: the equation in checks/EQUATIONS.md.
    """

    id: str
    where: str
    statement: str
    evidence: str
    residual: float
    fix: str
    see: str


def bugs_of(evidence: list[Evidence], explanations: list[Explanation]) -> list[Bug]:
    """The causes of the likeliest explanation, then those of the others that fit as well."""
    if not explanations:
        return [_in_words(cause, "", evidence_text, 0.0) for cause, evidence_text in passed_through(evidence)]
    bugs: list[Bug] = []
    for index, explanation in enumerate(explanations):
        text = _fit(evidence, explanation)
        for cause in explanation.causes:
            if cause.id not in {bug.id for bug in bugs}:
                bugs.append(_in_words(cause, "" if index == 0 else OR, text, explanation.residual))
    return bugs


OR = "or, which no question can tell apart here, "


def _in_words(cause: Cause, before: str, evidence: str, residual: float) -> Bug:
    words = SUSPECTS[cause.id]
    return Bug(cause.id, cause.where, f"{before}{words.statement} ({cause.note})", evidence, residual, words.fix, words.see)


def edited_arguments() -> Bug:
    """The finding that the arrays that were passed in are no longer what they were."""
    words = SUSPECTS["in-place"]
    text = "after the call, the arrays that were passed in hold other numbers than before"
    return Bug("in-place", "its arguments", "it edits the arrays that it is given", text, 0.0, "x = x.copy()", words.see)


def _fit(evidence: list[Evidence], explanation: Explanation) -> str:
    """ "your dW[1] equals this prediction to 2e-16, the right one to 3e-1", on the first question that shows it."""
    for item in evidence:
        given = item.given or {}
        off = {quantity: _relative(given[quantity], item.right.named(quantity)) for quantity in item.wrongs if quantity in given}
        shown = {quantity: size for quantity, size in off.items() if np.isfinite(size)}
        if shown:
            quantity = max(shown, key=lambda name: (shown[name], name))
            fits = f"your {quantity} equals this prediction to {explanation.residual:.0e}, the right one to {shown[quantity]:.0e}"
            return f"{fits} (of its size; {item.setting.problem.id})"
    return "your gradients have the shapes that this predicts"


def _relative(given: np.ndarray, right: np.ndarray) -> float:
    if given.shape != right.shape:
        return float("nan")
    size = max(float(np.linalg.norm(given)), float(np.linalg.norm(right)))
    return float(np.linalg.norm(given - right)) / size if size else 0.0

"""Bugs in words: what the code does, the evidence in numbers, the line that repairs it, where to
read more."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.register import SUSPECTS
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.lines import lines, with_layer
from backproof.checks.diagnosis.choice import Cause, Explanation
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import equation


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
        alternative: whether it stands for others before it, from which no question can tell it
            apart here.
    """

    id: str
    where: str
    statement: str
    evidence: str
    residual: float
    fix: str
    see: str
    alternative: bool = False


def bugs_of(
    evidence: list[Evidence], explanations: list[Explanation], conventions: Conventions
) -> list[Bug]:
    """The causes of the likeliest explanation, then those of the others that fit as well."""
    bugs: list[Bug] = []
    for index, explanation in enumerate(explanations):
        text = _fit(evidence, explanation, conventions)
        seen = next((item.answer.edits for item in evidence if item.answer.edits), "")
        if seen and "in-place" in {cause.id for cause in explanation.causes}:
            text = f"see {seen}; {text}"
        else:
            text = text
        for cause in explanation.causes:
            if cause.id not in {bug.id for bug in bugs}:
                bugs.append(
                    _in_words(
                        cause, index > 0, cause.evidence or text, explanation.residual, conventions
                    )
                )
    return bugs


def _in_words(
    cause: Cause, alternative: bool, evidence: str, residual: float, conventions: Conventions
) -> Bug:
    words = SUSPECTS[cause.id]
    fix = (cause.fix or words.fix).format(**lines(conventions))
    only = re.fullmatch(r"(?:db of )?layer (\d+)", cause.where)
    fix = with_layer(fix, int(only[1])) if only else fix
    line = re.match(r"\{(dW|db|da|dz)\}", cause.fix)
    # in a network of one layer: dz[1] is the delta of this file's own cost
    last = f"{line[1]}[0]" if line else "dz[1]"
    see = equation(last, 1, *conventions.head) if line or words.see == "(B1)" else words.see
    return Bug(
        cause.id,
        cause.where,
        f"{words.statement}; here: {cause.note}",
        evidence,
        residual,
        fix,
        see,
        alternative,
    )


def edited_arguments() -> Bug:
    """The finding that the arrays that were passed in are no longer what they were."""
    words = SUSPECTS["in-place"]
    text = "after the call, the arrays that were passed in hold other numbers than before"
    return Bug(
        "in-place",
        "its arguments",
        "it edits the arrays that it is given",
        text,
        0.0,
        "x = x.copy()",
        words.see,
    )


def _fit(evidence: list[Evidence], explanation: Explanation, conventions: Conventions) -> str:
    """The entry that is farthest off in the first question that shows the bug, and how well the
    prediction fits all of them."""
    for item in evidence:
        given = item.given or {}
        wrong = [quantity for quantity in item.wrongs if quantity in given]
        comparable = [
            quantity
            for quantity in wrong
            if given[quantity].shape == item.right.named(quantity).shape
        ]
        if comparable:
            quantity = max(
                comparable, key=lambda name: (_relative(given[name], item.right.named(name)), name)
            )
            size = f"{max(explanation.residual, 1e-16):.0e} of its size"
            if len(explanation.causes) == 1:
                who = "this bug predicts"
            else:
                who = "these bugs together predict"
            fits = f"{who} yours, and every other gradient that came, to {size}"
            entry = _entry(quantity, given[quantity], item.right.named(quantity), conventions)
            return f"{entry}; {fits} ({item.setting.problem.id})"
        if wrong:
            shape = given[wrong[0]].shape
            due = item.right.named(wrong[0]).shape
            return (
                f"your {wrong[0]} has the shape {shape}, which this bug gives it; {due} is "
                f"right ({item.setting.problem.id})"
            )
    return "your gradients have the shapes that this predicts"


def _entry(quantity: str, given: np.ndarray, right: np.ndarray, conventions: Conventions) -> str:
    """ "your dW[1][0, 2] is 0.0123, right is 0.0456", with the index in the candidate's own
    layout."""
    index = np.unravel_index(int(np.abs(given - right).argmax()), given.shape)
    turned = index[::-1] if quantity.startswith("dW") and conventions.layout == "in,out" else index
    where = ", ".join(str(int(i)) for i in turned)
    return (
        f"your {quantity}[{where}] is "
        f"{' but right is '.join(apart(float(given[index]), float(right[index])))}"
    )


def apart(yours: float, right: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart."""
    texts = ((f"{yours:.{digits}g}", f"{right:.{digits}g}") for digits in range(6, 18))
    return next((pair for pair in texts if pair[0] != pair[1]), (repr(yours), repr(right)))


def _relative(given: np.ndarray, right: np.ndarray) -> float:
    size = max(float(np.linalg.norm(given)), float(np.linalg.norm(right)))
    if size:
        return float(np.linalg.norm(given - right)) / size
    return 0.0

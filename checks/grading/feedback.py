"""What somebody reads about their own implementation: as text in 88 columns, and as one JSON
object.

The order is the reader's: the verdict, which gradients are right and which wrong, the first wrong
step with its equation, the bug, the evidence, the fix, where to read more.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.right_lines import of_step
from backproof.checks.digits import apart
from backproof.checks.findings import Bug, Diagnosis, Step
from backproof.checks.learning.answer import Answer
from backproof.checks.learning.finding import Symptom
from backproof.checks.quantities import kind_of
from backproof.checks.report.listed import PLAIN, Page, listed
from backproof.checks.report.text import comparison_as_json
from backproof.model.command_line import counted

WIDTH = 88
OR = "or, which no question can tell apart here, "
QUANTITY = re.compile(r"\b[A-Za-z]+\[\d+\]|\bp\b")  # in an equation
INDENT = 11  # columns of the labels on the left


@dataclass(frozen=True)
class Feedback:
    """All that was found out about one candidate.

    Attributes:
        candidate: its path, as it was given.
        elapsed_s: the verification itself, with the candidate's import, without starting Python for
            the checker.
        asked: the function that was called and the conventions that differ from the defaults, what
            repeats the run.
        diagnosis: what its numbers say; None where it could not be asked.
        complaint: why it could not be asked, in one sentence, or "".
        faults: what it does beside answering that fails it: it edits its arguments, say.
        notes: what it does that is worth knowing and fails nothing: it prints, say.
        manner: how it was run, where that is worth knowing: in the object, and below all verdicts.
        watched: of a script, the network that was recognised and the names that hold it.
        unchecked: whether the complaint is about what keeps us from checking, and not about it.
        learning: why it does not learn from its own data; None where no data were given.
        unusable: why the data that were given are none for it, or "".
        symptoms: what keeps a script from learning of which no network was recognised.
    """

    candidate: str
    elapsed_s: float
    asked: str = ""
    diagnosis: Diagnosis | None = None
    complaint: str = ""
    faults: Sequence[str] = field(default_factory=list)
    notes: Sequence[str] = field(default_factory=list)
    manner: Sequence[str] = field(default_factory=list)
    unchecked: bool = False
    watched: dict[str, Any] | None = None
    learning: Answer | None = None
    unusable: str = ""
    symptoms: Sequence[Symptom] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """ "pass" only if it was asked, its gradients are right, and it does nothing else that it
        must not."""
        right = self.diagnosis is not None and self.diagnosis.outcome == "pass"
        if right and not self.complaint and not self.faults:
            return "pass"
        undecided = self.diagnosis is not None and self.diagnosis.outcome == "untested"
        if self.unchecked or (undecided and not self.faults):
            return "untested"
        return "fail"

    @property
    def statement(self) -> str:
        """The whole in one sentence."""
        if self.complaint:
            return self.complaint
        right = self.diagnosis is None or self.diagnosis.outcome == "pass"
        if self.faults and right:
            return self.faults[0]
        if self.diagnosis is None:
            return ""
        return self.diagnosis.statement


def as_json(feedback: Feedback, *, no_fix: bool = False) -> dict[str, Any]:
    """The object of `--json`; without what repairs it where that is to be kept back."""
    found = feedback.diagnosis or NOTHING
    findings = [feedback.complaint] if feedback.complaint else []
    listing = [] if no_fix else [line.as_json() for line in found.listing]
    return {
        "candidate": feedback.candidate,
        "verdict": feedback.outcome,
        "device": "cpu",
        "dtype": "float64",
        "problems": found.problems,
        "gradients": found.gradients,
        "seconds": feedback.elapsed_s,
        "watched": feedback.watched,
        "comparisons": [comparison_as_json(verdict) for verdict in found.verdicts],
        "diagnosis": {
            "statement": _with_line(feedback, no_fix),
            "correct": list(found.correct),
            "wrong": list(found.wrong),
            "first_wrong": found.first_wrong,
            "first_wrong_or": found.first_wrong_or,
            "line": found.line.as_json() if found.line and not no_fix else None,
            "line_reason": None if no_fix else found.line_reason,
            "bugs": [_bug_as_json(bug, no_fix=no_fix) for bug in found.bugs],
            "conventions": list(found.conventions),
            "findings": [*findings, *feedback.faults],
            "notes": [*found.hints, *feedback.notes, *feedback.manner],
        },
        "symptoms": [symptom.as_json() for symptom in _symptoms(feedback)],
        "tried": feedback.learning.as_json()["tried"] if feedback.learning else [],
    } | ({"listing": listing} if listing else {})


def _with_line(feedback: Feedback, no_fix: bool) -> str:
    """The whole in a sentence, and which line it is."""
    found = feedback.diagnosis
    if feedback.complaint or found is None or found.line is None or no_fix:
        return feedback.statement
    return f"{feedback.statement} {found.line.sentence}"


def _symptoms(feedback: Feedback) -> list[Symptom]:
    """Why it does not learn."""
    of_network = feedback.learning.findings if feedback.learning else ()
    return [*feedback.symptoms, *of_network]


def _learning_lines(feedback: Feedback) -> list[str]:
    """Why it does not learn, what to do, and what was tried."""
    lines: list[str] = []
    for symptom in _symptoms(feedback):
        lines += _labelled("symptom", f"{symptom.line}")
    learning = feedback.learning
    if learning is None:
        return lines
    for tried in learning.tried:
        lines += _labelled("tried", str(tried))
    for note in learning.notes:
        lines += _labelled("note", note)
    return [*lines, *_labelled("learns", learning.last_line)]


NOTHING = Diagnosis("fail", "")  # of a candidate that could not be asked


def _bug_as_json(bug: Bug, *, no_fix: bool) -> dict[str, Any]:
    statement = OR + bug.statement if bug.alternative else bug.statement
    return {
        "id": bug.id,
        "where": bug.where,
        "statement": statement,
        "evidence": bug.evidence if no_fix else _with_trial(bug),
        "residual": bug.residual,
        "fix": "" if no_fix else str(bug.fix),
        "see": bug.see,
    }


def _with_trial(bug: Bug) -> str:
    """The evidence of a bug, and of its fix where that was tried."""
    return "; ".join(part for part in (bug.evidence, bug.fix.tried) if part)


def as_text(feedback: Feedback, *, no_fix: bool = False, page: Page = PLAIN) -> list[str]:
    """The lines for the terminal, the verdict first.

    Args:
        feedback: what was found out.
        no_fix: whether the repair is kept back.
        page: what a listing is printed on.
    """
    lines = [first_line(feedback)]
    if feedback.asked:
        lines += _labelled("asked", feedback.asked)
    for sentence in (feedback.complaint, *feedback.faults):
        if sentence:
            lines += _labelled("finding", sentence)
    if feedback.diagnosis:
        lines += _diagnosis_lines(feedback.diagnosis, bool(feedback.complaint), no_fix)
    for sentence in feedback.notes:
        lines += _labelled("note", sentence)
    if feedback.diagnosis and feedback.diagnosis.listing and not no_fix:
        lines += ["", *listed(feedback.diagnosis.listing, page)]
    return [*lines, *_learning_lines(feedback)]


def _diagnosis_lines(found: Diagnosis, complained: bool, no_fix: bool) -> list[str]:
    """What is right and wrong, where first, why, and what to declare."""
    lines: list[str] = []
    if (found.outcome == "untested" and not complained) or found.by_own_loss:
        lines += _labelled("why", found.statement)
    if found.correct or found.wrong:
        lines += _labelled("right", " ".join(found.correct) or "nothing")
        lines += _labelled("wrong", " ".join(found.wrong) + _in_how_many(found) or "nothing")
    if found.first_step and no_fix:
        lines += _labelled(
            "first", f"{found.first_step.or_instead} is the first step that goes wrong"
        )
    elif found.first_step:
        lines += _labelled("first", _as_due(found.first_step, found.asked))
        lines += _in_yours(found)
    if found.line and not no_fix:
        lines += _labelled("your line", found.line.sentence)
    elif found.line_reason and not no_fix:
        lines += _labelled("your line", found.line_reason)
    before = None
    for bug in found.bugs:
        lines += _bug_lines(bug, before, no_fix)
        before = bug
    if not found.bugs and found.wrong and not complained and found.verdicts:
        if not found.by_own_loss:
            lines += _labelled("unknown", "no known bug explains these numbers, so none is named")
        lines += _labelled("evidence", _worst(found))
    if found.conventions:
        lines += _labelled("write", "   ".join(found.conventions))
        lines += _labelled("", "(a convention, and no bug: so the file says what it computes)")
    for sentence in found.hints:
        lines += _labelled("note", sentence)
    return lines


def _as_due(step: Step, asked: Conventions) -> str:
    """The first wrong step as the line that should be there."""
    line = of_step(step, asked)
    due = f"{step.tag} {line or step.quantity}"
    if step.instead is not None:
        other = of_step(step.instead, asked)
        due += f", or {step.instead.tag} {other or step.instead.quantity}: one of the two"
    return f"{due} is the first step that goes wrong"


def _in_yours(found: Diagnosis) -> list[str]:
    """What the quantities of that line are called in the person's own file, as far as is known."""
    if found.first_step is None:
        return []
    line = of_step(found.first_step, found.asked)
    quantities = dict.fromkeys([str(found.first_step.quantity), *QUANTITY.findall(line)])
    if found.line is not None:
        quantities.setdefault(found.line.quantity)
    known = [f"{name}, your {found.names[name]}" for name in quantities if name in found.names]
    return _labelled("names", "; ".join(known)) if known else []


def first_line(feedback: Feedback) -> str:
    """The verdict in one line."""
    found = feedback.diagnosis
    parts = [f"{feedback.outcome}: {_printable(feedback.candidate)}"]
    if found is not None:
        parts += [counted(found.problems, "problem"), counted(found.gradients, "gradient")]
    return ", ".join([*parts, f"{feedback.elapsed_s:.2f} s"])


def _bug_lines(bug: Bug, before: Bug | None, no_fix: bool) -> list[str]:
    """A bug, its evidence unless that was just said of the one before, its fix, and its
    equation."""
    label = "or" if bug.alternative else "bug"
    lines = _labelled(label, f"{bug.id}, {bug.where}: {bug.statement}")
    if before is None or before.evidence != bug.evidence:
        lines += _labelled("evidence", bug.evidence)
    if not no_fix:
        lines += _labelled("fix", bug.fix.line)
        if bug.fix.tried:
            lines += _labelled("", f"({bug.fix.tried})")
    if bug.fix.comment and not no_fix:
        lines += _labelled("", f"({bug.fix.comment})")
    return [*lines, *_labelled("read on", f"checks/EQUATIONS.md {bug.see}")]


def _in_how_many(found: Diagnosis) -> str:
    """ " (in 2 of 14 problems)", where it is right in others: what is wrong there alone shows
    seldom."""
    asked = {verdict.problem for verdict in found.verdicts}
    wrong = {verdict.problem for verdict in found.verdicts if verdict.outcome == "fail"}
    if 0 < len(wrong) <= len(asked) / 2:
        return f" (in {len(wrong)} of {len(asked)} problems)"
    return ""


def _worst(found: Diagnosis) -> str:
    """The first comparison that fails, for somebody who has nothing else to start from."""
    verdict = next(verdict for verdict in found.verdicts if verdict.outcome == "fail")
    if verdict.of == 0:
        return f"{verdict.quantity}: {verdict.reason}; {verdict.problem}"
    index = list(verdict.worst_index)
    if kind_of(verdict.quantity) == "dW" and found.asked.layout == "in,out":
        index.reverse()
    looks = f"; {verdict.pattern}" if verdict.pattern else ""
    yours, due = apart(*verdict.values)
    return (
        f"your {verdict.quantity}{index} is {yours} but right is {due}{looks} ({verdict.problem})"
    )


def _labelled(label: str, text: str) -> list[str]:
    """A label on the left, the text wrapped beside it."""
    first, *code = text.split("\n")  # below a sentence stands code, which keeps its lines
    wrapped = textwrap.wrap(
        _printable(first), WIDTH - INDENT, break_long_words=False, break_on_hyphens=False
    )
    wrapped += [_printable(line) for line in code]
    labels = itertools.chain([label], itertools.repeat(""))
    return [f"{left:<{INDENT}}{line}" for left, line in zip(labels, wrapped or [""], strict=False)]


def _printable(text: str) -> str:
    """Without what a terminal takes for a command: names and messages are others'."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)

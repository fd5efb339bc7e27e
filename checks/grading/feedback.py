"""What somebody reads about their own implementation: as text in 88 columns, and as one JSON
object.

The order is the reader's: the verdict, which gradients are right and which wrong, the first wrong
step with its equation, the bug, the evidence, the fix, where to read more.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backproof.checks.candidates.lines import of_step
from backproof.checks.report.text import comparison_as_json

if TYPE_CHECKING:
    from backproof.checks.diagnosis.diagnose import Bug, Diagnosis

WIDTH = 88
OR = "or, which no question can tell apart here, "
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
    """

    candidate: str
    elapsed_s: float
    asked: str = ""
    diagnosis: Diagnosis | None = None
    complaint: str = ""
    faults: Sequence[str] = field(default_factory=list)
    notes: Sequence[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """ "pass" only if it was asked, its gradients are right, and it does nothing else that it
        must not."""
        right = self.diagnosis is not None and self.diagnosis.outcome == "pass"
        if right and not self.complaint and not self.faults:
            return "pass"
        return "fail"

    @property
    def statement(self) -> str:
        """The whole in one sentence."""
        right = self.diagnosis is None or self.diagnosis.outcome == "pass"
        return self.complaint or (
            self.faults[0]
            if self.faults and right
            else self.diagnosis.statement
            if self.diagnosis
            else ""
        )


def as_json(feedback: Feedback) -> dict[str, Any]:
    """The object of `--json`."""
    found = feedback.diagnosis
    return {
        "candidate": feedback.candidate,
        "verdict": feedback.outcome,
        "device": "cpu",
        "dtype": "float64",
        "problems": found.problems if found else 0,
        "gradients": found.gradients if found else 0,
        "seconds": feedback.elapsed_s,
        "comparisons": [comparison_as_json(verdict) for verdict in found.verdicts] if found else [],
        "diagnosis": {
            "statement": feedback.statement,
            "correct": list(found.correct) if found else [],
            "wrong": list(found.wrong) if found else [],
            "first_wrong": found.first_wrong if found else None,
            "bugs": [_bug_as_json(bug) for bug in found.bugs] if found else [],
            "conventions": list(found.conventions) if found else [],
            "findings": ([feedback.complaint] if feedback.complaint else [])
            + list(feedback.faults),
            "notes": [*(found.hints if found else ()), *feedback.notes],
        },
    }


def _bug_as_json(bug: Bug) -> dict[str, Any]:
    names = ("id", "where", "statement", "evidence", "residual", "fix", "see")
    found = {name: getattr(bug, name) for name in names}
    return found | ({"statement": OR + bug.statement} if bug.alternative else {})


def as_text(feedback: Feedback) -> list[str]:
    """The lines for the terminal, the verdict first."""
    found = feedback.diagnosis
    lines = [first_line(feedback)]
    lines += _labelled("asked", feedback.asked) if feedback.asked else []
    for sentence in (feedback.complaint, *feedback.faults):
        lines += _labelled("finding", sentence) if sentence else []
    if found and (found.correct or found.wrong):
        lines += _labelled("right", " ".join(found.correct) or "nothing")
        lines += _labelled("wrong", " ".join(found.wrong) + _in_how_many(found) or "nothing")
    if found and found.first_wrong:
        line = of_step(found.first_wrong, found.asked)
        tag, _, quantity = found.first_wrong.partition(" ")
        lines += _labelled("first", f"{tag} {line or quantity} is the first step that goes wrong")
    if found:
        for bug, before in zip(found.bugs, [None, *found.bugs], strict=False):
            lines += _bug_lines(bug, before)
        if not found.bugs and found.wrong and not feedback.complaint:
            lines += _labelled("unknown", "no known bug explains these numbers, so none is named")
            lines += _labelled("evidence", _worst(found))
        if found.conventions:
            lines += _labelled("write", "   ".join(found.conventions))
            lines += (
                _labelled("", "(a convention, and no bug: so the file says what it computes)")
                if found.outcome == "pass"
                else []
            )
        lines += [line for sentence in found.hints for line in _labelled("note", sentence)]
    return lines + [line for sentence in feedback.notes for line in _labelled("note", sentence)]


def first_line(feedback: Feedback) -> str:
    """The verdict in one line."""
    found = feedback.diagnosis
    size = f"{found.problems} problems, {found.gradients:,} gradients, " if found else ""
    return f"{feedback.outcome}: {_printable(feedback.candidate)}, {size}{feedback.elapsed_s:.2f} s"


def _bug_lines(bug: Bug, before: Bug | None) -> list[str]:
    """A bug, its evidence unless that was just said of the one before, its fix, and its
    equation."""
    lines = _labelled("or" if bug.alternative else "bug", f"{bug.id}, {bug.where}: {bug.statement}")
    lines += (
        _labelled("evidence", bug.evidence)
        if before is None or before.evidence != bug.evidence
        else []
    )
    code, _, comment = bug.fix.partition("   # ")
    lines += _labelled("fix", code) + (_labelled("", f"({comment})") if comment else [])
    return [*lines, *_labelled("read on", f"checks/EQUATIONS.md {bug.see}")]


def _in_how_many(found: Diagnosis) -> str:
    """ " (in 2 of 14 problems)", where it is right in others: what is wrong there alone shows
    seldom."""
    all_, wrong = (
        {v.problem for v in found.verdicts if not failed or v.outcome == "fail"}
        for failed in (False, True)
    )
    if 0 < len(wrong) <= len(all_) / 2:
        return f" (in {len(wrong)} of {len(all_)} problems)"
    return ""


def _worst(found: Diagnosis) -> str:
    """The first comparison that fails, for somebody who has nothing else to start from."""
    from backproof.checks.diagnosis.bugs import (
        apart,  # where there is a diagnosis, this is imported already
    )

    verdict = next(verdict for verdict in found.verdicts if verdict.outcome == "fail")
    if verdict.of == 0:
        return f"{verdict.quantity}: {verdict.reason}; {verdict.problem}"
    (yours, right), index = verdict.values, list(verdict.worst_index)
    if verdict.quantity.startswith("dW") and found.asked.layout == "in,out":
        turned = index[::-1]
    else:
        turned = index
    looks = verdict.reason.replace("the first", "yours").replace("the second", "the right one")
    looks = "" if looks.endswith("entries") else f"; {looks}"
    return (
        f"your {verdict.quantity}{turned} is "
        f"{' but right is '.join(apart(yours, right))}{looks} ({verdict.problem})"
    )


def _labelled(label: str, text: str) -> list[str]:
    """A label on the left, the text wrapped beside it."""
    wrapped = textwrap.wrap(
        _printable(text), WIDTH - INDENT, break_long_words=False, break_on_hyphens=False
    ) or [""]
    return [f"{label if i == 0 else '':<{INDENT}}{line}" for i, line in enumerate(wrapped)]


def _printable(text: str) -> str:
    """Without what a terminal takes for a command: names and messages are others'."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)

"""What somebody reads about their own implementation: as text in 80 columns, and as one JSON object.

The order is the reader's: which gradients are right and which wrong, the first wrong step with its equation, the bug, the evidence,
the fix, where to read more.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from checks.report import comparison_as_json

if TYPE_CHECKING:
    from checks.diagnosis.diagnose import Bug, Diagnosis

WIDTH = 80
INDENT = 11  # columns of the labels on the left


@dataclass(frozen=True)
class Feedback:
    """All that was found out about one candidate.

    Attributes:
        candidate: its path, as it was given.
        elapsed_s: the verification itself, with the candidate's import, without starting Python for the checker.
        asked: the function that was called and the conventions that differ from the defaults, what repeats the run.
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
        """ "pass" only if it was asked, its gradients are right, and it does nothing else that it must not."""
        right = self.diagnosis is not None and self.diagnosis.outcome == "pass"
        return "pass" if right and not self.complaint and not self.faults else "fail"

    @property
    def statement(self) -> str:
        """The whole in one sentence."""
        right = self.diagnosis is None or self.diagnosis.outcome == "pass"
        return self.complaint or (self.faults[0] if self.faults and right else self.diagnosis.statement if self.diagnosis else "")


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
            "findings": ([feedback.complaint] if feedback.complaint else []) + list(feedback.faults),
            "notes": list(feedback.notes),
        },
    }


def _bug_as_json(bug: Bug) -> dict[str, Any]:
    names = ("id", "where", "statement", "evidence", "residual", "fix", "see")
    return {name: getattr(bug, name) for name in names}


def as_text(feedback: Feedback) -> list[str]:
    """The lines for the terminal; the last one is the verdict."""
    found, lines = feedback.diagnosis, _labelled("checked", feedback.asked) if feedback.asked else []
    if found:
        lines += _labelled("right", " ".join(found.correct) or "nothing")
        lines += _labelled("wrong", " ".join(found.wrong) or "nothing")
        if found.first_wrong:
            lines += _labelled("first", f"the first wrong step is {with_formula(found.first_wrong)}")
        for bug, before in zip(found.bugs, [None, *found.bugs], strict=False):
            lines += _bug_lines(bug, before)
        if not found.bugs and found.wrong and not feedback.complaint:
            lines += _labelled("unknown", "No known bug explains these numbers, so none is named.")
            lines += _labelled("evidence", _worst(found))
        for line in found.conventions:
            lines += _labelled("convention", line)
    for label, sentences in (("finding", [feedback.complaint, *feedback.faults]), ("note", feedback.notes)):
        lines += [line for sentence in sentences if sentence for line in _labelled(label, sentence)]
    return [*lines, last_line(feedback)]


def last_line(feedback: Feedback) -> str:
    """The verdict in one line."""
    found = feedback.diagnosis
    size = f"{found.problems} problems, {found.gradients:,} gradients, " if found else ""
    return f"{feedback.outcome}: {feedback.candidate}, {size}{feedback.elapsed_s:.2f} s"


def with_formula(step: str) -> str:
    """ "(B4) da[1]" -> "(B4) da[1] = dz[2] @ W[2]", in the notation of checks/EQUATIONS.md."""
    tag, _, quantity = step.partition(" ")
    layer = int(match[1]) if (match := re.search(r"\[(\d+)\]", quantity)) else 0
    formula = FORMULAS.get(f"{tag} {quantity.split('[')[0]}") or FORMULAS.get(tag)
    return f"{step} = {formula.format(l=layer, before=layer - 1, after=layer + 1)}" if formula and layer else step


FORMULAS = {
    "(F1)": "a[{before}] @ W[{l}].T + b[{l}]",
    "(F2)": "sigmoid(z[{l}])",
    "(B1)": "(p - Y) / N",
    "(B2)": "dz[{l}].T @ a[{before}]",
    "(B3)": "dz[{l}].sum(axis=0)",
    "(B4)": "dz[{after}] @ W[{after}]",
    "(B5)": "da[{l}] * a[{l}] * (1 - a[{l}])",
    "(B7)": "J @ dp",
    "(B8)": "dp * p * (1 - p)",
    "(B9)": "(p - Y) / N",
}


def _bug_lines(bug: Bug, before: Bug | None) -> list[str]:
    """A bug, its evidence unless that was just said of the one before, its fix, and its equation."""
    where = f"{bug.where}: " if bug.where else ""
    lines = _labelled("bug", f"{where}{bug.statement} ({bug.id})")
    lines += _labelled("evidence", bug.evidence) if before is None or before.evidence != bug.evidence else []
    code, _, comment = bug.fix.partition("   # ")
    lines += _labelled("fix", code) + (_labelled("", f"({comment})") if comment else [])
    return [*lines, *_labelled("read on", f"checks/EQUATIONS.md {bug.see}")]


def _worst(found: Diagnosis) -> str:
    """The first comparison that fails, for somebody who has nothing else to start from."""
    verdict = next(verdict for verdict in found.verdicts if verdict.outcome == "fail")
    if verdict.of == 0:
        return f"{verdict.quantity}: {verdict.reason}; {verdict.problem}"
    yours, right = verdict.values
    return f"{verdict.quantity}{list(verdict.worst_index)} is {yours:.6g}, right is {right:.6g}; {verdict.problem}"


def _labelled(label: str, text: str) -> list[str]:
    """A label on the left, the text wrapped beside it."""
    wrapped = textwrap.wrap(text, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{label if i == 0 else '':<{INDENT}}{line}" for i, line in enumerate(wrapped)]

"""Somebody's implementation: right, right under another convention, or wrong, where first, and by which bug.

The simplest explanation wins: right, then a convention, then one bug, then two. Nothing is named that does not predict every
answer to within rounding; where nothing does, the first wrong step is all that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from checks.candidates.candidate import Candidate
from checks.candidates.conventions import Conventions, changed_lines
from checks.diagnosis.bugs import Bug, bugs_of, edited_arguments
from checks.diagnosis.choice import Explanation, Search
from checks.diagnosis.conventional import asked_as, other_heads, rescaled, translations
from checks.diagnosis.evidence import Evidence
from checks.diagnosis.first_wrong import first_wrong
from checks.diagnosis.matching import explain
from checks.diagnosis.probes import plan
from checks.quantities import equation
from checks.verdict import Verdict, judge, missing

PAIR = ("candidate", "by_hand")


@dataclass
class Diagnosis:
    """Everything that is to be said about a candidate.

    Attributes:
        outcome: "pass" if every answer is right, under the declared conventions or under those of `conventions`.
        statement: the whole in a sentence.
        correct, wrong: quantities by name, over all problems.
        first_wrong: tag and name of the first wrong step, such as "(B4) da[1]".
        bugs: what explains the numbers, the likeliest first; empty when nothing known does.
        conventions: constants that the file should declare, such as `REDUCTION = "sum"`.
        verdicts: every answered gradient against the right one.
        complaints: what kept questions from being answered, each once.
        problems, gradients: how many were asked and answered, and how many entries of dW and db they have.
    """

    outcome: str
    statement: str
    correct: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    first_wrong: str | None = None
    bugs: list[Bug] = field(default_factory=list)
    conventions: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    problems: int = 0
    gradients: int = 0


def diagnose(candidate: Candidate, *, sizes: Sequence[int] | None = None, seed: int = 0, batch: int | None = None) -> Diagnosis:
    """Ask a candidate, and say what its answers mean.

    Args:
        candidate: whoever can be asked.
        sizes: units of the input and of each layer of the first problems, unless the candidate has its own built in.
        seed: of the problems.
        batch: samples of the first problems, unless the candidate has its own.
    Returns: the diagnosis. Answers that cannot be used are in it as complaints; nothing is raised for them.
    """
    with np.errstate(all="ignore"):
        declared = candidate.conventions
        asked = _Asked(candidate, sizes, seed, batch)
        evidence, found = asked.under(declared), declared
        if (right := _right_under(declared, evidence)) is not None:
            return _passed(declared, right, evidence)
        for other in _translated(asked, declared, evidence, against_declared=False):
            again = asked.under(other)
            if (right := _right_under(other, again)) is not None:
                return _passed(declared, right, again)
            if not _usable(evidence) and _usable(again):
                evidence, found = again, other
        explanations = _explained(asked, declared, evidence)
        if isinstance(explanations, Diagnosis):
            return explanations
        return _failed(declared, found, evidence, explanations)


def _explained(asked: _Asked, declared: Conventions, evidence: list[Evidence]) -> list[Explanation] | Diagnosis:
    """Bugs that explain wrong numbers; before two are believed in at once, that the file declares the wrong convention."""
    search = Search(evidence) if any(item.wrongs for item in evidence) else None
    if search and (simplest := search.simplest()):
        return simplest
    for other in _translated(asked, declared, evidence, against_declared=True):
        again = asked.under(other)
        if (right := _right_under(other, again)) is not None:
            return _passed(declared, right, again)
    return search.combined() if search else []


class _Asked:
    """A candidate and the problems that it is asked."""

    def __init__(self, candidate: Candidate, sizes: Sequence[int] | None, seed: int, batch: int | None) -> None:
        self.candidate, self.sizes, self.seed, self.batch = candidate, sizes, seed, batch

    def under(self, conventions: Conventions, first_only: bool = False) -> list[Evidence]:
        """All questions, or the first alone, under some conventions."""
        probes = plan(conventions, sizes=self.sizes, seed=self.seed, batch=self.batch)[: 1 if first_only else None]
        candidate = self.candidate if conventions == self.candidate.conventions else self.candidate.under(conventions)
        answers = candidate.ask([probe.question for probe in probes])
        return [Evidence(probe, answer) for probe, answer in zip(probes, answers, strict=True)]


def _usable(evidence: list[Evidence]) -> bool:
    return any(item.given is not None and item.is_of_gradients for item in evidence)


def _right_under(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """The conventions under which everything is right: those given, others that differ by a factor, or another head."""
    if any(item.answer.changed_arguments for item in evidence) or any(item.answer.complaint for item in evidence):
        return None
    if not any(item.is_wrong for item in evidence):
        return conventions
    gradients = [item for item in evidence if item.is_of_gradients]
    if not any(item.is_wrong for item in evidence if not item.is_of_gradients) and (other := rescaled(conventions, gradients)):
        return other
    for head in other_heads(conventions):
        as_head = [asked_as(head, item) for item in evidence]
        if not any(item.is_wrong for item in as_head):
            return head
        if other := rescaled(head, [item for item in as_head if item.is_of_gradients]):
            return other
    return None


def _translated(asked: _Asked, declared: Conventions, evidence: list[Evidence], *, against_declared: bool) -> list[Conventions]:
    """Other ways to put the question: those alone under which the first one gets an answer, if it had one a right one."""
    found = []
    for other in translations(declared, against_declared=against_declared):
        (first,) = asked.under(other, first_only=True)
        usable = first.given is not None and not first.answer.complaint
        if usable and (evidence[0].given is None or explain((), [first]) is not None):
            found.append(other)
    return found


def _passed(declared: Conventions, right: Conventions, evidence: list[Evidence]) -> Diagnosis:
    """Right, possibly under conventions that the file does not declare."""
    lines = changed_lines(declared, right)
    settled = [asked_as(right, item) for item in evidence] if lines else evidence
    verdicts = _verdicts(settled)
    names = list(dict.fromkeys(verdict.quantity for verdict in verdicts))
    statement = "Every gradient is right."
    if lines:
        statement = f"Every gradient is right, under a convention that the file does not declare: write {' and '.join(lines)}."
    return _counted(Diagnosis("pass", statement, correct=names, conventions=lines, verdicts=verdicts), settled)


def _failed(declared: Conventions, found: Conventions, evidence: list[Evidence], explanations: list[Explanation]) -> Diagnosis:
    """Wrong: what, where first, and why if that is known."""
    verdicts = _verdicts(evidence)
    names = list(dict.fromkeys(verdict.quantity for verdict in verdicts))
    wrong = [name for name in names if any(v.quantity == name and v.outcome == "fail" for v in verdicts)]
    edited = any(item.answer.changed_arguments for item in evidence)
    if edited:  # what edits its arguments is the likeliest of all that predict the same numbers
        explanations = sorted(explanations, key=lambda explanation: "in-place" not in {cause.id for cause in explanation.causes})
    bugs = bugs_of(evidence, explanations)
    if edited and "in-place" not in {bug.id for bug in bugs}:
        bugs.append(edited_arguments())
    answered = [item for item in evidence if item.given is not None or not item.is_of_gradients]
    step = first_wrong([item for item in answered if item.is_wrong or item.probe.role in ("single", "intermediates")])
    complaints = list(dict.fromkeys(item.answer.complaint for item in evidence if item.answer.complaint))
    statement = _statement(wrong, step, bugs, complaints)
    if _one_at_a_time(evidence):
        statement += " Single examples it gets right: write BATCH = 1 if it is meant to take one at a time."
    diagnosis = Diagnosis("fail", statement, first_wrong=step if wrong else None, bugs=bugs)
    diagnosis.correct, diagnosis.wrong = [name for name in names if name not in wrong], wrong
    diagnosis.conventions, diagnosis.verdicts, diagnosis.complaints = changed_lines(declared, found), verdicts, complaints
    return _counted(diagnosis, evidence)


def _one_at_a_time(evidence: list[Evidence]) -> bool:
    """Whether batches bring complaints, and single examples right answers."""
    singles = [item for item in evidence if item.probe.role == "single"]
    complains = all(item.answer.complaint for item in evidence if item.setting.N > 1)
    return complains and bool(singles) and not any(item.answer.complaint or item.is_wrong for item in singles)


def _counted(diagnosis: Diagnosis, evidence: list[Evidence]) -> Diagnosis:
    answered = [item for item in evidence if item.given is not None]
    diagnosis.problems = len({item.setting.problem.id for item in answered})
    diagnosis.gradients = sum(item.right.named(quantity).size for item in answered for quantity in item.setting.gradients)
    return diagnosis


def _statement(wrong: list[str], step: str | None, bugs: list[Bug], complaints: list[str]) -> str:
    """The whole in a sentence."""
    if bugs:
        return f"{bugs[0].id}, {bugs[0].where}: {bugs[0].statement}."
    if not wrong and complaints:
        return complaints[0]
    first = f"; the first wrong step is {step}" if step else ""
    return f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} wrong{first}. No known bug explains the numbers."


def _verdicts(evidence: list[Evidence]) -> list[Verdict]:
    """Every answered quantity against the right one; a layer that is missing fails."""
    found = []
    for item in evidence:
        problem = item.setting.problem
        for quantity, given in item.compared.items():
            named = (problem.id, quantity, equation(quantity, problem.L, problem.output, problem.cost), PAIR)
            if given is None:
                found.append(missing(*named, f"the candidate gave no {quantity}"))
            else:
                found.append(judge(*named, np.asarray(given, dtype=np.float64), item.expected(quantity), item.bounds[quantity]))
    return found


__all__ = ["Bug", "Diagnosis", "diagnose"]

"""What is said in the end: right, under which conventions; or wrong, what and where first, and why
if that is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from backproof.checks.candidates.conventions import Conventions, changed_lines
from backproof.checks.diagnosis.bugs import Bug, bugs_of, edited_arguments
from backproof.checks.diagnosis.choice import Explanation
from backproof.checks.diagnosis.conventional import asked_as, meant, meant_by_factor
from backproof.checks.diagnosis.evidence import Evidence, differs_from_call_to_call
from backproof.checks.diagnosis.first_wrong import first_wrong
from backproof.checks.diagnosis.hints import common_factor, hints_of, roughness
from backproof.checks.diagnosis.predicted_step import first_predicted
from backproof.checks.quantities import equation
from backproof.checks.verdict import Verdict, judge, missing

# roles whose answers tell something even where they are right
ALWAYS_TELLING = (
    "first",
    "labels",
    "single",
    "forward",
    "intermediates",
)
PAIR = ("candidate", "by_hand")


@dataclass
class Diagnosis:
    """Everything that is to be said about a candidate.

    Attributes:
        outcome: "pass" if every answer is right, under the declared conventions or under those of
            `conventions`.
        statement: the whole in a sentence.
        correct, wrong: quantities by name, over all problems.
        first_wrong: tag and name of the first wrong step, such as "(B4) da[1]".
        bugs: what explains the numbers, the likeliest first; empty when nothing known does.
        conventions: constants that the file should declare, such as `REDUCTION = "sum"`.
        verdicts: every answered gradient against the right one.
        complaints: what kept questions from being answered, each once.
        asked: the conventions under which its answers were judged.
        unsteady: whether the same call twice gave two answers.
        hints: sentences on what else the numbers show.
        problems, gradients: how many were asked and answered, and how many entries of dW and db
            they have.
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
    asked: Conventions = field(default_factory=Conventions)
    unsteady: bool = False
    hints: list[str] = field(default_factory=list)
    problems: int = 0
    gradients: int = 0


def passed(
    declared: Conventions, asked: Conventions, right: Conventions, evidence: list[Evidence]
) -> Diagnosis:
    """Right under some conventions, maybe others than those that the file declares, or than those
    under which it was asked."""
    lines = changed_lines(declared, right)
    settled = [asked_as(asked, right, item) for item in evidence] if lines else evidence
    verdicts = _verdicts(settled)
    names = list(dict.fromkeys(verdict.quantity for verdict in verdicts))
    statement = "Every gradient is right."
    if lines:
        statement = (
            "Every gradient is right, under a convention that the file does not declare: "
            f"write {' and '.join(lines)}."
        )
    found = Diagnosis(
        "pass",
        statement,
        correct=names,
        conventions=lines,
        verdicts=verdicts,
        hints=list(roughness(settled)),
    )
    return _counted(found, settled)


def failed(
    declared: Conventions,
    found: Conventions,
    evidence: list[Evidence],
    explanations: list[Explanation],
    beside: str = "",
) -> Diagnosis:
    """Wrong: what, where first, and why if that is known; `beside` is a sentence on questions that
    are not in the evidence."""
    verdicts = _verdicts(evidence)
    names = list(dict.fromkeys(verdict.quantity for verdict in verdicts))
    wrong = [
        name for name in names if any(v.quantity == name and v.outcome == "fail" for v in verdicts)
    ]
    edited = any(item.answer.changed_arguments for item in evidence)
    explanations = _as_the_code_says(explanations, evidence, edited)
    bugs = bugs_of(evidence, explanations, found)
    if edited and "in-place" not in {bug.id for bug in bugs}:
        bugs.append(edited_arguments())
    bugs = [_with_what_was_meant(bug, declared, evidence, explanations) for bug in bugs]
    answered = [item for item in evidence if item.given is not None or not item.is_of_gradients]
    factor = None if bugs else common_factor(evidence)
    step = first_predicted(explanations[0], answered) if explanations else None
    # no step is wrong that is right elsewhere
    if not step and not (factor and factor.times < factor.of):
        step = first_wrong(
            [item for item in answered if item.is_wrong or item.probe.role in ALWAYS_TELLING]
        )
    complaints = list(
        dict.fromkeys(item.answer.complaint for item in evidence if item.answer.complaint)
    )
    complaints += [beside] * bool(beside)
    statement = _statement(wrong, step, bugs, complaints)
    unsteady = differs_from_call_to_call(evidence)
    hints = list(hints_of(evidence, factor, known=bool(bugs), unsteady=unsteady))
    statement = " ".join([statement, *hints])
    diagnosis = Diagnosis(
        "fail", statement, first_wrong=step if wrong else None, bugs=bugs, hints=hints
    )
    diagnosis.correct = [name for name in names if name not in wrong]
    diagnosis.wrong = wrong
    diagnosis.conventions = changed_lines(declared, found)
    diagnosis.verdicts = verdicts
    diagnosis.complaints = complaints
    diagnosis.asked = found
    diagnosis.unsteady = unsteady
    return _counted(diagnosis, evidence)


def _with_what_was_meant(
    bug: Bug, declared: Conventions, evidence: list[Evidence], explanations: list[Explanation]
) -> Bug:
    """A factor, or the delta of another cost, with the declaration under which it is none: numbers
    do not say which is wrong."""
    loss = ""
    if bug.id in ("scale", "cost-mismatch"):
        scales = [cause for cause in explanations[0].readings if cause.id == "scale"]
        loss = meant(declared, evidence) or next(
            (meant_by_factor(declared, cause, evidence) for cause in scales), ""
        )
    if loss:
        return replace(
            bug, fix=f"{bug.fix.partition('   # ')[0]}   # or, if that is the loss you mean: {loss}"
        )
    return bug


def _as_the_code_says(
    explanations: list[Explanation], evidence: list[Evidence], edited: bool
) -> list[Explanation]:
    """Of those that predict the same, in-place first where an edit was seen, and not at all where
    no line can make one."""
    in_place = [one for one in explanations if "in-place" in {cause.id for cause in one.causes}]
    others = [one for one in explanations if one not in in_place]
    if edited or any(item.answer.edits for item in evidence):
        return in_place + others
    if not others or any(item.answer.may_edit for item in evidence):
        return explanations
    return others


def _counted(diagnosis: Diagnosis, evidence: list[Evidence]) -> Diagnosis:
    answered = [item for item in evidence if item.given is not None]
    diagnosis.problems = len({item.setting.problem.id for item in answered})
    diagnosis.gradients = sum(
        item.right.named(quantity).size for item in answered for quantity in item.setting.gradients
    )
    return diagnosis


def _statement(wrong: list[str], step: str | None, bugs: list[Bug], complaints: list[str]) -> str:
    """The whole in a sentence or two."""
    certain = [bug for bug in bugs if not bug.alternative]
    if certain:
        whole = "; and ".join(f"{bug.where}: {bug.statement} ({bug.id})" for bug in certain)
        return f"{whole[0].upper()}{whole[1:]}."
    if not wrong and complaints:
        return complaints[0]
    first = f"; the first wrong step is {step}" if step else ""
    return (
        f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} wrong{first}. No known bug "
        "explains the numbers."
    )


def _verdicts(evidence: list[Evidence]) -> list[Verdict]:
    """Every answered quantity against the right one; a layer that is missing fails."""
    found = []
    for item in evidence:
        problem = item.setting.problem
        for quantity, given in item.compared.items():
            named = (
                problem.id,
                quantity,
                equation(quantity, problem.L, problem.output, problem.cost),
                PAIR,
            )
            if given is None:
                found.append(missing(*named, f"the candidate gave no {quantity}"))
            else:
                found.append(
                    judge(
                        *named,
                        np.asarray(given, dtype=np.float64),
                        item.expected(quantity),
                        item.bounds[quantity],
                    )
                )
    return found

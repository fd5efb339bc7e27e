"""What is said in the end: right, under which conventions; or wrong, what and where first, and why
if that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backproof.checks.bugs.factors import SCALE
from backproof.checks.bugs.register import SUSPECTS
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.declared import changed_lines
from backproof.checks.candidates.right_lines import lines
from backproof.checks.diagnosis.bugs import bugs_of, edited_arguments
from backproof.checks.diagnosis.choice import Explanation
from backproof.checks.diagnosis.conventional import all_asked_as, meant, meant_by_factor
from backproof.checks.diagnosis.evidence import Evidence, differs_from_call_to_call
from backproof.checks.diagnosis.first_wrong import as_likely, first_wrong
from backproof.checks.diagnosis.hints import CommonFactor, common_factor, hints_of, roughness
from backproof.checks.diagnosis.line import telling
from backproof.checks.diagnosis.predicted_step import first_predicted
from backproof.checks.diagnosis.statement import statement_of
from backproof.checks.diagnosis.unknown_activation import SENTENCE
from backproof.checks.findings import Bug, Diagnosis, Fix, Step
from backproof.checks.quantities import Quantity, equation, layer_of
from backproof.checks.verdict import Verdict, judge, missing

PAIR = ("candidate", "by_hand")
SIDES = ("yours", "the right one")


def passed(
    declared: Conventions, asked: Conventions, right: Conventions, evidence: list[Evidence]
) -> Diagnosis:
    """Right under some conventions, maybe others than those that the file declares, or than those
    under which it was asked."""
    constants = changed_lines(declared, right)
    settled = evidence
    statement = "Every gradient is right."
    if constants:
        settled = all_asked_as(asked, right, evidence)
        statement = (
            "Every gradient is right, under a convention that the file does not declare: "
            f"write {' and '.join(constants)}."
        )
    verdicts = _verdicts(settled)
    found = Diagnosis(
        "pass",
        statement,
        correct=_quantities(verdicts),
        conventions=constants,
        verdicts=verdicts,
        hints=list(roughness(settled)),
        asked=right,
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
    wrong = _quantities([verdict for verdict in verdicts if verdict.outcome == "fail"])
    explanations = _as_the_code_says(explanations, evidence)
    bugs = _bugs(declared, found, evidence, explanations)
    factor = None if bugs else common_factor(evidence)
    step = first_step(explanations, evidence, factor)
    complaints = [item.answer.complaint for item in evidence if item.answer.complaint]
    if beside:
        complaints.append(beside)
    complaints = list(dict.fromkeys(complaints))
    unsteady = differs_from_call_to_call(evidence)
    quantity = None if bugs or step is None else step.quantity
    hints = list(hints_of(evidence, factor, quantity, known=bool(bugs), unsteady=unsteady))
    diagnosis = Diagnosis(
        "fail",
        "",
        correct=[name for name in _quantities(verdicts) if name not in wrong],
        wrong=wrong,
        first_step=step if wrong else None,
        bugs=bugs,
        conventions=changed_lines(declared, found),
        verdicts=verdicts,
        complaints=complaints,
        asked=found,
        unsteady=unsteady,
        hints=hints,
        telling=telling(evidence),
    )
    diagnosis = replace(diagnosis, statement=statement_of(diagnosis))
    return _counted(diagnosis, evidence)


def against_labels(
    declared: Conventions, found: Conventions, evidence: list[Evidence], right: Conventions
) -> Diagnosis:
    """Wrong for the labels that the file itself declares, though right for others: what the program
    is given is as it says."""
    told = failed(declared, found, evidence, [])
    others = " and ".join(changed_lines(declared, right))
    takes = lines(declared)["Y"]
    said = (
        f'The file declares LABELS = "{declared.labels}", and every gradient is right only with '
        f"{others}: write that, or take the labels as they come, {takes}."
    )
    told = replace(told, hints=[said], conventions=[])
    return replace(told, statement=statement_of(told))


def undecided(asked: Conventions, evidence: list[Evidence]) -> Diagnosis:
    """What differs from the right numbers only because these are those of another activation."""
    return _counted(Diagnosis("untested", SENTENCE, asked=asked), evidence)


def failed_behind(found: Diagnosis, name: str, evidence: list[Evidence]) -> Diagnosis:
    """What is wrong where the candidate's own activation is taken for right: the step of that name,
    and the gradients that are made of it."""
    problem = evidence[0].setting.problem
    quantity = Quantity.parse(name)
    step = Step(equation(name, problem.L, problem.head), quantity)
    wrong = _made_of(quantity, found.wrong, problem.L)
    told = replace(
        found, correct=[], wrong=wrong, first_step=step, complaints=[], hints=[OWN_FUNCTION]
    )
    return replace(
        told,
        complaints=found.complaints,
        statement=statement_of(told),
        line_reason="The lines are not compared where the hidden activation is none that is known.",
        telling=[],
    )


OWN_FUNCTION = (
    "The hidden layers apply one function of z that is none of those that HIDDEN may declare; the "
    "rest is compared with that."
)


def _made_of(step: Quantity, wrong: list[str], L: int) -> list[str]:
    """Those gradients for which a wrong step matters."""
    if step.kind in ("dW", "db"):
        return [str(step)]
    layer = step.layer or L
    return [name for name in wrong if layer_of(name) <= layer]


def _quantities(verdicts: list[Verdict]) -> list[str]:
    """What verdicts are about, each once, in their order."""
    return list(dict.fromkeys(verdict.quantity for verdict in verdicts))


def _bugs(
    declared: Conventions,
    found: Conventions,
    evidence: list[Evidence],
    explanations: list[Explanation],
) -> list[Bug]:
    """In words, with what was seen beside the numbers."""
    bugs = bugs_of(evidence, explanations, found)
    told = any(one.edits_arrays for one in explanations)
    if _edited(evidence) and not told:
        bugs.append(edited_arguments())
    if not explanations:
        return bugs
    return [_with_what_was_meant(bug, declared, evidence, explanations[0]) for bug in bugs]


def _edited(evidence: list[Evidence]) -> bool:
    """Whether a call changed the arrays that it was given."""
    return any(item.answer.changed_arguments for item in evidence)


def _with_what_was_meant(
    bug: Bug, declared: Conventions, evidence: list[Evidence], likeliest: Explanation
) -> Bug:
    """A factor, or the delta of another cost, with the declaration under which it is none: numbers
    do not say which is wrong."""
    if not SUSPECTS[bug.id].may_be_meant:
        return bug
    loss = meant(declared, evidence)
    for cause in likeliest.readings:
        if cause.id == SCALE.id:
            loss = loss or meant_by_factor(declared, cause, evidence)
    if not loss:
        return bug
    return replace(bug, fix=Fix(bug.fix.line, f"or, if that is the loss you mean: {loss}"))


def _as_the_code_says(
    explanations: list[Explanation], evidence: list[Evidence]
) -> list[Explanation]:
    """Of those that predict the same, in-place first where an edit was seen, and not at all where
    no line can make one."""
    editing = [one for one in explanations if one.edits_arrays]
    others = [one for one in explanations if one not in editing]
    if _edited(evidence) or any(item.answer.edits for item in evidence):
        return editing + others
    if not others or any(item.answer.may_edit for item in evidence):
        return explanations
    return others


def first_step(
    explanations: list[Explanation], evidence: list[Evidence], factor: CommonFactor | None
) -> Step | None:
    """The first wrong step: of the likeliest bug, else as the numbers show it."""
    answered = [item for item in evidence if item.given is not None or not item.is_of_gradients]
    predicted = None
    if explanations:
        predicted = first_predicted(explanations[0], answered)
    name = predicted
    # no step is wrong that is right elsewhere
    if name is None and (factor is None or factor.is_everywhere):
        telling = [item for item in answered if item.is_wrong or item.probe.role.always_tells]
        name = first_wrong(telling)
    if name is None:
        return None
    step = _step(name, answered[0])
    other = as_likely(name, answered) if predicted is None else None
    if other is None:
        return step
    instead = _step(other, answered[0])
    blamed = [cause.suspect.see for one in explanations[:1] for cause in one.causes]
    if step.tag in blamed:
        return step
    if instead.tag in blamed:
        return instead
    return replace(step, instead=instead)


def _step(name: str, item: Evidence) -> Step:
    """A quantity with its equation."""
    problem = item.setting.problem
    return Step(equation(name, problem.L, problem.head), Quantity.parse(name))


def _counted(diagnosis: Diagnosis, evidence: list[Evidence]) -> Diagnosis:
    """With how many problems were answered, and how many entries these have."""
    answered = [item for item in evidence if item.given is not None]
    diagnosis.problems = len({item.setting.problem.id for item in answered})
    diagnosis.gradients = 0
    for item in answered:
        diagnosis.gradients += sum(item.correct.value(name).size for name in item.setting.gradients)
    return diagnosis


def _verdicts(evidence: list[Evidence]) -> list[Verdict]:
    """Every answered quantity against the correct one; a layer that is missing fails."""
    found = []
    for item in evidence:
        problem = item.setting.problem
        for name, given in item.compared.items():
            tag = equation(name, problem.L, problem.head)
            if given is None:
                reason = f"the candidate gave no {name}"
                found.append(missing(problem.id, name, tag, PAIR, reason))
                continue
            numbers = np.asarray(given, dtype=np.float64)
            bounds = item.rounding.bounds[name]
            due = item.correct.value(name)
            found.append(judge(problem.id, name, tag, PAIR, numbers, due, bounds, sides=SIDES))
    return found

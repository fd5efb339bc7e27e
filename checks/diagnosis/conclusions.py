"""What is said in the end: right, under which conventions; or wrong, what and where first, and why if that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from checks.candidates.conventions import Conventions, changed_lines
from checks.diagnosis.bugs import Bug, bugs_of, edited_arguments
from checks.diagnosis.choice import Explanation
from checks.diagnosis.conventional import asked_as, other_heads, rescaled
from checks.diagnosis.evidence import CLOSE, Evidence, differs_from_call_to_call
from checks.diagnosis.first_wrong import first_wrong
from checks.diagnosis.matching import explain
from checks.quantities import equation
from checks.verdict import Verdict, judge, missing

UNSTEADY = "The same call twice gives two answers: it keeps something between calls, or draws random numbers."
ALWAYS_TELLING = (
    "first",
    "labels",
    "single",
    "forward",
    "intermediates",
)  # roles whose answers tell something even where they are right
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
        asked: the conventions under which its answers were judged.
        unsteady: whether the same call twice gave two answers.
        hints: sentences on what else the numbers show.
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
    asked: Conventions = field(default_factory=Conventions)
    unsteady: bool = False
    hints: list[str] = field(default_factory=list)
    problems: int = 0
    gradients: int = 0


def passed(declared: Conventions, asked: Conventions, right: Conventions, evidence: list[Evidence]) -> Diagnosis:
    """Right under some conventions, maybe others than those that the file declares, or than those under which it was asked."""
    lines = changed_lines(declared, right)
    settled = [asked_as(asked, right, item) for item in evidence] if lines else evidence
    verdicts = _verdicts(settled)
    names = list(dict.fromkeys(verdict.quantity for verdict in verdicts))
    statement = "Every gradient is right."
    if lines:
        statement = f"Every gradient is right, under a convention that the file does not declare: write {' and '.join(lines)}."
    found = Diagnosis("pass", statement, correct=names, conventions=lines, verdicts=verdicts, hints=list(_roughness(settled)))
    return _counted(found, settled)


ROUGH = 1e-3  # of a gradient: what a pass leaves open without saying so


def _roughness(evidence: list[Evidence]) -> Iterator[str]:
    """What reading gradients off steps in a short format leaves open, where that is much."""
    first = evidence[0]
    sizes = {quantity: float(np.abs(first.right.named(quantity)).max()) for quantity in first.setting.gradients}
    lost = max((first.unread(quantity) / size for quantity, size in sizes.items() if size), default=0.0)
    if lost > ROUGH:
        yield (
            f"Its steps show gradients to {100 * lost:.1g}% of the largest and no better, for weights in {first.answer.precision} "
            "round what a small learning rate changes: a larger rate, or a gradients function, shows more."
        )


def failed(
    declared: Conventions, found: Conventions, evidence: list[Evidence], explanations: list[Explanation], beside: str = ""
) -> Diagnosis:
    """Wrong: what, where first, and why if that is known; `beside` is a sentence on questions that are not in the evidence."""
    verdicts = _verdicts(evidence)
    names = list(dict.fromkeys(verdict.quantity for verdict in verdicts))
    wrong = [name for name in names if any(v.quantity == name and v.outcome == "fail" for v in verdicts)]
    edited = any(item.answer.changed_arguments for item in evidence)
    explanations = _as_the_code_says(explanations, evidence, edited)
    bugs = bugs_of(evidence, explanations, found)
    if edited and "in-place" not in {bug.id for bug in bugs}:
        bugs.append(edited_arguments())
    if bugs and bugs[0].id in ("scale", "cost-mismatch") and (meant := _meant(declared, evidence)):
        bugs[0] = replace(bugs[0], fix=f"{bugs[0].fix.partition('   # ')[0]}   # or, if that is the loss you mean: {meant}")
    answered = [item for item in evidence if item.given is not None or not item.is_of_gradients]
    step = first_wrong([item for item in answered if item.is_wrong or item.probe.role in ALWAYS_TELLING])
    partly = None if bugs else _common_factor(evidence)
    if partly and partly[1] < partly[2]:
        step = None  # no step is wrong that is right elsewhere: its answer is multiplied
    if bugs and bugs[0].id == "softmax-axis" and step and not step.startswith("(F"):
        step = "(F3) p"  # dz[L] looks wrong where p is, for nobody saw p
    if bugs and step and (beside or any(item.answer.precision != "float64" for item in answered)):
        step = _as_the_bug_says(step, bugs[0].see)
    step = _or_earlier(step, names, wrong)
    complaints = list(dict.fromkeys(item.answer.complaint for item in evidence if item.answer.complaint))
    complaints += [beside] * bool(beside)
    statement = _statement(wrong, step, bugs, complaints)
    unsteady = differs_from_call_to_call(evidence)
    if wrong and not bugs and unsteady:
        statement += f" {UNSTEADY}"
    hints = list(_hints(evidence, known=bool(bugs)))
    statement = " ".join([statement, *hints])
    diagnosis = Diagnosis("fail", statement, first_wrong=step if wrong else None, bugs=bugs, hints=hints)
    diagnosis.correct, diagnosis.wrong = [name for name in names if name not in wrong], wrong
    diagnosis.conventions, diagnosis.verdicts, diagnosis.complaints = changed_lines(declared, found), verdicts, complaints
    diagnosis.asked, diagnosis.unsteady = found, unsteady
    return _counted(diagnosis, evidence)


def _or_earlier(step: str | None, names: list[str], wrong: list[str]) -> str | None:
    """The first wrong step, unless one of dW[l] and db[l] alone is wrong before it: then dz[l] was right, and that one is not."""
    tag, _, quantity = (step or "").partition(" ")
    if tag not in ("(B2)", "(B3)", "(B4)", "(B5)"):
        return step
    layer = int(quantity[3:-1]) + quantity.startswith("da")  # da[l] is made of dz[l + 1], after dW[l + 1] and db[l + 1]
    L = max(int(name[3:-1]) for name in names if name.startswith("dW"))
    for above in range(L, layer - 1, -1):
        found = [name for name in (f"dW[{above}]", f"db[{above}]") if name in wrong]
        if len(found) == 1 and f"db[{above}]" in names and (above > layer or quantity.startswith("da")):
            return f"({'B2' if found[0].startswith('dW') else 'B3'}) {found[0]}"
    return step


def _as_the_bug_says(step: str, see: str) -> str:
    """(B2), (B4) and (B5) of a layer are hard to tell apart with one label alone, or in float32: there a bug that is known can."""
    step_of = {"(B4)": "(B4) da", "(B5)": "(B5) dz"}
    for tag in ("(B2) dW", "(B4) da", "(B5) dz"):
        if see in step_of and step.startswith(tag):
            return step.replace(tag, step_of[see])
    return step


def _meant(declared: Conventions, evidence: list[Evidence]) -> str:
    """The declaration under which every gradient would be right: numbers do not say whether it is wrong, or the code."""
    gradients, free = [item for item in evidence if item.is_of_gradients], replace(declared, declared=frozenset())
    other = rescaled(free, gradients, over_outputs=True)
    for head in other_heads(replace(free, declared=frozenset({"OUTPUT"}))) if other is None else ():
        as_head = [asked_as(free, head, item) for item in gradients]
        right = head if not any(item.is_wrong for item in as_head) else rescaled(head, as_head, over_outputs=True)
        other = other or right
    return " and ".join(changed_lines(declared, other)) if other else ""


def _as_the_code_says(explanations: list[Explanation], evidence: list[Evidence], edited: bool) -> list[Explanation]:
    """Of those that predict the same, in-place first where an edit was seen, and not at all where no line can make one."""
    in_place = [one for one in explanations if "in-place" in {cause.id for cause in one.causes}]
    others = [one for one in explanations if one not in in_place]
    if edited or any(item.answer.edits for item in evidence):
        return in_place + others
    return explanations if not others or any(item.answer.may_edit for item in evidence) else others


def _hints(evidence: list[Evidence], known: bool) -> Iterator[str]:
    """What the numbers show beside a bug, or where there is none: right answers to single examples, one factor everywhere."""
    singles, batches = ([item for item in evidence if (item.setting.N > 1) is several] for several in (False, True))
    alone = bool(singles) and not any(item.answer.complaint or item.is_wrong for item in singles)
    if alone and batches and all(item.answer.complaint or (item.is_wrong and not known) for item in batches):
        yield "Single examples it gets right: write BATCH = 1 if it is meant to take one at a time."
    if not known and (found := _common_factor(evidence)):
        factor, times, of = found
        where = "Every gradient" if times == of else f"In {times} of {of} problems every gradient"
        yield f"{where} is {factor:.6g} times the right one: look for a factor that belongs to nothing."


def _common_factor(evidence: list[Evidence]) -> tuple[float, int, int] | None:
    """The one factor on all gradients of some answers, how many these are, of how many; the others must be right."""
    items = [item for item in evidence if item.is_of_gradients]
    match = explain((), items)
    if match is None or any(decays for _, decays in match.decays) or any(item.answer.complaint for item in items):
        return None
    rows = [{factor for factor in row.values() if factor is not None} for _, row in match.factors]
    off = {factor for row in rows if row != {1.0} for factor in row}
    if not off or 0.0 in off or 1.0 in off or max(off) - min(off) > CLOSE * max(map(abs, off)):
        return None
    wrong, asked = ({item.setting.problem.id for item in items if item.is_wrong or not only} for only in (True, False))
    return next(iter(off)), len(wrong), len(asked)


def _counted(diagnosis: Diagnosis, evidence: list[Evidence]) -> Diagnosis:
    answered = [item for item in evidence if item.given is not None]
    diagnosis.problems = len({item.setting.problem.id for item in answered})
    diagnosis.gradients = sum(item.right.named(quantity).size for item in answered for quantity in item.setting.gradients)
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

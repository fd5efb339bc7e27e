"""What is said of gradients that were held against the candidate's own loss."""

from __future__ import annotations

from dataclasses import replace

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.declared import changed_lines
from backproof.checks.diagnosis.own_loss import OwnLoss
from backproof.checks.findings import Diagnosis

HOW = "found by calling it"
UNTESTED = (
    "Your own loss(W, b, x, y) is too rough to say what its gradients are: in float64, away from "
    "corners, and for fewer entries it would."
)
NEARLY = (
    "Your gradients are those of your own loss(W, b, x, y) to three digits, and not to six: an "
    "epsilon in the loss does that, and so do few digits. Leave it out, and ask again."
)
NO_NETWORK = "Lines are told where a network can be declared; this one is known by its loss alone."
ANOTHER = "Your loss(W, b, x, y) is not the one that your gradients belong to"
OF_NO_NETWORK = "Your own loss(W, b, x, y) is that of no network that can be declared"


def passed(own: OwnLoss, declared: Conventions, asked: Conventions) -> Diagnosis:
    """That every gradient is the slope of the candidate's own loss."""
    constants = changed_lines(declared, asked)
    statement = f"Every gradient is that of your own loss(W, b, x, y), {HOW}."
    if own.decay:
        constants = [*constants, f"WEIGHT_DECAY = {own.decay:g}"]
        statement = (
            f"Every gradient is that of your own loss(W, b, x, y), {HOW}, and a multiple of W "
            "beside it."
        )
    if constants:
        statement += f" A convention that the file does not declare: {' and '.join(constants)}."
    if not own.is_known():
        return Diagnosis("untested", UNTESTED, asked=asked)
    found = Diagnosis(
        "pass",
        statement,
        correct=own.compared[0].names,
        conventions=constants,
        verdicts=own.verdicts,
        asked=asked,
        by_own_loss=True,
    )
    return _counted(found, own)


def failed(own: OwnLoss, declared: Conventions, asked: Conventions) -> Diagnosis:
    """Which gradients are not the slopes of the candidate's own loss, and what they look like."""
    if not own.is_known():
        return Diagnosis("untested", UNTESTED, asked=asked)
    if own.nearly_agrees:
        return Diagnosis("untested", NEARLY, asked=asked)
    wrong = own.wrong
    verdicts = own.verdicts
    verb = "is not the gradient" if len(wrong) == 1 else "are not the gradients"
    statement = f"{', '.join(wrong)} {verb} of your own loss(W, b, x, y), {HOW}{_looks(own)}."
    found = Diagnosis(
        "fail",
        statement,
        correct=[name for name in own.compared[0].names if name not in wrong],
        wrong=wrong,
        line_reason=NO_NETWORK,
        conventions=changed_lines(declared, asked),
        verdicts=verdicts,
        asked=asked,
        by_own_loss=True,
    )
    return _counted(found, own)


def _looks(own: OwnLoss) -> str:
    """What the error looks like: ": dW[1], yours is 2 times the slope of your loss"."""
    whole = own.in_words()
    if whole:
        return f": {whole}"
    seen: dict[str, str] = {}
    for verdict in own.verdicts:
        if verdict.outcome == "fail":
            seen.setdefault(verdict.quantity, verdict.pattern)
    said = [f"{name}, {pattern}" for name, pattern in seen.items() if pattern]
    if not said:
        return ""
    return f": {'; '.join(said)}"


def _counted(found: Diagnosis, own: OwnLoss) -> Diagnosis:
    problems = {one.probe.setting.problem.id for one in own.compared}
    gradients = 0
    for one in own.compared:
        gradients += sum(slope.size for slope in one.due.values())
    return replace(found, problems=len(problems), gradients=gradients)


def beside_network(own: OwnLoss, found: Diagnosis, declared: Conventions) -> Diagnosis:
    """What the loss says where the gradients are those of a network: that they are its own, too; or
    that it is another loss, which is wrong unless the file declares the one whose gradients they
    are."""
    if own.agrees or own.nearly_agrees:
        if own.decay == 0.0 and own.agrees and own.is_known():
            hint = f"They are the gradients of your own loss(W, b, x, y), too, {HOW}."
            return replace(found, hints=[*found.hints, hint])
        return found
    hint = f"{ANOTHER}: {own.in_words() or _one_entry(own)}."
    cost_is_said = {"COST", "OUTPUT"} & declared.declared
    if cost_is_said or own.rescaled or not own.is_known():
        return replace(found, hints=[*found.hints, hint])
    wrong = own.wrong
    return replace(
        found,
        outcome="fail",
        statement=hint,
        correct=[name for name in found.correct if name not in wrong],
        wrong=wrong,
        verdicts=own.verdicts,
        line_reason=NO_NETWORK,
        by_own_loss=True,
    )


def _one_entry(own: OwnLoss) -> str:
    """The entry that is farthest off in the first gradient that is not a slope."""
    first = next(verdict for verdict in own.verdicts if verdict.outcome == "fail")
    yours, due = first.values
    entry = f"{first.quantity}{list(first.worst_index)}"
    return f"the slope of {entry} is {due:.6g}, and yours is {yours:.6g}"


def unusable(own: OwnLoss, asked: Conventions) -> Diagnosis:
    """That the loss says nothing, where nothing else does."""
    return Diagnosis("untested", f"Your own loss is no help: {own.complaint}", asked=asked)

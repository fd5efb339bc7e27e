"""Bugs in words: what the code does, the evidence in numbers, the line that repairs it, where to
read more."""

from __future__ import annotations

import numpy as np

from backproof.checks.bugs.factors import DECAY
from backproof.checks.bugs.in_place import IN_PLACE
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.right_lines import lines, with_layer
from backproof.checks.diagnosis.choice import Cause, Explanation
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.digits import apart
from backproof.checks.findings import Bug, Fix, Place
from backproof.checks.quantities import Quantity, equation, kind_of


def bugs_of(
    evidence: list[Evidence], explanations: list[Explanation], conventions: Conventions
) -> list[Bug]:
    """The causes of the likeliest explanation, which may be one bug at two places, then those of
    the others that fit as well."""
    bugs: list[Bug] = []
    edits = next((item.answer.edits for item in evidence if item.answer.edits), "")
    for index, explanation in enumerate(explanations):
        shown = _shown_by(evidence, explanation, conventions)
        if edits and any(cause.suspect.edits_arrays for cause in explanation.causes):
            shown = f"see {edits}; {shown}"
        known = {bug.id for bug in bugs}
        for cause in explanation.causes:
            if cause.id not in known:
                bug = Bug(
                    cause.id,
                    cause.place,
                    f"{_statement(cause, conventions)}; here: {cause.note}",
                    cause.evidence or shown,
                    explanation.residual,
                    _fix(cause, conventions),
                    _see(cause, conventions),
                    alternative=index > 0,
                )
                bugs.append(bug)
    return bugs


def _statement(cause: Cause, conventions: Conventions) -> str:
    """What the code does; where it declares a weight decay, beside that."""
    if cause.id != DECAY.id or not conventions.weight_decay:
        return cause.suspect.statement
    if cause.place.kinds == ("db",):
        return "a multiple of the biases is in the gradient, and WEIGHT_DECAY is of W alone"
    return (
        f"WEIGHT_DECAY = {conventions.weight_decay:g} is declared, and the gradient holds another "
        "multiple of the weights"
    )


def _of_decay(cause: Cause, conventions: Conventions) -> Fix:
    """The right line of what holds a decay that it should not."""
    if cause.place.kinds == ("db",):
        return Fix.of_steps("db", comment="biases have no weight decay")
    if conventions.weight_decay:
        return Fix.of_steps("dW", comment="a plus, and once: in dW or in the update")
    return cause.suspect.fix


def _fix(cause: Cause, conventions: Conventions) -> Fix:
    """The line as the candidate would write it, with its layer where that is one hidden layer."""
    fix = cause.fix or cause.suspect.fix
    if cause.id == DECAY.id:
        fix = _of_decay(cause, conventions)
    line = fix.line.format(**lines(conventions))
    layer = cause.place.only_layer
    if layer is None:
        return Fix(line, fix.comment, fix.steps)
    line = with_layer(line, layer + fix.above)
    return Fix(line, with_layer(fix.comment, layer), fix.steps)


def _see(cause: Cause, conventions: Conventions) -> str:
    """The equation: of the step that its own line repairs, else the bug's usual one; (B1) stands
    for the delta of this file's own cost."""
    if cause.fix and cause.fix.steps and cause.fix.steps[0] in ("dW", "db", "da", "dz"):
        # in a network of one layer, whatever belongs to another is a step of a hidden layer
        return equation(str(Quantity(cause.fix.steps[0], 0)), 1, conventions.head)
    if cause.suspect.see == "(B1)":
        return equation("dz[1]", 1, conventions.head)
    return cause.suspect.see


def edited_arguments() -> Bug:
    """The finding that the arrays that were passed in are no longer what they were."""
    return Bug(
        IN_PLACE.id,
        Place(words="its arguments"),
        "it edits the arrays that it is given",
        "after the call, the arrays that were passed in hold other numbers than before",
        0.0,
        Fix("x = x.copy()"),
        IN_PLACE.see,
    )


def _shown_by(evidence: list[Evidence], explanation: Explanation, conventions: Conventions) -> str:
    """The entry that is farthest off in the first question that shows the bug, and how well the
    prediction fits all of them."""
    for item in evidence:
        wrong = [name for name in item.wrongs if name in item.gradients]
        in_shape = [
            name for name in wrong if item.gradients[name].shape == item.correct.value(name).shape
        ]
        if in_shape:
            entry = _farthest_off(item, in_shape, conventions)
            return f"{entry}; {_how_well(explanation)} ({item.setting.problem.id})"
        if wrong:
            shape = item.gradients[wrong[0]].shape
            due = item.correct.value(wrong[0]).shape
            return (
                f"your {wrong[0]} has the shape {shape}, which this bug gives it; {due} is "
                f"right ({item.setting.problem.id})"
            )
    return "your gradients have the shapes that this predicts"


def _how_well(explanation: Explanation) -> str:
    size = f"{max(explanation.residual, 1e-16):.0e} of its size"
    who = "these bugs together predict"
    if len(explanation.causes) == 1:
        who = "this bug predicts"
    return f"{who} yours, and every other gradient that came, to {size}"


def _farthest_off(item: Evidence, names: list[str], conventions: Conventions) -> str:
    """ "your dW[1][0, 2] is 0.0123, right is 0.0456", with the index in the candidate's own
    layout."""
    off = {name: _distance(item.gradients[name], item.correct.value(name)) for name in names}
    name = max(names, key=lambda one: (off[one], one))
    given = item.gradients[name]
    correct = item.correct.value(name)
    index = np.unravel_index(int(np.abs(given - correct).argmax()), given.shape)
    theirs = index
    if kind_of(name) == "dW" and conventions.layout == "in,out":
        theirs = index[::-1]
    where = ", ".join(str(int(i)) for i in theirs)
    yours, due = apart(float(given[index]), float(correct[index]))
    return f"your {name}[{where}] is {yours} but right is {due}"


def _distance(given: np.ndarray, correct: np.ndarray) -> float:
    """Relative to the larger of the two."""
    size = max(float(np.linalg.norm(given)), float(np.linalg.norm(correct)))
    if size:
        return float(np.linalg.norm(given - correct)) / size
    return 0.0

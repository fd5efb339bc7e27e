"""What was seen of a script, in the terms of a report: the verdict, the first wrong step, the line,
the bug, and the listing."""

from __future__ import annotations

from backproof.checks.bugs.factors import NO_BIAS, SIGN
from backproof.checks.diagnosis.line import MOST_MADE
from backproof.checks.findings import Bug, Diagnosis, Fix, Line, Listed, Place, Step
from backproof.checks.grading.seen_conventions import conventions_of
from backproof.checks.quantities import Quantity, equation
from backproof.checks.recording.labels import label
from backproof.checks.recording.listing import listing
from backproof.checks.recording.repair import ways
from backproof.checks.recording.script.lines import own_of
from backproof.checks.recording.script.watched import Watched
from backproof.checks.recording.source import Sources


def diagnosis_of(found: Watched, known: Diagnosis | None, lists: bool) -> Diagnosis:
    """What was seen of a script, as a report has it.

    Args:
        found: what its lines compute.
        known: what is known of the bug, where one explains the numbers.
        lists: whether its listing is wanted.
    """
    problem = found.page.problem
    outcome = "fail" if found.wrong else "pass"
    if found.hidden and not found.wrong:
        outcome = "untested"
    hidden = [str(quantity) for quantity in found.hidden]
    step = None
    first = found.first_wrong
    if found.found is not None and found.found.quantity in found.page.values:
        first = found.found.quantity
    if first is not None:
        step = Step(equation(str(first), problem.L, problem.head), first)
    line = _line(found)
    reason = None
    if found.wrong and line is None:
        reason = f"No line was seen to hold {found.first_wrong} by itself."
        if found.left:
            reason = f"No line was seen to change {', '.join(found.left)}."
    lines: list[Listed] = []
    sources = Sources(found.recording.sources)
    if lists:
        labels = label(found.recording, found.page).without(found.variables)
        for path in found.recording.sources:
            lines += listing(sources.of(path), labels, line)
    bugs = known.bugs if known else []
    if found.reading.climbing and not bugs:
        bugs = [_climbing(found)]
        known = None  # what is taken off is no gradient that an entry could be held against
    elif found.reading.still and found.wrong and not bugs:
        bugs = [_still(found)]
    statement = "Every gradient of the first step is right."
    if found.reading.before is not None:
        statement = f"{', '.join(found.wrong)} are wrong from the second step on."
    elif outcome == "untested":
        statement = (
            f"{', '.join(hidden)} come to nothing but rounding on its own data in every step that "
            "was seen, so that nothing shows whether they are right."
        )
    elif found.wrong:
        statement = f"{', '.join(found.wrong)} are wrong; the first wrong step is {step}."
    gradients = [*problem.W.values(), *problem.b.values()]
    return Diagnosis(
        outcome,
        f"{found.sentence} {statement}",
        correct=[name for name in found.right if name not in hidden],
        wrong=list(found.wrong),
        first_step=step,
        line=line,
        line_reason=reason,
        listing=lines,
        asked=conventions_of(found.reading),
        bugs=bugs,
        verdicts=known.verdicts if known else [],
        hints=known.hints if known and not found.wrong else [],
        names=_names(found),
        ways=_ways(found, line, step, sources),
        problems=1,
        gradients=sum(array.size for array in gradients),
    )


def _names(found: Watched) -> dict[str, str]:
    """What the script calls the right quantities, and the first wrong one; of a right script
    nothing is said."""
    if not found.wrong:
        return {}
    names: dict[str, str] = {}
    if len(found.recording.made) <= MOST_MADE:
        labels = label(found.recording, found.page).without(found.variables)
        names = {str(quantity): name for quantity, name in labels.names.items() if name}
    if found.found is not None and found.found.name:
        names[str(found.found.quantity)] = found.found.name
    return names


def _ways(found: Watched, line: Line | None, step: Step | None, sources: Sources) -> list[str]:
    """The ways in which its wrong line may have to read, in its own names; [] of a line that takes
    what is right and does it once too often, or on too few."""
    own = None
    if line is not None and step is not None and found.reading.before is None:
        own = own_of(found.reading, step.quantity, found.recording)
    if own is None or line is None or step is None or found.found is None:
        return []
    source = sources.of(found.found.file)
    return ways(own, source, line, step, conventions_of(found.reading))


def _climbing(found: Watched) -> Bug:
    """The bug of a step that goes up the loss and is no multiple of the gradient."""
    up = found.reading.climbing
    problem = found.page.problem
    kinds = tuple(sorted({quantity.kind for quantity in up}))
    layers = {quantity.layer or problem.L for quantity in up}
    of_all = len(kinds) > 1
    place = Place.of(layers, problem.L, kinds=() if of_all else kinds, everywhere=of_all)
    parameter = "b" if kinds == ("db",) else "W"
    names = ", ".join(name for name in found.wrong if Quantity.parse(name) in up)
    return Bug(
        SIGN.id,
        place,
        f"{SIGN.statement}; here: what the first step takes off goes up the loss",
        f"nearly every entry of {names} moves its parameter the way that raises the loss",
        0.0,
        Fix(f"{parameter}[l] -= learning_rate * d{parameter}[l]", "the gradient is p - Y, p first"),
        equation(f"dz[{problem.L}]", problem.L, problem.head),
    )


def _still(found: Watched) -> Bug:
    """The bug of biases that are added, and that nothing ever changes."""
    L = found.page.problem.L
    layers = [quantity.layer or L for quantity in found.reading.still]
    variables = [found.network.layers[layer - 1].b for layer in sorted(layers)]
    names = ", ".join(variable.name for variable in variables if variable is not None)
    return Bug(
        NO_BIAS.id,
        Place.of(layers, L),
        NO_BIAS.statement,
        f"{names}: added in the forward pass, and the same after every step that was seen",
        0.0,
        Fix("b[l] -= learning_rate * db[l]"),
        NO_BIAS.see,
    )


def _line(found: Watched) -> Line | None:
    if found.found is None:
        return None
    where = found.found
    source = Sources(found.recording.sources).of(where.file)
    return Line(
        source.file,
        source.cell,
        where.line,
        source.line(where.line),
        where.function,
        str(where.quantity),
        where.name,
    )

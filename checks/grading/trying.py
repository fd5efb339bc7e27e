"""The wrong line of a file, replaced and tried: what is shown as a repair has been run.

The file with the other line in it gets a process of its own, and the questions that showed the
fault. The line counts only if the first wrong step is right in all of them, and nothing is wrong
that was right before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.candidate import Candidate
from backproof.checks.candidates.candidate_file import Unusable, load
from backproof.checks.candidates.sandbox import Sandbox
from backproof.checks.candidates.source import CELLS_APART, Source
from backproof.checks.findings import Bug, Diagnosis, Fix, Line, Step
from backproof.checks.quantities import Quantity
from backproof.checks.recording import source as parsed
from backproof.checks.recording.ask import Asked
from backproof.checks.recording.page import Page, tolerance

MOST_QUESTIONS = 4  # that are asked again


def with_tried_fix(found: Diagnosis, candidate: Candidate, sandbox: Sandbox) -> Diagnosis:
    """A diagnosis whose fix is the person's own line, if one of the ways to write it works; else
    as it is.

    Args:
        found: with the line, and the ways in which it may have to read.
        candidate: as it is, for what is wrong with it now.
        sandbox: in which it runs: another one takes the file with the other line in the same
            manner.
    """
    source = sandbox.source
    step = found.first_step
    bug = bug_of(found)
    if found.line is None or step is None or not found.ways or (bug is None and found.bugs):
        return found
    if found.line.file != str(source.path):
        return found
    conventions = found.asked or candidate.conventions
    asked = list(found.telling[:MOST_QUESTIONS])
    before = _wrong(candidate.under(conventions), asked)
    # a library that takes seconds to import does so in each process
    for way in found.ways[: 1 if sandbox.noted.get("imported") else None]:
        other = with_other_line(source, found.line, way)
        if other is None:
            return found
        try:
            with Sandbox(other, sandbox.limits, sandbox.manner) as again:
                after = _wrong(load(again).under(conventions), asked)
        except Unusable:
            continue
        if after is not None and before is not None and _are_mended(step, before, after):
            return told_as_tried(found, step, way)
    return found


def told_as_tried(found: Diagnosis, step: Step, way: str) -> Diagnosis:
    """The same with a line that mends it: the fix of its bug, or a hint where no bug has a name."""
    bug = bug_of(found)
    tried = f"tried: with this line, {step.quantity} is right"
    if bug is None:
        return replace(found, hints=[*found.hints, f"{tried}: {way}"])
    mended = replace(bug, fix=Fix(way, steps=bug.fix.steps, tried=tried))
    return replace(found, bugs=[mended if one is bug else one for one in found.bugs])


def bug_of(found: Diagnosis) -> Bug | None:
    """The bug of the first wrong step: the only one, or the only one that repairs such a step."""
    certain = [bug for bug in found.bugs if not bug.alternative]
    if len(certain) > 1 and found.first_step is not None:
        kind = found.first_step.quantity.kind
        certain = [bug for bug in certain if kind in bug.fix.steps]
    return certain[0] if len(certain) == 1 else None


def _wrong(candidate: Candidate, asked: Sequence[Asked]) -> list[set[Quantity]] | None:
    """The wrong gradients of each question; None where one could not be answered."""
    found = []
    answers = candidate.ask([one.question for one in asked])
    for one, answer in zip(asked, answers, strict=True):
        if answer.complaint or answer.dW is None:
            return None
        page = Page(one.question.problem, one.weight, one.question.learning_rate)
        eps = float(np.finfo(answer.precision).eps)
        wrong = set()
        dW = _without_decay(candidate, one, answer.dW)
        for kind, came in (("dW", dW), ("db", answer.db)):
            for layer, array in (came or {}).items():
                quantity = Quantity(kind, layer)
                unread = float(np.max(answer.rounding.get(str(quantity), 0.0), initial=0.0))
                if not _same(array, page.values[quantity], eps, unread):
                    wrong.add(quantity)
        found.append(wrong)
    return found


def _without_decay(
    candidate: Candidate, one: Asked, dW: Mapping[int, np.ndarray]
) -> dict[int, np.ndarray]:
    """What came, without the multiple of W that the file declares, once for each call whose
    gradients are added up."""
    conventions = candidate.conventions
    calls = one.samples // (conventions.batch or one.samples)
    times = conventions.weight_decay * (1 if conventions.averages else max(calls, 1))
    W = one.question.problem.W
    found = {}
    for layer, array in dW.items():
        fits = times and array.shape == W[layer].shape
        found[layer] = array - times * W[layer] if fits else array
    return found


def _same(array: np.ndarray, right: np.ndarray, eps: float, unread: float) -> bool:
    if array.shape != right.shape:
        return False
    near = tolerance(eps) * float(np.abs(right).max(initial=0.0)) + 4 * unread
    return bool(np.abs(array - right).max(initial=0.0) <= near)


def _are_mended(
    step: Step, before: Sequence[set[Quantity]], after: Sequence[set[Quantity]]
) -> bool:
    """Whether every question is answered without the fault."""
    pairs = zip(before, after, strict=True)
    return all(is_mended(step, then, now) for then, now in pairs)


def is_mended(step: Step, before: set[Quantity], after: set[Quantity]) -> bool:
    """Whether the first wrong step is right, and nothing became wrong.

    Args:
        step: the first that was wrong.
        before, after: the wrong gradients.
    """
    quantity = step.quantity
    gradients = {quantity}
    if quantity.kind in ("dz", "da"):
        gradients = {Quantity("dW", quantity.layer), Quantity("db", quantity.layer)}
    elif not quantity.is_parameter_gradient:
        return not after
    return after <= before and not after & gradients


def with_other_line(source: Source, line: Line, way: str) -> Source | None:
    """The file with another statement in place of that on a line; None where there is none."""
    text = source.content.decode("utf-8-sig", errors="replace")
    cells = text.split(CELLS_APART) if source.is_notebook else [text]
    index = (line.cell or 1) - 1
    if index >= len(cells):
        return None
    statement = parsed.Source(line.file, cells[index]).statement(line.number)
    if statement is None:
        return None
    lines = cells[index].split("\n")
    first = lines[statement.lineno - 1]
    indent = first[: len(first) - len(first.lstrip())]
    lines[statement.lineno - 1 : statement.end_lineno] = [indent + way]
    cells[index] = "\n".join(lines)
    return replace(source, content=CELLS_APART.join(cells).encode())

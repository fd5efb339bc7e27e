"""A candidate's call, once more with its lines recorded: the line of its first wrong step, or why
no line can be named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.inside.recording import Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.labels import Labels, label
from backproof.checks.recording.own import Found, Own
from backproof.checks.recording.own_line import locate, locate_edit
from backproof.checks.recording.page import Page
from backproof.checks.recording.source import Source, Sources

MOST_CALLS = 4  # that are recorded before no line is named


@runtime_checkable
class Recordable(Protocol):
    """A candidate whose calls can be recorded."""

    @property
    def conventions(self) -> Conventions:
        """How it wants to be asked."""
        ...

    def record(self, question: Question) -> tuple[Answer, Recording | None]:
        """The answer, and what its lines made; None where the process did not survive it."""
        ...


@dataclass(frozen=True)
class Asked:
    """A question that was answered wrongly.

    Attributes:
        question: what was asked.
        weight: what multiplies each sample's gradient in it.
        averages: whether that is one over the number of samples, or a part of it.
    """

    question: Question
    weight: float
    averages: bool = True

    @property
    def samples(self) -> int:
        """How many there are: one is the most telling, and many cost time."""
        return len(self.question.problem.y)

    def first(self, count: int) -> Asked:
        """The same with the first samples alone."""
        if count == self.samples:
            return self
        problem = self.question.problem
        some = replace(
            problem, x=problem.x[:count], y=problem.y[:count], name=f"{problem.name} first {count}"
        )
        weight = self.weight * self.samples / count if self.averages else self.weight
        return Asked(replace(self.question, problem=some), weight, self.averages)


@dataclass(frozen=True)
class Traced:
    """What recording came to.

    Attributes:
        found: the line, or None.
        reason: why there is none, in a sentence; else "".
        source: the file in which the line stands.
        own: the last call that was recorded, or None.
    """

    found: Found | None
    reason: str = ""
    own: Own | None = None
    source: Source | None = None


def trace(
    candidate: Recordable,
    asked: Sequence[Asked],
    first_wrong: Quantity,
    *,
    in_place: bool = False,
) -> Traced:
    """Find the line of the first wrong step.

    Args:
        candidate: whoever can be recorded.
        asked: questions whose answers show the fault.
        first_wrong: the step that goes wrong first.
        in_place: whether it is known that an edited array is what makes it wrong.
    """
    last = Traced(None, "No call shows the fault by itself, so no line is named.")
    for one in _in_order(asked, candidate.conventions.batch)[:MOST_CALLS]:
        own = _recorded(candidate, one)
        if own is not None and not own.shows_a_fault:
            own = _recorded(candidate, one)  # what a call leaves behind, the next one shows
        if own is None or not own.shows_a_fault:
            continue
        sources = Sources(own.recording.sources)
        edit = locate_edit(own) if in_place else None
        found = edit or locate(own, first_wrong, sources)
        if found is not None:
            if sources.computes(found.file, found.line) or found.is_left_out or found.is_taken:
                return Traced(found, own=own, source=sources.of(found.file))
            last = Traced(None, _handed_on(found), own)
            continue
        last = Traced(None, _reason(own, first_wrong), own)
    return last


def labels_of(candidate: Recordable, asked: Asked) -> tuple[Labels | None, list[Source]]:
    """What each line of a candidate's files computes, of a few samples or as many as a call must
    have; None where the call gave nothing."""
    count = candidate.conventions.batch
    if count is None:
        # as many as no layer has units, so that a transpose can be told, and N from 2
        count = next(n for n in (5, 3, 7, 11) if n not in asked.question.problem.sizes)
    own = _recorded(candidate, asked.first(min(count, asked.samples)))
    if own is None:
        return None, []
    sources = Sources(own.recording.sources)
    return label(own.recording, own.page), [sources.of(path) for path in own.recording.sources]


def _recorded(candidate: Recordable, asked: Asked) -> Own | None:
    """One call, as far as it gave gradients."""
    question = asked.question
    answer, recording = candidate.record(question)
    if recording is None or answer.dW is None:
        return None
    page = Page(question.problem, asked.weight, question.learning_rate)
    given, unread = _gradients(question, answer)
    eps = float(np.finfo(answer.precision).eps)
    return Own(recording, page, given, unread, _weights(question, answer), eps)


def _in_order(asked: Sequence[Asked], batch: int | None) -> list[Asked]:
    """A single sample first, for which db[l] is dz[l] itself; then, from few samples to many, one
    question of each size."""
    by_size: dict[tuple[int, tuple[int, ...]], Asked] = {}
    cut = [one.first(batch) if batch is not None else one for one in asked]
    for one in [*cut, *(one.first(1) for one in cut if batch is None)]:
        by_size.setdefault((one.samples, one.question.problem.sizes), one)
    return sorted(by_size.values(), key=lambda one: one.samples)


def _handed_on(found: Found) -> str:
    return (
        f"The wrong {found.quantity} is first seen on line {found.line}, which only hands it on: "
        "what computes it has no lines of this file."
    )


def _gradients(
    question: Question, answer: Answer
) -> tuple[dict[Quantity, np.ndarray], dict[Quantity, float]]:
    """By quantity: what came, nothing for what is missing; and how far reading it off a step may
    have put it."""
    nothing = np.zeros(0)
    given = {}
    for kind, came in (("dW", answer.dW), ("db", answer.db)):
        for layer in range(1, question.problem.L + 1) if came is not None else ():
            given[Quantity(kind, layer)] = (came or {}).get(layer, nothing)
    unread = {
        Quantity.parse(name): float(np.max(rounding, initial=0.0))
        for name, rounding in answer.rounding.items()
    }
    return given, unread


def _weights(question: Question, answer: Answer) -> dict[Quantity, np.ndarray]:
    """What a step has left of W and b."""
    rate = question.learning_rate
    if rate is None:
        return {}
    problem = question.problem
    found = {}
    for layer, dW in (answer.dW or {}).items():
        if layer in problem.W and dW.shape == problem.W[layer].shape:
            found[Quantity("W", layer)] = problem.W[layer] - rate * dW
    for layer, db in (answer.db or {}).items():
        if layer in problem.b and db.shape == problem.b[layer].shape:
            found[Quantity("b", layer)] = problem.b[layer] - rate * db
    return found


def _reason(own: Own, first_wrong: Quantity) -> str:
    """Why no line is named."""
    if not own.recording.made and not own.recording.series:
        return (
            "No line of the file was seen to compute anything: it is compiled, made by exec, or "
            "hidden by a decorator."
        )
    for quantity in (first_wrong, Quantity("dW", first_wrong.layer)):
        given = own.gradients.get(quantity)
        if given is not None and not given.any():
            return f"No line computes {quantity}: it comes back as zeros, as nothing had been done."
    if own.recording.limits:
        return f"No line was seen to hold {first_wrong}; {'; '.join(own.recording.limits)}."
    return (
        f"No line was seen to hold {first_wrong} by itself: it may stand inside of a longer "
        "expression, or be wrong only over several calls."
    )

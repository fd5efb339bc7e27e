"""How many layers a candidate is written for, where it does not say so: whoever writes out two
layers by name answers a network of three with the gradients of two, or stumbles over its shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from backproof.checks.candidates.candidate import Answer, Candidate
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.conventional import translations
from backproof.checks.diagnosis.probes import plan

SIZES = {1: (4, 3), 2: (4, 6, 3), 4: (4, 8, 6, 5, 3), 5: (4, 8, 6, 5, 7, 3)}  # by layers
TRIED = (2, 1, 4)  # where it stumbles, which says nothing of how many it has


@dataclass(frozen=True)
class WrittenFor:
    """The depth that a candidate has built in.

    Attributes:
        candidate: asked with that many layers from now on, if `is_certain`.
        sizes: of a network with as many.
        is_certain: whether it returned the gradients of so many layers where it was given more or
            fewer; else it answers so many, and raises an error in every other network.
    """

    candidate: Candidate
    sizes: tuple[int, ...]
    is_certain: bool

    @property
    def hint(self) -> str:
        """What to declare."""
        layers = len(self.sizes) - 1
        said = f"SIZES = {list(self.sizes)} (inputs, and units of each layer)"
        if self.is_certain:
            many = "1 layer" if layers == 1 else f"{layers} layers"
            return f"It returns the gradients of {many} whatever it is given: say so, {said}."
        return f"If it is written for {layers} layers, say so: with {said} it answers."


def written_for(candidate: Candidate, *, seed: int, batch: int | None) -> WrittenFor | None:
    """The depth that a candidate has built in and does not declare; None where it declares sizes,
    or answers a network of three layers under any convention that it leaves open."""
    declared = candidate.conventions
    if declared.sizes is not None or not isinstance(declared.hidden, str):
        return None
    ways = [declared, *translations(declared, against_declared=False)]
    returned = set()
    for way in ways:
        answer, L = _first_answer(candidate, way, seed, batch)
        if _layers(answer) == L:
            return None
        returned.add(_layers(answer))
    for layers in sorted(returned & set(SIZES)):
        for way in ways:  # a loop that leaves one layer out returns fewer of these, too
            sized = replace(way, sizes=SIZES[layers])
            if _layers(_first_answer(candidate, sized, seed, batch)[0]) == layers:
                return WrittenFor(_with(candidate, SIZES[layers]), SIZES[layers], is_certain=True)
    for sizes in _sizes_that_it_answers(candidate, ways, seed, batch):
        return WrittenFor(candidate, sizes, is_certain=False)
    return None


def _sizes_that_it_answers(
    candidate: Candidate, ways: list[Conventions], seed: int, batch: int | None
) -> Iterator[tuple[int, ...]]:
    for layers in TRIED:
        for way in ways:
            sized = replace(way, sizes=SIZES[layers])
            if _layers(_first_answer(candidate, sized, seed, batch)[0]) == layers:
                yield SIZES[layers]


def _first_answer(
    candidate: Candidate, way: Conventions, seed: int, batch: int | None
) -> tuple[Answer, int]:
    """What it says to the first question, and how many layers that has."""
    question = plan(way, sizes=None, seed=seed, batch=batch)[0].question
    asked = candidate if way == candidate.conventions else candidate.under(way)
    return asked.ask([question])[0], question.problem.L


def _layers(answer: Answer) -> int:
    """How many layers it has given the gradients of, without a gap; 0 for an answer that is
    none."""
    found = answer.dW or {}
    if answer.complaint or set(found) != set(range(1, len(found) + 1)):
        return 0
    return len(found)


def _with(candidate: Candidate, sizes: tuple[int, ...]) -> Candidate:
    return candidate.under(replace(candidate.conventions, sizes=sizes))

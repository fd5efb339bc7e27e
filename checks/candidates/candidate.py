"""Somebody's own implementation, as the diagnosis sees it: questions, answers in the project's
conventions, and who can be asked.

checks/candidates/candidate_file.py asks a file, in a process of its own. Nothing that it does
reaches us but arrays and a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities

__all__ = ["Answer", "Candidate", "Conventions", "Question"]


@dataclass(frozen=True)
class Question:
    """One call of one function of the candidate.

    Attributes:
        problem: in the project's conventions, float64. Its sizes and N must be those that the
            conventions allow: N a multiple of `batch`, which is asked in as many calls and put
            together as the reduction says.
        kind: "gradients", "step", "forward", "intermediates", or "loss": the answer to that are the
            slopes of its own loss, with how far off each may be for their rounding. A candidate
            whose protocol is "step" answers "gradients", too, by one step at learning rate 1.
        learning_rate: of a step; a candidate that has its own built in (conventions.learning_rate)
            is asked with that one.
        same_object: whether a candidate that builds an object is to go on with the one of the
            question before.
    """

    problem: Problem
    kind: str = "gradients"
    learning_rate: float | None = None
    same_object: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back, by layer 1..L in the project's shapes, not rescaled for the reduction or the
    cost's factor.

    Attributes:
        dW, db: gradients; for a step, (before - after) / learning_rate. Shapes are as they came,
            turned into our orientation: the one who judges names the wrong ones. A layer that came
            as None is left out; db is None without biases.
        p: what forward says, (N, K).
        steps: what intermediates says, by name: "z[1]", "da[1]", "p".
        rounding: by name ("dW[1]"), what reading a gradient off a step may cost beyond rounding in
            the gradient itself; empty for any other question.
        precision: "float64", or the coarser one in which all of the answer (all dW, where there are
            any) came; judge it by its eps.
        shorter: by name ("db[1]"), the precision of what came in a coarser one than that.
        complaint: one sentence, naming file and line where there is one, if it raised, exited,
            hung, or returned what cannot be used; with NaN or infinity the arrays are there beside
            it.
        own_forward: why what `forward` gave is not the output: then it is a function of the file's
            own that happens to have the name, and says nothing about the gradients. "" otherwise.
        changed_arguments: whether it edited what it was given (in a step: x or y).
        edits: where one of its own functions was seen to edit the array that it was given, or "".
        may_edit: False where no line of it can edit an array.
    """

    dW: dict[int, np.ndarray] | None = None
    db: dict[int, np.ndarray] | None = None
    p: np.ndarray | None = None
    steps: Quantities | None = None
    rounding: Quantities = field(default_factory=dict)
    precision: str = "float64"
    shorter: Mapping[str, str] = field(default_factory=dict)
    complaint: str | None = None
    own_forward: str = ""
    changed_arguments: bool = False
    edits: str = ""
    may_edit: bool = True


@runtime_checkable
class Candidate(Protocol):
    """What the diagnosis asks."""

    @property
    def conventions(self) -> Conventions:
        """How it wants to be asked."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in that order; the calls happen one after the other in one
        process."""
        ...

    def under(self, conventions: Conventions) -> Candidate:
        """The same process, asked under other conventions than those that the file declares."""
        ...

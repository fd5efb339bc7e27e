"""A planted file as the diagnosis asks it, and whether its bug can be seen at all."""

from __future__ import annotations

import difflib
import linecache
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from planted import InProcess

from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.conventions import CONSTANTS
from backproof.checks.candidates.declared import read_constants
from backproof.checks.problem import Problem, draw
from planting.spec import Spec
from planting.writing import Edit, compiled, write


@dataclass(frozen=True)
class Written:
    """A file, and what it was made of."""

    spec: Spec
    edits: tuple[Edit, ...] = ()

    @property
    def source(self) -> str:
        return write(self.spec, self.edits)

    @property
    def spoiled(self) -> frozenset[int]:
        """The numbers of the lines that edits have changed or added."""
        right = write(self.spec).splitlines()
        wrong = self.source.splitlines()
        found: set[int] = set()
        matcher = difflib.SequenceMatcher(None, right, wrong, autojunk=False)
        for tag, _, _, first, last in matcher.get_opcodes():
            if tag != "equal":
                found |= set(range(first + 1, max(last, first + 1) + 1))
        return frozenset(found)

    def candidate(self, **other: Any) -> CandidateFile:
        """Loaded anew, declaring what the spec says, or something else."""
        source = self.source
        lines = source.splitlines(keepends=True)
        linecache.cache["planted.py"] = (len(source), None, lines, "planted.py")
        names = compiled(source)
        constants = {key: value for key, value in names.items() if key in CONSTANTS} | other
        functions = {name: names[name] for name in ("gradients", "step") if name in names}
        settled = {key: value for key, value in constants.items() if value is not None}
        return CandidateFile(Loose(functions), read_constants(settled, list(functions)))


class Loose(InProcess):
    """Whatever it raises is a complaint."""

    def call(
        self, header: dict[str, Any], given: dict[str, np.ndarray]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return super().call(header, given)
        except Exception as error:
            return {
                "complaint": f"raised {type(error).__name__}: {error}",
                "changed": [],
                "seed": header["seed"],
            }, {}


def answers(written: Written, L: int, seed: int) -> list[Answer]:
    """What it says to the same question twice, to another learning rate, to equal widths, and where
    probabilities are tiny."""
    spec, conventions = written.spec, written.candidate().conventions
    asked, N = written.candidate(), (spec.batch or 1) * 8
    shapes = [spec.sizes] if spec.sizes else [tuple(range(L + 3, 2, -1)), (4,) * (L + 1)]
    found: list[Answer] = []
    for shape in shapes:
        problem = draw(shape, N, seed, head=conventions.head)
        if not spec.bias:
            problem = Problem(
                problem.x,
                problem.y,
                problem.W,
                {k: 0 * v for k, v in problem.b.items()},
                conventions.head,
            )
        extreme = Problem(
            problem.x, problem.y, problem.W | {L: 25 * problem.W[L]}, problem.b, conventions.head
        )
        rates = (
            [conventions.learning_rate or 0.7] * 3 if conventions.learning_rate else [0.7, 0.7, 1.9]
        )
        found += asked.ask([Question(problem, learning_rate=rate) for rate in rates])
        found += asked.ask([Question(extreme, learning_rate=rates[0])])
    return found


def same(first: Sequence[Answer], second: Sequence[Answer], slack: float) -> bool:
    """Whether two files give the same answers, to within a part of each array's largest entry."""
    for one, other in zip(first, second, strict=True):
        if (one.complaint is None) != (
            other.complaint is None
        ) or one.changed_arguments != other.changed_arguments:
            return False
        for mine, theirs in ((one.dW, other.dW), (one.db, other.db)):
            if (mine or {}).keys() != (theirs or {}).keys():
                return False
            for layer, given in (mine or {}).items():
                wanted = (theirs or {})[layer]
                if given.shape != wanted.shape:
                    return False
                size = np.abs(wanted).max(initial=0) + np.abs(given).max(initial=0)
                near = np.abs(given - wanted) <= slack * size + 1e-300
                if not near.all() and not np.array_equal(given, wanted, equal_nan=True):
                    return False
    return True

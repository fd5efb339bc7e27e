"""A diagnosis of numbers, and what a candidate did beside giving them, put together as feedback."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.declared import changed_lines
from backproof.checks.candidates.sandbox import Manner
from backproof.checks.findings import Diagnosis
from backproof.checks.grading.feedback import Feedback
from backproof.checks.grading.side_effects import faults, idle, notes, wrong_shapes
from backproof.checks.report.listed import PLAIN, Page


@dataclass(frozen=True)
class Settings:
    """What the flags say about every candidate.

    Attributes:
        sizes, seed, batch: of the problems.
        call_s: what one call may take.
        manner: how it is run.
        forbid_libraries: whether gradients that a library computes are wrong.
        no_fix: whether the repair is kept back.
        data: a file with the candidate's own x and y; None where there is none.
        tries: whether remedies are to be tried on them.
        listing: whether each line of the file is told with what it computes.
        page: what a listing is printed on.
        cost: what scripts that are watched minimise; None where that is to be recognised.
    """

    sizes: tuple[int, ...] | None = None
    seed: int = 0
    batch: int | None = None
    call_s: float = 10.0
    manner: Manner = field(default_factory=Manner)
    forbid_libraries: bool = False
    no_fix: bool = False
    data: Path | None = None
    tries: bool = False
    listing: bool = False
    page: Page = PLAIN
    cost: str | None = None

    @property
    def longest_s(self) -> float:
        """What all of a candidate may take: its import, its calls, and thinking about them."""
        return 10 * self.call_s + 120


def conclude(
    name: str,
    candidate: CandidateFile,
    found: Diagnosis,
    settings: Settings,
    elapsed_s: float,
    *,
    printed_by_import: int = 0,
) -> Feedback:
    """All that is to be said about a candidate that was asked.

    Args:
        name: what it is called, such as its path as it was given.
        candidate: after all questions.
        found: what its numbers say.
        settings: of the questions.
        elapsed_s: that they took.
        printed_by_import: bytes that were printed before the first question.
    """
    found = as_given(found, name, candidate.sandbox.path)
    file = candidate.sandbox.path.name
    sentences = list(found.complaints)
    if not found.bugs:
        sentences += [*idle(candidate), *wrong_shapes(found, file)]
    complaint = ""
    if found.outcome == "fail" and sentences:
        complaint = sentences[0]
    asked = describe(candidate.conventions, settings)
    worth_knowing = notes(candidate, printed_by_import, found.unsteady)
    if settings.cost is not None:
        worth_knowing.append('--cost is of scripts that are watched; here COST = "..." says it.')
    if found.bugs:
        worth_knowing += wrong_shapes(found, file, ("dW",))
    return Feedback(name, elapsed_s, asked, found, complaint, faults(candidate), worth_knowing)


def as_given(found: Diagnosis, name: str, path: Path) -> Diagnosis:
    """With the path of the line's file as somebody would write it who called the candidate by its
    name."""
    if found.line is None:
        return found
    file = Path(found.line.file)
    shown = name
    if file != path and file.is_relative_to(path.parent):
        shown = str(Path(name).parent / file.relative_to(path.parent))
    return replace(found, line=replace(found.line, file=shown))


def describe(conventions: Conventions, settings: Settings) -> str:
    """The function that was called, what the file declares beside the defaults, and the seed of the
    problems."""
    function = {"gradients": "gradients(W, b, x, y)", "step": "step(W, b, x, y, learning_rate)"}[
        conventions.protocol
    ]
    if conventions.builds:
        function = "make(W, b).step(x, y, learning_rate)"
    declared = [
        line
        for line in changed_lines(Conventions(), conventions)
        if line.split(" ")[0] in conventions.declared
    ]
    return ", ".join([function, *declared, f"seed {settings.seed}"])

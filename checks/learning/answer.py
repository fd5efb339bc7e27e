"""The answer to "why does mine not learn?": findings, what was tried, and the course of the
training; for the screen, a notebook and programs."""

from __future__ import annotations

import html
import math
import textwrap
from dataclasses import asdict, dataclass
from typing import Any

from backproof.checks.learning.by_doing import Course
from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.picture import picture
from backproof.checks.learning.trying import Tried
from backproof.checks.learning.vital_signs import VitalSigns

WIDTH = 100


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes:
        findings: reasons why it does not learn, causes before their effects.
        tried: what the remedies did, where they were tried.
        course: of the training that was run, if a step was given.
        notes: what was assumed, or is worth knowing.
        signs: the network's numbers as it was given.
        accuracy: on the samples, after the course if there was one; NaN for values.
        baseline: the accuracy of always answering the commonest class; NaN for values.
        constant: columns of x that say the same for every sample.
    """

    findings: tuple[Symptom, ...]
    tried: tuple[Tried, ...]
    course: Course | None
    notes: tuple[str, ...]
    signs: VitalSigns
    accuracy: float
    baseline: float
    constant: int

    @property
    def outcome(self) -> str:
        """ "fail" where something keeps it from learning, "untested" where it did not learn and
        nobody knows why, else "pass"."""
        if self.findings:
            return "fail"
        if self.course is not None and not self.course.learns:
            return "untested"
        return "pass"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the findings."""
        return tuple(symptom.name for symptom in self.findings)

    @property
    def drawn(self) -> str:
        """The course as a picture, and the outcome in a line below it, as markup."""
        said = f"{self._found()}{self._scores()}"
        return f"{self._picture()}<p>{html.escape(said[0].upper() + said[1:])}.</p>"

    def print(self) -> None:
        """Write the answer to the screen."""
        print(self)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = []
        for symptom in self.findings:
            lines += [
                f"{symptom.name}: {symptom.where} {symptom.meaning}",
                *_indented(f"because {symptom.evidence}."),
                *_indented(f"do: {symptom.remedy}"),
            ]
            lines += _indented_all(
                f"tried: {str(tried).removeprefix(symptom.name + ': ')}"
                for tried in self.tried
                if tried.symptom == symptom.name
            )
        lines += [f"note: {note}" for note in self.notes]
        return [*lines, self.last_line]

    @property
    def last_line(self) -> str:
        """The outcome in one line."""
        return f"{self.outcome}: {self._found()}{self._scores()}"

    def _found(self) -> str:
        if self.findings:
            count = len(self.findings)
            return f"{count} finding{'s' * (count != 1)}"
        if self.course is None:
            return "nothing in weights and data keeps it from learning; hand over step= to run it"
        if self.outcome == "untested":
            return "it did not learn, and nothing that is known here is the reason"
        return "it learns"

    def _scores(self) -> str:
        said = ""
        course = self.course
        if course is not None:
            said += (
                f"; {course.last.step} steps: loss {course.first.loss:.4g} to "
                f"{course.last.loss:.4g}, {course.prior:.4g} is that of knowing nothing"
            )
        if math.isfinite(self.accuracy):
            said += (
                f"; {self.accuracy:.2%} right, {self.baseline:.2%} by always answering the "
                "commonest class"
            )
        return said

    def as_json(self) -> dict[str, Any]:
        """For programs; numbers that are not finite become null."""
        course = None
        if self.course is not None:
            course = {
                "rate": self.course.rate,
                "batch": self.course.batch,
                "prior_loss": self.course.prior,
                "over": self.course.over,
                "warnings": list(self.course.warnings),
                "glances": [asdict(glance) for glance in self.course.glances],
            }
        made: dict[str, Any] = {
            "outcome": self.outcome,
            "symptoms": [symptom.as_json() for symptom in self.findings],
            "tried": [asdict(tried) for tried in self.tried],
            "course": course,
            "notes": list(self.notes),
            "accuracy": self.accuracy,
            "baseline": self.baseline,
        }
        return {name: _finite(value) for name, value in made.items()}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><b>{html.escape(one.name)}</b><br>{html.escape(one.where)}</td>"
            f"<td>{html.escape(one.meaning)}<br>{html.escape(one.evidence)}</td>"
            f"<td>{html.escape(one.remedy)}{self._tried_in_html(one)}</td></tr>"
            for one in self.findings
        )
        head = (
            "<tr><th>finding</th><th>what it means, and the evidence</th><th>what to do</th></tr>"
        )
        table = f"<table>{head}{rows}</table>" if rows else ""
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<div>{table}{notes}{self._picture()}<p>{html.escape(self.last_line)}</p></div>"

    def _picture(self) -> str:
        return picture(self.course) if self.course is not None else ""

    def _tried_in_html(self, symptom: Symptom) -> str:
        said = [str(tried) for tried in self.tried if tried.symptom == symptom.name]
        return "".join(f"<br><i>{html.escape(text)}</i>" for text in said)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="        ")


def _indented_all(texts: Any) -> list[str]:
    return [line for text in texts for line in _indented(text)]


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value

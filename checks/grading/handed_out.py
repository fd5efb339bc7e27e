"""The reports that a command was asked for beside what it prints: JUnit, Gradescope, pages, and
marks in a pull request."""

from __future__ import annotations

import os
from argparse import Namespace
from functools import lru_cache
from pathlib import Path
from typing import Any

from backproof.checks.grading.places import page_of
from backproof.checks.pages import equations
from backproof.checks.report import gradescope, html, junit
from backproof.checks.report.annotations import annotation
from backproof.model.atomic import write_output
from backproof.model.command_line import BadInput


class Reports:
    """Gathers what is found, and writes it in the end.

    Raises: BadInput for points that are none.
    """

    def __init__(self, args: Namespace, *, several: bool) -> None:
        self._args = args
        self._several = several
        self._found: list[dict[str, Any]] = []
        self._courses: list[str] = []
        self._points = gradescope.Points()
        if args.points:
            self._points = gradescope.read_points(args.points)

    def add(self, found: dict[str, Any], course: str = "") -> None:
        """One candidate's object, and a picture of its training; GitHub is told at once."""
        self._found.append(found)
        self._courses.append(course)
        if os.environ.get("GITHUB_ACTIONS") == "true" and not self._args.json:
            command = annotation(found)
            if command:
                print(command, flush=True)

    def write(self) -> None:
        """Everything that was asked for.

        Raises: BadInput if it cannot be written.
        """
        if self._args.junit:
            junit.write(self._args.junit, map(junit.suite_of_candidate, self._found))
        if self._args.gradescope:
            text = gradescope.as_json(self._found, self._points)
            _write("--gradescope", self._args.gradescope, text)
        if self._args.html:
            self._write_pages(self._args.html)

    def _write_pages(self, place: Path) -> None:
        """A page; or an index, and a folder beside it with a page for each."""
        equation = _nothing if self._args.no_fix else _equation
        if not self._several:
            _write("--html", place, html.page(self._found[0], equation, self._courses[0]))
            return
        folder = page_of(place, 1, "").parent
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable("--html", folder, error) from error
        rows = []
        pairs = zip(self._found, self._courses, strict=True)
        for number, (found, course) in enumerate(pairs, start=1):
            page = page_of(place, number, found["candidate"])
            _write("--html", page, html.page(found, equation, course))
            rows.append((found, f"{folder.name}/{page.name}"))
        _write("--html", place, html.index(rows))


def _write(flag: str, place: Path, text: str) -> None:
    try:
        write_output(place, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise _unwritable(flag, place, error) from error


def _unwritable(flag: str, place: Path, error: OSError) -> BadInput:
    return BadInput(
        f"{flag}: expected a file that can be written, got {place} ({error.strerror}). Name "
        "another."
    )


@lru_cache
def _equation(tag: str) -> str:
    """The derivation that ships with the package, as a terminal has it; "" for no tag of it."""
    name = tag.strip("() ")
    if name not in equations.titles():
        return ""
    return equations.as_text(equations.section(name))


def _nothing(tag: str) -> str:
    """In place of an equation that would give the line away."""
    return ""

"""Which lines of the page's own code compute a problem: those that run, by the tags at their ends.

A tag has a line for each head or activation that differs. Nobody guesses here which of them is
meant: the passes are made once, and every line that they come by is noted.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import FrameType, ModuleType
from typing import Any

from backproof.checks import activations, by_hand
from backproof.checks.problem import Problem

PAGES = (by_hand, activations)


@dataclass(frozen=True)
class CodeLine:
    """A line that is an equation.

    Attributes:
        tag: such as "(F1)".
        function: whose line it is.
        text: without its tag and without indentation.
    """

    tag: str
    function: str
    text: str


def lines_that_compute(problem: Problem) -> list[CodeLine]:
    """The tagged lines that the hand-written passes of a problem come by, in their order in the
    files."""
    came_by: set[tuple[str, int, str]] = set()
    with _noting(came_by):
        passed = problem.forward()
        problem.losses()
        problem.backward(passed)
    found = []
    for page in PAGES:
        tagged = _tagged(page)
        for file, number, function in sorted(came_by):
            if file == page.__file__ and number in tagged:
                tag, text = tagged[number]
                found.append(CodeLine(tag, function, text))
    return found


@cache
def _tagged(page: ModuleType) -> dict[int, tuple[str, str]]:
    """Tag and text by line number, from 1, of the lines that end with a tag."""
    found = {}
    for number, line in enumerate(inspect.getsource(page).splitlines(), start=1):
        text, mark, tag = line.rpartition("  # (")
        if mark and tag.endswith(")"):
            found[number] = (f"({tag}", text.strip())
    return found


@contextmanager
def _noting(came_by: set[tuple[str, int, str]]) -> Iterator[None]:
    """Note the lines of PAGES that run meanwhile; whoever was looking before looks on after."""
    files = {page.__file__ for page in PAGES}

    def look(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        if code.co_filename not in files:
            return None
        if event == "line":
            came_by.add((code.co_filename, frame.f_lineno, code.co_name))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)

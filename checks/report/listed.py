"""A listing in the terminal: each line of a file, and beside it what that computes."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backproof.checks.findings import Listed

NARROWEST = 80
WIDEST = 120
COLOURS = {"pass": "32", "fail": "1;31"}  # green, and red in bold


@dataclass(frozen=True)
class Page:
    """What a listing is printed on.

    Attributes:
        width: in columns.
        colours: whether it can show them.
    """

    width: int = NARROWEST
    colours: bool = False

    @staticmethod
    def of_terminal() -> Page:
        """Standard output as it is: in colour where it is a terminal and NO_COLOR is not set."""
        width = shutil.get_terminal_size((NARROWEST, 24)).columns
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return Page(max(NARROWEST, min(width, WIDEST)), colours)

    def painted(self, text: str, outcome: str) -> str:
        """In the colour of an outcome."""
        if self.colours and outcome in COLOURS:
            return f"\033[{COLOURS[outcome]}m{text}\033[0m"
        return text


PLAIN = Page()


def listed(lines: Sequence[Listed], page: Page = PLAIN) -> list[str]:
    """The lines of a listing; a remark that does not fit beside its line goes on below it."""
    code_width = min(page.width // 2 + 6, max((len(line.text) for line in lines), default=0))
    found: list[str] = []
    cell = None
    for line in lines:
        if line.cell is not None and line.cell != cell:
            found.append(f"cell {line.cell}")
            cell = line.cell
        found += _rows(line, code_width, page)
    return found


def _rows(line: Listed, code_width: int, page: Page) -> Iterator[str]:
    text = "".join(sign if sign.isprintable() else " " for sign in line.text.expandtabs(4))
    if not line.remark:
        yield f"{line.number:4} {_cut(text, page.width - 5)}".rstrip()
        return
    remarks = textwrap.wrap(line.remark, max(page.width - code_width - 7, 20))
    code = _cut(text, code_width)
    for index, remark in enumerate(remarks):
        number = f"{line.number:4}" if index == 0 else "    "
        shown = code if index == 0 else ""
        yield f"{number} {shown:<{code_width}}  {page.painted(remark, line.outcome)}"


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return text[: width - 3] + "..."

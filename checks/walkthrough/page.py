"""The walkthrough as a page of one file: the same lines, under headings."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def parts(lines: Sequence[str]) -> list[str]:
    """The lines of a walkthrough as pieces of HTML: a section for each of its headings.

    Args:
        lines: as `walkthrough` has them; a heading is a line with as many dashes under it.
    """
    found = [f"<header><h1>{escape(lines[0])}</h1></header>"]
    title = ""
    block = list[str]()
    for number, line in enumerate(lines[1:], start=1):
        before = lines[number - 1]
        if line and line == "-" * len(before):
            block.pop()
            found.append(_section(title, block))
            title = before
            block = []
        else:
            block.append(line)
    return [*found, _section(title, block)]


def _section(title: str, block: Sequence[str]) -> str:
    """A heading, where there is one, and the lines below it as they stand."""
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    text = escape("\n".join(block).strip("\n"))
    return f"<section>{heading}<pre>{text}</pre></section>"

"""The README's first picture: what the checker says of one example, as a terminal shows it.

    python -m docs.terminal        # writes docs/figures/wrong-line.svg

The text is that of the command, asked now; how many seconds it took is left out.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
import sys
from pathlib import Path

from backproof.__main__ import main as backproof
from backproof.model.atomic import write_atomically

ROOT = Path(__file__).resolve().parent.parent
FIGURE = ROOT / "docs/figures/wrong-line.svg"
EXAMPLE = "examples/column_vectors.py"
COMMAND = f"$ backproof check {EXAMPLE} --listing"
LEFT_OUT = ("asked", "evidence")  # labels whose lines the picture does not need
LISTED = range(15, 27)  # lines of the example: its backward pass
LINE_HEIGHT = 17
CHARACTER = 7.8  # pixels wide, of the font size below
MARGIN = 16


def told() -> list[str]:
    """The command's own lines, without its seconds and without what the picture leaves out."""
    printed = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
        backproof(["check", EXAMPLE, "--listing"])
    lines = [re.sub(r", \d+\.\d+ s$", "", line) for line in printed.getvalue().splitlines()]
    gap = lines.index("")
    return [*without(lines[:gap]), "", *listed(lines[gap + 1 :])]


def without(lines: list[str]) -> list[str]:
    """The verdict's lines but for some labels and what continues them."""
    kept: list[str] = []
    left_out = False
    for line in lines:
        if not line.startswith(" "):
            left_out = line.startswith(LEFT_OUT)
        if not left_out:
            kept.append(line)
    return kept


def listed(lines: list[str]) -> list[str]:
    """The part of the listing that the picture shows, with what continues a line's labels."""
    kept: list[str] = []
    shown = False
    for line in lines:
        number = re.match(r" *(\d+)(?: |$)", line)
        if number and len(number[0]) <= 5:
            shown = int(number[1]) in LISTED
        if shown:
            kept.append(line)
    return kept


def svg(lines: list[str]) -> str:
    """A dark terminal: the command, the verdict, and the wrong line in red."""
    shown = [COMMAND, *lines]
    width = int(2 * MARGIN + CHARACTER * max(map(len, shown)))
    height = 2 * MARGIN + LINE_HEIGHT * len(shown)
    rows = []
    for row, line in enumerate(shown):
        y = MARGIN + LINE_HEIGHT * (row + 1) - 4
        rows.append(
            f'<text x="{MARGIN}" y="{y}" fill="{colour(line)}" xml:space="preserve">'
            f"{html.escape(line)}</text>"
        )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="13" '
            f'role="img" aria-label="A wrong line found">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
            *rows,
            "</svg>\n",
        ]
    )


def colour(line: str) -> str:
    """What a line is painted in: the wrong line red, the repair green, the command grey."""
    if "<- here" in line or line.startswith(("fail", "your line")):
        return "#ff7b72"
    if line.startswith("fix"):
        return "#7ee787"
    if line.startswith("$"):
        return "#8b949e"
    return "#e6edf3"


def main() -> int:
    """Ask, draw, and write."""
    write_atomically(FIGURE, svg(told()).encode())
    print(FIGURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

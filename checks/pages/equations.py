"""backproof equation [TAG]: the derivation of one equation, in the terminal.

Every tag that a verdict names, such as (B5), has a section in EQUATIONS.md, which ships with the
package. This prints it where no browser and no checkout is at hand.
"""

from __future__ import annotations

import io
import re
import sys
import textwrap
from importlib.resources import files

from backproof.checks.pages.tex import as_unicode
from backproof.model.command_line import BAD_INPUT, GOOD, Parser, complain

PROGRAM = "backproof equation"
WIDTH = 96
HEADING = re.compile(r"^### \((\w\d+)\) (.+)$", re.MULTILINE)


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """A tag -> its section; none -> the list of all tags."""
    parser = Parser(prog=program, description=__doc__)
    parser.add_argument("tag", nargs="?", metavar="TAG", help="such as B5; without one: the list")
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console that has no Σ shows a question mark
    known = titles()
    if args.tag is None:
        print("\n".join(f"({tag})  {title}" for tag, title in known.items()))
        return GOOD
    tag = args.tag.strip("() ").upper()
    if tag not in known:
        complain(program, f"expected one of {', '.join(known)}, got {args.tag!r}.")
        return BAD_INPUT
    print(as_text(section(tag)))
    return GOOD


def page() -> str:
    """EQUATIONS.md as it ships."""
    return files("backproof.checks").joinpath("EQUATIONS.md").read_text("utf-8")


def titles() -> dict[str, str]:
    """Every tag, in the order of the page, and what its section is called."""
    return {found[1]: found[2] for found in HEADING.finditer(page())}


def section(tag: str) -> str:
    """The Markdown between a tag's heading and the next heading, the heading included.

    Raises: KeyError if the page has no such tag.
    """
    text = page()
    start = next((found for found in HEADING.finditer(text) if found[1] == tag), None)
    if start is None:
        raise KeyError(tag)
    after = re.compile(r"^##", re.MULTILINE).search(text, start.end())
    return text[start.start() : after.start() if after else len(text)].strip()


def as_text(markdown: str) -> str:
    """A section for a terminal: formulas in Unicode, code as it is, paragraphs filled."""
    blocks = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    shown: list[str] = []
    for block in blocks:
        if block.startswith("```"):
            code = block.split("\n")[1:-1]
            shown.append("\n".join(f"    {line}" for line in code))
        else:
            paragraphs = [part.strip() for part in block.split("\n\n")]
            shown += [_paragraph(part) for part in paragraphs if part]
    return "\n\n".join(shown)


def _paragraph(text: str) -> str:
    """One paragraph, formula, list or table."""
    if text.startswith("### "):
        return text.removeprefix("### ")
    if text.startswith("$$"):
        return f"    {as_unicode(text.strip('$ '))}"
    plain = _inline(text)
    if plain.startswith(("|", "- ")):
        return plain
    return textwrap.fill(" ".join(plain.split()), WIDTH, break_on_hyphens=False)


def _inline(text: str) -> str:
    """Formulas, links and emphasis within a line, as they look in plain text."""
    text = re.sub(r"\$([^$]+)\$", lambda formula: as_unicode(formula[1]), text)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"(?<![\w*])\*{1,2}([^*\n]+?)\*{1,2}(?![\w*])", r"\1", text)


if __name__ == "__main__":
    sys.exit(main())

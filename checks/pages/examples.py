"""backproof examples [--copy DIR]: files that people could have written, each with what it is told.

Without --copy they are listed with their first lines; with it they are copied, to be tried.
"""

from __future__ import annotations

import ast
import shlex
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import backproof
from backproof.model import pasted
from backproof.model.atomic import write_atomically
from backproof.model.command_line import BAD_INPUT, GOOD, Parser, complain, folder, unwritable

PROGRAM = "backproof examples"
KINDS = (".py", ".ipynb")


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """List the examples, or copy them."""
    parser = Parser(prog=program, description=__doc__)
    parser.add_argument("--copy", type=folder, metavar="DIR", help="copy them into this folder")
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if args.copy is None:
        for example in examples():
            print(f"{example.name}: {first_line(example)}")
        copy = shlex.join(pasted.command("examples"))
        check = shlex.join(pasted.command("check"))
        print(f"Copy them with {copy} --copy DIR, then: {check} DIR/one_sample.py")
        return GOOD
    try:
        return _copy(args.copy, program)
    except OSError as error:
        return unwritable(program, error)


def examples() -> list[Traversable]:
    """The files themselves, by name: in a checkout beside the package, installed within it."""
    within = files("backproof").joinpath("examples")
    if not within.is_dir():
        within = Path(backproof.__file__).resolve().parents[1] / "examples"
    found = [entry for entry in within.iterdir() if entry.name.endswith(KINDS)]
    return sorted(found, key=lambda entry: entry.name)


def first_line(example: Traversable) -> str:
    """What a file says of itself."""
    if not example.name.endswith(".py"):
        return "a notebook"
    said = ast.get_docstring(ast.parse(example.read_text("utf-8"))) or ""
    return said.partition("\n\n")[0].replace("\n", " ")


def _copy(target: Path, program: str) -> int:
    """Write every example that is not there yet; a file that is there is never replaced."""
    there = [example.name for example in examples() if (target / example.name).exists()]
    if there:
        complain(program, f"{target}: expected no {there[0]}, got one. Choose another folder.")
        return BAD_INPUT
    target.mkdir(parents=True, exist_ok=True)
    for example in examples():
        content = example.read_bytes()
        write_atomically(target / example.name, content)
        print(target / example.name)
    return GOOD


if __name__ == "__main__":
    sys.exit(main())

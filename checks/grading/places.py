"""Where reports go: never over what a command reads, nor over one another."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backproof.checks.candidates.source import ENDINGS
from backproof.model.atomic import STANDARD_OUTPUT, replaceable
from backproof.model.command_line import BadInput

# by flag, the endings that its report usually has
REPORTS = {"--junit": (".xml",), "--gradescope": (".json",), "--html": (".html", ".htm")}


@dataclass(frozen=True)
class Place:
    """A file that is read or written.

    Attributes:
        flag: what names it; "" for a candidate.
        path: as it was named.
    """

    flag: str
    path: Path

    @property
    def told(self) -> str:
        """For a sentence."""
        if not self.flag:
            return "a candidate"
        return f"the file of {self.flag}"

    def is_same(self, other: Place) -> bool:
        """Whether both are one file, there or not yet, by whatever names and links."""
        try:
            return os.path.samefile(self.path, other.path)
        except OSError:  # one of them is not there yet
            return os.path.realpath(self.path) == os.path.realpath(other.path)


def refuse_overlaps(args: Namespace, candidates: Sequence[Path]) -> None:
    """See to it that no report takes the place of anything else that the command is about.

    Args:
        args: the flags.
        candidates: every file that is checked.
    Raises: BadInput, before anything is written.
    """
    several = len(candidates) > 1
    if args.html and several and not _is_file(args.html):
        raise BadInput(
            "--html: expected a file beside which a page for each candidate fits, got "
            f"{args.html}. Name a file."
        )
    read = [Place("", path) for path in candidates]
    for flag, path in (("--data", args.data), ("--points", args.points)):
        if path:
            read.append(Place(flag, path))
    folders = [path for path in (*args.candidates, args.run) if path and path.is_dir()]
    taken = list(read)
    for place in _written(args, candidates):
        if not _is_file(place.path):
            continue
        for other in taken:
            if place.is_same(other):
                raise _occupied(place, other.told)
        for folder in folders:
            if _belongs_to(folder, place):
                raise _occupied(place, f"in {folder}, which is checked")
        taken.append(place)


def page_of(index: Path, number: int, candidate: str) -> Path:
    """The page of one of several candidates, in a folder beside the index."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", Path(candidate).stem)[:60]
    return index.with_name(f"{index.stem}-pages") / f"{number:03d}-{name}.html"


def _written(args: Namespace, candidates: Sequence[Path]) -> Iterator[Place]:
    """Every file that the flags ask for."""
    asked = {"--junit": args.junit, "--gradescope": args.gradescope, "--html": args.html}
    for flag, path in asked.items():
        if path:
            yield Place(flag, path)
    if args.html and len(candidates) > 1:
        for number, candidate in enumerate(candidates, start=1):
            yield Place("--html", page_of(args.html, number, str(candidate)))


def _is_file(path: Path) -> bool:
    """Whether it would be replaced; what is written to a device or a stream destroys nothing."""
    return str(path) != STANDARD_OUTPUT and replaceable(path)


def _belongs_to(folder: Path, place: Place) -> bool:
    """Whether it is one of the folder's own files, or would be checked the next time. What looks
    like an earlier report is replaced."""
    real = Path(os.path.realpath(place.path))
    if not real.is_relative_to(os.path.realpath(folder)):
        return False
    if real.suffix in ENDINGS:
        return True
    return real.exists() and real.suffix.lower() not in REPORTS[place.flag]


def _occupied(place: Place, what: str) -> BadInput:
    return BadInput(
        f"{place.flag}: expected a file of its own, got {place.path}, which is {what}. Name "
        "another."
    )

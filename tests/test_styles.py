"""Programs in the styles that people publish, each adapted in at most 15 lines, get the right
verdict and the right name.

    python tests/test_styles.py        # all of them; prints each that is not judged as its first line says, and the count

They were written for this project. The first line of each says what it is: "Right.", or "Wrong: "
and the id of its bug.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from command import checks

STYLES = sorted((Path(__file__).parent / "styles").glob("*.py"))
SOME = [path for path in STYLES if "torch" not in path.name][::5]  # all of them take half a minute


def expected(path: Path) -> tuple[str, list[str]]:
    """The verdict, and the id of the bug that must be named first."""
    says = re.search(r"\b(Right|Wrong: ([a-z-]+))\.\"\"\"", path.read_text())
    assert says is not None
    return ("fail", [says[2]]) if says[2] else ("pass", [])


def judged(paths: Sequence[Path], seed: int = 0) -> list[tuple[str, list[str]]]:
    """What the program says: the verdict, and the bug that it names first."""
    found = checks(*paths, "--json", "--seed", seed).objects
    return [(one["verdict"], [bug["id"] for bug in one["diagnosis"]["bugs"][:1]]) for one in found]


def test_published_styles_are_judged_as_their_first_lines_say() -> None:
    assert len(SOME) > 5
    for path, verdict in zip(SOME, judged(SOME), strict=True):
        assert (path.stem, verdict) == (path.stem, expected(path))


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_its_adapter_has_at_most_15_lines(path: Path) -> None:
    adapter = path.read_text().partition("# Added to check it\n")[2]
    assert 0 < sum(bool(line.strip()) for line in adapter.splitlines()) <= 15


if __name__ == "__main__":
    wrong = [
        (path.stem, got, expected(path))
        for path, got in zip(STYLES, judged(STYLES), strict=True)
        if got != expected(path)
    ]
    print(*wrong, f"{len(STYLES) - len(wrong)} of {len(STYLES)} judged as they should be", sep="\n")
    raise SystemExit(bool(wrong))

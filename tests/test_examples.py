"""The examples get the verdicts that are stored beside them, and the page's recipes are the
ones that the examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command import ROOT, checks

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs" / "check-yours.md").read_text()
MARK = "# Added to check it"


def comparable(text: str) -> str:
    """Without seconds, and without the digits of rounding errors, which differ from one BLAS to the
    next."""
    return re.sub(r"\d+\.\d\d s\b", "S s", re.sub(r"\d(\.\d+)?e-\d\d", "E", text))


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    """All examples in one call; one block of lines each, which begins with the verdict."""
    done = checks(*(path.relative_to(ROOT) for path in EXAMPLES))
    assert (done.code, done.err) == (1, "")
    *blocks, last = done.out.split("\n\n")
    assert last.splitlines()[0] == "9 candidates: 3 pass, 6 fail"
    return dict(zip([path.stem for path in EXAMPLES], blocks, strict=True))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gets_the_verdict_that_is_stored_beside_it(
    verdicts: dict[str, str], example: Path
) -> None:
    """Write the file anew with `python -m checks examples/NAME.py > examples/NAME.txt`."""
    assert comparable(verdicts[example.stem]) == comparable(
        example.with_suffix(".txt").read_text().rstrip()
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_what_its_first_line_says(example: Path) -> None:
    says = re.search(r"\b(Right|Wrong)\.", example.read_text())
    assert says is not None
    assert (
        example.with_suffix(".txt").read_text().split(":")[0]
        == {"Right": "pass", "Wrong": "fail"}[says[1]]
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_page_shows_the_lines_that_the_example_added(example: Path) -> None:
    added = example.read_text().partition(f"{MARK}")[2].partition("\n")[2]
    assert f"```python\n{added}```" in PAGE
    assert sum(bool(line.strip()) for line in added.splitlines()) <= 15


def test_the_walk_through_of_the_page_prints_what_the_page_shows(tmp_path: Path) -> None:
    """The script of the page, its adapter, and the output: all three are read from the page."""
    script, adapter = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[:2]
    shown = re.search(
        r"```text\n\$ python -m checks my_network.py\n(.*?)```", PAGE, flags=re.DOTALL
    )
    assert shown is not None
    (tmp_path / "my_network.py").write_text(f"{script}\n\n{adapter}")
    done = checks("my_network.py", folder=tmp_path)
    assert done.code == 1
    assert comparable(done.out) == comparable(shown[1])
    repaired = script.replace(*re.findall(r"replace `(.*?)` by `(.*?)`", PAGE)[0])
    assert repaired != script
    (tmp_path / "my_network.py").write_text(f"{repaired}\n\n{adapter}")
    assert checks("my_network.py", folder=tmp_path).code == 0

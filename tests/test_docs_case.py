"""why-half.md and softmax.md say what is so: numbers are computed again, commands are run, links
lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backproof.checks.__main__ import main as checks_main
from benchmarks.remedies import REMEDIES, cures
from benchmarks.remedies import main as remedies_main
from docs import figures, numbers

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "docs" / page for page in figures.PAGES]
COMMANDS = sorted(
    {
        line
        for page in PAGES
        for line in re.findall(r"^python .*?(?=  +#|$)", page.read_text("utf-8"), re.MULTILINE)
    }
)


def test_the_pages_numbers_are_still_true() -> None:
    command = [sys.executable, "-m", "docs.figures", "--check", "--fast"]
    # without shape checks: faster
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{len(numbers.FAST)} numbers are as the pages say"


def test_a_number_that_is_no_longer_true_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for page in PAGES:
        shutil.copy(page, tmp_path)
    text = (tmp_path / "why-half.md").read_text("utf-8")
    (tmp_path / "why-half.md").write_text(
        re.sub(r"(<!-- n:stale-ratio -->)[^<]*", r"\g<1>5.5", text), "utf-8"
    )
    monkeypatch.setattr(figures, "HERE", tmp_path)
    (complaint,) = figures.differences("why-half.md", {"stale-ratio": numbers.stale_ratio()})
    assert complaint == (
        f"docs/why-half.md, stale-ratio: computed {numbers.stale_ratio()!r}, the page says '5.5'. "
        "Run python -m docs.figures."
    )


def test_every_number_has_its_place_on_a_page_and_every_place_is_filled() -> None:
    marked = {
        name: says
        for page in PAGES
        for name, says in figures.MARKED.findall(page.read_text("utf-8"))
    }
    assert set(marked) == set(numbers.FAST | numbers.SLOW)
    assert all(marked.values())
    assert [message for page in figures.PAGES for message in figures.differences(page, {})] == []


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_the_table_of_remedies_says_what_one_of_its_networks_does(remedy: object) -> None:
    row = re.search(
        rf"\| {re.escape(remedy.name)} +\| +(\d+) of 10 \|", PAGES[0].read_text("utf-8")
    )  # type: ignore[attr-defined]
    assert row
    assert int(row[1]) == 10 * cures(remedy, 3, 1500, 1.0)  # type: ignore[arg-type]


def test_the_steps_that_are_needed_at_learning_rate_1_are_as_the_page_says() -> None:
    needed = [numbers._steps_needed(remedy, 1.0, 10) for remedy in (numbers.CURED, REMEDIES[6])]
    assert f"| 1 | {needed[0]:,} | {needed[1]:,} |" in PAGES[0].read_text("utf-8")


def test_the_walkthrough_on_the_page_is_what_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert checks_main(["--explain", "--sizes", "2", "3", "3"]) == 0
    printed, page = capsys.readouterr().out, PAGES[1].read_text("utf-8")
    shown = re.search(r"<!-- n:page -->\n```\n(.*?)\n```", page, re.DOTALL)
    assert shown
    assert shown[1] in printed


def test_remedies_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert remedies_main(["--seeds", "1", "--steps", "3"]) == 0
    assert capsys.readouterr().out.count("of 1 |") == len(REMEDIES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_tags_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
    equations = (ROOT / "checks" / "EQUATIONS.md").read_text("utf-8")
    assert [tag for tag in re.findall(r"\([FB]\d\)", text) if tag not in equations] == []


def test_figures_are_small_and_carry_no_date() -> None:
    for name in figures.FIGURES:
        picture = ROOT / "docs" / "figures" / f"{name}.svg"
        assert picture.stat().st_size < 100_000, name
        assert "<dc:date>" not in picture.read_text("utf-8")


def test_a_figure_is_the_same_text_when_it_is_drawn_again() -> None:
    drawn = figures.svg(figures.sure_and_wrong)
    assert drawn == figures.svg(figures.sure_and_wrong)
    assert drawn.startswith("<?xml")


def test_the_pages_commands_are_those_that_tests_run() -> None:
    assert [shlex.split(command)[1:3] for command in COMMANDS] == [
        ["-m", "checks"],
        ["-m", "checks"],
        ["train.py", "--data"],
        ["train.py", "--data"],
        ["train.py", "..."],
    ]

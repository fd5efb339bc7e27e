"""A folder of mixed files and notebooks: what is printed, pages, JUnit and results.json agree."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command import Done, checks
from test_sandbox import BY_TORCH
from test_sources import notebook
from test_submissions import RIGHT, SIGN, written

sys.path.append(str(Path(__file__).parents[1]))

from docs.browser import Browser, installed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right, wrong, unusable, and no candidates at all."""
    folder = tmp_path_factory.mktemp("mixed")
    trains = RIGHT + "\nfor _ in range(3):\n    nothing_here()\n"
    near = RIGHT.replace("def gradients", "def gradient")
    written(folder, right=RIGHT, sign=SIGN, trains=trains, near=near, by_torch=BY_TORCH)
    (folder / "book.ipynb").write_text(notebook("%pylab", RIGHT))
    (folder / "wrong_book.ipynb").write_text(notebook("import os", SIGN))
    (folder / "no_book.ipynb").write_text("{")
    (folder / "notes.txt").write_text("not a candidate")
    return folder


@pytest.fixture(scope="module")
def done(folder: Path) -> Done:
    """All of it in one call, by the folder's name."""
    return checks(
        folder,
        *("--json", "--junit", folder / "verdicts.xml", "--html", folder / "verdicts.html"),
        *("--gradescope", folder / "results.json", "--no-fix"),
        GITHUB_ACTIONS="true",
    )


VERDICTS = {
    "book.ipynb": "pass",
    "by_torch.py": "pass",
    "near.py": "fail",
    "no_book.ipynb": "untested",
    "right.py": "pass",
    "sign.py": "fail",
    "trains.py": "fail",
    "wrong_book.ipynb": "fail",
}


def test_a_folder_stands_for_its_files_and_notebooks_and_all_reports_agree(
    folder: Path, done: Done
) -> None:
    found = {Path(one["candidate"]).name: one for one in done.objects}
    assert {name: one["verdict"] for name, one in found.items()} == VERDICTS
    assert done.code == 1
    suites = ElementTree.parse(folder / "verdicts.xml").getroot()
    outcomes = {Path(suite.attrib["name"]).name: _of_suite(suite) for suite in suites}
    assert outcomes == VERDICTS
    tests = json.loads((folder / "results.json").read_text())["tests"]
    passed = {test["name"].removesuffix(": verdict"): test["status"] for test in tests}
    assert [name for name in VERDICTS if passed[name] == "passed"] == [
        name for name, verdict in VERDICTS.items() if verdict == "pass"
    ]
    index = (folder / "verdicts.html").read_text()
    pages = sorted((folder / "verdicts-pages").iterdir())
    assert [page.stem[4:] for page in pages] == [Path(name).stem for name in VERDICTS]
    for page, verdict in zip(pages, VERDICTS.values(), strict=True):
        assert f"verdicts-pages/{page.name}" in index
        assert f'class="verdict {verdict}"' in page.read_text()


def _of_suite(suite: ElementTree.Element) -> str:
    if suite.attrib["failures"] != "0":
        return "fail"
    return "pass" if suite.attrib["skipped"] == "0" else "untested"


def test_a_repair_that_is_kept_back_stands_nowhere(folder: Path, done: Done) -> None:
    sign = next(one for one in done.objects if one["candidate"].endswith("sign.py"))
    assert [bug["fix"] for bug in sign["diagnosis"]["bugs"]] == [""]
    for place in (folder / "verdicts.xml", folder / "results.json"):
        assert "Fix:" not in place.read_text()
    for page in (folder / "verdicts-pages").iterdir():
        assert "<h3>Fix</h3>" not in page.read_text()
    printed = checks("sign.py", "--no-fix", folder=folder).out
    assert "fix  " not in printed
    assert "first      (B2) dW[3] is the first step that goes wrong" in printed


def test_near_misses_and_what_trains_are_told_what_to_do(done: Done) -> None:
    told = {Path(one["candidate"]).stem: one["diagnosis"] for one in done.objects}
    assert "rename gradient to gradients" in told["near"]["statement"]
    assert "--definitions-only" in " ".join(told["trains"]["notes"])
    assert "it imports torch." in told["by_torch"]["notes"]
    assert "its gradients came through torch.autograd." in told["by_torch"]["notes"]
    assert told["book"]["notes"][0] == "cell 1: left out what is for IPython: %pylab"
    assert "it is no JSON" in told["no_book"]["statement"]


def test_libraries_may_be_forbidden_and_what_trains_left_out(folder: Path) -> None:
    printed = checks("by_torch.py", "--forbid-libraries", folder=folder)
    assert printed.code == 1
    assert "through torch.autograd; the task was" in " ".join(printed.out.split())
    printed = checks("trains.py", "--definitions-only", folder=folder)
    assert printed.code == 0
    assert "left out, because they define nothing: lines 19 to 20 of trains.py" in " ".join(
        printed.out.split()
    )


def test_github_is_told_where_it_reads_text(folder: Path) -> None:
    printed = checks("sign.py", folder=folder, GITHUB_ACTIONS="true")
    assert "::error file=sign.py" in printed.out


@pytest.mark.skipif(installed() is None, reason="there is no Chromium")
@pytest.mark.slow
def test_a_browser_opens_every_page_without_an_error(folder: Path, done: Done) -> None:
    program = installed()
    assert program is not None
    assert done.code == 1
    pages = [folder / "verdicts.html", *(folder / "verdicts-pages").iterdir()]
    with Browser(program, 800, 600) as browser:
        for page in pages:
            browser.open(page.as_uri(), pause_s=0.02)
            assert browser.errors == []
            assert browser.run("document.querySelectorAll('h1').length") == 1


REFUSED = {
    "--html: expected a candidate": ["--html", "a.html"],
    "--points: expected --gradescope": ["right.py", "--points", "p.json"],
    "--isolate: expected one of auto, always, never": ["right.py", "--isolate", "maybe"],
    "--html: expected a file beside which": ["right.py", "sign.py", "--html", "-"],
    "--points: expected a JSON object": [
        *("right.py", "--gradescope", "r.json", "--points", "none.json"),
    ],
}


@pytest.mark.parametrize(("line", "flags"), REFUSED.items(), ids=REFUSED)
def test_flags_that_mean_nothing_are_refused_in_one_line(
    folder: Path, line: str, flags: list[str]
) -> None:
    printed = checks(*flags, folder=folder)
    assert (printed.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert line in printed.err

"""Reports never take the place of what is read, nor of one another; and data that cannot be used
are refused, in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_own_data import XOR

from backproof.checks.__main__ import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two candidates in a folder, with data, points, and other names for them."""
    monkeypatch.chdir(tmp_path)
    subs = tmp_path / "subs"
    subs.mkdir()
    for name in ("a.py", "b.py"):
        (subs / name).write_text(XOR)
    (subs / "notes.txt").write_text("mine")
    (tmp_path / "p.json").write_text('{"verdict": 2}')
    (tmp_path / "hh.csv").write_text("1,2,0\n2,1,1\n3,4,0\n4,3,1\n")
    (tmp_path / "link.xml").symlink_to(subs / "a.py")
    os.link(subs / "a.py", tmp_path / "hard.xml")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line, where nothing else was said."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize(
    "arguments",
    [
        "subs/a.py --junit subs/a.py",
        "subs/a.py --html ./subs/../subs/a.py",
        "subs/a.py --gradescope link.xml",
        "subs/a.py --junit hard.xml",
        "subs/a.py subs/b.py --html subs/b.py",
        "subs/*.py --html subs/b.py",
        "subs --junit subs/a.py",
        "subs --junit subs/new.py",
        "subs --html subs/notes.txt",
        "subs/a.py --gradescope p.json --points p.json",
        "subs/a.py --data hh.csv --html hh.csv",
        "subs/a.py --junit a.x --html a.x",
        "subs/a.py --junit a.x --gradescope subs/../a.x",
        "subs --html v.html --junit v-pages/002-b.html",
        "--run subs --junit subs/notes.txt",
    ],
)
def test_a_report_has_a_file_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    before = contents(folder)
    line = refusal(capsys, *arguments.split())
    assert "expected a file of its own, got " in line
    assert contents(folder) == before


@pytest.mark.parametrize("place", ["/dev/null", "subs", "-"])
def test_no_pages_beside_what_is_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    line = refusal(capsys, "subs/a.py", "subs/b.py", "--html", place)
    assert f"expected a file beside which a page for each candidate fits, got {place}" in line


def test_reports_are_written_anew_and_devices_take_several(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Right uses: into the folder that is checked, twice; and two reports that nobody wants."""
    for _ in range(2):
        assert main(["subs", "--html", "subs/v.html", "--junit", "subs/v.xml"]) == 0
    assert len(list((folder / "subs" / "v-pages").iterdir())) == 2
    assert main(["subs/a.py", "--html", os.devnull, "--junit", os.devnull]) == 0
    capsys.readouterr()

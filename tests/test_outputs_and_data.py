"""Reports never take the place of what is read, nor of one another; and data that cannot be used
are refused, in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from test_own_data import XOR
from test_submissions import RIGHT

from backproof.checks.__main__ import main
from backproof.model.command_line import BadInput
from backproof.model.data import load


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
    """Right uses: over a report of before, in the folder that is checked; two that nobody wants."""
    (folder / "subs" / "v.html").write_text("of before")
    unwanted = ["--junit", os.devnull, "--gradescope", os.devnull]
    assert main(["subs", "--html", "subs/v.html", *unwanted]) == 0
    assert len(list((folder / "subs" / "v-pages").iterdir())) == 2
    assert "of before" not in (folder / "subs" / "v.html").read_text()
    capsys.readouterr()


X = np.arange(16.0).reshape(8, 2)
Y = np.array([0, 1] * 4)


def saved(path: Path, **arrays: object) -> None:
    np.savez(path, **({"x": X, "y": Y} | arrays))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("cut.npz", lambda content: content[: len(content) // 2]),
        ("flipped.npz", lambda content: content[:150] + b"\xff" * 30 + content[180:]),
        ("empty.npz", lambda content: b""),
        ("latin.csv", lambda content: "größe,y\n1,0\n2,1\n".encode("latin-1")),
        ("ragged.csv", lambda content: b"1,2,0\n1,1\n"),
        ("gap.csv", lambda content: b"1,2,0\n1,nan,1\n"),
        ("blank.csv", lambda content: b"\n"),
    ],
)
def test_damaged_data_are_told_as_the_training_tells_it(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, damage: object
) -> None:
    assert callable(damage)
    saved(folder / "whole.npz")
    (folder / name).write_bytes(damage((folder / "whole.npz").read_bytes()))
    with pytest.raises(BadInput) as error:
        load(name)
    assert refusal(capsys, "subs/a.py", "--data", name).endswith(f"--data: {error.value}")


def test_an_array_under_the_name_of_several_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "array.npz").open("wb") as file:
        np.save(file, X)
    line = refusal(capsys, "subs/a.py", "--data", "array.npz")
    assert "--data: array.npz: expected an .npz file, got another kind of file" in line


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.where(X == 5, np.nan, X)}, "expected finite numbers of at most 1e+30 in x"),
        ({"y": Y[:5]}, "expected as many targets as samples, got 8 rows of x and 5 of y"),
        ({"y": np.where(Y == 1, np.inf, 0)}, "expected finite numbers of at most 1e+30 in y"),
        ({"y": Y * 1j}, "expected labels, one-hot rows or values in y"),
        ({"y": np.array(3)}, "expected labels, one-hot rows or values in y, got shape ()"),
        ({"W1": np.ones((2, 1)), "b1": np.array(["a"])}, "expected numbers in b1, got <U1"),
        ({"learning_rate": -1}, "expected one finite number above 0 as learning_rate, got -1"),
        ({"lr": 0.0}, "expected one finite number above 0 as lr, got 0.0"),
        ({"learning_rate": np.nan}, "expected one finite number above 0 as learning_rate, got nan"),
        ({"learning_rate": np.ones(2)}, "as learning_rate, got [1.0, 1.0]"),
        ({"learning_rate": "fast"}, "as learning_rate, got fast"),
    ],
)
def test_data_that_nobody_could_use_are_refused_before_anything_is_checked(
    folder: Path, capsys: pytest.CaptureFixture[str], arrays: dict[str, object], said: str
) -> None:
    saved(folder / "d.npz", **arrays)
    assert said in refusal(capsys, "subs/a.py", "--data", "d.npz")


THREE = {"W1": np.ones((2, 3)), "b1": np.zeros(3)}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.ones((8, 3))}, "x: expected 2 columns, one for each input of SIZES = [2, 2, 1]"),
        ({"y": Y + 7} | THREE, "y: expected labels from 0 to 2 for 3 outputs, got 7 to 8"),
        ({"x": np.ones((8, 3))} | THREE, "from the 3 columns of x on"),
    ],
)
def test_data_that_do_not_fit_the_candidate_are_no_pass(
    folder: Path, capsys: pytest.CaptureFixture[str], arrays: dict[str, object], said: str
) -> None:
    """The verdict on its gradients stands; a wrong one counts more."""
    saved(folder / "d.npz", **arrays)
    assert main(["subs/a.py", "--data", "d.npz"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--data: d.npz does not fit: " in line
    assert said in line


def test_a_wrong_candidate_is_wrong_whatever_its_data(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(folder / "d.npz", x=np.ones((8, 3)))
    (folder / "wrong.py").write_text(XOR.replace("x.T @ d1", "-x.T @ d1"))
    assert main(["wrong.py", "--data", "d.npz"]) == 1
    assert "--data: d.npz does not fit: " in capsys.readouterr().err


def test_no_network_of_a_million_outputs_is_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(folder / "d.npz", y=Y * 1_000_000)
    (folder / "any.py").write_text(RIGHT)
    assert main(["any.py", "--data", "d.npz"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "y: expected labels that number the classes, got one up to 1e+06 in 8 samples" in line

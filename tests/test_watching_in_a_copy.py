"""A script that is watched runs in a copy of its folder, whatever it writes there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import checks
from test_watching_scripts import GLOBALS

from backproof.checks.candidates import scratch
from backproof.checks.candidates.source import read

WRITES = """\
import os, shutil
from numbers_of_mine import RATE
open("new.txt", "w").write("new")
open("data.csv", "a").write("9,9,9,9\\n")
open("sub/kept.txt", "w").write("over")
os.makedirs("plots/deep")
os.remove("gone.txt")
shutil.rmtree("away")
open(__file__, "a").write("# more")
import numpy as np
X = np.loadtxt("data.csv", delimiter=",")[:40]
"""
SCRIPT = WRITES + GLOBALS.replace("X = rng.normal(size=(40, 4))\n", "").replace(
    "lr = 0.5", "lr = RATE"
)
WRONG = SCRIPT.replace("* h * (1 - h)", "* (1 - h)")


def _content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _filled(folder: Path) -> None:
    rows = [f"{n % 7 - 3},{n % 5 - 2},{n % 3 - 1},{n % 11 / 10}" for n in range(40)]
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    (folder / "numbers_of_mine.py").write_text("RATE = 0.25\n")
    (folder / "gone.txt").write_text("stays")
    for name in ("sub/kept.txt", "away/inner.txt"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("stays")
    (folder / "net.py").write_text(WRONG)


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_script_that_writes_leaves_its_folder_as_it_was(tmp_path: Path, mode: str) -> None:
    _filled(tmp_path)
    before = _content(tmp_path)
    page = tmp_path.parent / f"{tmp_path.name}.html"
    done = checks("net.py", "--json", "--isolate", mode, "--html", page, folder=tmp_path)
    assert _content(tmp_path) == before
    (found,) = done.objects
    assert found["watched"]["network"]["learning_rate"] == pytest.approx(0.25)
    assert found["verdict"] == "fail"
    assert found["diagnosis"]["line"]["file"] == "net.py"
    assert "(1 - h)" in found["diagnosis"]["line"]["text"]
    assert "backproof-" not in done.out
    assert "backproof-" not in page.read_text()


def test_complaint_names_the_folder_of_the_person(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import os\nx = open(os.path.join(os.path.dirname(__file__), 'no.csv'))\nx.read()\n"
    )
    (found,) = checks("net.py", "--json", "--isolate", "never", folder=tmp_path).objects
    assert str(tmp_path / "no.csv") in found["diagnosis"]["findings"][0]


def test_copy_leaves_out_environments_and_what_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "MOST_BYTES", 100)
    for name in (".git/config", "__pycache__/x.pyc", "env/pyvenv.cfg", "env/lib.py", "kept/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("small")
    (tmp_path / "large.npz").write_bytes(bytes(101))
    (tmp_path / "net.py").write_text("x = 1\n")
    with scratch.Scratch(read(tmp_path / "net.py")) as copy:
        assert set(_content(copy.folder)) == {"net.py", "kept/a.txt"}
        assert copy.too_much == [tmp_path / "large.npz"]
        assert "large.npz could be read at most" in copy.note
    assert not os.path.exists(copy.folder)


def test_copy_of_one_among_several_holds_no_other_program(tmp_path: Path) -> None:
    for name in ("net.py", "other.py", "data.csv", "more.csv"):
        (tmp_path / name).write_text("open('data.csv'), open('other.py')\n")
    with scratch.Scratch(read(tmp_path / "net.py"), alone=True) as copy:
        assert set(_content(copy.folder)) == {"net.py", "data.csv"}

"""What is read of a candidate, once: files, notebooks, and nothing that has no end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backproof.checks.candidates import source
from backproof.checks.candidates.notebook import code_cells, without_magic
from backproof.checks.candidates.source import Unreadable, read


def notebook(*cells: str | list[str]) -> str:
    """A notebook with these code cells, and text between them."""
    text = {"cell_type": "markdown", "source": "# not code"}
    code = [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    return json.dumps({"cells": [text, *code], "nbformat": 4})


MAGIC = {
    "%matplotlib inline\nx = 1": ("pass\nx = 1", ["%matplotlib inline"]),
    "!pip install numpy\nx = 1": ("pass\nx = 1", ["!pip install numpy"]),
    "if x:\n    !ls \\\n -l\n    y = 1": ("if x:\n    pass\n\n    y = 1", ["!ls \\"]),
    "files = !ls\nx = 1": ("files = None\nx = 1", ["files = !ls"]),
    "np.exp?": ("pass", ["np.exp?"]),
    "%%time\nx = 1": ("\nx = 1", []),
    "%%bash\nls": ("\n", ["%%bash"]),
    "x = (a\n  % b)": ("x = (a\n  % b)", []),
    "x = (a\n  % b)\n%pylab": ("x = (a\n  % b)\npass", ["%pylab"]),
    "text = '''\n!not a command\n'''": ("text = '''\n!not a command\n'''", []),
    "def f(:": ("def f(:", []),
}


@pytest.mark.parametrize(("cell", "plain"), MAGIC.items(), ids=MAGIC)
def test_what_is_for_ipython_is_left_out_line_for_line(
    cell: str, plain: tuple[str, list[str]]
) -> None:
    assert without_magic(cell) == plain


def test_a_name_that_two_cells_define_is_told() -> None:
    content = notebook("def f(): pass", ["import os\n", "def g(): pass"], "def f(): return 1")
    cells, notes = code_cells(content.encode())
    assert cells == ["def f(): pass", "import os\ndef g(): pass", "def f(): return 1"]
    assert notes == ["cells 1 and 3 both define f; the last one counts"]


NO_NOTEBOOKS = {
    "{": "it is no JSON",
    "[1]": "it has no cells",
    '{"cells": 3}': "it has no cells",
    '{"cells": [{"cell_type": "markdown", "source": "x"}, 7]}': "it has no cell with code in it",
    "[" * 100_000: "it is no JSON",
}


@pytest.mark.parametrize(("text", "why"), NO_NOTEBOOKS.items(), ids=range(len(NO_NOTEBOOKS)))
def test_what_is_no_notebook_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(Unreadable, match=f"a.ipynb: {why}"):
        read(tmp_path / "a.ipynb")


def test_a_notebook_with_large_outputs_is_told_to_clear_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LARGEST_NOTEBOOK", 2**20)
    (tmp_path / "a.ipynb").write_text(notebook("x = '" + "a" * 2**20 + "'"))
    with pytest.raises(Unreadable, match=r"at most 1 MiB, got .*a.ipynb. Clear its outputs"):
        read(tmp_path / "a.ipynb")


def test_a_line_is_quoted_from_what_was_read_and_from_its_cell(tmp_path: Path) -> None:
    place = tmp_path / "a.ipynb"
    place.write_text(notebook("a = 1\nb = 2", "c = 3"))
    read_once = read(place)
    place.unlink()
    assert read_once.line_of(f"{place}, cell 2", 1) == "c = 3"
    assert read_once.line_of(f"{place}, cell 1", 2) == "b = 2"
    assert read_once.line_of(f"{place}, cell 9", 1) == ""
    assert read_once.line_of("/etc/passwd", 1) == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_and_a_device_and_a_file_without_end_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "large.py").write_bytes(b"#" * (source.LARGEST_FILE + 1))
    (tmp_path / "folder.py").mkdir()
    for name, words in {
        "pipe.py": "something else",
        "zero.py": "something else",
        "large.py": "at most 2 MiB",
        "folder.py": "got the folder",
        "gone.py": "nothing there",
        "notes.txt": "nothing there",
    }.items():
        with pytest.raises(Unreadable, match=words):
            read(tmp_path / name)

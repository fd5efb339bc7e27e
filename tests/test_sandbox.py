"""How a candidate is run: what it is given, what it may leave out, what is told of it, and what it
is kept from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_sources import notebook
from test_submissions import RIGHT, written

from backproof.checks.candidates.candidate import Question
from backproof.checks.candidates.candidate_file import CandidateFile, Unusable, load
from backproof.checks.candidates.isolation import isolation
from backproof.checks.candidates.sandbox import Limits, Manner, Sandbox
from backproof.checks.problem import draw
from backproof.model.command_line import BadInput

QUESTION = Question(draw((4, 7, 3), 5, seed=0))
WALLED = pytest.mark.skipif(
    not isolation("auto").program, reason=f"no isolation: {isolation('auto').why_not}"
)


@contextmanager
def running(path: Path, limits: Limits | None = None, **manner: object) -> Iterator[CandidateFile]:
    """A candidate in its process."""
    with Sandbox(path, limits or Limits(), Manner(**manner)) as sandbox:  # type: ignore[arg-type]
        yield load(sandbox)


def ending_with(line: str) -> str:
    """The right one, with something else done before it returns."""
    return RIGHT.replace("    return dW, db", f"    {line}\n    return dW, db")


# a file beside a candidate, of a name that Python or NumPy may need
@pytest.mark.parametrize(
    "name", ["random", "types", "secrets", "numbers", "ast", "typing", "numpy", "json", "math"]
)
def test_a_file_beside_it_with_the_name_of_a_module_breaks_nothing(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.py").write_text("raise ValueError('the wrong one')\n")
    (path,) = written(tmp_path, mine=RIGHT + "\nimport helper\n", helper="value = 1\n")[:1]
    with running(path) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None


def test_what_lies_beside_it_comes_before_what_is_installed(tmp_path: Path) -> None:
    (path,) = written(tmp_path, mine=RIGHT + "\nimport pytest\npytest.ours\n", pytest="ours = 1")[
        :1
    ]
    with running(path):
        pass


def test_a_notebook_is_a_candidate_and_its_lines_are_told_with_their_cells(tmp_path: Path) -> None:
    first, second = RIGHT.split("def gradients", 1)
    cells = ["%matplotlib inline\n" + first, "def gradients" + second]
    place = tmp_path / "mine.ipynb"
    place.write_text(notebook(*cells))
    with running(place) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None
    place.write_text(notebook(cells[0], cells[1].replace("    a = [x]", "    x.nothing")))
    with running(place) as candidate:
        complaint = candidate.ask([QUESTION])[0].complaint
    assert complaint is not None
    assert "on line 2 of mine.ipynb, cell 2 (x.nothing)" in complaint


def test_definitions_alone_can_be_run_and_what_was_left_out_is_told(tmp_path: Path) -> None:
    training = "sizes = [4, 7, 3]\nrate = float('0.1')\nX = load_all()\nfor _ in X:\n    train(X)\n"
    (path,) = written(tmp_path, mine=RIGHT + training)
    with pytest.raises(Unusable, match="NameError"), running(path):
        pass
    with running(path, definitions_only=True) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None
        assert candidate.sandbox.noted["left_out"] == ["lines 20 to 22 of mine.py"]


def test_modules_that_plot_are_replaced_where_they_are_missing_and_told(tmp_path: Path) -> None:
    plotting = (
        "import seaborn as sns\nfrom mnist import load\nfrom visdom.server import nothing\n"
        "sns.set()\nfor x in load(1)[0]: pass\nwith sns.axes_style('dark') as s: s.x.y()\n"
    )
    (path,) = written(tmp_path, mine=plotting + RIGHT)
    with running(path) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None
        assert candidate.sandbox.noted["replaced"] == ["seaborn", "mnist", "visdom"]
    (path,) = written(tmp_path, mine="import utterly_absent\n" + RIGHT)
    with pytest.raises(Unusable, match="ModuleNotFoundError"), running(path):
        pass


BY_TORCH = """
import torch


def gradients(W, b, x, y):
    W, b = [[torch.tensor(v, requires_grad=True) for v in part] for part in (W, b)]
    a = torch.tensor(x)
    for w, c in zip(W[:-1], b[:-1]):
        a = torch.sigmoid(a @ w.T + c)
    torch.nn.functional.cross_entropy(a @ W[-1].T + b[-1], torch.tensor(y)).backward()
    return [w.grad for w in W], [c.grad for c in b]
"""
ENGINES = {
    "torch.autograd": BY_TORCH,
    "the complex step": RIGHT + "\n\ndef slope(f, x):\n    return f(x + 1e-30j).imag / 1e-30\n",
    "Backproof itself": ending_with("from backproof.checks.by_hand import sigmoid; sigmoid(x)"),
}


@pytest.mark.parametrize(("engine", "text"), ENGINES.items(), ids=ENGINES)
def test_a_library_that_computed_the_gradients_is_told(
    tmp_path: Path, engine: str, text: str
) -> None:
    (path,) = written(tmp_path, mine=text)
    with running(path) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None
        noted = candidate.sandbox.noted
    assert noted["engine"] == engine
    named = {"torch.autograd": ["torch"], "Backproof itself": ["backproof"]}
    assert noted["imported"] == named.get(engine, [])


def test_a_file_written_by_hand_has_neither_engine_nor_library(tmp_path: Path) -> None:
    (path,) = written(tmp_path, mine=RIGHT)
    with running(path) as candidate:
        candidate.ask([QUESTION])
        assert "engine" not in candidate.sandbox.noted
        assert candidate.sandbox.noted["imported"] == []


def test_it_gets_no_secret_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    (path,) = written(tmp_path, mine=ending_with("import os; print(sorted(os.environ))"))
    with running(path) as candidate:
        candidate.ask([QUESTION])
        printed = candidate.sandbox.out.head.decode()
    assert "PATH" in printed
    assert "TOKEN" not in printed


# what costs the checker itself, where it is not watched
GREEDY = {
    "gradients wrote on the pipe": "import json, os, stat; [os.write(n, (70).to_bytes(8, 'little') "
    "+ b'[' * 70) for n in range(99) if os.path.exists(f'/dev/fd/{n}') and "
    "stat.S_ISSOCK(os.fstat(n).st_mode)]",
    "gradients took more than 0.25 GiB": "import mmap, time; kept = mmap.mmap(-1, 2**29); "
    "[kept.write(b'x' * 2**20) for _ in range(2**9)]; time.sleep(9)",
    "gradients started more than 8 processes": "import os, time; "
    "[os.fork() for _ in range(5)]; time.sleep(9)",
}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux keeps count there")
@pytest.mark.parametrize(("clause", "line"), GREEDY.items(), ids=GREEDY)
def test_one_that_takes_more_than_its_share_is_ended(
    tmp_path: Path, clause: str, line: str
) -> None:
    (path,) = written(tmp_path, mine=ending_with(line))
    limits = Limits(call_s=8.0, memory_bytes=2**28, processes=8)
    with running(path, limits, isolate="never") as candidate:
        complaint = candidate.ask([QUESTION])[0].complaint
    assert complaint is not None
    assert complaint.startswith(f"mine.py: {clause}")


def test_always_refuses_to_run_where_bubblewrap_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backproof.checks.candidates import isolation as home

    monkeypatch.setattr(home.shutil, "which", lambda name: None)
    home._bubblewrap.cache_clear()
    try:
        assert home.isolation("auto").note.startswith(
            "it ran without isolation (bubblewrap is not installed)"
        )
        with pytest.raises(BadInput, match="--isolate always: expected bubblewrap"):
            home.isolation("always")
    finally:
        home._bubblewrap.cache_clear()


@WALLED
def test_behind_walls_it_may_write_beside_itself_and_nothing_of_it_stays(tmp_path: Path) -> None:
    line = (
        "np.save('weights.npy', x); open('old.txt', 'a').write('more'); "
        "print(open('old.txt').read())"
    )
    (path,) = written(tmp_path, mine=ending_with(line))
    (tmp_path / "old.txt").write_text("old ")
    with running(path) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None
        assert candidate.sandbox.out.head == b"old more\n"
    assert sorted(os.listdir(tmp_path)) == ["mine.py", "old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old "


@WALLED
def test_alone_it_sees_what_it_imports_and_nothing_else_beside_it(tmp_path: Path) -> None:
    source = "import helper\nimport os\nprint(sorted(os.listdir('.')))\n" + RIGHT
    (path,) = written(tmp_path, mine=source, helper="import second\n", second="", classmate=RIGHT)[
        :1
    ]
    with running(path, alone=True) as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None
        assert candidate.sandbox.out.head == b"['helper.py', 'mine.py', 'second.py']\n"


@WALLED
@pytest.mark.parametrize("place", ["/tmp", "/", "its folder", "the folder around it", ""])
def test_a_python_path_that_holds_everything_hides_nothing_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (path,) = written(tmp_path, mine=RIGHT)
    places = {"its folder": tmp_path, "the folder around it": tmp_path.parent}
    monkeypatch.setenv("PYTHONPATH", str(places.get(place, place)))
    with running(path, isolate="auto") as candidate:
        assert candidate.ask([QUESTION])[0].complaint is None

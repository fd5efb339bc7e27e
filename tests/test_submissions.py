"""The command line for candidates: exit codes, one object a line in order, one bad file never stops
the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command import Done, checks

from backproof.checks.__main__ import main
from backproof.checks.candidates.candidate_file import load
from backproof.checks.candidates.sandbox import Limits, Sandbox

RIGHT = """
import numpy as np


def gradients(W, b, x, y):
    a = [x]
    for w, c in zip(W[:-1], b[:-1]):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + c))))
    z = a[-1] @ W[-1].T + b[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    dz = (e / e.sum(axis=1, keepdims=True) - np.eye(len(b[-1]))[y]) / len(x)
    dW, db = [], []
    for i in range(len(W) - 1, -1, -1):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        dz = dz @ W[i] * a[i] * (1 - a[i])
    return dW, db
"""
SIGN = RIGHT.replace("dz.T @ a[i])", "-dz.T @ a[i])")
RAISES = RIGHT.replace("    a = [x]", "    a = [x]\n    x.nothing")
UNKNOWN = RIGHT.replace("dz.T @ a[i])", "dz.T @ np.cos(a[i]))")


HABITS = {
    "edits": ("W[0][:] = 0", "changes its arguments W[1]"),
    "seeds": ("np.random.seed(1)", "seeds NumPy's global generator on line 17"),
    "errors": ("np.seterr(all='warn')", "changes NumPy's error handling on line 17"),
    "starts": ("import os; os.system('true')", "starts a process on line 17 of starts.py"),
}
SOURCES = {
    "right": RIGHT,
    "sign": SIGN,
    "unknown": UNKNOWN,
    "raises": RAISES,
    "crash": RIGHT.replace("    a = [x]", "    import os; os._exit(0)"),
    "slow": RIGHT.replace("    a = [x]", "    while True: pass"),
    "syntax": "def gradients(:",
    "shape": RIGHT.replace("    return dW, db", "    return dW, [d[:1] for d in db]"),
    "missing": RIGHT.replace("    return dW, db", "    return dW[:2], db"),
    **{
        name: RIGHT.replace("    return dW, db", f"    {habit}; return dW, db")
        for name, (habit, _) in HABITS.items()
    },
    "prints": RIGHT.replace("    return dW, db", "    print('loss 0.3'); return dW, db"),
    "again": RIGHT,
}


def written(folder: Path, **sources: str) -> list[Path]:
    paths = [folder / f"{name}.py" for name in sources]
    for path, source in zip(paths, sources.values(), strict=True):
        path.write_text(source)
    return paths


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("submissions")


@pytest.fixture(scope="module")
def done(folder: Path) -> Done:
    """All of them in one call."""
    return checks(
        *written(folder, **SOURCES),
        "--json",
        "--junit",
        folder / "verdicts.xml",
        "--time-limit",
        "2",
    )


@pytest.fixture(scope="module")
def found(done: Done) -> dict[str, dict[str, Any]]:
    return {Path(one["candidate"]).stem: one for one in done.objects}


def test_many_files_are_one_object_a_line_in_order_and_a_bad_one_stops_nothing(
    done: Done, found: dict[str, dict[str, Any]]
) -> None:
    assert (done.code, done.err) == (1, "")
    assert list(found) == list(SOURCES)
    passed = [name for name, one in found.items() if one["verdict"] == "pass"]
    assert passed == ["right", "prints", "again"]
    assert "sign" in [bug["id"] for bug in found["sign"]["diagnosis"]["bugs"]]
    assert found["right"]["diagnosis"]["bugs"] == []


def test_junit_has_a_suite_for_each_and_fails_those_that_fail(
    done: Done, folder: Path, found: dict[str, dict[str, Any]]
) -> None:
    suites = ElementTree.parse(folder / "verdicts.xml").getroot()
    assert [Path(suite.attrib["name"]).stem for suite in suites] == list(SOURCES)
    assert [suite.attrib["failures"] == "0" for suite in suites] == [
        one["verdict"] == "pass" for one in found.values()
    ]


def test_what_nothing_explains_gets_no_name_but_the_first_wrong_step(
    found: dict[str, dict[str, Any]],
) -> None:
    diagnosis = found["unknown"]["diagnosis"]
    assert (diagnosis["bugs"], diagnosis["first_wrong"]) == ([], "(B2) dW[3]")


SENTENCES = {
    "raises": "raises.py: gradients raises AttributeError on line 7 of raises.py (x.nothing): ",
    "crash": "crash.py: gradients ended its process with exit code 0 instead of returning.",
    "slow": "slow.py: gradients did not return within 2 s; it was at line 6 of slow.py (while "
    "True: pass).",
    "syntax": "syntax.py: is not Python: ",
    "shape": "shape.py: db[3] has the shape (1,); expected (3,).",
    "missing": "missing.py: the candidate gave no dW[3].",
}


@pytest.mark.parametrize(("name", "sentence"), SENTENCES.items())
def test_what_is_no_answer_is_the_finding_and_no_bug_is_guessed(
    found: dict[str, dict[str, Any]], name: str, sentence: str
) -> None:
    diagnosis = found[name]["diagnosis"]
    assert diagnosis["bugs"] == []
    assert diagnosis["findings"][0].startswith(sentence)
    assert diagnosis["statement"] == diagnosis["findings"][0]


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, words) in HABITS.items()])
def test_habits_that_break_other_code_fail_a_candidate(
    found: dict[str, dict[str, Any]], name: str, words: str
) -> None:
    assert any(words in finding for finding in found[name]["diagnosis"]["findings"])


def test_printing_is_noted_and_fails_nothing(found: dict[str, dict[str, Any]]) -> None:
    assert 'such as "loss 0.3' in found["prints"]["diagnosis"]["notes"][0]


def test_a_wrong_candidate_reads_from_the_verdict_to_the_fix(folder: Path, done: Done) -> None:
    printed = checks("sign.py", folder=folder)
    lines = printed.out.splitlines()
    labels = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert printed.code == 1
    about = ["right", "wrong", "first", "names", "your", "bug", "evidence", "fix", "read"]
    assert labels == ["fail:", "asked", *about]
    assert max(map(len, lines)) <= 88
    assert lines[4] == "first      (B2) dW[3] = dz[3].T @ a[2] is the first step that goes wrong"


def test_a_path_that_is_no_file_is_bad_input_but_others_are_checked(
    folder: Path, done: Done
) -> None:
    printed = checks("right.py", "nothing.py", "--json", folder=folder)
    assert printed.code == 2
    assert [one["verdict"] for one in printed.objects] == ["pass", "untested"]
    assert (
        printed.err
        == "python -m checks: expected a Python file (.py) or a notebook (.ipynb), got nothing.py, "
        "nothing there. Check the name.\n"
    )


def test_what_is_wrong_counts_more_than_what_could_not_be_checked(folder: Path, done: Done) -> None:
    printed = checks("nothing.py", "syntax.py", folder=folder)
    assert printed.code == 1
    assert "2 candidates: 0 pass, 1 fail, 1 untested" in printed.out.splitlines()


def test_a_process_of_ours_that_dies_costs_one_file(folder: Path, done: Done) -> None:
    killer = RIGHT.replace(
        "    a = [x]", "    import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    )
    written(folder, killer=killer)
    # without bubblewrap on the path, which would not let it see our process
    printed = checks("right.py", "killer.py", "again.py", "--json", folder=folder, PATH="")
    assert printed.code == 1
    assert [one["verdict"] for one in printed.objects] == ["pass", "fail", "pass"]
    assert printed.objects[1]["diagnosis"]["findings"] == [
        "killer.py: it ended the process of the checker itself."
    ]


NO_FILES = {
    "nothing.py": "nothing there",
    "folder": "in the folder",
    "*.none": "files that fit",
    "notes.txt": "something else",
}


@pytest.mark.parametrize(("name", "words"), NO_FILES.items())
def test_what_is_no_python_file_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert main([str(tmp_path / name)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert words in printed.err


@pytest.mark.parametrize(
    "flags",
    [["--run", "runs"], ["--problems", "3"], ["--dtype", "float32"], ["--device", "cuda"]],
    ids=" ".join,
)
def test_flags_of_the_project_s_own_verification_are_refused_beside_a_candidate(
    flags: list[str],
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["mine.py", *flags])
    assert refused.value.code == 2


def test_the_candidate_s_process_is_gone_when_it_is_done(tmp_path: Path) -> None:
    with Sandbox(written(tmp_path, right=RIGHT)[0], Limits()) as sandbox:
        load(sandbox)
        process = sandbox._process
        assert process.poll() is None
    assert process.poll() is not None

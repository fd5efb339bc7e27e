"""The command line for candidates: exit codes, one object a line in order, one bad file never stops the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from checks import submissions
from checks.__main__ import main
from checks.candidate_file import load
from checks.sandbox import Limits, Sandbox
from checks.submissions import Settings, check_file

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


def written(folder: Path, **sources: str) -> list[str]:
    paths = [folder / f"{name}.py" for name in sources]
    for path, source in zip(paths, sources.values(), strict=True):
        path.write_text(source)
    return [str(path) for path in paths]


def objects(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_many_files_are_one_object_a_line_in_order_and_a_bad_one_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash, syntax = RIGHT.replace("    a = [x]", "    import os; os._exit(0)"), "def gradients(:"
    paths = written(tmp_path, right=RIGHT, crash=crash, syntax=syntax, sign=SIGN, again=RIGHT)
    code = main([*paths, "--json", "--junit", str(tmp_path / "verdicts.xml")])
    found = objects(capsys.readouterr().out)
    assert code == 1
    assert [one["candidate"] for one in found] == paths
    assert [one["verdict"] for one in found] == ["pass", "fail", "fail", "fail", "pass"]
    assert "sign" in [bug["id"] for bug in found[3]["diagnosis"]["bugs"]]
    assert found[0]["diagnosis"]["bugs"] == []
    assert found[2]["diagnosis"]["findings"][0].startswith("syntax.py: is not Python")
    suites = ElementTree.parse(tmp_path / "verdicts.xml").getroot()
    assert [suite.attrib["name"] for suite in suites] == paths
    assert [int(suite.attrib["failures"]) > 0 for suite in suites] == [False, True, True, True, False]


def test_a_path_that_is_no_file_is_bad_input_but_others_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, right=RIGHT)[0]
    assert main([path, str(tmp_path / "nothing.py"), "--json"]) == 2
    printed = capsys.readouterr()
    assert [one["verdict"] for one in objects(printed.out)] == ["pass", "fail"]
    assert re.fullmatch(r"python -m checks: expected a Python file \(\.py\), got .*nothing\.py, nothing there\. .*\n", printed.err)


NO_FILES = {"nothing.py": "nothing there", "folder": "got the folder", "notes.txt": "something else"}


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
    "flags", [["--run", "runs"], ["--problems", "3"], ["--dtype", "float32"], ["--device", "cuda"]], ids=" ".join
)
def test_flags_of_the_project_s_own_verification_are_refused_beside_a_candidate(flags: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["mine.py", *flags])
    assert refused.value.code == 2


def test_a_wrong_candidate_reads_from_what_is_right_to_the_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, sign=SIGN)) == 1
    lines = capsys.readouterr().out.splitlines()
    labels = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert labels == ["checked", "right", "wrong", "first", "bug", "evidence", "fix", "read", "fail:"]
    assert max(map(len, lines[:-1])) <= 80
    assert lines[3] == "first      the first wrong step is (B2) dW[3] = dz[3].T @ a[2]"


def test_what_nothing_explains_gets_no_name_but_the_first_wrong_step(tmp_path: Path) -> None:
    checked = check_file(Path(written(tmp_path, unknown=UNKNOWN)[0]), Settings())
    diagnosis = checked.found["diagnosis"]
    assert (diagnosis["bugs"], diagnosis["first_wrong"]) == ([], "(B2) dW[3]")
    assert "No known bug explains these numbers" in "\n".join(checked.lines)


def test_an_exception_is_the_finding_and_no_bug_is_guessed(tmp_path: Path) -> None:
    checked = check_file(Path(written(tmp_path, raises=RAISES)[0]), Settings())
    diagnosis, sentence = (
        checked.found["diagnosis"],
        "raises.py: gradients raises AttributeError on line 7 of raises.py (x.nothing): ",
    )
    assert diagnosis["bugs"] == []
    assert diagnosis["findings"][0].startswith(sentence)
    assert diagnosis["statement"] == diagnosis["findings"][0]
    assert not any("Traceback" in line for line in checked.lines)


HABITS = {
    "W[0][:] = 0": "changes its arguments W[1]",
    "np.random.seed(1)": "seeds NumPy's global generator on line 17",
    "np.seterr(all='warn')": "changes NumPy's error handling on line 17",
    "import os; os.system('true')": "starts a process on line 17 of habit.py",
}


@pytest.mark.parametrize(("habit", "words"), HABITS.items(), ids=HABITS)
def test_habits_that_break_other_code_fail_a_candidate_whose_gradients_are_right(tmp_path: Path, habit: str, words: str) -> None:
    source = RIGHT.replace("    return dW, db", f"    {habit}; return dW, db")
    checked = check_file(Path(written(tmp_path, habit=source)[0]), Settings())
    assert checked.found["verdict"] == "fail"
    assert any(words in finding for finding in checked.found["diagnosis"]["findings"])


def test_printing_is_noted_and_fails_nothing(tmp_path: Path) -> None:
    source = RIGHT.replace("    return dW, db", "    print('loss 0.3'); return dW, db")
    found = check_file(Path(written(tmp_path, prints=source)[0]), Settings()).found
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    assert 'such as "loss 0.3' in found["diagnosis"]["notes"][0]


def test_a_process_of_ours_that_dies_costs_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killer = RIGHT.replace("    a = [x]", "    import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
    paths = written(tmp_path, right=RIGHT, killer=killer, again=RIGHT)
    assert main([*paths, "--json"]) == 1
    found = objects(capsys.readouterr().out)
    assert [one["verdict"] for one in found] == ["pass", "fail", "pass"]
    assert found[1]["diagnosis"]["findings"] == ["killer.py: it ended the process of the checker itself."]


def test_the_time_limit_is_a_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, slow=RIGHT.replace("    a = [x]", "    while True: pass"))[0]
    assert main([path, "--time-limit", "0.3"]) == 1
    assert "did not return within 0.3 s; it was at line 6 of slow.py" in " ".join(capsys.readouterr().out.split())


def test_the_candidate_s_process_is_gone_when_it_is_done(tmp_path: Path) -> None:
    path = Path(written(tmp_path, right=RIGHT)[0])
    with Sandbox(path, Limits()) as sandbox:
        load(sandbox)
        process = sandbox._process
        assert process.poll() is None
    assert process.poll() is not None


def test_one_worker_checks_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(submissions, "_pooled", None)
    assert main([*written(tmp_path, right=RIGHT, again=RIGHT), "--json"]) == 0

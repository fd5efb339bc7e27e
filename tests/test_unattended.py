"""A script that is watched gets its arguments, and waits for nobody."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from command import checks
from test_watching_scripts import GLOBALS

from backproof.checks.flags import parse_args

PROGRAM = "backproof check"
PARSED = """\
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("word")
args = parser.parse_args()
"""
WAITS = """\
import time, urllib.request
try:
    urllib.request.urlopen("http://192.0.2.1/mnist.gz")
except OSError:
    pass
try:
    if input("train? ") == "n":
        raise SystemExit
except EOFError:
    pass
time.sleep(1000)
"""
PLOTS = """\
import matplotlib
matplotlib.use("TkAgg")
import matplotlib.pyplot as plt
figure, (left, right) = plt.subplots(1, 2)
left.plot([1, 2])
plt.show(block=True)
plt.pause(1000)
"""


@pytest.mark.parametrize(
    ("argv", "candidates", "arguments"),
    [
        (["net.py", "--json", "--", "--rate", "2", "x.py"], ["net.py"], ["--rate", "2", "x.py"]),
        (["net.py", "--", "a", "--", "b"], ["net.py"], ["a", "--", "b"]),
        (["net.py"], ["net.py"], []),
    ],
)
def test_what_stands_behind_two_dashes_is_the_candidates_own(
    argv: list[str], candidates: list[str], arguments: list[str]
) -> None:
    args = parse_args(argv, PROGRAM)
    assert [str(path) for path in args.candidates] == candidates
    assert args.arguments == arguments


def test_arguments_of_no_script_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_args(["--", "net.py"], PROGRAM)
    assert "--: expected a script before it, got net.py alone" in capsys.readouterr().err


def test_arguments_reach_the_script(tmp_path: Path) -> None:
    script = PARSED + GLOBALS.replace("lr = 0.5", "lr = args.rate * len(args.word)")
    (tmp_path / "net.py").write_text(script)
    done = checks("net.py", "--json", "--", "--rate", "0.25", "word", folder=tmp_path)
    assert done.code == 0
    assert done.objects[0]["watched"]["network"]["learning_rate"] == pytest.approx(1.0)
    without = checks("net.py", "--json", folder=tmp_path)
    assert without.code == 2
    (said,) = without.objects[0]["diagnosis"]["findings"]
    assert "exits the program on line 5 of net.py" in said
    assert "the following arguments are required: --rate, word" in said
    assert "behind -- is its sys.argv" in said


def test_nothing_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(WAITS + PLOTS + GLOBALS)
    began = time.monotonic()
    done = checks("net.py", "--json", folder=tmp_path)
    assert time.monotonic() - began < 60
    assert done.objects[0]["verdict"] == "pass"
    assert any("asks for input on line 7" in note for note in _notes(done.objects[0]))


def test_question_that_stops_it_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("n = int(input('units? '))\n" + GLOBALS)
    done = checks("net.py", "--json", folder=tmp_path)
    assert (done.code, done.objects[0]["verdict"]) == (2, "untested")
    assert (
        "it asks for input on line 1 of net.py (n = int(input('units? '))), and there is nobody "
        "to answer" in done.objects[0]["diagnosis"]["findings"][0]
    )


def test_plots_of_a_package_that_is_missing_do_nothing(tmp_path: Path) -> None:
    plots = PLOTS.replace("matplotlib", "plotly").replace("plotly.pyplot", "plotly.graph")
    (tmp_path / "net.py").write_text(plots + GLOBALS)
    done = checks("net.py", "--json", folder=tmp_path)
    assert done.objects[0]["verdict"] == "pass"


def _notes(found: dict[str, object]) -> list[str]:
    diagnosis = found["diagnosis"]
    assert isinstance(diagnosis, dict)
    return [str(note) for note in diagnosis["notes"]]

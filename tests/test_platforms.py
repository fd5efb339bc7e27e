"""The checker on systems that lack what Linux has, imitated: the verdicts are those of Linux.

tests/pretending/sitecustomize.py takes it away, in the checker's processes and in the candidates'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import ROOT, Done, checks, python
from test_submissions import RIGHT, SIGN, written

SOURCES = {
    "right": RIGHT,
    "sign": SIGN,
    "hangs": RIGHT.replace("    a = [x]", "    while True: pass"),
    "hangs_at_import": "while True: pass",
    "crashes": RIGHT.replace("    a = [x]", "    import os; os.abort()"),
    "exits": RIGHT.replace("    a = [x]", "    import os; os._exit(3)"),
    "prints": RIGHT.replace("    return dW, db", "    print('loss 0.3'); return dW, db"),
    "accents": RIGHT.replace("import numpy", "# Überprüfung, 検査\nimport numpy"),
}
# the line in which each stops, where it does
LINES = {"hangs": "line 6 of hangs.py (while True: pass)", "hangs_at_import": "line 1 of hangs_at"}
PRETENDING = str(ROOT / "tests" / "pretending")
SYSTEMS = ("windows", "macos")


@pytest.fixture(scope="module", params=SYSTEMS)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All of them in one call, several at a time."""
    folder = tmp_path_factory.mktemp(request.param)
    written(folder, **SOURCES)
    return checks(
        *(f"{name}.py" for name in SOURCES),
        "--json",
        "--time-limit",
        "2",
        folder=folder,
        BACKPROOF_PRETEND=request.param,
        PYTHONPATH=PRETENDING,
        PYTHONIOENCODING="cp1252",
    )


@pytest.fixture(scope="module")
def found(done: Done) -> dict[str, dict[str, Any]]:
    return {Path(one["candidate"]).stem: one for one in done.objects}


def test_each_gets_the_verdict_that_it_gets_on_linux(
    done: Done, found: dict[str, dict[str, Any]]
) -> None:
    assert (done.code, done.err) == (1, "")
    assert list(found) == list(SOURCES)
    right = [name for name, one in found.items() if one["verdict"] == "pass"]
    assert right == ["right", "prints", "accents"]
    assert "sign" in [bug["id"] for bug in found["sign"]["diagnosis"]["bugs"]]


def test_one_that_hangs_is_told_its_line_without_a_signal(
    found: dict[str, dict[str, Any]],
) -> None:
    for name, line in LINES.items():
        assert f"it was at {line}" in found[name]["diagnosis"]["statement"]


def test_one_that_dies_is_told_so_and_what_is_printed_is_seen(
    found: dict[str, dict[str, Any]],
) -> None:
    assert found["crashes"]["diagnosis"]["statement"].startswith("crashes.py: gradients ")
    assert "exit code 3" in found["exits"]["diagnosis"]["statement"]
    assert "loss 0.3" in found["prints"]["diagnosis"]["notes"][0]


GREEDY = """
import sys
from pathlib import Path
import numpy as np
from backproof.checks.candidates.candidate_file import load
from backproof.checks.candidates.candidate import Question
from backproof.checks.candidates.sandbox import Limits, Sandbox
from backproof.checks.problem import draw
with Sandbox(Path(sys.argv[1]), Limits(memory_bytes=2**28)) as sandbox:
    print(load(sandbox).ask([Question(draw((4, 7, 3), 5, seed=0))])[0].complaint)
"""


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_that_takes_too_much_memory_is_ended(tmp_path: Path, system: str) -> None:
    filling = "    kept = [np.ones(10**6) for _ in range(10**9)]"
    (greedy,) = written(tmp_path, greedy=RIGHT.replace("    a = [x]", filling))
    done = python("-c", GREEDY, greedy, BACKPROOF_PRETEND=system, PYTHONPATH=PRETENDING)
    assert done.out == "greedy.py: gradients took more than 0.25 GiB of memory.\n"

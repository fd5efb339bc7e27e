"""Work in processes of ours: in order, within its time, and nobody is left behind, however the
program ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backproof.checks.grading.pool import Pool

PROGRAM = """
import os, sys, time
from backproof.checks.grading.pool import Pool
from backproof.model.program import as_program

def work(name):
    open(name, "w").write(str(os.getpid()))
    time.sleep(60)

def main():
    list(Pool(work, lambda *_: None, 100.0).results(sys.argv[1:], 2))
    return 0

if __name__ == "__main__":
    sys.exit(as_program(main, "program"))
"""


def work(number: int) -> int:
    if number == 2:
        os._exit(1)
    if number == 3:
        time.sleep(60)
    return number * number


def lost(number: int, reason: str) -> str:
    return f"{number} {reason}"


def test_results_come_in_order_and_one_that_dies_or_hangs_costs_its_own_alone() -> None:
    found = list(Pool(work, lost, 4.0).results(range(5), 2))
    assert found == [0, 1, "2 ended", "3 took too long", 16]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up there")
@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_however_it_is_told_to_end_nobody_is_left_and_a_second_time_does_no_harm(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    names = [tmp_path / "0", tmp_path / "1"]
    command = [sys.executable, "program.py", *map(str, names)]
    number = signal.Signals[name]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not all(path.exists() and path.read_text() for path in names):
        assert time.monotonic() < until
        time.sleep(0.05)
    workers = [int(path.read_text()) for path in names]
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    said = {"SIGINT": "program: interrupted.\n", "SIGKILL": ""}
    assert (out, err) == ("", said.get(name, f"program: ended by {name}.\n"))
    assert process.returncode == (130 if name == "SIGINT" else -number)
    until = time.monotonic() + 2
    while any(map(is_there, workers)):
        assert time.monotonic() < until
        time.sleep(0.02)

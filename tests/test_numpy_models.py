"""Models by hand in NumPy, each right and with four bugs, told apart without torch."""

import subprocess
import sys
from pathlib import Path

from benchmarks import numpy_gradients

ROOT = Path(__file__).parents[1]


def test_models_in_numpy_are_told_right_from_wrong_by_name_and_torch_is_not_imported():
    script = str(ROOT / "benchmarks" / "numpy_gradients.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split("|")[2:4] for line in lines[2:-1]] == [[" 0 of 1 ", " 4 of 4 "]] * 5
    assert lines[-1] == "torch imported: False"


def test_checker_that_accepts_everything_is_told(monkeypatch, capsys):
    """The wrong version: no bug is caught."""
    monkeypatch.setattr(numpy_gradients, "wrong_names", lambda model, bug, seed: set())
    assert numpy_gradients.main([]) == 1
    assert "recurrent network, state of the same step, seed 0: []" in capsys.readouterr().out

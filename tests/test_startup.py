"""What a command does not import it need not wait for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys, train
code = train.main(["--data", "bars", "--epochs", "2", "--run-dir", sys.argv[1]])
heavy = {"torch._dynamo", "torch._inductor", "sympy", "tensorflow", "sklearn", "matplotlib"}
print(code, *sorted(heavy & set(sys.modules)))
"""


def test_training_imports_no_compiler_and_no_plotting_library(tmp_path):
    """torch's compiler and the algebra package that it needs take longer to import than the digits
    take to learn."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "run")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(),
    reason="this system does not count a process's threads there",
)
def test_numpy_keeps_to_one_thread_while_torch_trains():
    """On two busy cores, those of its products that wait for a second thread took two thirds of a
    run of train.py."""
    count = (
        "import os, train, numpy; numpy.ones((500, 500)) @ numpy.ones((500, 500)); "
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")
    }
    done = subprocess.run(
        [sys.executable, "-c", count],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == 1

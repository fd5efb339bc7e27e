"""What a command does not import it need not wait for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys, train
code = train.main(["--data", "bars", "--epochs", "2", "--run-dir", sys.argv[1]])
print(code, *sorted({"torch._dynamo", "torch._inductor", "sympy", "tensorflow", "sklearn"} & set(sys.modules)))
"""


def test_training_imports_no_compiler(tmp_path):
    """torch's compiler and the algebra package that it needs take longer to import than the digits take to learn."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "0"

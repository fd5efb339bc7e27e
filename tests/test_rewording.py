"""No sentence decides anything: with every note, statement and docstring reworded, the diagnosis
says the same of the same candidates."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT

pytestmark = pytest.mark.slow  # minutes: candidates diagnosed twice

ROOMS = ("bugs", "diagnosis")
# 2% of the cases of benchmarks/diagnosis.py, but for those that take long
KINDS = {"single": 10, "pair": 1, "correct": 3, "convention": 3, "unknown": 1}
TOLD = """
import json, sys
from itertools import islice
from planting import cases
import switches
found = []
for streams in (switches.STREAMS, cases.STREAMS):
    for kind, count in json.loads(sys.argv[1]).items():
        for case in islice(streams[kind](0), count):
            told = case.found
            said = [told.outcome, case.named, told.first_wrong, told.conventions]
            found.append([kind, *said])
import backproof.checks.bugs.register as register
statement = register.SUSPECTS["scale"].statement
print(json.dumps([statement, found]))
"""


class Reworded(ast.NodeTransformer):
    """Every text with a space in it, which no name and no format has, says something else."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str) and " " in node.value.strip():
            return ast.Constant(f"otherwise: {node.value}")
        return node


def told(root: Path) -> list[object]:
    """What the diagnosis in some checkout says of the first cases of either generator."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD, json.dumps(KINDS)],
        cwd=root,
        env={"PYTHONPATH": f"{root}:{root / 'tests'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_rewording_of_everything_changes_no_diagnosis(tmp_path: Path) -> None:
    for part in ("backproof", "checks", "model", "tests", "train.py", "label.py"):
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / part)
    changed = 0
    for room in ROOMS:
        for path in (tmp_path / "checks" / room).glob("*.py"):
            tree = Reworded().visit(ast.parse(path.read_text()))
            path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
            changed += 1
    assert changed > 20
    statement, reworded = told(tmp_path)
    assert str(statement).startswith("otherwise: ")
    assert reworded == told(ROOT)[1]

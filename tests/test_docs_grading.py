"""The page for course staff: its template, its table and its commands do what it says."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, checks

PAGE = (ROOT / "docs" / "grading.md").read_text()
TEMPLATE, TABLE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
RIGHT = """
    a = [x]
    for w, c in zip(W[:-1], b[:-1]):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + c))))
    e = np.exp(a[-1] @ W[-1].T + b[-1])
    dz, dW, db = (e / e.sum(axis=1, keepdims=True) - y) / len(x), [], []
    for i in range(len(W) - 1, -1, -1):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        dz = dz @ W[i] * a[i] * (1 - a[i])
    return dW, db
"""


def handed_in(folder: Path, **bodies: str) -> list[str]:
    """Submissions out of the page's own template."""
    for name, body in bodies.items():
        (folder / f"{name}.py").write_text(
            TEMPLATE.replace("    raise NotImplementedError\n", body.lstrip("\n"))
        )
    return [f"{name}.py" for name in bodies]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The page's table of four submissions."""
    folder = tmp_path_factory.mktemp("SUBMISSIONS")
    names = handed_in(
        folder,
        ada=RIGHT,
        ben=RIGHT.replace("/ len(x)", ""),
        cleo=RIGHT.replace(" * (1 - a[i])", ""),
        dan="    raise NotImplementedError\n",
    )
    done = checks(*names, "--json", "--seed", 7, folder=folder)
    assert done.code == 1
    table = subprocess.run(
        [sys.executable, "-c", TABLE], input=done.out, capture_output=True, text=True, check=True
    ).stdout
    return {Path(row["file"]).stem: row for row in csv.DictReader(io.StringIO(table))}


def test_the_table_of_the_page_has_a_line_for_each_with_verdict_and_reason(
    rows: dict[str, dict[str, str]],
) -> None:
    assert {name: (row["verdict"], row["bugs"]) for name, row in rows.items()} == {
        "ada": ("pass", ""),
        "ben": ("fail", "scale"),
        "cleo": ("fail", "no-hidden-derivative"),
        "dan": ("fail", ""),
    }
    assert (rows["cleo"]["right"], rows["cleo"]["of"], rows["cleo"]["first wrong step"]) == (
        "2",
        "6",
        "(B5) dz[2]",
    )
    assert rows["dan"]["feedback"].startswith(
        "dan.py: gradients raises NotImplementedError on line"
    )


def test_a_declared_mean_that_is_a_sum_fails_as_the_page_says_and_names_the_declaration(
    tmp_path: Path,
) -> None:
    (name,) = handed_in(tmp_path, ben=RIGHT.replace("/ len(x)", ""))
    assert (
        '(or, if that is the loss you mean: REDUCTION = "sum")' in checks(name, folder=tmp_path).out
    )
    undeclared = (
        (tmp_path / name)
        .read_text()
        .replace('OUTPUT, COST, REDUCTION = "softmax", "cross-entropy", "mean"', "")
    )
    (tmp_path / name).write_text(undeclared)
    assert checks(name, folder=tmp_path).code == 0


def test_the_commands_of_the_page_are_those_of_the_program(tmp_path: Path) -> None:
    (name,) = handed_in(tmp_path, ada=RIGHT)
    (tmp_path / "SUBMISSIONS").mkdir()
    (tmp_path / name).rename(tmp_path / "SUBMISSIONS" / name)
    for command in re.findall(r"^python -m checks (.*)$", PAGE, flags=re.MULTILINE):
        words = command.partition(" > ")[0].replace("*.py", "ada.py").split()
        assert checks(*words, folder=tmp_path).code == 0
    assert (tmp_path / "verdicts.xml").exists()

"""results.json as Gradescope's page describes it: the score is that of the gradients that are
right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_html import BUG, WRONG, found

from backproof.checks.report import gradescope
from backproof.checks.report.gradescope import Points, read_points
from backproof.model.command_line import BadInput

# the specification's names, what each may hold; all are optional but for a score somewhere
TOP = {
    "score": (int, float),
    "execution_time": (int, float),
    "output": (str,),
    "output_format": (str,),
    "test_output_format": (str,),
    "test_name_format": (str,),
    "visibility": (str,),
    "stdout_visibility": (str,),
    "extra_data": (dict,),
    "tests": (list,),
    "leaderboard": (list,),
}
TEST = {
    "score": (int, float),
    "max_score": (int, float),
    "status": (str,),
    "name": (str,),
    "name_format": (str,),
    "number": (str,),
    "output": (str,),
    "output_format": (str,),
    "tags": (list,),
    "visibility": (str,),
    "extra_data": (dict,),
}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


def follows(part: dict[str, Any], allowed: dict[str, tuple[type, ...]]) -> bool:
    """Whether an object has the specification's names alone, with what they may hold."""
    held = all(name in allowed and isinstance(part[name], allowed[name]) for name in part)
    formats = {part[name] for name in part if name.endswith("format")}
    shown = {part[name] for name in part if name.endswith("visibility")}
    return held and formats <= FORMATS and shown <= VISIBILITIES


def test_the_document_follows_the_specification() -> None:
    read = json.loads(gradescope.as_json([WRONG, found("pass")], Points()))
    assert follows(read, TOP)
    assert all(follows(test, TEST) for test in read["tests"])
    assert {test["status"] for test in read["tests"]} == {"passed", "failed"}
    assert not follows(read | {"points": 1}, TOP)


def test_a_point_for_each_right_gradient() -> None:
    read = gradescope.results([WRONG], Points())
    assert [test["name"] for test in read["tests"]] == ["verdict", "dW[2]", "dW[1]", "db[1]"]
    assert [test["score"] for test in read["tests"]] == [0.0, 1.0, 0.0, 0.0]
    assert read["score"] == 1.0
    assert sum(test["max_score"] for test in read["tests"]) == 3.0


def test_points_are_as_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "points.json").write_text('{"verdict": 4, "gradient": 1, "dW": 2, "dW[2]": 3}')
    points = read_points(tmp_path / "points.json")
    names = ("verdict", "dW[1]", "dW[2]", "db[1]")
    assert [points.of(name) for name in names] == [4.0, 2.0, 3.0, 1.0]
    assert gradescope.results([WRONG], points)["score"] == 3.0
    assert gradescope.results([found("pass")], points)["score"] == 7.0


def test_what_a_student_reads_has_the_repair_unless_it_is_kept_back() -> None:
    told = gradescope.results([WRONG], Points())["tests"][0]["output"]
    assert "Fix: dz[1] = da[1]" in told
    kept = found("fail", bugs=[BUG | {"fix": ""}])
    assert "Fix" not in gradescope.results([kept], Points())["tests"][0]["output"]


NO_POINTS = {
    "[1]": "[1]",
    "{": "no JSON",
    '{"verdict": -1}': "verdict: -1",
    '{"verdict": true}': "verdict: True",
    '{"dW[x]": 1}': "the name 'dW[x]'",
    '{"db": "2"}': "db: 2",
    '{"gradient": NaN}': "gradient: nan",
}


@pytest.mark.parametrize(("text", "came"), NO_POINTS.items(), ids=NO_POINTS)
def test_points_that_are_none_are_refused_in_one_line(tmp_path: Path, text: str, came: str) -> None:
    (tmp_path / "points.json").write_text(text)
    with pytest.raises(BadInput, match=r"--points: expected a JSON object") as refused:
        read_points(tmp_path / "points.json")
    assert came in str(refused.value)

"""JUnit XML: every verdict arrives, failures are counted, and no message of a candidate's can break
the document."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from backproof.checks.report import junit
from backproof.model.command_line import BadInput


def found(verdict: str, **diagnosis: Any) -> dict[str, Any]:
    """The JSON object of a candidate, as far as JUnit reads it."""
    empty = {"statement": "", "correct": [], "wrong": [], "bugs": [], "findings": []}
    return {
        "candidate": "a/b.py",
        "verdict": verdict,
        "seconds": 1.25,
        "diagnosis": empty | diagnosis,
    }


def parsed(*suites: junit.Suite) -> ElementTree.Element:
    return ElementTree.fromstring(junit.as_xml(suites))


def test_a_right_candidate_has_one_passing_case_for_the_verdict_and_for_each_gradient() -> None:
    root = parsed(junit.suite_of_candidate(found("pass", correct=["dW[1]", "db[1]"])))
    assert root.attrib == {"tests": "3", "failures": "0", "errors": "0", "time": "1.250"}
    assert [case.attrib["name"] for case in root.iter("testcase")] == ["verdict", "dW[1]", "db[1]"]
    assert not list(root.iter("failure"))


def test_a_wrong_candidate_fails_with_the_statement_and_the_fix() -> None:
    bug = {
        "where": "layer 1",
        "statement": "the sign is reversed",
        "evidence": "to 1e-16",
        "fix": "W -= g",
    }
    root = parsed(
        junit.suite_of_candidate(
            found("fail", statement="sign", correct=["db[1]"], wrong=["dW[1]"], bugs=[bug])
        )
    )
    assert root.attrib["failures"] == "2"
    failures = {case.attrib["name"]: case.find("failure") for case in root.iter("testcase")}
    assert failures["db[1]"] is None
    verdict = failures["verdict"]
    assert verdict is not None
    assert verdict.attrib["message"] == "sign"
    assert verdict.text == "layer 1: the sign is reversed. to 1e-16. Fix: W -= g"


def test_one_that_cannot_be_asked_fails_although_no_gradient_was_seen() -> None:
    root = parsed(
        junit.suite_of_candidate(
            found("fail", statement="b.py: is not Python.", findings=["b.py: is not Python."])
        )
    )
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "1")


def test_one_that_could_not_be_judged_is_skipped_and_fails_nothing() -> None:
    root = parsed(junit.suite_of_candidate(found("untested", statement="all vanish")))
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "0")
    skipped = root.find(".//skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "all vanish"


def test_a_repair_that_is_not_to_be_given_away_is_not() -> None:
    bug = {"where": "layer 1", "statement": "wrong", "evidence": "to 1e-16", "fix": ""}
    root = parsed(junit.suite_of_candidate(found("fail", statement="sign", bugs=[bug])))
    assert root.findtext(".//failure") == "layer 1: wrong. to 1e-16."


def test_a_device_a_pipe_and_a_link_are_written_to_and_stay_what_they_are(tmp_path: Path) -> None:
    junit.write(Path(os.devnull), [])
    assert not Path(os.devnull).is_file()
    (tmp_path / "real.xml").write_text("old")
    (tmp_path / "link.xml").symlink_to("real.xml")
    junit.write(tmp_path / "link.xml", [])
    assert (tmp_path / "link.xml").is_symlink()
    assert (tmp_path / "real.xml").read_text().startswith("<?xml")


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    root = parsed(
        junit.suite_of_candidate(found("fail", statement="\x00<&\"'\x1b[31m\ud800\uffff ö"))
    )
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == "?<&\"'?[31m?? ö"


def test_the_project_s_own_report_has_one_suite_a_problem() -> None:
    one = {
        "problem": "p",
        "quantity": "dW[1]",
        "pair": ["by_hand", "x"],
        "error": 1.0,
        "allowed": 0.5,
        "reason": "sign",
    }
    comparisons = [one | {"verdict": verdict} for verdict in ("pass", "fail", "untested")] + [
        one | {"problem": "q", "verdict": "pass"}
    ]
    root = parsed(*junit.suites_of_report({"comparisons": comparisons}))
    assert [suite.attrib["name"] for suite in root] == ["p", "q"]
    assert (root[0].attrib["failures"], root[0].attrib["skipped"]) == ("1", "1")


def test_a_file_that_cannot_be_written_is_bad_input_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"--junit: expected a file that can be written, got .*nowhere"
    ):
        junit.write(tmp_path / "nowhere" / "verdicts.xml", [])
    junit.write(tmp_path / "verdicts.xml", [])
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.xml"]

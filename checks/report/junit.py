"""Verdicts as JUnit XML, which every continuous-integration server and most autograders read.

One test suite a candidate (or a problem of the project's own verification), one test case a
quantity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from backproof.model.atomic import write_output
from backproof.model.command_line import BadInput

# XML 1.0, section 2.2
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test case: a failure has a message and the details under it."""

    name: str
    failure: str = ""
    details: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Suite:
    """The test cases of one candidate or problem."""

    name: str
    cases: Sequence[Case]
    elapsed_s: float = 0.0


def suite_of_candidate(found: dict[str, Any]) -> Suite:
    """From the JSON object of a candidate: does it run, and is each gradient right."""
    diagnosis = found["diagnosis"]
    statement = diagnosis["statement"] or "wrong"
    details = "\n".join(
        [
            f"{bug['where']}: {bug['statement']}. {bug['evidence']}.{_fix(bug)}"
            for bug in diagnosis["bugs"]
        ]
        + diagnosis["findings"]
    )
    verdict = Case("verdict")
    if found["verdict"] == "fail":
        verdict = Case("verdict", statement, details)
    elif found["verdict"] == "untested":
        verdict = Case("verdict", skipped=statement)
    right = [Case(name) for name in diagnosis["correct"]]
    wrong = [Case(name, f"{name} is wrong; {statement}", details) for name in diagnosis["wrong"]]
    return Suite(found["candidate"], [verdict, *right, *wrong], found["seconds"])


def _fix(bug: dict[str, Any]) -> str:
    return f" Fix: {bug['fix']}" if bug["fix"] else ""


def suites_of_report(found: dict[str, Any]) -> list[Suite]:
    """From the JSON object of the project's own verification: one suite a problem."""
    cases: dict[str, list[Case]] = {}
    for one in found["comparisons"]:
        name = f"{one['quantity']} {' vs '.join(one['pair'])}"
        failed = one["verdict"] == "fail"
        if failed:
            message = f"off by {one['error']}, allowed {one['allowed']}: {one['reason']}"
        else:
            message = ""
        untested = "both sides vanish" if one["verdict"] == "untested" else ""
        cases.setdefault(one["problem"], []).append(Case(name, message, skipped=untested))
    return [Suite(problem, found_here) for problem, found_here in cases.items()]


def as_xml(suites: Iterable[Suite]) -> str:
    """The document."""
    root = ElementTree.Element("testsuites")
    counts = [0, 0, 0.0]
    for suite in suites:
        failures = sum(bool(case.failure) for case in suite.cases)
        skipped = sum(bool(case.skipped) for case in suite.cases)
        counts = [counts[0] + len(suite.cases), counts[1] + failures, counts[2] + suite.elapsed_s]
        numbers = {"tests": len(suite.cases), "failures": failures, "errors": 0, "skipped": skipped}
        element = ElementTree.SubElement(
            root,
            "testsuite",
            {"name": _clean(suite.name), **_texts(numbers), "time": f"{suite.elapsed_s:.3f}"},
        )
        for case in suite.cases:
            _add(element, suite, case)
    root.attrib |= {
        "tests": str(counts[0]),
        "failures": str(counts[1]),
        "errors": "0",
        "time": f"{counts[2]:.3f}",
    }
    ElementTree.indent(root)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        + ElementTree.tostring(root, encoding="unicode")
        + "\n"
    )


def write(path: Path, suites: Iterable[Suite]) -> None:
    """Write the document; a regular file is replaced whole or not at all.

    Raises: BadInput if the place cannot be written to.
    """
    try:
        write_output(path, as_xml(suites).encode())
    except OSError as error:
        raise BadInput(
            f"--junit: expected a file that can be written, got {path} ({error.strerror}). Name "
            "another."
        ) from error


def _add(parent: ElementTree.Element, suite: Suite, case: Case) -> None:
    element = ElementTree.SubElement(
        parent, "testcase", {"classname": _clean(suite.name), "name": _clean(case.name)}
    )
    if case.failure:
        failure = ElementTree.SubElement(element, "failure", {"message": _clean(case.failure)})
        failure.text = _clean(case.details)
    elif case.skipped:
        ElementTree.SubElement(element, "skipped", {"message": _clean(case.skipped)})


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold; a candidate's message may have any."""
    return NOT_XML.sub("?", text)


def _texts(numbers: dict[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in numbers.items()}

"""A layout, examples or labels that a file does not declare, beside a bug: the convention is told
first, then the bug alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from one_line import Lines
from planted import Planted
from uncatalogued import Uncatalogued

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import Diagnosis, diagnose

OPEN = {
    'LABELS = "one-hot"': Conventions(labels="one-hot"),
    'EXAMPLES = "columns"': Conventions(examples="columns", labels="one-hot"),
}
AGAIN: dict[str, dict[str, Any]] = {"sigmoid-twice": {}}
TWICE: dict[str, dict[str, Any]] = {"double-softmax": {}}


def found_of(planted: Planted) -> Diagnosis:
    """What is said of a file that declares nothing."""
    return diagnose(replace(planted.candidate(), conventions=Conventions()))


@pytest.mark.parametrize("line", OPEN)
@pytest.mark.parametrize("bugs", [AGAIN, TWICE], ids=["hidden", "output"])
def test_bug_is_named_beside_a_convention(line: str, bugs: dict[str, dict[str, Any]]) -> None:
    found = found_of(Planted(OPEN[line], bugs))
    assert found.bugs[0].id in bugs
    assert line in found.conventions


@pytest.mark.usefixtures("without_pairs")
def test_step_that_is_wrong_for_no_known_reason_is_told_beside_a_convention() -> None:
    found = found_of(Uncatalogued(Conventions(labels="one-hot"), unknown="derivative to a power"))
    assert (found.outcome, found.bugs, found.first_wrong) == ("fail", [], "(B5) dz[2]")
    assert found.conventions == ['LABELS = "one-hot"']


@pytest.mark.usefixtures("without_pairs")
def test_output_that_is_wrong_in_any_case_is_no_convention() -> None:
    found = Lines(dz_output=lambda p, Y, z: (p - Y) ** 3, conventions=Conventions()).found()
    assert (found.outcome, found.conventions) == ("fail", [])

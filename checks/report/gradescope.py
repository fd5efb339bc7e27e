"""Verdicts as Gradescope reads them: one results.json with a test for the verdict and one for each
gradient, and a score.

The format is https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backproof.checks.quantities import Quantity, kind_of
from backproof.model.command_line import BadInput

VERDICT = "verdict"
LARGEST_POINTS_FILE = 2**16


@dataclass(frozen=True)
class Points:
    """What each test is worth.

    Attributes:
        verdict: of the verdict as a whole.
        gradient: of each gradient that is not named.
        named: of single gradients, such as "dW[1]", and of kinds, such as "db".
    """

    verdict: float = 0.0
    gradient: float = 1.0
    named: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str) -> float:
        """The name itself counts first, then its kind, then what any gradient is worth."""
        if name == VERDICT:
            return self.verdict
        of_kind = self.named.get(kind_of(name), self.gradient)
        return self.named.get(name, of_kind)


def read_points(path: Path) -> Points:
    """From a JSON object such as {"verdict": 2, "gradient": 1, "dW[1]": 3, "db": 0.5}.

    Raises: BadInput if the file holds anything else.
    """
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST_POINTS_FILE))
    except OSError as error:
        raise _no_points(path, f"({error.strerror})") from error
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        raise _no_points(path, "which is no JSON") from error
    if not isinstance(found, dict):
        raise _no_points(path, f"{str(found)[:40]}")
    for name, points in found.items():
        number = isinstance(points, int | float) and not isinstance(points, bool)
        if not number or not math.isfinite(points) or points < 0:
            raise _no_points(path, f"{name}: {str(points)[:40]}")
        if name not in (VERDICT, "gradient") and not _is_gradient(name):
            raise _no_points(path, f"the name {name[:40]!r}")
    named = {name: float(found[name]) for name in found if name not in (VERDICT, "gradient")}
    return Points(float(found.get(VERDICT, 0)), float(found.get("gradient", 1)), named)


def _is_gradient(name: str) -> bool:
    """Whether it is dW, db, or one of them in some layer."""
    try:
        quantity = Quantity.parse(name)
    except ValueError:
        return False
    return quantity.is_parameter_gradient and str(quantity) == name


def _no_points(path: Path, came: str) -> BadInput:
    return BadInput(
        '--points: expected a JSON object such as {"verdict": 2, "gradient": 1, "dW[1]": 3}, got '
        f"{path} {came}. Names are verdict, gradient, dW, db, dW[1], ...; points are 0 or more."
    )


def results(every: Sequence[Mapping[str, Any]], points: Points) -> dict[str, Any]:
    """The object of results.json, of one submission as Gradescope has it, or of several.

    Args:
        every: the JSON objects of the candidates.
        points: what each test is worth.
    """
    tests: list[dict[str, Any]] = []
    for found in every:
        prefix = ""
        if len(every) > 1:
            prefix = f"{Path(found['candidate']).name}: "
        tests += [test | {"name": prefix + test["name"]} for test in _tests(found, points)]
    return {
        "score": sum(test["score"] for test in tests),
        "execution_time": round(sum(found["seconds"] for found in every), 3),
        "output": "\n".join(_in_short(found) for found in every),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def as_json(every: Sequence[Mapping[str, Any]], points: Points) -> str:
    """The document."""
    return json.dumps(results(every, points), indent=2) + "\n"


def _tests(found: Mapping[str, Any], points: Points) -> list[dict[str, Any]]:
    """The verdict, then each gradient."""
    told = found["diagnosis"]
    tests = [_test(VERDICT, found["verdict"] == "pass", _explained(found), points)]
    tests += [_test(name, True, "", points) for name in told["correct"]]
    tests += [_test(name, False, f"{name} is wrong.", points) for name in told["wrong"]]
    return tests


def _test(name: str, passed: bool, output: str, points: Points) -> dict[str, Any]:
    worth = points.of(name)
    status = "failed"
    score = 0.0
    if passed:
        status = "passed"
        score = worth
    return {
        "name": name,
        "name_format": "text",
        "status": status,
        "score": score,
        "max_score": worth,
        "output": output,
        "output_format": "text",
        "visibility": "visible",
    }


def _in_short(found: Mapping[str, Any]) -> str:
    statement = found["diagnosis"]["statement"] or "every gradient is right"
    return f"{found['verdict']}: {Path(found['candidate']).name}: {statement}"


def _explained(found: Mapping[str, Any]) -> str:
    """What a student reads under the verdict."""
    told = found["diagnosis"]
    lines = []
    if told["statement"]:
        lines.append(told["statement"])
    if told["first_wrong"]:
        steps = [told["first_wrong"]]
        if told.get("first_wrong_or"):
            steps.append(told["first_wrong_or"])
        lines.append(f"The first step that goes wrong: {' or '.join(steps)}.")
    for bug in told["bugs"]:
        lines.append(f"{bug['id']}, {bug['where']}: {bug['statement']}. {bug['evidence']}.")
        if bug["fix"]:
            lines.append(f"Fix: {bug['fix']}")
    for entry in [*told["conventions"], *told["findings"], *told["notes"]]:
        if entry not in lines:
            lines.append(entry)
    return "\n".join(lines)

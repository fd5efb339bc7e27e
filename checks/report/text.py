"""Verdicts -> a terminal table or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backproof.checks.verdict import Verdict

FAILURES_SHOWN = 12  # lines; the rest is counted, and --json has them all


@dataclass(frozen=True)
class Report:
    """The verdicts of a whole verification.

    Attributes:
        verdicts: one for every problem, quantity and pair.
        problems: how many problems were drawn.
        gradients: how many gradient entries, dW and db over all problems, were verified.
        device, dtype: of the torch witnesses.
        elapsed_s: the verification itself, without starting Python and importing.
    """

    verdicts: Sequence[Verdict]
    problems: int
    gradients: int
    device: str
    dtype: str
    elapsed_s: float

    @property
    def failures(self) -> list[Verdict]:
        """Everything that is wrong, in the order in which it was computed."""
        return [verdict for verdict in self.verdicts if verdict.outcome == "fail"]

    @property
    def outcome(self) -> str:
        """ "pass" only if something was compared and nothing failed."""
        if self.failures or not self.verdicts:
            return "fail"
        return "pass"

    @property
    def worst(self) -> Verdict | None:
        """The comparison that came closest to its bound, or went furthest beyond it."""
        return max(self.verdicts, key=lambda verdict: _or_infinite(verdict.ratio), default=None)


def as_text(report: Report) -> list[str]:
    """The lines of the terminal report: one a problem, then what failed, then one clear last
    line."""
    lines = [_problem_line(list(verdicts)) for verdicts in _by_problem(report.verdicts)]
    for verdict in report.failures[:FAILURES_SHOWN]:
        lines += failure_lines(verdict)
    if len(report.failures) > FAILURES_SHOWN:
        lines.append(
            f"... and {len(report.failures) - FAILURES_SHOWN} more comparisons that fail; --json "
            "lists them all."
        )
    return [*lines, last_line(report)]


def failure_lines(verdict: Verdict) -> list[str]:
    """Where, what each side says, by how much it is off, what it looks like, where to start."""
    first, second = verdict.pair
    head = f"FAIL {verdict.quantity} {first} vs {second}, problem {verdict.problem}:"
    start = f"Start at checks/by_hand.py {verdict.equation}." if verdict.equation else ""
    if verdict.of == 0:
        return [f"{head} {verdict.reason}.", f"     {start}"]
    values = f"worst {list(verdict.worst_index)} {verdict.values[0]:.6g} vs {verdict.values[1]:.6g}"
    size = (
        f"off by {verdict.error:.1e}, allowed {verdict.allowed:.1e}; {verdict.out} of "
        f"{verdict.of} out"
    )
    return [f"{head} {values},", f"     {size}: {verdict.reason}. {start}"]


def last_line(report: Report) -> str:
    """The verdict in one line."""
    untested = sum(verdict.outcome == "untested" for verdict in report.verdicts)
    problems = f"{report.problems:,} problem{'s' * (report.problems != 1)}"
    size = f"{problems}, {report.gradients:,} gradients, {len(report.verdicts):,} comparisons"
    where = f"{report.dtype} on {report.device}, {report.elapsed_s:.2f} s"
    if report.outcome == "pass":
        worst = report.worst.ratio if report.worst else math.nan
        vanishing = f"; {untested} untested where gradients vanish" if untested else ""
        return (
            f"pass: {size}, {where}; the largest error is {worst:.2f} of what rounding "
            f"explains{vanishing}"
        )
    first = report.failures[0] if report.failures else None
    if first:
        what = f"; the first wrong step is {first.equation} {first.quantity}"
    else:
        what = "; nothing was compared"
    return f"fail: {len(report.failures)} of {size}, {where}{what}"


def as_json(report: Report, diagnosis: Any = None) -> dict[str, Any]:
    """The object of `--json`. Numbers that are not finite become null, so that every JSON reader
    accepts it."""
    return {
        "verdict": report.outcome,
        "device": report.device,
        "dtype": report.dtype,
        "problems": report.problems,
        "gradients": report.gradients,
        "seconds": report.elapsed_s,
        "comparisons": [comparison_as_json(verdict) for verdict in report.verdicts],
        "diagnosis": diagnosis,
    }


def comparison_as_json(verdict: Verdict) -> dict[str, Any]:
    """One comparison of `--json`; numbers that are not finite become null."""
    return {
        "problem": verdict.problem,
        "quantity": verdict.quantity,
        "equation": verdict.equation,
        "pair": list(verdict.pair),
        "worst_index": list(verdict.worst_index),
        "values": [_finite(value) for value in verdict.values],
        "error": _finite(verdict.error),
        "allowed": _finite(verdict.allowed),
        "ratio": _finite(verdict.ratio),
        "verdict": verdict.outcome,
        "reason": verdict.reason,
    }


def _finite(value: float) -> float | None:
    if math.isfinite(value):
        return value
    return None


def _or_infinite(ratio: float) -> float:
    if math.isnan(ratio):
        return math.inf
    return ratio


def _by_problem(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.problem, []).append(verdict)
    return list(found.values())


def _problem_line(verdicts: list[Verdict]) -> str:
    failed = sum(verdict.outcome == "fail" for verdict in verdicts)
    worst = max(verdicts, key=lambda verdict: _or_infinite(verdict.ratio))
    outcome = f"{failed} fail" if failed else "ok"
    return (
        f"{outcome:>8}  {worst.ratio:8.2g}  {worst.quantity:<7} {len(verdicts):>4}  "
        f"{verdicts[0].problem}"
    )

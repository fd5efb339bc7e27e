"""What a check of somebody's gradients found, and the table that an AssertionError carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from backproof.checks.report.text import Report
from backproof.checks.verdict import Verdict

HEADINGS = ("between", "index", "first", "second", "error", "allowed", "ratio")


@dataclass(frozen=True)
class GradientReport(Report):
    """A Report on parameters by name, with what the reader should know beside the numbers.

    Attributes:
        evaluations: how often the loss was computed, everything included.
        notes: sentences: noise, what could not be seen, what differs from run to run.
        words: what is compared, and what was evaluated, for the first line.
    """

    evaluations: int = 0
    notes: Sequence[str] = field(default_factory=tuple)
    words: tuple[str, str] = ("gradient", "evaluations of the loss")

    @property
    def outcome(self) -> str:
        """ "pass" only if something was tested and nothing failed: gradients too small to see prove
        nothing."""
        if not self.failures and any(verdict.outcome == "pass" for verdict in self.verdicts):
            return "pass"
        return "fail"

    def __str__(self) -> str:
        return "\n".join(table(report=self))


def table(report: GradientReport) -> list[str]:
    """The verdict, a line for every gradient, failures first, their reasons, and the notes."""
    order = {"fail": 0, "untested": 1, "pass": 2}
    verdicts = sorted(report.verdicts, key=lambda verdict: order[verdict.outcome])
    rows = [("", report.words[0], *HEADINGS), *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    reasons = [f"{verdict.quantity}: {verdict.reason}" for verdict in verdicts if verdict.reason]
    return [_headline(report), *lines, *reasons, *(f"note: {note}" for note in report.notes)]


def _headline(report: GradientReport) -> str:
    names = {verdict.quantity for verdict in report.verdicts}
    wrong = list(dict.fromkeys(verdict.quantity for verdict in report.failures))
    what, calls = report.words
    cost = (
        f"{report.dtype} on {report.device}, {report.evaluations} {calls}, {report.elapsed_s:.2f} s"
    )
    if wrong:
        return (
            f"FAIL: {len(wrong)} of {len(names)} {what}s: "
            f"{', '.join(wrong[:8])}{' ...' if len(wrong) > 8 else ''} ({cost})"
        )
    if report.outcome == "fail":
        return (
            f"FAIL: nothing could be tested: every {what} is too small to be seen, or was not "
            f"asked for ({cost})"
        )
    return f"pass: {len(names)} {what}s ({cost})"


def _row(verdict: Verdict) -> tuple[str, ...]:
    if verdict.worst_index:
        where = str(list(verdict.worst_index))
    elif verdict.of > 1:
        where = "direction"
    else:
        where = ""
    numbers = (*verdict.values, verdict.error, verdict.allowed, verdict.ratio)
    formats = ("{:.9g}", "{:.9g}", "{:.1e}", "{:.1e}", "{:.2g}")
    cells = (
        "" if math.isnan(number) and not verdict.of else form.format(number)
        for number, form in zip(numbers, formats, strict=True)
    )
    mark = {"fail": "FAIL", "pass": "ok", "untested": "untested"}[verdict.outcome]
    return (mark, verdict.quantity, " vs ".join(verdict.pair), where, *cells)

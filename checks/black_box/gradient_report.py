"""What a check of somebody's gradients found: a type to look things up in, to print, to store, and
the few lines that an AssertionError carries."""

from __future__ import annotations

import html
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backproof.checks.report.text import Report
from backproof.checks.verdict import Verdict

HEADINGS = ("between", "index", "first", "second", "error", "allowed", "ratio")
ORDER = {"fail": 0, "untested": 1, "pass": 2}
MARKS = {"fail": "FAIL", "pass": "ok", "untested": "untested"}
LINES = 12  # of a short report, so that a failing test with its own lines stays below 15
WIDTH = 160  # characters of one of its lines


@dataclass(frozen=True)
class GradientReport(Report):
    """A Report on parameters by name, with what the reader should know beside the numbers.

    `report["layer.weight"]` is the verdict on one of them, its worst if there are several.

    Attributes:
        evaluations: how often the loss was computed, everything included.
        notes: sentences: noise, what could not be seen, what differs from run to run.
        words: what is compared, and what was evaluated, for the first line.
        excluded: names that were left out on purpose.
    """

    evaluations: int = 0
    notes: Sequence[str] = field(default_factory=tuple)
    words: tuple[str, str] = ("gradient", "evaluations of the loss")
    excluded: Sequence[str] = field(default_factory=tuple)

    @property
    def outcome(self) -> str:
        """ "pass" only if something was tested and nothing failed: gradients too small to see prove
        nothing."""
        if not self.failures and any(verdict.outcome == "pass" for verdict in self.verdicts):
            return "pass"
        return "fail"

    @property
    def passed(self) -> bool:
        """Whether the outcome is "pass"."""
        return self.outcome == "pass"

    @property
    def untested(self) -> list[Verdict]:
        """Verdicts on what is too small to be seen, or was not asked for."""
        return [verdict for verdict in self.verdicts if verdict.outcome == "untested"]

    @property
    def names(self) -> list[str]:
        """Of everything that was looked at."""
        return list(dict.fromkeys(verdict.quantity for verdict in self.verdicts))

    def __getitem__(self, name: str) -> Verdict:
        """The verdict on one parameter or result: the first that fails, or comes closest to it.

        Raises: KeyError, with the names that there are.
        """
        mine = [verdict for verdict in self.verdicts if verdict.quantity == name]
        if not mine:
            raise KeyError(f"{name!r} is not in this report, which has {', '.join(self.names)}")
        return min(mine, key=_urgency)

    def __str__(self) -> str:
        return "\n".join(table(self))

    def print(self) -> None:
        """Write the whole table to standard output."""
        print(self)

    def short(self) -> str:
        """A dozen lines at most: what failed, one line each, failures first."""
        verdicts = sorted((self[name] for name in self.names), key=_urgency)
        failed = [verdict for verdict in verdicts if verdict.outcome == "fail"]
        shown = failed or [verdict for verdict in verdicts if verdict.outcome == "untested"]
        lines = [_line(verdict) for verdict in shown[: LINES - 3]]
        if len(shown) > len(lines):
            lines.append(f"  ... and {len(shown) - len(lines)} more")
        notes = [f"note: {note}" for note in self.notes[: LINES - 1 - len(lines)]]
        return "\n".join(
            line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
            for line in (_headline(self), *lines, *notes[:2])
        )

    def as_json(self) -> str:
        """Everything in it, as JSON; numbers that are not finite are null."""
        gradients = {name: _fields(self[name]) for name in self.names}
        return json.dumps(
            {
                "outcome": self.outcome,
                "device": self.device,
                "dtype": self.dtype,
                "entries": self.gradients,
                "evaluations": self.evaluations,
                "seconds": round(self.elapsed_s, 6),
                "results": gradients,
                "excluded": list(self.excluded),
                "notes": list(self.notes),
            },
            allow_nan=False,
        )

    def _repr_html_(self) -> str:
        """A table for a notebook."""
        headings = ("", self.words[0], "index", "first", "second", "error", "allowed", "")
        head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
        rows = []
        for name in self.names:
            verdict = self[name]
            mark, _, _, where, *numbers = _row(verdict)
            cells = (mark, name, where, *numbers[:4], verdict.reason)
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f"<p><b>{html.escape(_headline(self))}</b></p>"
            f"<table><tr>{head}</tr>{body}</table><ul>{notes}</ul>"
        )


def raise_unless_passed(report: GradientReport) -> None:
    """Raise AssertionError with the short report, unless it passed."""
    __tracebackhide__ = True
    if not report.passed:
        raise AssertionError(f"\n{report.short()}")


def warn(report: GradientReport, called: str, instead: str) -> None:
    """Say once that a report that fails was returned and not raised."""
    if not report.passed:
        warnings.warn(
            f"{called} found: {_headline(report)}. It returns the report and never raises; a test "
            f"should call {instead}.",
            FutureWarning,
            stacklevel=3,
        )


def strictly(verdicts: Sequence[Verdict], strict: bool) -> list[Verdict]:
    """The same verdicts; what could not be tested fails where somebody wants that."""
    if not strict:
        return list(verdicts)
    return [
        replace(verdict, outcome="fail") if verdict.outcome == "untested" else verdict
        for verdict in verdicts
    ]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """One line of the table, each cell as wide as its column."""
    cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(cells).rstrip()


def table(report: GradientReport) -> list[str]:
    """The verdict, a line for every gradient, failures first, their reasons, and the notes."""
    verdicts = sorted(report.verdicts, key=lambda verdict: ORDER[verdict.outcome])
    rows = [("", report.words[0], *HEADINGS), *(_row(verdict) for verdict in verdicts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    reasons = [f"{verdict.quantity}: {verdict.reason}" for verdict in verdicts if verdict.reason]
    return [_headline(report), *lines, *reasons, *(f"note: {note}" for note in report.notes)]


def _urgency(verdict: Verdict) -> tuple[int, float]:
    """Failures first, as they came; then what was tested, the closest to its bound first."""
    rank = {"fail": 0, "pass": 1, "untested": 2}[verdict.outcome]
    if rank == 0 or not math.isfinite(verdict.ratio):
        return rank, 0.0
    return rank, -verdict.ratio


def _headline(report: GradientReport) -> str:
    names = report.names
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


def _line(verdict: Verdict) -> str:
    """One verdict: name, place, both values, and what it looks like."""
    mark, name, _, where, first, second, _, allowed, _ = _row(verdict)
    values = f" {first} vs {second}, allowed {allowed}" if first else ""
    return f"  {mark} {name} {where}{values}: {verdict.reason}"


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
    return (MARKS[verdict.outcome], verdict.quantity, " vs ".join(verdict.pair), where, *cells)


def _fields(verdict: Verdict) -> dict[str, Any]:
    first, second = verdict.values
    return {
        "outcome": verdict.outcome,
        "between": list(verdict.pair),
        "index": list(verdict.worst_index),
        "first": _finite(first),
        "second": _finite(second),
        "error": _finite(verdict.error),
        "allowed": _finite(verdict.allowed),
        "ratio": _finite(verdict.ratio),
        "out": verdict.out,
        "of": verdict.of,
        "reason": verdict.reason,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None

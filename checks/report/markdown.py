"""A report -> a page in Markdown, for TensorBoard: one row a quantity, with its worst entry between
any two witnesses."""

from __future__ import annotations

import math

from backproof.checks.report.text import Report, last_line
from backproof.checks.verdict import Verdict


def as_page(report: Report) -> str:
    """The verdict in a line, then the table."""
    worst: dict[str, Verdict] = {}
    for verdict in report.verdicts:
        known = worst.get(verdict.quantity)
        if known is None or _badness(verdict) > _badness(known):
            worst[verdict.quantity] = verdict
    head = [
        "| quantity | equation | outcome | error / allowed | error | entry | between |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(
        ["## Verification", "", f"{last_line(report)}.", "", *head, *map(_row, worst.values())]
    )


def _badness(verdict: Verdict) -> float:
    """Its ratio; a failure without one, such as a wrong shape, is worse than any."""
    if verdict.outcome == "fail" and math.isnan(verdict.ratio):
        return math.inf
    if math.isnan(verdict.ratio):
        return 0.0
    return verdict.ratio


def _row(verdict: Verdict) -> str:
    outcome = f"**fail**: {verdict.reason}" if verdict.outcome == "fail" else verdict.outcome
    entry = str(list(verdict.worst_index))
    pair = " and ".join(verdict.pair)
    size = f"{verdict.ratio:.2g} | {verdict.error:.1e}"
    return f"| {verdict.quantity} | {verdict.equation} | {outcome} | {size} | {entry} | {pair} |"

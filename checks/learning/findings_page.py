"""The findings of a run as Markdown, for the page of its dashboard that is read first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backproof.checks.learning.finding import Symptom


def findings_page(symptoms: Sequence[Symptom], epoch: int, right: float, baseline: float) -> str:
    """Why the network of a run does not learn, or that nothing was found.

    Args:
        symptoms: that it has.
        epoch: after which that was looked at.
        right: its accuracy on test samples; NaN for values.
        baseline: that of always answering the commonest class.
    """
    lines = [f"After epoch {epoch}: {_scores(right, baseline)}", ""]
    if not symptoms:
        return "\n".join([*lines, "Nothing was found that keeps this network from learning."])
    lines += ["| finding | where | what it means | evidence | what to do |", "|" + " --- |" * 5]
    for symptom in symptoms:
        cells = (
            symptom.name,
            symptom.where,
            symptom.meaning,
            symptom.evidence,
            symptom.remedy,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _scores(right: float, baseline: float) -> str:
    if not math.isfinite(right) or not math.isfinite(baseline):
        return "its answers are values, which have no accuracy."
    return (
        f"{right:.2%} of the test samples are right; always answering the commonest class is right "
        f"in {baseline:.2%}."
    )

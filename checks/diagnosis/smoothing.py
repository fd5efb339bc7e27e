"""Labels that the code smooths before it takes the error, which is no bug: (1 - e) y + e/K, or
(1 - e) y + e/2 of each output by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.findings import Diagnosis
from backproof.checks.problem import PLAIN

MOST = 0.5  # more of a label is never taken off


@dataclass(frozen=True)
class Smoothing:
    """What is done to each target y: (1 - e) y, and e over the classes.

    Attributes:
        e: how much.
        by_class: whether e is shared by all classes; else each output goes towards 1/2.
    """

    e: float
    by_class: bool

    def levels(self, item: Evidence) -> tuple[float, float]:
        """The targets of a wrong class and of the right one."""
        towards = 1 / item.setting.K if self.by_class else 0.5
        low, high = item.setting.problem.levels
        return (1 - self.e) * low + self.e * towards, (1 - self.e) * high + self.e * towards


def smoothing_in(evidence: Sequence[Evidence]) -> Smoothing | None:
    """The smoothing that is all that makes these gradients wrong; None if none does."""
    gradients = [item for item in evidence if item.is_of_gradients]
    if not gradients or any(item.given is None for item in gradients):
        return None
    first = gradients[0]
    if first.setting.problem.y.ndim != 1:
        return None
    for one in _possible(first):
        as_smoothed = (with_levels(item, one.levels(item)) for item in gradients)
        if not any(item.is_wrong for item in as_smoothed):
            return one
    return None


def with_levels(item: Evidence, levels: tuple[float, float]) -> Evidence:
    """The same answer beside what is right for other targets."""
    problem = replace(item.setting.problem, levels=levels)
    probe = item.probe
    setting = replace(item.setting, problem=problem)
    question = replace(probe.question, problem=problem)
    return Evidence(Probe(probe.role, question, setting, probe.sample), item.answer)


def _possible(item: Evidence) -> Iterator[Smoothing]:
    """Those that the output layer of one answer may show. Its gradient goes up evenly with each
    target, so that two numbers, by least squares, are the targets."""
    name = f"dW[{item.setting.problem.L}]"
    given = item.gradients.get(name)
    due = item.correct.value(name)
    if given is None or given.shape != due.shape or not np.isfinite(given).all():
        return
    at_zero, at_low, at_high = (
        _at(item, levels, name) for levels in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    )
    columns = np.column_stack([at_low - at_zero, at_high - at_zero])
    low, high = np.linalg.lstsq(columns, given.ravel() - at_zero, rcond=None)[0]
    before = item.setting.problem.levels
    e = 1 - float(high - low) / (before[1] - before[0])
    if not 0 < e <= MOST:
        return
    for digits in (6, 12):
        for by_class in (True, False):
            yield Smoothing(float(f"{e:.{digits}g}"), by_class)


def _at(item: Evidence, levels: tuple[float, float], name: str) -> np.ndarray:
    """A right gradient for other targets, as one line."""
    return HookedPass(with_levels(item, levels).setting).value(name).ravel()


def as_targets(
    found: Smoothing, conventions: Conventions, evidence: Sequence[Evidence]
) -> tuple[float, float] | None:
    """The TARGETS that say the same, where the code makes its targets of integers; None where these
    vary, or the code is given them."""
    if conventions.labels != "integers":
        return None
    seen = {found.levels(item) for item in evidence}
    if len(seen) > 1:
        return None
    low, high = seen.pop()
    return float(f"{low:.12g}"), float(f"{high:.12g}")


def told(found: Smoothing, declared: Conventions) -> Diagnosis:
    """What is said of it, and what to do."""
    added = "e/K" if found.by_class else "e/2"
    what = (
        f"Your code smooths its targets, to (1 - e) y + {added} with e = {found.e:g}. With that, "
        "every gradient is right."
    )
    if declared.targets == PLAIN:
        todo = "That is a convention that no constant can say: ask with e at 0."
    elif declared.labels == "integers":
        todo = "TARGETS is what comes out of that: write it so, or ask with e at 0."
    else:
        low, high = declared.targets
        todo = (
            f"Where TARGETS is declared, y holds them already, here {low:g} and {high:g}: use y as "
            "it comes, and smooth nothing."
        )
    return Diagnosis("untested", f"{what} {todo}")

"""What the numbers show beside a verdict: right answers to single examples, one factor on
everything, how little a step shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.candidate import Answer
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.matching import explain
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.rounding import CLOSE
from backproof.checks.quantities import Quantity

ROUGH = 1e-3  # of a gradient: what a pass leaves open without saying so


OVERFLOWS = (
    "Right, until a logit exceeds 709: then exp overflows, and its gradients are NaN. Subtract the "
    "row's maximum from the logits first, and let no p be divided by."
)


def overflows(answer: Answer) -> bool:
    """Whether gradients came that are not all numbers."""
    arrays = [*(answer.dW or {}).values(), *(answer.db or {}).values()]
    return any(not np.isfinite(array).all() for array in arrays)


def roughness(evidence: list[Evidence]) -> Iterator[str]:
    """What reading gradients off steps in a short format leaves open, where that is much."""
    first = evidence[0]
    lost = 0.0
    for name in first.setting.gradients:
        size = float(np.abs(first.correct.value(name)).max())
        if size:
            lost = max(lost, first.rounding.unread(name) / size)
    if lost > ROUGH:
        yield (
            f"Its steps show gradients to {100 * lost:.1g}% of the largest and no better, for "
            f"weights in {first.answer.precision} "
            "round what a small learning rate changes: a larger rate, or a gradients function, "
            "shows more."
        )


@dataclass(frozen=True)
class CommonFactor:
    """The one factor on all gradients of `times` problems, `of` how many."""

    factor: float
    times: int
    of: int

    @property
    def is_everywhere(self) -> bool:
        """Whether every problem shows it."""
        return self.times == self.of

    @property
    def sentence(self) -> str:
        """What is said of it."""
        where = "Every gradient"
        if not self.is_everywhere:
            where = f"In {self.times} of {self.of} problems every gradient"
        return (
            f"{where} is {self.factor:.6g} times the right one: look for a factor that belongs to "
            "nothing."
        )


def not_the_output(item: Evidence) -> str:
    """Why an answer of `forward` is none about the output: it is no array of its shape, or it is
    the weighted sums before the output's function. "" for every other answer."""
    if item.probe.role is not Role.FORWARD or item.answer.own_forward:
        return item.answer.own_forward
    p = item.answer.p
    logits = f"z[{item.setting.problem.L}]"
    if p is None or not item.is_wrong or logits not in item.rounding.bounds:
        return ""
    if item.within(logits, p, item.correct.value(logits)):
        return f"forward returned {logits}, before the output's own function"
    return ""


def not_asked(reason: str) -> str:
    """A sentence on a function that has the name `forward` and is another."""
    return (
        f"its {reason}, which is not the output p; it was taken for a function of the file's own "
        "and not judged."
    )


def hints_of(
    evidence: list[Evidence],
    factor: CommonFactor | None,
    step: Quantity | None = None,
    *,
    known: bool,
    unsteady: bool,
) -> Iterator[str]:
    """What the numbers show beside a bug, or where none is known.

    Args:
        evidence: all answers.
        factor: the one on all gradients, if no bug is known.
        step: the first wrong one.
        known: whether one is.
        unsteady: whether the same call twice gave two answers.
    """
    if unsteady:
        yield (
            "The same call twice gives two answers: it keeps something between calls, or draws "
            "random numbers."
        )
    if _right_one_by_one(evidence, known):
        yield "Single examples it gets right: write BATCH = 1 if it is meant to take one at a time."
    if factor:
        yield factor.sentence
    if step is not None and not step.is_backward and not _shows_forward(evidence):
        yield (
            "Without biases, gradients alone do not tell a wrong activation from a wrong dW above "
            "it: define forward(W, b, x), which returns p, and the check tells."
        )


def _shows_forward(evidence: list[Evidence]) -> bool:
    """Whether the candidate shows what its forward pass makes, by its biases' gradients or by a
    function."""
    if any(item.setting.bias for item in evidence):
        return True
    return any(item.probe.role == Role.FORWARD for item in evidence)


def _right_one_by_one(evidence: list[Evidence], known: bool) -> bool:
    """Whether all single samples are right, and no batch is for a reason that is known."""
    singles = [item for item in evidence if item.setting.N == 1]
    batches = [item for item in evidence if item.setting.N > 1]
    if not singles or not batches:
        return False
    if any(item.answer.complaint or item.is_wrong for item in singles):
        return False
    return all(item.answer.complaint or (item.is_wrong and not known) for item in batches)


def common_factor(evidence: list[Evidence]) -> CommonFactor | None:
    """What multiplies every gradient of some answers, where the others are right; None if there is
    no such factor."""
    items = [item for item in evidence if item.is_of_gradients]
    match = explain((), items)
    if match is None or match.decays or any(item.answer.complaint for item in items):
        return None
    off: set[float] = set()
    for fits in match.fits:
        factors = {factor for factor in fits.factors.values() if factor is not None}
        if factors != {1.0}:
            off |= factors
    if not off or 0.0 in off or 1.0 in off or max(off) - min(off) > CLOSE * max(map(abs, off)):
        return None
    asked = {item.setting.problem.id for item in items}
    wrong = {item.setting.problem.id for item in items if item.is_wrong}
    return CommonFactor(next(iter(off)), len(wrong), len(asked))

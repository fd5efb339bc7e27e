"""Steps that are no plain descent: momentum, which is told and set aside, and steps that show no
gradients at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Diagnosis

# beyond 1, of the first step in the second: a momentum; twice the first step is a buffer that is
# never set back to zero
SMALLEST = 0.01
LARGEST = 0.9999
SAME = 1e-6  # relative: reading gradients off steps costs less
# of gradients that an optimizer which divides by their size shows as 1
NEARLY_ONE = 1e-3
LARGE_ENOUGH = 1e-4  # its epsilon, 1e-8 or 1e-7, is small beside these


def momentum_of(evidence: Sequence[Evidence]) -> float | None:
    """How much of the first step the second one adds, from the same weights; None where it adds
    nothing, or anything else."""
    by_role = {item.probe.role: item for item in evidence}
    first = by_role.get(Role.FIRST)
    again = by_role.get(Role.AGAIN)
    if first is None or again is None or first.gradients.keys() != again.gradients.keys():
        return None
    pairs = [(first.gradients[name], again.gradients[name]) for name in first.gradients]
    size = sum(float((one * one).sum()) for one, _ in pairs)
    if not size or any(one.shape != other.shape for one, other in pairs):
        return None
    factor = sum(float((one * other).sum()) for one, other in pairs) / size
    largest = max(float(np.abs(one).max(initial=0.0)) for one, _ in pairs)
    off = max(float(np.abs(other - factor * one).max(initial=0.0)) for one, other in pairs)
    if SMALLEST <= factor - 1 <= LARGEST and off <= SAME * largest:
        return factor - 1
    return None


def sentence_of(momentum: float) -> str:
    """What is said of it."""
    return (
        f"A second step from the same weights adds {momentum:.4g} of the first one: momentum, "
        "which is no bug."
    )


def without_gradients(first: Evidence) -> Diagnosis | None:
    """That steps show no gradients, where the first one moves every weight by the learning rate."""
    if first.probe.question.learning_rate is None or not first.wrongs:
        return None
    seen = list(_as_large_as_the_rate(first))
    if not seen or not all(seen):
        return None
    return Diagnosis(
        "untested",
        "Its first step moves every weight by the learning rate, whatever the gradient: Adam and "
        "RMSprop do, and their steps do not show gradients. Define gradients(W, b, x, y), which "
        "returns what they are given, or let the step go without them.",
    )


def _as_large_as_the_rate(first: Evidence) -> Iterator[bool]:
    """Of each gradient, whether all entries that are not tiny came as 1 or -1."""
    for name, given in first.gradients.items():
        correct = first.correct.value(name)
        if given.shape != correct.shape:
            yield False
            continue
        large = np.abs(correct) > LARGE_ENOUGH
        yield bool((np.abs(np.abs(given[large]) - 1) < NEARLY_ONE).all())

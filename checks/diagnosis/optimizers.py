"""Steps that are no plain descent: momentum, which is told and set aside, and steps that show no
gradients at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.matching import explain
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Diagnosis

# beyond 1, of the first step in the second: a momentum; twice the first step is a buffer that is
# never set back to zero
SMALLEST = 0.01
LARGEST = 0.9999
SAME = 1e-6  # relative: reading gradients off steps costs less
# of gradients that an optimizer which divides by their size shows as 1
NEARLY_ONE = 1e-3
MOST_ENTRIES = 0.6  # of an array: the rest is so small that an epsilon in the denominator counts
USUAL_MOMENTA = (0.9, 0.95, 0.99, 0.8)


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


def without_gradients(evidence: Sequence[Evidence]) -> Diagnosis | None:
    """That steps show no gradients: where they move every weight by the same, or by a part of the
    gradient that momentum begins with."""
    steps = [item for item in evidence if item.probe.question.learning_rate is not None]
    steps = [item for item in steps if item.gradients and item.is_of_gradients]
    if not any(item.wrongs for item in steps):
        return None
    return _of_one_size(steps) or _of_a_beginning(steps)


def _of_one_size(steps: Sequence[Evidence]) -> Diagnosis | None:
    """That all entries but tiny ones came with one absolute value."""
    batches = [item for item in steps if item.probe.role.is_batch]
    size = max(map(_largest, batches), default=0.0)
    if not size or not all(_is_of_size(item, size) for item in batches):
        return None
    times = ""
    if abs(size - 1) > NEARLY_ONE:
        times = f"{size:.4g} times "
    return Diagnosis(
        "untested",
        f"Its first step moves every weight by {times}the learning rate, whatever the gradient: "
        "Adam, RMSprop and Adagrad do. What comes back is the sign of the gradient, and no more: "
        "define gradients(W, b, x, y), which returns what they are given, or let the step go "
        "without them.",
    )


def _largest(item: Evidence) -> float:
    return max(float(np.abs(array).max(initial=0.0)) for array in item.gradients.values())


def _is_of_size(item: Evidence, size: float) -> bool:
    """Whether most entries of every array are as large as that, and of several arrays."""
    shares = []
    for array in item.gradients.values():
        moved = np.abs(array[array != 0])
        if len(moved):
            shares.append(float((np.abs(moved - size) <= NEARLY_ONE * size).mean()))
    return len(shares) > 1 and float(np.median(shares)) >= MOST_ENTRIES


def _of_a_beginning(steps: Sequence[Evidence]) -> Diagnosis | None:
    """That every gradient is right but for one number, which is what momentum begins with."""
    match = explain((), list(steps))
    if match is None or match.decays:
        return None
    factors: list[float] = []
    for fits in match.fits:
        factors += [factor for factor in fits.factors.values() if factor is not None]
    for momentum in USUAL_MOMENTA:
        for of_all, how in (
            (1 - momentum, f"its velocity takes {1 - momentum:.4g} of the gradient"),
            (1 + momentum, "Nesterov's looks ahead"),
        ):
            near = [abs(factor - of_all) <= SAME * of_all for factor in factors]
            if near and all(near):
                return Diagnosis(
                    "untested",
                    f"Every step is {of_all:.4g} times plain descent, as a momentum of "
                    f"{momentum:g} begins where {how}; that is no bug, and may be none of it: "
                    "define gradients(W, b, x, y), or let the step go without momentum.",
                )
    return None

"""Gradients that are clipped before they are handed out, which is a convention and hides what they
are: entry by entry, or by a norm, of each array or of all of them together; or that are divided by
that norm.

It shows in one number that is the same in several problems, where nothing else is: the largest
entry, or the largest norm. A clip makes nothing larger than it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.findings import Diagnosis
from backproof.checks.quantities import Quantities

SAME = 1e-9  # relative: what reading gradients off steps leaves of one number
SAME_NORM = 1e-4  # of norms, to which people add an epsilon before they divide
SAME_FLOAT32 = 1e-5
FEWEST_PROBLEMS = 3  # that show the number
FEWEST_KINDS = 2  # of them, by sizes and samples
FEWEST_ENTRIES = 6  # that are it, in two arrays or more
NORM = "norm of a dW or db"
NORM_OF_ALL = "norm of all gradients together"


@dataclass(frozen=True)
class Clipped:
    """What was seen.

    Attributes:
        at: the number that nothing exceeds.
        what: what it is that does not exceed it.
        divided: whether it is that number in every problem, however small it should be.
        evidence: the answers without the entries that are clipped; () where that leaves nothing.
    """

    at: float
    what: str
    divided: bool = False
    evidence: Sequence[Evidence] = ()


def clipped(evidence: Sequence[Evidence]) -> Clipped | None:
    """How the gradients of some answers were clipped, if they were."""
    answered = [item for item in evidence if item.is_of_gradients and _is_usable(item)]
    if not answered:
        return None
    at = _largest(answered, _entries, SAME)
    if at is not None and _is_in_several_arrays(answered, at):
        rest = [_without(item, at) for item in evidence]
        return Clipped(at, "entry", evidence=rest)
    for measure, what in ((_norms, NORM), (_norm_of_all, NORM_OF_ALL)):
        at = _largest(answered, measure, SAME_NORM)
        if at is None:
            continue
        if not _enlarged(answered, measure, at):
            return Clipped(at, what)
        if all(_is_near(value, at) for item in answered for value in measure(item.gradients)):
            return Clipped(at, what, divided=True)
    return None


def told(found: Clipped, *, rest_is_right: bool) -> Diagnosis:
    """What is said of it: nothing can be judged that was cut off."""
    if found.divided:
        return Diagnosis(
            "untested",
            f"Your gradients are divided by a norm: every {found.what} is {found.at:.4g}, however "
            "small it should be. That is a convention, and hides what they are: ask without it.",
        )
    statement = (
        f"Your gradients are clipped: no {found.what} is larger than {found.at:.4g}, and that in "
        "problem after problem. That is a convention, and hides what they are: ask with your clip "
        "off."
    )
    if rest_is_right:
        statement += " What is not clipped is right."
    return Diagnosis("untested", statement)


def _is_usable(item: Evidence) -> bool:
    arrays = item.gradients.values()
    return bool(item.gradients) and all(np.isfinite(array).all() for array in arrays)


Measure = Callable[[Quantities], Iterator[float]]


def _entries(gradients: Quantities) -> Iterator[float]:
    """The largest entry of all."""
    yield max(float(np.abs(array).max(initial=0.0)) for array in gradients.values())


def _norms(gradients: Quantities) -> Iterator[float]:
    """Of each array that has several entries."""
    for array in gradients.values():
        if array.size > 1:
            yield float(np.linalg.norm(array))


def _norm_of_all(gradients: Quantities) -> Iterator[float]:
    yield math.sqrt(sum(float((array**2).sum()) for array in gradients.values()))


def _is_near(value: float, at: float) -> bool:
    return value == 0 or math.isclose(value, at, rel_tol=SAME_NORM)


def _enlarged(answered: Sequence[Evidence], measure: Measure, at: float) -> bool:
    """Whether a norm that should be smaller than that number was made that number, in a problem
    where no sum for a mean, half or count of outputs accounts for it."""
    for item in answered:
        if not item.is_whole:
            continue
        names = item.setting.gradients
        came = measure({name: item.gradients[name] for name in names})
        due = measure({name: item.correct.value(name) for name in names})
        conventional = 2.0 * item.setting.N * item.setting.problem.sizes[-1]
        for norm, right in zip(came, due, strict=True):
            if math.isclose(norm, at, rel_tol=SAME_NORM) and conventional * right < at:
                return True
    return False


def _largest(answered: Sequence[Evidence], measure: Measure, near: float) -> float | None:
    """The largest number that some measure has, if several problems have just that one."""
    if any(item.answer.precision != "float64" for item in answered):
        near = max(near, SAME_FLOAT32)
    seen = {item.setting.problem.id: list(measure(item.gradients)) for item in answered}
    kind_of = {item.setting.problem.id: _kind(item) for item in answered}
    largest = max(max(values, default=0.0) for values in seen.values())
    if largest == 0:
        return None
    with_it = [
        one
        for one, values in seen.items()
        if any(math.isclose(value, largest, rel_tol=near) for value in values)
    ]
    # the same samples in another order have the same norms whatever they are
    kinds = {kind_of[one] for one in with_it}
    if len(with_it) < FEWEST_PROBLEMS or len(kinds) < FEWEST_KINDS:
        return None
    return largest


def _kind(item: Evidence) -> tuple[tuple[int, ...], int]:
    """How large a problem is."""
    return tuple(item.setting.problem.sizes), item.setting.N


def _cut(item: Evidence, array: np.ndarray, at: float) -> np.ndarray:
    """Which entries are as large as the largest."""
    near = SAME if item.answer.precision == "float64" else SAME_FLOAT32
    return np.asarray(np.abs(array) >= at * (1 - near))


def _is_in_several_arrays(answered: Sequence[Evidence], at: float) -> bool:
    """Whether entries of several arrays are the largest: that the errors of an output are all 1 or
    -1 says nothing of a clip."""
    entries = 0
    arrays = set()
    for item in answered:
        for name, array in item.gradients.items():
            count = int(_cut(item, array, at).sum())
            entries += count
            if count:
                arrays.add(name)
    return entries >= FEWEST_ENTRIES and len(arrays) > 1


def _without(item: Evidence, at: float) -> Evidence:
    """An answer of which everything is believed that was cut off."""
    rounding = dict(item.answer.rounding)
    for name, array in item.gradients.items():
        lost = np.where(_cut(item, array, at), np.inf, 0.0)
        rounding[name] = np.asarray(rounding.get(name, 0.0) + lost)
    return Evidence(item.probe, replace(item.answer, rounding=rounding))

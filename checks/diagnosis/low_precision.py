"""Whether the delta has been through a shorter number format, read off the numbers themselves.

A float64 number that came out of float32 or float16 is representable there. That a whole layer's
delta is, for every sample, does not happen by chance: one in 5e8 float64 numbers is a float32.
Another bug beside it is then looked for to within the rounding of that format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.backward import LOW_PRECISION
from backproof.checks.diagnosis.choice import Cause, Explanation, Search, by_rank
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Place
from backproof.checks.quantities import layer_of

FORMATS = ("float16", "float32")  # the shorter first: what fits it fits the other, too


def rounded_away(evidence: list[Evidence]) -> list[Explanation]:
    """What explains the numbers where a delta has been through a shorter format: that, and if need
    be one more bug."""
    shortened = _passed_through(evidence)
    if shortened is None:
        return []
    beside: list[Explanation] = []
    # a float16 rounds as much as many bugs change
    if shortened.dtype == "float32":
        blurred = [item.as_if_in(shortened.dtype) for item in evidence]
        if any(item.wrongs for item in blurred):
            beside = Search(blurred).simplest()
    for explanation in beside:
        explanation.causes = by_rank([*explanation.causes, shortened.cause])
    return beside or [Explanation([shortened.cause])]


@dataclass(frozen=True)
class Shortened:
    """A delta that has been through a shorter format: which, where, and how many samples show
    it."""

    dtype: str
    layer: int
    L: int
    samples: int

    @property
    def cause(self) -> Cause:
        """The same as a bug."""
        shown = (
            f"every entry of your dz[{self.layer}], of {self.samples} samples, is a {self.dtype} "
            "number"
        )
        place = Place.of([self.layer], self.L)
        return Cause(LOW_PRECISION.id, place, self.dtype, evidence=shown)


def _passed_through(evidence: list[Evidence]) -> Shortened | None:
    """Whether some layer's dz, of every single sample, is a float32 or float16 to rounding."""
    singles = [
        item
        for item in evidence
        if item.probe.role == Role.SINGLE
        and item.given is not None
        and item.answer.precision == "float64"
    ]
    if len(singles) < 2 or not any(item.wrongs for item in evidence):
        return None
    L = singles[0].setting.problem.L
    for dtype in FORMATS:
        for layer in range(L, 0, -1):
            if _all_in(dtype, layer, singles):
                return Shortened(dtype, layer, L, len(singles))
    return None


def _all_in(dtype: str, layer: int, singles: list[Evidence]) -> bool:
    """Whether one way of reading dz[layer] off an answer gives numbers of the format for every
    sample."""
    by_sample = [list(_deltas(item, layer)) for item in singles]
    for same_way in zip(*by_sample, strict=False):
        if all(_representable(delta, dtype) for delta in same_way):
            return True
    return False


@dataclass(frozen=True)
class Delta:
    """A delta that was read off an answer, and how far each entry may be off."""

    value: np.ndarray
    unsure: np.ndarray

    def over(self, divisor: float | np.ndarray) -> Delta:
        """The same without something that was multiplied in since."""
        return Delta(self.value / divisor, self.unsure / divisor)


UNREADABLE = Delta(np.array([np.nan]), np.array([np.nan]))


def _deltas(item: Evidence, layer: int) -> Iterator[Delta]:
    """The delta of a single sample as db, as dW, without the weight and without the derivative."""
    weight = item.setting.N * item.setting.weight
    for name in (f"db[{layer}]", f"dW[{layer}]"):
        delta = _read_off(item, name)
        if delta is None:
            yield UNREADABLE
            continue
        for divisor in (1.0, weight, item.setting.N):
            yield delta.over(divisor)
        if layer < item.setting.problem.L:
            yield delta.over(item.correct.get("derivative", layer)[0])
        else:
            label = item.correct.get("Y", layer)[0]
            yield Delta(delta.value / weight + label, delta.unsure / weight)


def _read_off(item: Evidence, name: str) -> Delta | None:
    """dz of a layer as its db is, or as its dW shows it, given the correct input; None if that did
    not come."""
    given = item.gradients.get(name)
    if given is None or given.shape != item.correct.value(name).shape:
        return None
    read = np.broadcast_to(item.answer.rounding.get(name, 0.0), given.shape)
    if given.ndim == 1:
        return Delta(given, SLACK * np.abs(given) + read)
    a = item.correct.get("a", layer_of(name) - 1)[0]
    value = given @ a / (a @ a)
    return Delta(value, SLACK * np.abs(value) + read @ np.abs(a) / (a @ a))


# relative: what was computed from a number since leaves it nearer than that
SLACK = 64 * float(np.finfo(np.float64).eps)
FEW = 5  # binary digits, of the eleven of a float16: signs, halves and quarters have no more
# of the format's own spacing: numbers that are not of the format are as near to one by chance once
# in fifty
TELLING = 0.01


def _representable(delta: Delta, dtype: str) -> bool:
    """Whether every entry is a number of the format, but for the rounding of what was computed from
    it since.

    Numbers of few digits fit every format, so they show nothing; nor do numbers that are not known
    to much less than its spacing.
    """
    value = delta.value
    if not np.isfinite(value).all():
        return False
    rounded = value.astype(dtype).astype(np.float64)
    digits = np.frexp(rounded)[0] * 2.0**FEW
    if (digits == np.round(digits)).all():
        return False
    known = delta.unsure <= TELLING * np.finfo(dtype).eps * np.abs(value)
    return bool(((np.abs(value - rounded) <= delta.unsure) & known).all())

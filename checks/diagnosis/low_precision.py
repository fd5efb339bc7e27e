"""Whether the delta has been through a shorter number format, read off the numbers themselves.

A float64 number that came out of float32 or float16 is representable there. That a whole layer's
delta is, for every sample, does not happen by chance: one in 5e8 float64 numbers is a float32.
Another bug beside it is then looked for to within the rounding of that format.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.bugs.register import named
from backproof.checks.diagnosis.choice import ORDER, Cause, Explanation, Search
from backproof.checks.diagnosis.evidence import Evidence

FORMATS = ("float16", "float32")  # the shorter first: what fits it fits the other, too


def rounded_away(evidence: list[Evidence]) -> list[Explanation]:
    """What explains the numbers where a delta has been through a shorter format: that, and if need
    be one more bug."""
    short = _passed_through(evidence)
    if short is None:
        return []
    blurred = [item.as_if_in(short.note) for item in evidence]
    # a float16 rounds as much as many bugs change
    tells = short.note == "float32" and any(item.wrongs for item in blurred)
    beside = Search(blurred).simplest() if tells else []
    for explanation in beside:
        explanation.causes = sorted(
            [*explanation.causes, short], key=lambda cause: ORDER.index(cause.id)
        )
    return beside or [Explanation([short])]


def _passed_through(evidence: list[Evidence]) -> Cause | None:
    """The bug `low-precision`, if some layer's dz, of every single sample, is a float32 or float16
    to rounding."""
    singles = [
        item
        for item in evidence
        if item.probe.role == "single"
        and item.given is not None
        and item.answer.precision == "float64"
    ]
    if len(singles) < 2 or not any(item.wrongs for item in evidence):
        return None
    L = singles[0].setting.problem.L
    for dtype in FORMATS:
        for layer in range(L, 0, -1):
            readings = [list(_deltas(item, layer)) for item in singles]
            for reading in zip(*readings, strict=False):
                if all(_representable(value, unsure, dtype) for value, unsure in reading):
                    seen = (
                        f"every entry of your dz[{layer}], of {len(singles)} samples, is a "
                        f"{dtype} number"
                    )
                    return Cause("low-precision", named([layer], L), dtype, evidence=seen)
    return None


def _deltas(item: Evidence, layer: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The delta of a single sample as db, as dW, without the weight and without the derivative; and
    how exactly it is known."""
    given = item.given or {}
    a = item.right.get("a", layer - 1)[0]
    s = item.right.get("s", layer)[0]
    copies = item.setting.N
    weight = item.setting.N * item.setting.weight
    for quantity in (f"db[{layer}]", f"dW[{layer}]"):
        dz = given.get(quantity)
        if dz is None or dz.shape != item.right.named(quantity).shape:
            yield np.array([np.nan]), np.array([np.nan])
            continue
        value = dz if dz.ndim == 1 else dz @ a / (a @ a)
        read = np.broadcast_to(item.answer.rounding.get(quantity, 0.0), dz.shape)
        unsure = SLACK * np.abs(value) + (read if dz.ndim == 1 else read @ np.abs(a) / (a @ a))
        yield from ((value / by, unsure / by) for by in (1.0, weight, copies))
        if layer < item.setting.problem.L:
            yield value / s, unsure / s
        else:
            yield value / weight + item.right.get("Y", layer)[0], unsure / weight


# relative: what was computed from a number since leaves it nearer than that
SLACK = 64 * float(np.finfo(np.float64).eps)
FEW = 5  # binary digits, of the eleven of a float16: signs, halves and quarters have no more
# of the format's own spacing: numbers that are not of the format are as near to one by chance once
# in fifty
TELLING = 0.01


def _representable(value: np.ndarray, unsure: np.ndarray, dtype: str) -> bool:
    """Whether every entry is a number of the format, but for the rounding of what was computed from
    it since.

    Numbers of few digits fit every format, so they show nothing; nor do numbers that are not known
    to much less than its spacing.
    """
    if not np.isfinite(value).all():
        return False
    rounded = value.astype(dtype).astype(np.float64)
    digits = np.frexp(rounded)[0] * 2.0**FEW
    if (digits == np.round(digits)).all():
        return False
    known = unsure <= TELLING * np.finfo(dtype).eps * np.abs(value)
    return bool(((np.abs(value - rounded) <= unsure) & known).all())

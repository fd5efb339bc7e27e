"""Whether the delta has been through a shorter number format, read off the numbers themselves.

A float64 number that came out of float32 or float16 is representable there. That a whole layer's delta is, for every sample, does
not happen by chance: one in 5e8 float64 numbers is a float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from checks.diagnosis.choice import Cause
from checks.diagnosis.evidence import Evidence
from checks.suspects.register import named

FORMATS = ("float16", "float32")  # the shorter first: what fits it fits the other, too


def passed_through(evidence: list[Evidence]) -> list[tuple[Cause, str]]:
    """The bug `low-precision` and its evidence, if some layer's dz, of every single sample, is a float32 or float16 to rounding."""
    singles = [
        item for item in evidence if item.probe.role == "single" and item.given is not None and item.answer.precision == "float64"
    ]
    if len(singles) < 2 or not any(item.wrongs for item in evidence):
        return []
    L = singles[0].setting.problem.L
    for dtype in FORMATS:
        for layer in range(L, 0, -1):
            readings = [list(_deltas(item, layer)) for item in singles]
            for reading in zip(*readings, strict=False):
                if all(_representable(value, dtype) for value in reading):
                    cause = Cause("low-precision", named([layer], L), dtype)
                    return [(cause, f"every entry of your dz[{layer}], of {len(singles)} samples, is a {dtype} number")]
    return []


def _deltas(item: Evidence, layer: int) -> Iterator[np.ndarray]:
    """The delta of a single sample as db, as dW, without the weight and without the derivative."""
    given, a, s = item.given or {}, item.right.get("a", layer - 1)[0], item.right.get("s", layer)[0]
    copies, weight = item.setting.N, item.setting.N * item.setting.weight
    for dz in (given.get(f"db[{layer}]"), given.get(f"dW[{layer}]")):
        if dz is None or dz.shape != item.right.named(f"{'db' if dz.ndim == 1 else 'dW'}[{layer}]").shape:
            yield np.array([np.nan])
            continue
        value = dz if dz.ndim == 1 else dz @ a / (a @ a)
        yield from (value, value / weight, value / copies)
        if layer < item.setting.problem.L:
            yield value / s
        else:
            yield value / weight + item.right.get("Y", layer)[0]


def _representable(value: np.ndarray, dtype: str) -> bool:
    """Whether every entry is a number of the format, but for the rounding of what was computed from it since.

    Whole numbers fit every format, so they show nothing.
    """
    if not np.isfinite(value).all() or (value == np.round(value)).all():
        return False
    rounded = value.astype(dtype).astype(np.float64)
    slack = 64 * np.finfo(np.float64).eps
    return bool((np.abs(value - rounded) <= slack * np.abs(value)).all())

"""Whether an answer is a prediction with a multiple of the weights added to it."""

from __future__ import annotations

import numpy as np

from backproof.checks.bugs.wrong_pass import Setting
from backproof.checks.diagnosis.evidence import OF_LARGEST, Evidence

Rows = list[tuple[Setting, dict[str, float | None]]]  # the factor of each gradient of each question
Multiples = list[tuple[Setting, dict[str, float]]]  # and the multiple of W, where there is one


def decayed(
    item: Evidence, quantity: str, given: np.ndarray, predicted: np.ndarray, allowed: np.ndarray
) -> tuple[float | None, float, float] | None:
    """The answer as prediction + decay * W, and as factor * prediction + decay * W."""
    layer = int(quantity[3:-1])
    weights = item.some(
        item.setting.problem.W[layer]
        if quantity.startswith("dW")
        else item.setting.problem.b[layer]
    )
    if weights.shape != predicted.shape or not weights.any() or not np.isfinite(given).all():
        return None
    size = float(np.linalg.norm(given)) or 1.0
    # least squares in units of what rounding explains, as above
    unit = allowed + OF_LARGEST * item.eps(quantity) * np.abs(given)
    decay = float(((given - predicted) * weights / unit**2).sum() / ((weights / unit) ** 2).sum())
    for factor, multiple in ((1.0, decay), *_both(given / unit, predicted / unit, weights / unit)):
        left = np.abs(given - factor * predicted - multiple * weights)
        slack = allowed * max(1.0, abs(factor)) + OF_LARGEST * item.eps(quantity) * abs(
            multiple
        ) * float(np.abs(weights).max())
        if (left <= slack).all():
            return factor, multiple, float(np.linalg.norm(left)) / size
    return None


def _both(
    given: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> list[tuple[float, float]]:
    """Factor and decay by least squares, where there are more entries than unknowns."""
    if given.size < 4:
        return []
    solved = np.linalg.lstsq(
        np.column_stack([predicted.ravel(), weights.ravel()]), given.ravel(), rcond=None
    )[0]
    return [(float(solved[0]), float(solved[1]))]


def decays_alike(rows: Rows, found: Multiples, close: float) -> bool:
    """Whether every question shows one multiple of W, or one multiple of W before each gradient got
    its factor."""
    if not all(decays for _, decays in found):
        return False
    plain = [list(decays.values()) for _, decays in found]
    before = [
        [multiple / (factors[quantity] or 1.0) for quantity, multiple in decays.items()]
        for (_, factors), (_, decays) in zip(rows, found, strict=True)
    ]
    return any(
        all(_alike(values, close) for values in form) and len({np.sign(v[0]) for v in form}) == 1
        for form in (plain, before)
    )


def _alike(values: list[float], close: float) -> bool:
    return max(values) - min(values) <= close * max(map(abs, values))


def described(found: Multiples) -> tuple[str, str]:
    """Where, and which multiple: ("dW", "g - 0.01 W")."""
    value = next(iter(found[0][1].values()))
    kinds = sorted({quantity[:2] for quantity in found[0][1]})
    return " and ".join(kinds), f"g {'-' if value < 0 else '+'} {abs(value):.6g} W"

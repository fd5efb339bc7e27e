"""What a batch shows that single samples do not: a p that depends on the other samples, or a sum
over samples that goes wrong."""

from __future__ import annotations

import numpy as np

from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.single_sample import Single, close


def p_is_wrong(evidence: list[Evidence], singles: list[Single]) -> bool:
    """Whether dW[L] of a batch is p - Y times the activations with a wrong p, though the p of
    single samples is right.

    Under cross-entropy dW[L] is linear in Y. Asked twice with other labels alone, the difference of
    the answers holds no p, and shows the factor of Y; what Y leaves of an answer is that factor
    times p, whatever else may be wrong behind it.
    """
    asked = {
        item.probe.role: item
        for item in evidence
        if item.probe.role in ("first", "labels") and item.given is not None
    }
    if len(asked) < 2 or not singles or not _as_right(singles):
        return False
    (first, other), L = (asked["first"], asked["labels"]), singles[0].L
    came = [(item.given or {}).get(f"dW[{L}]") for item in (first, other)]
    if any(
        dW is None or dW.shape != _right(first).shape or not np.isfinite(dW).all() for dW in came
    ):
        return False
    here, there = (np.asarray(dW) for dW in came)
    a = first.right.get("right", L)
    Y, others = (item.right.get("Y", L).T @ a for item in (first, other))
    factor = float(((here - there) * (others - Y)).sum() / ((others - Y) ** 2).sum())
    of_p = first.right.p.T @ a
    loose = max(single.loose for single in singles)
    linear = factor != 0 and close(here - there, factor * (others - Y), loose)
    return linear and not close(here + factor * Y, factor * of_p, loose)


def _right(item: Evidence) -> np.ndarray:
    """The right dW[L]."""
    return item.right.named(f"dW[{item.setting.problem.L}]")


def _as_right(singles: list[Single]) -> bool:
    """Whether every dW[L] of a single sample is the same multiple of the right one. (Of two classes
    each is some multiple.)"""
    rights = [_right(single.item) for single in singles]
    squares = sum(float((right * right).sum()) for right in rights) or 1.0
    factor = (
        sum(
            float((single.dW[single.L] * right).sum())
            for single, right in zip(singles, rights, strict=True)
        )
        / squares
    )
    return factor != 0 and all(
        single.close(single.dW[single.L], factor * right)
        for single, right in zip(singles, rights, strict=True)
    )


def wrong_sum(item: Evidence) -> str:
    """Right for single samples, wrong for several: a sum over samples. The layer nearest to the
    output says which."""
    L = item.setting.problem.L
    for layer in range(L, 0, -1):
        dW = f"dW[{layer}]" in item.wrongs
        db = f"db[{layer}]" in item.wrongs
        if dW and (db or (not item.setting.bias and len(item.wrongs) > 1)):
            if layer == L:
                return f"dz[{L}]"
            return f"da[{layer}]"
        if dW or db:
            if dW:
                return f"dW[{layer}]"
            return f"db[{layer}]"
    return f"dz[{L}]"

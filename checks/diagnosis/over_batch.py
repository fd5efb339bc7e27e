"""What a batch shows that single samples do not: a p that depends on the other samples, or a sum
over samples that goes wrong."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.single_sample import Single, close


def p_is_wrong(evidence: list[Evidence], singles: list[Single]) -> bool:
    """Whether dW[L] of a batch is p - Y times the activations with a wrong p, though the p of
    single samples is right.

    Under cross-entropy dW[L] is linear in Y. Asked twice with other labels alone, the difference of
    the answers holds no p, and shows the factor of Y; what Y leaves of an answer is that factor
    times p, whatever else may be wrong behind it.
    """
    roles = (Role.FIRST, Role.LABELS)
    asked = {item.probe.role: item for item in evidence if item.given and item.probe.role in roles}
    if len(asked) < 2 or not singles or not _as_right(singles):
        return False
    first = asked[Role.FIRST]
    other = asked[Role.LABELS]
    dW = _readable_dW(first)
    relabelled = _readable_dW(other)
    if dW is None or relabelled is None:
        return False
    L = singles[0].L
    a = first.correct.get("dW_input", L)
    Y = first.correct.get("Y", L).T @ a
    other_Y = other.correct.get("Y", L).T @ a
    change = dW - relabelled
    factor = float((change * (other_Y - Y)).sum() / ((other_Y - Y) ** 2).sum())
    of_p = first.correct.p.T @ a
    loose = max(single.loose for single in singles)
    linear = factor != 0 and close(change, factor * (other_Y - Y), loose)
    return linear and not close(dW + factor * Y, factor * of_p, loose)


def _readable_dW(item: Evidence) -> np.ndarray | None:
    """dW[L] as it came, if it came in its shape and finite."""
    dW = item.gradients.get(f"dW[{item.setting.problem.L}]")
    if dW is None or dW.shape != _right(item).shape or not np.isfinite(dW).all():
        return None
    return dW


def _right(item: Evidence) -> np.ndarray:
    """The right dW[L]."""
    return item.correct.value(f"dW[{item.setting.problem.L}]")


def _as_right(singles: list[Single]) -> bool:
    """Whether every dW[L] of a single sample is the same multiple of the right one. (Of two classes
    each is some multiple.)"""
    L = singles[0].L
    product = 0.0
    squares = 0.0
    for single in singles:
        right = _right(single.item)
        product += float((single.dW[L] * right).sum())
        squares += float((right * right).sum())
    factor = product / (squares or 1.0)
    if factor == 0:
        return False
    return all(single.close(single.dW[L], factor * _right(single.item)) for single in singles)


def wrong_sum(item: Evidence) -> str:
    """Right for single samples, wrong for several: a sum over samples. The layer nearest to the
    output says which."""
    return nearest_to_output(item.wrongs, item.setting.problem.L, has_bias=item.setting.bias)


def nearest_to_output(wrongs: AbstractSet[str], L: int, *, has_bias: bool) -> str:
    """The step that explains which dW and db are wrong: that of the last layer in which any is."""
    for layer in range(L, 0, -1):
        dW = f"dW[{layer}]" in wrongs
        db = f"db[{layer}]" in wrongs
        if dW and (db or (not has_bias and len(wrongs) > 1)):
            if layer == L:
                return f"dz[{L}]"
            return f"da[{layer}]"
        if dW or db:
            if dW:
                return f"dW[{layer}]"
            return f"db[{layer}]"
    return f"dz[{L}]"

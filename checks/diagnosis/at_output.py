"""The head and the weight decay that a wrong candidate shows at its output: dW[L] is made of the
whole forward pass and of no step back, and may still carry a decay, or the wrong sign."""

from __future__ import annotations

import math
from dataclasses import replace

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    asked_as,
    factor_conventions,
    other_heads,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.factor import Fit, fitted
from backproof.checks.diagnosis.matching import UP_TO_FACTORS, WITH_DECAY
from backproof.checks.diagnosis.rounding import CLOSE


def nearly_settled(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """The conventions, with a weight decay if one is seen, under which dW[L] of every question is
    right, or right but for its sign; None if there are none, or those that were asked do."""
    gradients = [item for item in evidence if item.is_of_gradients and item.given is not None]
    if not gradients:
        return None
    for head in (conventions, *other_heads(conventions)):
        for other in (head, *factor_conventions(head)):
            if _decay_at_output(other, [asked_as(conventions, other, gradients[0])]) is None:
                continue
            decay = _decay_at_output(other, all_asked_as(conventions, other, gradients))
            if decay is None:
                continue
            found = replace(other, weight_decay=conventions.weight_decay + decay)
            if found != conventions:
                return found
    return None


def _decay_at_output(conventions: Conventions, evidence: list[Evidence]) -> float | None:
    """The multiple of W[L] that every dW[L] holds, 0 if none does; None where they differ in it, or
    in anything but the sign."""
    decays: list[float] = []
    signs: set[float] = set()
    for item in evidence:
        fit = _fit(conventions, item)
        if fit is None:
            return None
        if fit.factor is not None:
            if not math.isclose(abs(fit.factor), 1.0, rel_tol=CLOSE):
                return None
            signs.add(math.copysign(1.0, fit.factor))
            calls = 1 if item.setting.mean else item.setting.calls
            decays.append(fit.decay / calls)
    if len(signs) != 1 or min(decays) < 0:
        return None
    if max(decays) - min(decays) > CLOSE * max(decays):
        return None
    return float(f"{decays[0]:.6g}")


def _fit(conventions: Conventions, item: Evidence) -> Fit | None:
    """How one dW[L] compares with the right one."""
    name = f"dW[{item.setting.problem.L}]"
    due = item.correct.value(name)
    given = item.came(name, due.shape)
    if given is None or given.shape != due.shape:
        return None
    freedom = UP_TO_FACTORS if "WEIGHT_DECAY" in conventions.declared else WITH_DECAY
    return fitted(item, name, given, due, freedom, None)

"""The first wrong step of bugs that are named: the first thing that their prediction computes
otherwise than the correct pass does.

What is predicted fits every answer, so this is known and need not be read off the numbers, which of
some candidates are few: one label, one output, float32, or a p that only a batch shows to be wrong.
"""

from __future__ import annotations

import numpy as np

from backproof.checks.bugs.factors import DECAY
from backproof.checks.bugs.hooked_pass import CannotBeComputed, HookedPass
from backproof.checks.diagnosis.choice import Explanation
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import Quantity, kind_of, names

NOT_IN_PASS = ("losses", "dp", "J")  # quantities on the page that a pass does not keep


def first_predicted(explanation: Explanation, evidence: list[Evidence]) -> str | None:
    """The name of the step, such as "da[1]"; None where it takes more than the steps of one pass to
    predict the answers.

    Args:
        explanation: the likeliest.
        evidence: every answered question.
    """
    variant = explanation.variant
    if variant is None or explanation.readings or variant.in_sequence:
        return None  # a factor, or what is left over from the call before
    if DECAY.id in explanation.ids:
        return None
    rate = 1.0 if variant.rate_from else 0.0
    found = set()
    for item in evidence:
        if item.wrongs:
            run = HookedPass(item.setting, variant.hooks, correct=item.correct).shifted(rate)
            found.add(_first(run, item))
    problem = evidence[0].setting.problem
    for name in names(problem.L, problem.head):
        if name in found:
            return name
    return None


def _computed(run: HookedPass, name: str) -> np.ndarray:
    """A quantity as the pass computes it; of a gradient, before it is returned."""
    quantity = Quantity.parse(name)
    return run.get(quantity.kind, quantity.layer or run.L)


def _first(run: HookedPass, item: Evidence) -> str | None:
    """The first quantity that is off by more than rounding explains, or cannot be computed."""
    problem = item.setting.problem
    for name in names(problem.L, problem.head):
        kind = kind_of(name)
        if kind in NOT_IN_PASS or (kind == "db" and not item.setting.bias):
            continue
        try:
            predicted = _computed(run, name)
            correct = _computed(item.correct, name)
        except CannotBeComputed:
            return name
        if predicted is not correct and not item.within(name, predicted, correct):
            return name
    return None

"""The first wrong step of bugs that are named: the first thing that their prediction computes
otherwise than the right pass does.

What is predicted fits every answer, so this is known and need not be read off the numbers, which of
some candidates are few: one label, one output, float32, or a p that only a batch shows to be wrong.
"""

from __future__ import annotations

from backproof.checks.bugs.wrong_pass import Pass
from backproof.checks.diagnosis.choice import Explanation
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import equation, names


def first_predicted(explanation: Explanation, evidence: list[Evidence]) -> str | None:
    """Tag and name, such as "(B4) da[1]"; None where it takes more than the steps of one pass to
    predict the answers.

    Args:
        explanation: the likeliest.
        evidence: every answered question.
    """
    if (
        not explanation.hooks
        or explanation.readings
        or (explanation.variant and explanation.variant.in_sequence)
    ):
        return None  # a factor, or what is left over from the call before
    if explanation.match and any(decays for _, decays in explanation.match.decays):
        return None
    rate = 1.0 if explanation.variant and explanation.variant.rate_from else 0.0
    found = [
        _first(Pass(item.setting, explanation.hooks, right=item.right).shifted(rate), item)
        for item in evidence
        if item.wrongs
    ]
    problem = evidence[0].setting.problem
    order = names(problem.L, problem.output, problem.cost)
    quantity = min((name for name in found if name), key=order.index, default=None)
    if quantity:
        return f"{equation(quantity, problem.L, problem.output, problem.cost)} {quantity}"
    return None


def _first(run: Pass, item: Evidence) -> str | None:
    """The first quantity that is off by more than rounding explains, or cannot be computed."""
    problem = item.setting.problem
    for name in names(problem.L, problem.output, problem.cost):
        step, _, index = name.rstrip("]").partition("[")
        if step in ("losses", "dp", "J") or (step == "db" and not item.setting.bias):
            continue
        try:
            here, right = (of.named(f"{step}[{index or problem.L}]") for of in (run, item.right))
        except (ValueError, IndexError, KeyError):
            return name
        if here is not right and not item.within(name, here, right):
            return name
    return None

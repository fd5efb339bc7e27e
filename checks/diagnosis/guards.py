"""Guards of a probability: a small eps that is added, so that nothing is divided by 0.

-Y / (p + eps) is the right gradient of -log(p + eps), which is a loss that people write on
purpose. So it is told, and is no bug. A larger eps changes gradients everywhere: that is one; and
so is every clip of p, whose own gradient is 0 where it clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backproof.checks.bugs.hooked_pass import CannotBeComputed
from backproof.checks.bugs.register import Variant, all_variants
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.asked import Heard
from backproof.checks.diagnosis.conclusions import passed
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    asked_as,
    factor_conventions,
    other_heads,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.matching import EXACTLY, explain
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Diagnosis

# the eps of float32, 1.2e-7: a larger one is not there for the sake of rounding
LARGEST_GUARD = float(np.finfo(np.float32).eps)
TINY = (Role.RARE_LABEL, Role.RARE_CLASS)  # questions about probabilities that a guard changes
NEARLY = 1e-3  # relative to the largest entry of a gradient, where no probability is small


def passed_with_guard(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That everything is right beside a guard of the output's probabilities."""
    evidence = heard.evidence
    if not evidence or any(
        item.answer.complaint or item.answer.changed_arguments for item in evidence
    ):
        return None
    before = heard.conventions
    for head in (before, *other_heads(before)):
        for other in (head, *factor_conventions(head)):
            if not _is_nearly_right(asked_as(before, other, evidence[0])):
                continue
            as_other = all_asked_as(before, other, evidence)
            for guard in _guards(as_other[0]):
                guarded = _guarded(guard, as_other)
                if guarded:
                    found = passed(declared, other, other, guarded)
                    return replace(found, hints=[told_of_guard(guard), *found.hints])
    return None


def told_of_guard(guard: Variant) -> str:
    """What is said of a guard, and of what it does."""
    return (
        f"your code guards its probabilities ({guard.note}), which is no bug: it was compared with "
        "the gradients of a loss that has the same eps in it. Where a probability is near "
        f"{guard.guard:g}, they are smaller than without it: p - Y needs no guard."
    )


def _is_nearly_right(item: Evidence) -> bool:
    """Whether every gradient came, and is right but for what a guard does to usual numbers."""
    if not item.is_whole:
        return False
    for name, given in item.gradients.items():
        due = item.correct.value(name)
        if np.abs(given - due).max() > NEARLY * np.abs(due).max():
            return False
    return True


def is_guard(variant: Variant) -> bool:
    """Whether it does nothing but add an eps that is small enough to be no bug."""
    return 0 < variant.guard <= LARGEST_GUARD


def _guards(item: Evidence) -> Iterator[Variant]:
    yield from filter(is_guard, all_variants(item.setting))


def _guarded(guard: Variant, evidence: list[Evidence]) -> list[Evidence]:
    """The answers that are right to within rounding with a guard, if it predicts the others, too;
    [] if it does not.

    Those others are to tiny probabilities, where 1 - (1 - eps) has a rounding that no page knows.
    """
    held = [replace(item, hooks=guard.hooks) for item in evidence]
    try:
        right = [item for item in held if not item.is_wrong]
    except CannotBeComputed:
        return []
    rest = [item for item in held if item.is_wrong]
    if any(item.probe.role not in TINY for item in rest):
        return []
    gradients = [item for item in evidence if item.is_of_gradients]
    if explain(guard.hooks, gradients, variant=guard, freedom=EXACTLY) is None:
        return []
    return right

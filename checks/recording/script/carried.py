"""What a step carries over from the step before: a buffer of gradients that is never set back.

The first step of such a script is right. At the second, a parameter loses what it lost before and
its gradient once more. Momentum carries less than all of it over, and is no fault.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.own_loss import readings_like
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.recognised import Recognised

MOST_LATER = 2  # steps after the first that are looked at


def carried_over(best: Reading, network: Recognised) -> Reading | None:
    """The first later step at which a parameter loses the sum of what it should and what it lost
    before, with those parameters marked; None where no step does."""
    rate = best.descent
    before = best
    later = [step for step in network.steps if step.since > best.step.since]
    for step in later[:MOST_LATER] if rate is not None else ():
        some = [one for one in readings_like(best, network, step) if may_be_same(one, best)]
        alike = [one for one in some if len(one.passes) == len(best.passes)]
        if rate is None or not alike:
            return None
        for one in alike if not any(_is_right(one) for one in alike) else ():
            summed = [quantity for quantity in one.changes if _sums(before, one, quantity)]
            if summed:
                return replace(one, carried=tuple(summed), before=before)
        before = alike[0]
    return None


def _is_right(one: Reading) -> bool:
    """Whether a step takes off what it should, so that it carries nothing over."""
    return one.top and all(one.seen.values())


def is_plain(best: Reading) -> bool:
    """Whether it descends, and the next step that was seen does: the first of momentum is as plain
    as any."""
    later = [step for step in best.found.steps if step.since > best.step.since]
    if best.descent is None or not later:
        return best.descent is not None
    some = readings_like(best, best.found, later[0])
    return any(may_be_same(one, best) and one.descent is not None for one in some)


def may_be_same(one: Reading, other: Reading) -> bool:
    """Whether two steps may be read in the same way."""
    losses = [each.loss.name if each.loss else "" for each in (one, other)]
    return one.head == other.head and losses[0] == losses[1] and has_same_targets(one, other)


def has_same_targets(one: Reading, other: Reading) -> bool:
    """Whether both may be compared with the targets of one kind."""
    labels = one.targets.are_labels and other.targets.are_labels
    same = np.array_equal(one.targets.Y, other.targets.Y)
    return labels or same or one.targets.name == other.targets.name


def _sums(before: Reading, after: Reading, quantity: Quantity) -> bool:
    """Whether a parameter loses what it lost before and what is due now."""
    lost_before = before.changes[quantity].lost
    change = after.changes[quantity]
    rate = before.descent
    if rate is None or not lost_before.any() or rate.decay:
        return False
    due = rate.rate * after.page.values[quantity]
    largest = float(np.abs(lost_before).max() + np.abs(due).max())
    near = max(change.near, rate.near) * largest
    carries = np.abs(change.lost - lost_before - due).max() <= near
    return bool(carries and np.abs(lost_before).max() > 100 * near)

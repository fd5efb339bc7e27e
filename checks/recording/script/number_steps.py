"""The step in which single numbers show whether they lose their gradient: each of them in the first
in which it has one."""

from __future__ import annotations

import numpy as np

from backproof.checks.recording.script.carried import may_be_same
from backproof.checks.recording.script.number_lines import never_shown
from backproof.checks.recording.script.own_loss import readings_like
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.recognised import NotRecognised, Recognised

SAME = 1e-9  # relative to the largest: a gradient that is none


def first_shown(best: Reading, network: Recognised) -> Reading:
    """The same; or the first of all steps where it is wrong and shows in what was right there: then
    something may be carried over from it, as by momentum."""
    first = network.steps[0]
    if best.step.since == first.since:
        return best
    for one in readings_like(best, network, first):
        if may_be_same(one, best) and len(one.passes) == len(best.passes):
            wrong = [quantity for quantity, right in best.seen.items() if not right]
            shown = [quantity for quantity in wrong if not one.hides(quantity)]
            return one if shown and all(one.seen.values()) else best
    return best


def each_shown(best: Reading, network: Recognised) -> Reading:
    """The same where each single number loses its gradient in the first step of those that were
    seen in which it has one; else that step. An update that is plain no more shows nothing.

    Raises: NotRecognised where a number has a gradient in none.
    """
    shown = {one: np.zeros(change.lost.shape, bool) for one, change in best.changes.items()}
    for step in network.steps:
        some = [best]
        if step.since != best.step.since:
            some = [one for one in readings_like(best, network, step) if may_be_same(one, best)]
            some = [one for one in some if len(one.passes) == len(best.passes)]
        if not some or some[0].descent is None:
            break
        one = some[0]
        for quantity, found in shown.items():
            due = np.abs(one.page.values[quantity])
            fresh = (due > SAME * due.max(initial=0)) & ~found
            found |= fresh
            if not one.seen[quantity] and one.loses_other(quantity)[fresh].any():
                return one
    left = never_shown(best, shown)
    if left:
        raise NotRecognised(
            f"a step that changes {', '.join(left[:6])}: the gradients are zero in those that were "
            "seen, which shows nothing",
            network.names,
        )
    return best

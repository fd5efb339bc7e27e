"""The judgement on a script: by the cost that its first step goes down, by another loss that has a
name, or by what lines make of one that has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from backproof.checks.candidates.inside.recording import Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.carried import (
    carried_over,
    has_same_targets,
    may_be_same,
)
from backproof.checks.recording.script.doubts import (
    altered,
    contradiction,
    divided,
    left_out,
    taken_off_anew,
    unknown_loss,
    unseen,
)
from backproof.checks.recording.script.number_steps import each_shown, first_shown
from backproof.checks.recording.script.own_loss import by_derivative, by_known_loss, readings_like
from backproof.checks.recording.script.pairs import torn
from backproof.checks.recording.script.passes import MOST_STEPS
from backproof.checks.recording.script.readings import Reading, readings
from backproof.checks.recording.script.recognised import NotRecognised, Recognised
from backproof.checks.recording.script.scale import divides_twice, wanders
from backproof.checks.recording.script.single_updates import excused
from backproof.checks.recording.script.watched import Watched, concluded
from backproof.checks.recording.script.written import Written

SAME = 1e-9  # relative: outputs that are one number


@dataclass(frozen=True)
class _Seen:
    """How the first step is read by the costs that are known here.

    Attributes:
        best: the likeliest reading; None where there is none.
        tried: all of them.
        later: of the steps after it, where they are needed.
        reason: why it may go down another loss; "" where it does not.
        is_computed: whether the script computes one of these costs.
    """

    best: Reading | None
    tried: Sequence[Reading]
    later: tuple[tuple[Reading, ...], ...]
    reason: str
    is_computed: bool

    @property
    def is_other(self) -> bool:
        """Whether another loss may explain what is no gradient of this one."""
        if self.best is None or self.reason:
            return True
        return not self.best.top and not self.best.is_off


def judged(network: Recognised, recording: Recording, cost: str | None = None) -> Watched:
    """Compare a network's first step with the equations.

    Args:
        network: what was recognised.
        recording: of the run.
        cost: the one that is meant, where somebody has said so.
    Raises: NotRecognised where the targets, or what is minimised, were not.
    """
    written = Written(recording)
    seen = _by_cost(network, written, cost)
    if network.gathered is not None and seen.reason:
        raise NotRecognised(seen.reason, network.names)
    if cost is None and seen.is_other and network.gathered is None:
        step = network.steps[_telling(network)[0]]
        for own in by_known_loss(network, step, written)[:1]:
            is_likely = own.loss is not None and own.loss.is_likely
            if seen.is_computed and not own.shows_cost:
                raise NotRecognised(seen.reason or _two_losses(own, seen), network.names)
            if not is_likely:
                break
            return _finished(own, _agreeing(own, network), [], recording, cost)
    if seen.reason and (cost is not None or seen.is_computed):
        raise NotRecognised(seen.reason, network.names)
    if seen.best is None or seen.reason:
        return _by_derivative(network, written, recording, seen.reason)
    return _finished(seen.best, seen.later, seen.tried, recording, cost)


def _by_cost(network: Recognised, written: Written, cost: str | None) -> _Seen:
    """Read a network's first step by the costs that are known here."""
    tried: list[Reading] = []
    for index in _telling(network):
        for one in _outputs(network):
            some = readings(one, one.steps[index], written)
            if one is not network:  # then only what it explains speaks for it
                some = [each for each in some if _is_shown(each)]
            tried += some
        if cost is not None:
            tried = [one for one in tried if one.head.cost in _names_of(cost)]
        if tried:
            break
    if not tried:
        p = network.steps[0].passes[-1].p
        missing = f"the targets of {p.shape[0]} samples and {p.shape[1]} outputs"
        return _Seen(None, [], (), f"no array was seen that could be {missing}", False)
    tried.sort(key=lambda one: one.score, reverse=True)
    best = tried[0]
    if network.gathered is not None:
        best = first_shown(best, best.found)
    _refuse_unseen(best)
    later = _needed(best, best.found)
    if not _is_open(best, tried):
        best = _rescaled(best, later)
    after = list(chain.from_iterable(later))
    reason = unknown_loss(best, tried, after)
    is_computed = not best.top and any(one.shows_cost for one in [*tried, *after])
    return _Seen(best, tried, later, reason, is_computed)


def _two_losses(own: Reading, seen: _Seen) -> str:
    computed = next((one for one in seen.tried if one.shows_cost), seen.tried[0])
    return (
        f"two losses would do: its steps go down the {own.loss}, and it computes the "
        f"{computed.head.cost}"
    )


def _refuse_unseen(best: Reading) -> None:
    """Raises: NotRecognised where something that a parameter loses was not seen."""
    if missing := unseen(best):
        raise NotRecognised(
            f"what the first step takes off the parameter of {missing} was not seen",
            best.found.names,
        )


def _finished(
    best: Reading,
    later: tuple[tuple[Reading, ...], ...],
    tried: Sequence[Reading],
    recording: Recording,
    cost: str | None,
) -> Watched:
    """What a reading comes to.

    Args:
        best: the likeliest.
        later: of the steps after it.
        tried: all readings.
        recording: of the run.
        cost: the one that is meant, where somebody has said so.
    Raises: NotRecognised where something else explains the step.
    """
    network = best.found
    _refuse_unseen(best)
    after = list(chain.from_iterable(later))
    reason = (
        altered(best)
        or left_out(best)
        or divided(best)
        or taken_off_anew(best)
        or torn(best, after)
    )
    if not reason and cost is None:
        reason = contradiction(best, tried)
    if reason:
        raise NotRecognised(reason, network.names)
    hidden: tuple[Quantity, ...] = ()
    if all(best.seen.values()) and network.gathered is not None:
        best = each_shown(best, network)
    elif all(best.seen.values()):
        best, hidden = _shown(best, network)
    if all(best.seen.values()):
        best = carried_over(best, network) or best
    if network.gathered is not None and (excuse := excused(best, later)):
        raise NotRecognised(excuse, network.names)
    alone = later if best.page.N == 1 else ()
    rivals = _rivals(best, tried)
    return replace(concluded(best, recording), rivals=rivals, later=alone, hidden=hidden)


def _agreeing(own: Reading, network: Recognised) -> tuple[tuple[Reading, ...], ...]:
    """The readings of later steps by the same loss.

    Raises: NotRecognised where the first step is right, and there is none of another.
    """
    later = _later(own, network)
    if not all(own.seen.values()):
        return later
    steps = [step for step in network.steps if step.since > own.step.since]
    if len(later) < len(steps):
        says = f"its first step goes down the {own.loss}, and a later one was not seen to"
        raise NotRecognised(says, network.names)
    return later


def _by_derivative(
    network: Recognised, written: Written, recording: Recording, reason: str
) -> Watched:
    """What is wrong whatever the loss may be.

    Raises: NotRecognised where nothing is.
    """
    own = by_derivative(network, network.steps[_telling(network)[0]], written)
    if own is None or own.unshown or unseen(own) or altered(own) or divided(own):
        raise NotRecognised(reason, network.names)
    if all(own.seen.values()):
        says = f"{reason}. All other gradients follow from {own.targets.name}, whatever it is of"
        raise NotRecognised(says, network.names)
    return replace(concluded(own, recording), doubt=reason)


def _needed(best: Reading, network: Recognised) -> tuple[tuple[Reading, ...], ...]:
    """The readings of later steps, where the first one alone tells too little."""
    if best.page.N == 1 or not best.top or _is_reordered(best, network):
        return _later(best, network)
    return _later(best, network, 1) if _has_others(best, network) else ()


def _telling(network: Recognised) -> list[int]:
    """The steps that are looked at: two whose input is not zero, of those whose outputs differ
    between samples, by which costs can be told apart, if there are any."""
    steps = list(enumerate(network.steps))
    some = [(index, step) for index, step in steps if step.passes[-1].input.rows.any()]
    varied = [pair for pair in some if _varies(pair[1].passes[-1].p)]
    return [index for index, _ in (varied or some)[:2]] or [0]


def _varies(p: np.ndarray) -> bool:
    """Whether samples, or steps of one sample, get answers of their own."""
    return len(p) == 1 or float(np.ptp(p, axis=0).max()) > SAME * float(np.abs(p).max())


def _is_reordered(best: Reading, network: Recognised) -> bool:
    """Whether a later step takes other samples first, and the same number of them."""
    x = best.page.problem.x
    for step in network.steps:
        rows = step.passes[-1].input.rows
        if rows.shape == x.shape and not np.array_equal(rows, x):
            return bool(np.array_equal(np.sort(rows, axis=0), np.sort(x, axis=0)))
    return False


def _is_shown(one: Reading) -> bool:
    """Whether anything but its numbers speaks for a reading."""
    return one.top or one.shows_error or one.shows_mistake


def _shown(best: Reading, network: Recognised) -> tuple[Reading, tuple[Quantity, ...]]:
    """The same, where each gradient shows in a step that was seen; else the step in which one of
    the others is wrong; and those that show in none."""
    left = best.unshown
    for step in network.steps if left else ():
        if step.since <= best.step.since:
            continue
        some = [one for one in readings_like(best, network, step) if may_be_same(one, best)]
        alike = [one for one in some if len(one.passes) == len(best.passes)]
        for one in alike[:1]:
            if any(not one.seen[quantity] for quantity in left):
                return one, ()
            left = [quantity for quantity in left if quantity in one.unshown]
    return best, tuple(left)


def _rivals(best: Reading, tried: Sequence[Reading]) -> tuple[Reading, ...]:
    """Of a step by which no gradient of the output is right, the readings by another cost for which
    as much speaks; of a single number, of which any is a multiple, by another label, too."""
    if best.top:
        return ()
    found = []
    for one in tried:
        alike = one.score == best.score and np.array_equal(one.targets.Y, best.targets.Y)
        free = best.is_off and best.is_single and has_same_targets(one, best)
        differs = one.head != best.head or one.targets is not best.targets
        if differs and (alike or free) and one.moments == best.moments:
            found.append(replace(one, is_off=best.is_off))
    return tuple(found)


def _outputs(network: Recognised) -> list[Recognised]:
    """The network; and where no line holds its output, with each that it may have."""
    if network.network.output != "linear":
        return [network]
    K = network.sizes[-1]
    others = ("softmax", "sigmoid", "tanh") if K > 1 else ("sigmoid", "tanh")
    return [network, *(network.with_output(output) for output in others)]


def _names_of(cost: str) -> tuple[str, ...]:
    """The names that a cost has in a Head."""
    if cost == "binary-cross-entropy":
        return ("binary-cross-entropy", "cross-entropy")
    return (cost,)


def _has_others(best: Reading, network: Recognised) -> bool:
    """Whether the next step takes as many other samples."""
    x = best.page.problem.x
    later = [step for step in network.steps if step.since > best.step.since]
    rows = [step.passes[-1].input.rows for step in later[:1]]
    return any(one.shape == x.shape and not np.array_equal(one, x) for one in rows)


def _later(
    best: Reading, network: Recognised, most: int = MOST_STEPS
) -> tuple[tuple[Reading, ...], ...]:
    """Of each of some steps after it, the readings by any cost of the same targets."""
    found: list[tuple[Reading, ...]] = []
    for step in network.steps:
        if step.since > best.step.since and len(found) < most:
            some = readings_like(best, network, step)
            some = [one for one in some if has_same_targets(one, best)]
            found += [tuple(some)] if some else []
    return tuple(found)


def _is_open(best: Reading, tried: Sequence[Reading]) -> bool:
    """Whether other targets would do as well for a delta that is one number."""
    alike = [one for one in tried if one.score == best.score and one.moments == best.moments]
    return best.is_single and len({one.targets.Y.tobytes() for one in alike}) > 1


def _rescaled(best: Reading, later: Sequence[Sequence[Reading]]) -> Reading:
    """The same, or nothing of it right where its own gradient has a size that is no convention."""
    if divides_twice(best):
        return replace(best, is_off=True)
    alike = []
    for each in later:
        some = [one for one in each if may_be_same(one, best)]
        alike += [some] if some else []
    if best.is_single and wanders(best, alike):
        return replace(best, is_off=True)
    return best

"""Why a watched script does not learn: its data, its first weights and its rate were seen, and its
gradients are right, so that ours stand for them."""

from __future__ import annotations

from dataclasses import replace

from backproof.checks.learning.adam import adam_step
from backproof.checks.learning.answer import Answer
from backproof.checks.learning.by_doing import our_step
from backproof.checks.learning.given import Given, take
from backproof.checks.learning.why import Door
from backproof.checks.recording.script.carried import is_plain
from backproof.checks.recording.script.samples import Samples, samples
from backproof.checks.recording.script.watched import Watched

FEWEST = 4  # samples: those of XOR
# findings that some of the samples show as well as all of them
SHOWN_BY_SOME = frozenset(
    {
        "input-blind",
        "symmetric-units",
        "saturated",
        "stuck-at-prior",
        "vanishing",
        "exploding",
        "dead-units",
        "inputs-unscaled",
        "targets-out-of-range",
        "rate-too-large",
        "rate-too-small",
        "overflow",
        "diverged",
    }
)


def why_watched(found: Watched, *, tries: bool, limit_s: float) -> Answer | None:
    """Look at a script on its own samples, by steps as large and of as many samples as its own.

    An update that is no plain descent is stood in for by Adam, which learns from most first weights
    from which plain descent does not: what is said of it holds for both.

    Args:
        found: what was seen of it; its gradients are right.
        tries: whether remedies are to be tried.
        limit_s: seconds for watching, and as much again for trying.
    Returns: what `why` would say; None of too few samples to say anything.
    """
    seen = samples(found)
    if len(seen.x) < FEWEST:
        return None
    given = _given(found, seen)
    if found.step is not None and is_plain(found.reading):
        door = Door(given, our_step, found.step.rate, limit_s)
    else:
        door = Door(given, adam_step, None, limit_s, finds_rate=adam_step)
        door.remarks.append("its update was not seen to be plain descent: Adam stood in for it")
    if seen.are_all:
        return door.answer(None, tries)
    door.remarks.append(
        f"{len(seen.x)} of its samples were seen: what only all of them show, such as shuffled "
        "labels, was not asked"
    )
    return _of_some(door.answer(None, tries))


def _given(found: Watched, seen: Samples) -> Given:
    """The network before its first step, and its data."""
    problem = found.page.problem
    given = take(
        list(problem.W.values()),
        list(problem.b.values()),
        seen.x,
        seen.Y,
        hidden=[problem.activation[layer].name for layer in range(1, problem.L)],
        output=problem.head.output,
        cost=problem.head.cost,
        layout="out,in",
    )
    return replace(given, batch=seen.batch)


def _of_some(answer: Answer) -> Answer:
    """An answer about some of the samples."""
    kept = tuple(one for one in answer.findings if one.name in SHOWN_BY_SOME)
    names = {one.name for one in kept}
    return replace(
        answer, findings=kept, tried=tuple(one for one in answer.tried if one.symptom in names)
    )

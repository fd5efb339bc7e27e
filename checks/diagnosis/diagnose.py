"""Somebody's implementation: right, right under another convention, or wrong, where first, and by
which bug.

The simplest explanation wins: right, then a convention, then one bug, then two. Nothing is named
that does not predict every answer to within rounding; where nothing does, the first wrong step is
all that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.candidate import Candidate
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.asked import Asked, answered, translated
from backproof.checks.diagnosis.by_own_loss import beside_own_loss, by_own_loss
from backproof.checks.diagnosis.depth import WrittenFor, written_for
from backproof.checks.diagnosis.guards import passed_with_guard
from backproof.checks.diagnosis.hints import OVERFLOWS, not_asked
from backproof.checks.diagnosis.line import with_line, with_listing
from backproof.checks.diagnosis.meant import (
    beyond_constants,
    clipped_and_right,
    passed_as_meant,
    passed_with_decay,
)
from backproof.checks.diagnosis.optimizers import sentence_of, without_gradients
from backproof.checks.diagnosis.probes import plan
from backproof.checks.diagnosis.wrong import wrong
from backproof.checks.findings import Bug, Diagnosis


def diagnose(
    candidate: Candidate,
    *,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    batch: int | None = None,
    listing: bool = False,
) -> Diagnosis:
    """Ask a candidate, and say what its answers mean.

    Args:
        candidate: whoever can be asked.
        sizes: units of the input and of each layer of the first problem, unless the candidate has
            its own built in.
        seed: of the problems.
        batch: samples of the first problem, unless the candidate has its own.
        listing: whether to say of each line of its file what that computes.
    Returns: the diagnosis. Answers that cannot be used are in it as complaints; nothing is raised
        for them.
    """
    with np.errstate(all="ignore"):
        contradiction = _too_few_activations(candidate.conventions, sizes)
        if contradiction:
            return Diagnosis("untested", contradiction, complaints=[contradiction])
        asked = Asked(candidate, sizes, seed, batch)
        found = beside_own_loss(asked, _concluded(asked))
        depth = _depth(asked, found)
        if depth is not None and depth.is_certain:
            again = diagnose(depth.candidate, seed=seed, batch=batch, listing=listing)
            return replace(again, hints=[depth.hint, *again.hints])
        found = with_line(found, candidate)
        if depth is not None:
            found.hints.append(depth.hint)
        if listing:
            settled = found.asked or candidate.conventions
            first = plan(settled, sizes=sizes, seed=seed, batch=batch)[0]
            found = with_listing(found, candidate, first)
        if found.outcome == "pass" and asked.overflows(found.asked):
            found.hints.append(OVERFLOWS)
    if asked.momentum is not None:
        found.hints.append(sentence_of(asked.momentum))
    if asked.own_forward:
        found.hints.append(not_asked(asked.own_forward))
    return found


def _depth(asked: Asked, found: Diagnosis) -> WrittenFor | None:
    """The depth that a file has built in, where it stumbles over every network that is asked."""
    if found.outcome != "fail" or found.correct or found.bugs or asked.sizes is not None:
        return None
    return written_for(asked.candidate, seed=asked.seed, batch=asked.batch)


def _too_few_activations(conventions: Conventions, sizes: Sequence[int] | None) -> str:
    """What is wrong with the sizes that are asked for, if each hidden layer has its activation."""
    if sizes is None or conventions.sizes or isinstance(conventions.hidden, str):
        return ""
    if len(sizes) - 2 == len(conventions.hidden):
        return ""
    return (
        f"HIDDEN has an activation for each of {len(conventions.hidden)} hidden layers, and "
        f"--sizes has {len(sizes) - 2} of them: ask with as many"
    )


def _concluded(asked: Asked) -> Diagnosis:
    """Right, by one convention or another; else the likeliest reason for its being wrong."""
    declared = asked.candidate.conventions
    heard = asked.hear(declared)
    found = passed_as_meant(declared, heard)
    if found is not None:
        return found
    found = without_gradients(heard.evidence) or clipped_and_right(declared, heard)
    if found is not None:
        return found
    found = passed_with_decay(asked, declared, heard)
    if found is not None:
        return found
    ways = [heard]
    for other in translated(asked, declared, heard.evidence, against_declared=False):
        again = asked.hear(other)
        found = passed_as_meant(declared, again) or passed_with_decay(asked, declared, again)
        if found is not None:
            return found
        ways.append(again)
        # who raises under a convention that the file does not declare says nothing by that
        if answered(again.evidence) > answered(heard.evidence):
            heard = again
    found = by_own_loss(asked, declared, heard) if declared.has_loss else None
    if found is not None and found.outcome == "pass":
        return found
    for way in ways:
        unsaid = beyond_constants(declared, way)
        if unsaid is not None:
            return unsaid
    for way in ways:
        guarded = passed_with_guard(declared, way)
        if guarded is not None:
            return guarded
    return found or wrong(asked, declared, heard)


__all__ = ["Bug", "Diagnosis", "diagnose"]

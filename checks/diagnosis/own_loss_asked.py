"""The questions about a candidate's own loss, small and large errors among them, and the slopes
that come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.candidate import Candidate, Question
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.own_loss import Compared, OwnLoss, share_known
from backproof.checks.diagnosis.probes import Probe, plan
from backproof.checks.diagnosis.role import Role

ROLES = (Role.FIRST, Role.SQUARE, Role.SINGLE, Role.SAME_Z)
MOST_SAMPLES = 16  # of a question about the loss, which is called for every entry
MOST_QUESTIONS = 4  # beside those with small and large errors
NEAR = 0.1  # what a last layer is multiplied by, for outputs near 0
FAR = 4.0
SMALLEST_TARGET = 0.05  # of real targets beside such outputs: below and above where losses bend
LARGEST_TARGET = 4.0


def ask(candidate: Candidate, conventions: Conventions, probes: Sequence[Probe]) -> OwnLoss:
    """The loss of a candidate, and its gradients, at some problems.

    Args:
        candidate: with a loss.
        conventions: under which it answers.
        probes: of gradients or steps.
    """
    asked = candidate.under(conventions)
    found = []
    for probe in probes:
        question = Question(probe.question.problem, "loss")
        slopes, gradients = (asked.ask([one])[0] for one in (question, probe.question))
        if slopes.complaint:
            return OwnLoss(slopes.complaint)
        if gradients.complaint or gradients.dW is None:
            return OwnLoss(gradients.complaint or "it gives no gradients")
        found.append(Compared(probe, gradients, slopes))
    return OwnLoss(compared=found)


def questions(
    conventions: Conventions, *, sizes: Sequence[int] | None, seed: int, batch: int | None
) -> list[Probe]:
    """Which problems the loss is asked about: few samples, because it is called for each entry."""
    probes = plan(conventions, sizes=sizes, seed=seed, batch=batch)
    small = [
        one for one in probes if one.role in ROLES and len(one.setting.problem.y) <= MOST_SAMPLES
    ]
    return [*small[:MOST_QUESTIONS], *_near_and_far(small[0])] if small else []


def _near_and_far(first: Probe) -> Iterator[Probe]:
    """The same question with a last layer near 0, and one that is several times as large: a loss
    may be another function of small errors than of large ones, as Huber's is."""
    problem = first.setting.problem
    L = problem.L
    spread = np.geomspace(SMALLEST_TARGET, LARGEST_TARGET, problem.y.size).reshape(problem.y.shape)
    any_target = problem.y.ndim == 2 and problem.output == "linear"
    for times in (NEAR, FAR):
        y = problem.y
        if any_target:
            # where the output is about 0, the error is about the target
            y = np.sign(y) * spread * (times if times > 1 else 1.0)
        scaled = replace(
            problem,
            y=y,
            W=problem.W | {L: times * problem.W[L]},
            b=problem.b | {L: times * problem.b[L]},
            name=f"{problem.name} last layer times {times:g}",
        )
        setting = replace(first.setting, problem=scaled)
        yield Probe(Role.OTHER, replace(first.question, problem=scaled), setting)


def as_evidence(own: OwnLoss) -> list[Evidence]:
    """The slopes as if they were somebody's gradients, where all of them are known well enough to
    recognise a network by."""
    if any(share_known(one) < 1.0 for one in own.compared):
        return []
    return [Evidence(one.probe, one.slopes) for one in own.compared]

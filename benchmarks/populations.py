"""What `assert_gradients` says of many networks, right ones, and the same with an error planted in
one of their parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from backproof import check_gradients
from backproof.checks.black_box.box_base import draw_direction
from backproof.checks.black_box.gradient_report import GradientReport
from benchmarks.networks import Case, Change, at_entry, draw

PLANTED: dict[str, Change | None] = {
    "sign": torch.neg,
    "factor 1.001": lambda gradient: 1.001 * gradient,
    "zero layer": torch.zeros_like,
    "missing (None)": None,
    "one entry by 1e-3": at_entry(0, 1 + 1e-3),
}


@dataclass
class Networks:
    """What came of a population of networks.

    Attributes:
        networks, gradients, untested: how many were correct, how many gradients they had, how many
            of these could not be seen.
        alarms: what was rejected although it is right.
        evaluations: of the loss, for each tensor of a correct network, on average over its tensors.
        planted: kind of error -> how many were caught under their own name alone, and how many
            could be seen.
        missed: in words.
    """

    networks: int = 0
    gradients: int = 0
    untested: int = 0
    alarms: list[str] = field(default_factory=list)
    evaluations: list[float] = field(default_factory=list)
    planted: dict[str, list[int]] = field(
        default_factory=lambda: {kind: [0, 0] for kind in PLANTED}
    )
    missed: list[str] = field(default_factory=list)


def count(networks: int, dtype: torch.dtype, seed: int) -> Networks:
    """Judge correct networks, and each again with every error planted in one of its parameters."""
    found = Networks()
    for s in range(seed, seed + networks):
        case = draw(s, dtype)
        report = check_gradients(case, case.parameters)
        found.networks += 1
        found.gradients += len(case.parameters)
        found.untested += sum(verdict.outcome == "untested" for verdict in report.verdicts)
        found.alarms += [
            f"{case.name} {v.quantity}: ratio {v.ratio:.3g}, {v.reason}" for v in report.failures
        ]
        found.evaluations.append(report.evaluations / len(case.parameters))
        _plant(found, case, list(case.parameters)[s % len(case.parameters)], report)
    return found


def _plant(found: Networks, case: Case, name: str, right: GradientReport) -> None:
    for kind, change in PLANTED.items():
        if not _visible(case, name, change, right):
            continue
        report = check_gradients(case.wrong(name, change), case.parameters)
        caught = report.outcome == "fail" and {verdict.quantity for verdict in report.failures} == {
            name
        }
        found.planted[kind][0] += caught
        found.planted[kind][1] += 1
        if not caught:
            found.missed.append(
                f"{case.name} {name} {kind}: {[(v.quantity, v.ratio) for v in report.failures]}"
            )


def _visible(case: Case, name: str, change: Change | None, right: GradientReport) -> bool:
    """Whether what changes is more than twice what was allowed, along either direction of the
    check.

    Twice, because the error itself makes the loss bend otherwise around the claim; the directions
    are the same for the same seed.
    """
    parameter, i = case.parameters[name], list(case.parameters).index(name)
    (gradient,) = torch.autograd.grad(case(), parameter)
    off = (gradient if change is None else change(gradient) - gradient).to(torch.float64)
    random, sums = np.random.default_rng([0, i]), []
    for _ in range(2):
        u = draw_direction(random, tuple(parameter.shape))
        sums.append(abs(float((off * torch.as_tensor(u)).sum())))
    allowed = max(
        verdict.allowed
        for verdict in right.verdicts
        if verdict.quantity == name and "differences" in verdict.pair[1]
    )
    return max(sums) > 2 * allowed

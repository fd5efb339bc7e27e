"""One wrong entry among the 24,790 of a black box: is its index named, and what does that cost?

The check tells that something is wrong from the slopes along two directions; here is counted what
comes after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from backproof import check_gradients
from benchmarks.networks import Case, at_entry, mlp

SIZES, N = (784, 30, 30, 10), 16
FACTORS = {"sign": -1.0, "by 1e-2": 1 + 1e-2, "by 1e-4": 1 + 1e-4}


@dataclass
class Named:
    """How often an entry was named, out of those whose error could be seen; and the evaluations
    beyond those of the check."""

    named: int = 0
    visible: int = 0
    caught: int = 0
    beyond: list[int] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def count(seeds: int) -> dict[str, Named]:
    """For each relative size: a position in every parameter in turn, another network for every
    seed."""
    found = {kind: Named() for kind in FACTORS}
    for seed in range(seeds):
        case = mlp(SIZES, N, seed)
        right = check_gradients(case, case.parameters, seed=seed)
        allowed = {verdict.quantity: verdict.allowed for verdict in right.verdicts}
        random = np.random.default_rng([seed, 9])
        name = list(case.parameters)[seed % len(case.parameters)]
        flat = int(random.integers(case.parameters[name].numel()))
        for kind, factor in FACTORS.items():
            _ask(found[kind], case, (name, flat, factor), allowed[name], right.evaluations, seed)
    return found


def _ask(
    found: Named,
    case: Case,
    planted: tuple[str, int, float],
    allowed: float,
    evaluations: int,
    seed: int,
) -> None:
    name, flat, factor = planted
    parameter = case.parameters[name]
    (gradient,) = torch.autograd.grad(case(), parameter)
    error = abs((factor - 1) * float(gradient.flatten()[flat]))
    report = check_gradients(case.wrong(name, at_entry(flat, factor)), case.parameters, seed=seed)
    index = tuple(int(k) for k in np.unravel_index(flat, tuple(parameter.shape)))
    failures = {verdict.quantity: verdict for verdict in report.failures}
    right = set(failures) == {name} and failures[name].worst_index == index
    if error / 2 <= allowed:  # 1/2 is the least weight of an entry in a direction
        return
    found.visible += 1
    found.named += right
    found.caught += set(failures) == {name}
    found.beyond.append(report.evaluations - evaluations)
    if not right:
        told = {key: (verdict.worst_index, verdict.reason) for key, verdict in failures.items()}
        found.missed.append(
            f"{name}{list(index)} off by {error:.1e}, allowed {allowed:.1e}, seed {seed}: {told}"
        )

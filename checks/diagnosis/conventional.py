"""Whether another convention than the declared one explains every answer: then that is said, and no bug."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from checks.candidates.conventions import Conventions
from checks.diagnosis.evidence import CLOSE, CLOSE_FLOAT32, Evidence
from checks.diagnosis.factors import Factors
from checks.diagnosis.matching import explain
from checks.diagnosis.probes import Probe, setting_of
from checks.suspects.wrong_pass import Setting

TRANSLATED = ("layout", "examples", "labels")
OTHER = {"layout": ("out,in", "in,out"), "examples": ("rows", "columns"), "labels": ("integers", "one-hot")}
HEADS = (("softmax", "cross-entropy"), ("softmax", "quadratic"), ("sigmoid", "quadratic"), ("sigmoid", "binary-cross-entropy"))


def rescaled(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """Conventions under which every answer is right, if the declared ones differ from them by a factor alone.

    The sum for the mean counts only where the file does not say REDUCTION itself: where it does, a factor N is a bug.
    """
    match = explain((), evidence)
    if match is None or any(decays for _, decays in match.decays) or not match.factors:
        return None
    close = CLOSE if all(item.answer.precision == "float64" for item in evidence) else CLOSE_FLOAT32
    for other in _factor_conventions(conventions):
        ratio = _ratios(conventions, other, match.factors)
        if ratio is not None and _uniform(match.factors, ratio, close):
            return other
    return _own_rate(conventions, match.factors, close)


def _factor_conventions(conventions: Conventions) -> Iterator[Conventions]:
    reductions = ("mean", "sum") if "REDUCTION" not in conventions.declared else (conventions.reduction,)
    costs = ("quadratic", "half-quadratic") if "quadratic" in conventions.cost else (conventions.cost,)
    for reduction in reductions:
        for cost in costs:
            if (reduction, cost) != (conventions.reduction, conventions.cost):
                yield replace(conventions, reduction=reduction, cost=cost)


def _ratios(declared: Conventions, other: Conventions, table: list[tuple[Setting, Factors]]) -> list[float] | None:
    ratios = [_ratio(declared, other, setting) for setting, _ in table]
    return None if all(math.isclose(ratio, 1) for ratio in ratios) else ratios


def _ratio(declared: Conventions, other: Conventions, setting: Setting) -> float:
    """How much larger gradients are under another reduction or cost; several calls are put together as declared."""
    ratio = setting_of(other, setting.problem, None).weight / setting.weight
    if other.reduction != declared.reduction:
        ratio *= setting.calls if declared.reduction == "sum" else 1 / setting.calls
    return ratio


def _uniform(table: list[tuple[Setting, Factors]], ratios: list[float], close: float) -> bool:
    return all(
        factor is None or math.isclose(factor, ratio, rel_tol=close)
        for (_, factors), ratio in zip(table, ratios, strict=True)
        for factor in factors.values()
    )


def _own_rate(conventions: Conventions, table: list[tuple[Setting, Factors]], close: float) -> Conventions | None:
    """Whether the step uses one learning rate whatever it is given; alone, or with another reduction or cost."""
    if conventions.protocol != "step" or conventions.learning_rate is not None:
        return None
    if len({setting.learning_rate for setting, _ in table}) < 2:
        return None
    for other in (conventions, *_factor_conventions(conventions)):
        weights = [_ratio(conventions, other, setting) for setting, _ in table]
        rates = [
            factor * (setting.learning_rate or 1.0) / weight
            for (setting, factors), weight in zip(table, weights, strict=True)
            for factor in factors.values()
            if factor is not None
        ]
        if rates and rates[0] > 0 and all(math.isclose(rate, rates[0], rel_tol=close) for rate in rates):
            return replace(other, learning_rate=float(f"{rates[0]:.6g}"))
    return None


def other_heads(conventions: Conventions) -> Iterator[Conventions]:
    """The heads that the file does not exclude by what it declares."""
    for output, cost in HEADS:
        fits = ("OUTPUT" not in conventions.declared or output == conventions.output) and "COST" not in conventions.declared
        keeps_cost = "COST" in conventions.declared and replace(conventions, output=output).head[1] == conventions.head[1]
        if keeps_cost and "OUTPUT" not in conventions.declared and output != conventions.output:
            cost = conventions.cost if conventions.cost in ("quadratic", "half-quadratic") else cost
            if conventions.cost in ("quadratic", "half-quadratic") or cost == conventions.cost:
                yield replace(conventions, output=output, cost=cost)
        elif fits and replace(conventions, output=output, cost=cost).head != conventions.head:
            yield replace(conventions, output=output, cost=cost)


def asked_as(conventions: Conventions, item: Evidence) -> Evidence:
    """The same answer, held against another head's mathematics."""
    output, cost = conventions.head
    problem = replace(item.setting.problem, output=output, cost=cost)
    probe = item.probe
    setting = setting_of(conventions, problem, probe.setting.learning_rate)
    return Evidence(Probe(probe.role, replace(probe.question, problem=problem), setting, probe.sample), item.answer)


def translations(conventions: Conventions, *, against_declared: bool) -> list[Conventions]:
    """Other layouts, examples and labels, few changes before many: what the file leaves open, or what it declares, too."""
    found = []
    for size in range(1, len(TRANSLATED) + 1):
        for names in combinations(TRANSLATED, size):
            changes: dict[str, Any] = {name: _flip(name, getattr(conventions, name)) for name in names}
            declared = sum(name.upper() in conventions.declared for name in names)
            if bool(declared) == against_declared:
                found.append((declared, size, replace(conventions, **changes)))
    return [other for _, _, other in sorted(found, key=lambda entry: entry[:2])]


def _flip(name: str, value: str) -> str:
    first, second = OTHER[name]
    return second if value == first else first

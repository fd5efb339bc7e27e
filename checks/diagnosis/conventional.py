"""Whether another convention than the declared one explains every answer: then that is said, and no
bug."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from backproof.checks.bugs.wrong_pass import Setting
from backproof.checks.candidates.candidate import Answer
from backproof.checks.candidates.conventions import Conventions, changed_lines
from backproof.checks.diagnosis.evidence import CLOSE, CLOSE_FLOAT32, Evidence
from backproof.checks.diagnosis.factors import Factors
from backproof.checks.diagnosis.matching import explain
from backproof.checks.diagnosis.probes import Probe, setting_of
from backproof.checks.diagnosis.readings import Reading

TRANSLATED = ("layout", "examples", "labels")
OTHER = {
    "layout": ("out,in", "in,out"),
    "examples": ("rows", "columns"),
    "labels": ("integers", "one-hot"),
}
HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "binary-cross-entropy"),
)


def rescaled(
    conventions: Conventions, evidence: list[Evidence], *, over_outputs: bool = False
) -> Conventions | None:
    """Conventions under which every answer is right, if the declared ones differ from them by a
    factor alone.

    The sum for the mean counts only where the file does not say REDUCTION itself: where it does, a
    factor N is a bug. And "quadratic" is what the cost is called with its half and without
    (Nielsen's has it), while a file that says "half-quadratic" has spoken of it. The mean over the
    outputs (`over_outputs`) is what np.mean of a matrix takes, and also what a mistaken division by
    K gives: it counts only where it is asked for.
    """
    match = explain((), evidence)
    if match is None or any(decays for _, decays in match.decays) or not match.factors:
        return None
    close = CLOSE if all(item.answer.precision == "float64" for item in evidence) else CLOSE_FLOAT32
    likely = [
        other
        for other in factor_conventions(conventions, over_outputs)
        if _uniform(conventions, other, match.factors, close)
    ]
    for other in (*likely, *_own_rate(conventions, match.factors, close)):
        # within rounding, not merely near
        if not any(asked_as(conventions, other, item).is_wrong for item in evidence):
            return other
    return None


def factor_conventions(
    conventions: Conventions, over_outputs: bool = False
) -> Iterator[Conventions]:
    """Those that the file leaves open, and that differ by a factor alone."""
    known = ("mean", "sum", "mean-over-all") if over_outputs else ("mean", "sum")
    reductions = known if "REDUCTION" not in conventions.declared else (conventions.reduction,)
    open_ = conventions.cost == "quadratic" or (
        "quadratic" in conventions.cost and "COST" not in conventions.declared
    )
    costs = ("quadratic", "half-quadratic") if open_ else (conventions.cost,)
    for reduction in reductions:
        for cost in costs:
            if (reduction, cost) != (conventions.reduction, conventions.cost):
                yield replace(conventions, reduction=reduction, cost=cost)


def _ratio(declared: Conventions, other: Conventions, setting: Setting) -> float:
    """How much larger gradients are under another reduction or cost; several calls are put together
    as declared."""
    ratio = setting_of(other, setting.problem, None).weight / setting.weight
    if other.averages != declared.averages:
        ratio *= setting.calls if other.averages else 1 / setting.calls
    return ratio


def _uniform(
    declared: Conventions, other: Conventions, table: list[tuple[Setting, Factors]], close: float
) -> bool:
    """Whether every gradient of every question is by so much too large as another reduction or cost
    makes it."""
    ratios = [_ratio(declared, other, setting) for setting, _ in table]
    return not all(math.isclose(ratio, 1) for ratio in ratios) and all(
        factor is None or math.isclose(factor, ratio, rel_tol=close)
        for (_, factors), ratio in zip(table, ratios, strict=True)
        for factor in factors.values()
    )


def _own_rate(
    conventions: Conventions, table: list[tuple[Setting, Factors]], close: float
) -> Iterator[Conventions]:
    """The step may use one learning rate whatever it is given; alone, or with another reduction or
    cost."""
    if conventions.protocol != "step" or conventions.learning_rate is not None:
        return
    if len({setting.learning_rate for setting, _ in table}) < 2:
        return
    for other in (conventions, *factor_conventions(conventions)):
        weights = [_ratio(conventions, other, setting) for setting, _ in table]
        rates = [
            factor * (setting.learning_rate or 1.0) / weight
            for (setting, factors), weight in zip(table, weights, strict=True)
            for factor in factors.values()
            if factor is not None
        ]
        if (
            rates
            and rates[0] > 0
            and all(math.isclose(rate, rates[0], rel_tol=close) for rate in rates)
        ):
            for typed in (float(f"{rates[0]:.6g}"), float(f"{rates[0]:.12g}")):
                yield replace(other, learning_rate=typed)


def other_heads(conventions: Conventions) -> Iterator[Conventions]:
    """The heads that the file does not exclude by what it declares."""
    single = conventions.sizes is not None and conventions.sizes[-1] == 1
    for output, cost in HEADS if not single else [head for head in HEADS if head[0] == "sigmoid"]:
        fits = (
            "OUTPUT" not in conventions.declared or output == conventions.output
        ) and "COST" not in conventions.declared
        keeps_cost = (
            "COST" in conventions.declared
            and replace(conventions, output=output).head[1] == conventions.head[1]
        )
        if keeps_cost and "OUTPUT" not in conventions.declared and output != conventions.output:
            cost = conventions.cost if conventions.cost in ("quadratic", "half-quadratic") else cost
            if conventions.cost in ("quadratic", "half-quadratic") or cost == conventions.cost:
                yield replace(conventions, output=output, cost=cost)
        elif fits and replace(conventions, output=output, cost=cost).head != conventions.head:
            yield replace(conventions, output=output, cost=cost)


def meant(declared: Conventions, evidence: list[Evidence]) -> str:
    """The declaration under which every gradient would be right: numbers do not say whether it is
    wrong, or the code."""
    gradients = [item for item in evidence if item.is_of_gradients]
    free = replace(declared, declared=frozenset())
    other = rescaled(free, gradients, over_outputs=True)
    for head in other_heads(replace(free, declared=frozenset({"OUTPUT"}))) if other is None else ():
        as_head = [asked_as(free, head, item) for item in gradients]
        if not any(item.is_wrong for item in as_head):
            other = other or head
        else:
            other = other or rescaled(head, as_head, over_outputs=True)
    if other:
        return " and ".join(changed_lines(declared, other))
    return ""


def meant_by_factor(declared: Conventions, cause: Reading, evidence: list[Evidence]) -> str:
    """The declaration that differs from the file's by a factor which somebody found beside a
    bug."""
    settings = [item.setting for item in evidence if item.is_of_gradients]
    for other in factor_conventions(replace(declared, declared=frozenset()), over_outputs=True):
        if all(
            math.isclose(cause.factor(at, "dW[1]"), _ratio(declared, other, at), rel_tol=CLOSE)
            for at in settings
        ):
            return " and ".join(changed_lines(declared, other))
    return ""


def asked_as(declared: Conventions, other: Conventions, item: Evidence) -> Evidence:
    """The same answer, as it would have been put together and read off under other conventions, and
    their right gradients."""
    probe = item.probe
    output_and_cost = other.head
    asked = probe.setting.learning_rate
    own = other.learning_rate
    rate = asked if own is None or asked is None else own
    problem = replace(item.setting.problem, output=output_and_cost[0], cost=output_and_cost[1])
    setting = setting_of(other, problem, rate)
    by = asked / rate if asked and rate else 1.0
    if other.averages != declared.averages:
        by *= item.setting.calls if declared.averages else 1 / item.setting.calls
    return Evidence(
        Probe(probe.role, replace(probe.question, problem=problem), setting, probe.sample),
        _times(by, item.answer),
    )


def _times(by: float, answer: Answer) -> Answer:
    """An answer whose gradients are multiplied by a number."""
    if by == 1 or answer.dW is None:
        return answer
    dW, db = (
        {layer: by * array for layer, array in (found or {}).items()}
        for found in (answer.dW, answer.db)
    )
    rounding = {quantity: by * array for quantity, array in answer.rounding.items()}
    return replace(answer, dW=dW, db=None if answer.db is None else db, rounding=rounding)


def translations(conventions: Conventions, *, against_declared: bool) -> list[Conventions]:
    """Other layouts, examples and labels, few changes before many: what the file leaves open, or
    what it declares, too."""
    found = []
    for size in range(1, len(TRANSLATED) + 1):
        for names in combinations(TRANSLATED, size):
            changes: dict[str, Any] = {
                name: _flip(name, getattr(conventions, name)) for name in names
            }
            declared = sum(name.upper() in conventions.declared for name in names)
            if bool(declared) == against_declared:
                found.append((declared, size, replace(conventions, **changes)))
    return [other for _, _, other in sorted(found, key=lambda entry: entry[:2])]


def _flip(name: str, value: str) -> str:
    first, second = OTHER[name]
    if value == first:
        return second
    return first

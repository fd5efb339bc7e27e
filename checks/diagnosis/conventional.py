"""Whether another convention than the declared one explains every answer: then that is said, and no
bug."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from backproof.checks.activations import NAMES
from backproof.checks.bugs.setting import Setting
from backproof.checks.candidates.candidate import Answer
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.declared import changed_lines
from backproof.checks.diagnosis.decay import Fits
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.matching import explain
from backproof.checks.diagnosis.probes import Probe, has_rare, setting_of
from backproof.checks.diagnosis.readings import Reading
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.rounding import CLOSE, CLOSE_FLOAT32

OTHER = {  # what is translated, and its two values
    "layout": ("out,in", "in,out"),
    "examples": ("rows", "columns"),
    "labels": ("integers", "one-hot"),
}
HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "binary-cross-entropy"),
    ("linear", "quadratic"),
    ("tanh", "quadratic"),
    ("relu", "quadratic"),
    ("softmax", "binary-cross-entropy"),
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
    K gives: it counts only where it is asked for, and for real-valued targets whose cost nobody has
    named, which is np.mean of squares as often as not.
    """
    says_no_cost = conventions.labels == "values" and "COST" not in conventions.declared
    over_outputs = over_outputs or says_no_cost
    match = explain((), evidence)
    if match is None or match.decays or not match.fits:
        return None
    precise = all(item.answer.precision == "float64" for item in evidence)
    close = CLOSE if precise else CLOSE_FLOAT32
    likely = [
        other
        for other in factor_conventions(conventions, over_outputs)
        if _uniform(conventions, other, match.fits, close)
    ]
    for other in (*likely, *_own_rate(conventions, match.fits, close)):
        # within rounding, not merely near
        if not any(item.is_wrong for item in all_asked_as(conventions, other, evidence)):
            return other
    return None


def factor_conventions(
    conventions: Conventions, over_outputs: bool = False
) -> Iterator[Conventions]:
    """Those that the file leaves open, and that differ by a factor alone."""
    reductions = ["mean", "sum"]
    if over_outputs:
        reductions.append("mean-over-all")
    if "REDUCTION" in conventions.declared:
        reductions = [conventions.reduction]
    costs = [conventions.cost]
    # "quadratic" is what it is called with its half and without
    says_half = "COST" in conventions.declared and conventions.cost == "half-quadratic"
    if conventions.is_quadratic and not says_half:
        costs = ["quadratic", "half-quadratic"]
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


def _uniform(declared: Conventions, other: Conventions, table: list[Fits], close: float) -> bool:
    """Whether every gradient of every question is by so much too large as another reduction or cost
    makes it."""
    ratios = [_ratio(declared, other, fits.setting) for fits in table]
    if all(math.isclose(ratio, 1) for ratio in ratios):
        return False
    return all(
        _all_near(_determined(fits), ratio, close)
        for fits, ratio in zip(table, ratios, strict=True)
    )


def _determined(fits: Fits) -> list[float]:
    """The factors that rounding does not leave open."""
    return [factor for factor in fits.factors.values() if factor is not None]


def _all_near(factors: Sequence[float], wanted: float, close: float) -> bool:
    return all(math.isclose(factor, wanted, rel_tol=close) for factor in factors)


def _own_rate(conventions: Conventions, table: list[Fits], close: float) -> Iterator[Conventions]:
    """The step may use one learning rate whatever it is given; alone, or with another reduction or
    cost."""
    if conventions.protocol != "step" or conventions.learning_rate is not None:
        return
    if len({fits.setting.learning_rate for fits in table}) < 2:
        return
    for other in (conventions, *factor_conventions(conventions)):
        rates: list[float] = []
        for fits in table:
            given = (fits.setting.learning_rate or 1.0) / _ratio(conventions, other, fits.setting)
            rates += [factor * given for factor in _determined(fits)]
        if rates and rates[0] > 0 and _all_near(rates, rates[0], close):
            for typed in (float(f"{rates[0]:.6g}"), float(f"{rates[0]:.12g}")):
                yield replace(other, learning_rate=typed)


# what hidden layers have, if nothing is declared, nearly always
USUAL_HIDDEN = ("sigmoid", "relu", "tanh", "leaky-relu", "identity")


def other_hidden(
    conventions: Conventions, names: Sequence[str] = USUAL_HIDDEN
) -> Iterator[Conventions]:
    """The conventions as they are, and with some activations where none is declared."""
    yield conventions
    if "HIDDEN" not in conventions.declared:
        for name in names:
            if name != conventions.hidden:
                yield replace(conventions, hidden=name)


# what people ask of outputs that cannot reach 0 and 1, or should not
SOFT_TARGETS = ((0.1, 0.9), (0.01, 0.99), (0.05, 0.95), (0.2, 0.8), (-1.0, 1.0))


def other_targets(conventions: Conventions) -> Iterator[Conventions]:
    """The conventions with other targets, where none are declared and the candidate makes them
    itself, of labels."""
    if "TARGETS" not in conventions.declared and conventions.labels == "integers":
        for targets in SOFT_TARGETS:
            yield replace(conventions, targets=targets)


def other_heads(conventions: Conventions) -> Iterator[Conventions]:
    """The heads that the file does not exclude by what it declares."""
    for output, cost in HEADS:
        if not _has_single_output(conventions) or output != "softmax":
            other = _as_head(conventions, output, cost)
            if other is not None:
                yield other


def _has_single_output(conventions: Conventions) -> bool:
    return conventions.sizes is not None and conventions.sizes[-1] == 1


def _as_head(conventions: Conventions, output: str, cost: str) -> Conventions | None:
    """The conventions with another head, where nothing that is declared speaks against it."""
    says_output = "OUTPUT" in conventions.declared
    if says_output and output != conventions.output:
        return None
    if conventions.labels == "values" and cost != "quadratic":
        return None
    if "COST" not in conventions.declared:
        other = replace(conventions, output=output, cost=cost)
        return other if other.head != conventions.head else None
    # the cost stays as it is declared, with its half or without, and another output may go with it
    if says_output or output == conventions.output:
        return None
    if conventions.is_quadratic:
        return replace(conventions, output=output, cost=conventions.cost)
    if cost == conventions.cost:
        return replace(conventions, output=output, cost=cost)
    return None


def settled_by_output(conventions: Conventions, evidence: list[Evidence]) -> Conventions | None:
    """The conventions under which the output layer is right in every question, though it is not
    under those that were asked: its gradients are made of the whole forward pass, and of no step
    back. None if there are none."""
    gradients = [item for item in evidence if item.is_of_gradients]
    telling = next((item for item in gradients if not _right_at_output(item)), None)
    if telling is None:
        return None
    # single samples show what hidden layers have; where none was answered, that is open
    alone = any(item.given is not None for item in gradients if item.probe.role == Role.SINGLE)
    hidden = [conventions] if alone else other_hidden(conventions, NAMES)
    for layers in hidden:
        for head in (layers, *other_heads(layers)):
            for other in (head, *factor_conventions(head)):
                if not _right_at_output(asked_as(conventions, other, telling)):
                    continue
                if all(map(_right_at_output, all_asked_as(conventions, other, gradients))):
                    return other
    return None


def _right_at_output(item: Evidence) -> bool:
    """Whether dW[L] is; its db may be where the bug is."""
    return f"dW[{item.setting.problem.L}]" not in item.wrongs


def meant(declared: Conventions, evidence: list[Evidence]) -> str:
    """The declaration under which every gradient would be right: numbers do not say whether it is
    wrong, or the code."""
    gradients = [item for item in evidence if item.is_of_gradients]
    free = replace(declared, declared=frozenset())
    other = rescaled(free, gradients, over_outputs=True) or _meant_head(free, gradients)
    if other:
        return " and ".join(changed_lines(declared, other))
    return ""


def _meant_head(free: Conventions, gradients: list[Evidence]) -> Conventions | None:
    """Another head of the same output, maybe with another factor, under which all is right."""
    for head in other_heads(replace(free, declared=frozenset({"OUTPUT"}))):
        as_head = all_asked_as(free, head, gradients)
        if not any(item.is_wrong for item in as_head):
            return head
        other = rescaled(head, as_head, over_outputs=True)
        if other is not None:
            return other
    return None


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
    asked = probe.setting.learning_rate
    rate = asked
    if other.learning_rate is not None and asked is not None:
        rate = other.learning_rate
    problem = replace(
        item.setting.problem,
        head=other.head,
        hidden=other.activations,
        levels=other.targets,
    )
    setting = setting_of(other, problem, rate)
    times = asked / rate if asked and rate else 1.0
    if other.averages != declared.averages:
        times *= item.setting.calls if declared.averages else 1 / item.setting.calls
    question = replace(probe.question, problem=problem)
    return Evidence(Probe(probe.role, question, setting, probe.sample), _times(times, item.answer))


def all_asked_as(
    declared: Conventions, other: Conventions, evidence: Iterable[Evidence]
) -> list[Evidence]:
    """The same answers under other conventions, without those to questions that have no sense
    there."""
    unfit: set[Role] = set()
    if other.activations != declared.activations:
        unfit.add(Role.SAME_Z)  # other weights lead to the same z under one activation alone
    if not has_rare(other):
        unfit |= {Role.RARE_LABEL, Role.RARE_CLASS}
    return [asked_as(declared, other, item) for item in evidence if item.probe.role not in unfit]


def _times(by: float, answer: Answer) -> Answer:
    """An answer whose gradients are multiplied by a number."""
    if by == 1 or answer.dW is None:
        return answer
    return replace(
        answer,
        dW=_scaled(by, answer.dW),
        db=None if answer.db is None else _scaled(by, answer.db),
        rounding=_scaled(by, answer.rounding),
    )


Key = TypeVar("Key", int, str)


def _scaled(by: float, arrays: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    return {key: by * array for key, array in arrays.items()}


def translations(conventions: Conventions, *, against_declared: bool) -> list[Conventions]:
    """Other layouts, examples and labels, few changes before many: what the file leaves open, or
    what it declares, too."""
    found: list[tuple[int, int, Conventions]] = []
    for size in range(1, len(OTHER) + 1):
        for names in combinations(OTHER, size):
            changes = {name: _flip(name, getattr(conventions, name)) for name in names}
            declared = sum(name.upper() in conventions.declared for name in names)
            if bool(declared) == against_declared:
                found.append((declared, size, replace(conventions, **changes)))
    found.sort(key=lambda entry: entry[:2])
    return [other for _, _, other in found]


def _flip(name: str, value: str) -> Any:
    """The other of two values that a constant may have."""
    first, second = OTHER[name]
    return second if value == first else first

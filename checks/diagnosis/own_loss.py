"""A candidate's own loss: the slopes of loss(W, b, x, y), found by calling it, beside the gradients
that the candidate gives.

Where no network that can be declared explains the gradients, the loss alone says what is right.
Where one does, the loss is held against that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.candidates.candidate import Answer
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.quantities import Quantities, equation
from backproof.checks.verdict import Verdict, judge

PAIR = ("candidate", "own loss")
SIDES = ("yours", "the slope of your loss")
ROUNDINGS = 1e4  # of the format in which gradients come: what code may lose
# of the largest: an epsilon in a logarithm puts a loss off its gradients by as much, and no bug is
# as small
EPSILON = 1e-6
UNKNOWN = 1e-2  # of the largest slope: an error bar above it says nothing
THREE_DIGITS = 1e-3
BARS = 3.0  # how many error bars a slope may be off: of 100,000, the farthest was off by 1.6
FEWEST = 0.5  # of the entries that must be known


@dataclass(frozen=True)
class Compared:
    """One question: the candidate's gradients, and the slopes of its loss.

    Attributes:
        probe: what was asked.
        gradients: what the candidate gave, and how far reading them off a step put them.
        slopes: of the loss, with their error bars for rounding.
    """

    probe: Probe
    gradients: Answer
    slopes: Answer

    @property
    def names(self) -> list[str]:
        """Of all gradients, from the output back."""
        return self.probe.setting.gradients

    @property
    def given(self) -> Quantities:
        """The gradients by name."""
        return _by_name(self.gradients)

    @property
    def due(self) -> Quantities:
        """The slopes by name."""
        return _by_name(self.slopes)

    @property
    def largest(self) -> float:
        """The largest slope of all."""
        return max(float(np.abs(slope).max(initial=0.0)) for slope in self.due.values())

    def allowed(self, name: str) -> np.ndarray:
        """How far a gradient may be from the slope; infinite where the slope is not known."""
        bar = np.asarray(self.slopes.rounding[name])
        precision = self.gradients.shorter.get(name, self.gradients.precision)
        rough = max(EPSILON, ROUNDINGS * float(np.finfo(precision).eps))
        own = float(np.abs(self.due[name]).max(initial=0.0))
        rounding = rough * (own + THREE_DIGITS * self.largest)
        unread = np.asarray(self.gradients.rounding.get(name, 0.0))
        bar = np.where(bar > UNKNOWN * self.largest, np.inf, bar)
        return np.asarray(BARS * bar + rounding + 4 * unread)

    def verdict(self, name: str) -> Verdict:
        """Of one gradient; what is unknown counts for nothing."""
        problem = self.probe.setting.problem
        tag = equation(name, problem.L, problem.head)
        due = self.due[name]
        given = self.given.get(name, np.zeros(0))
        allowed = self.allowed(name)
        if given.shape == due.shape:
            unknown = np.isinf(allowed)
            due = np.where(unknown, given, due)
            allowed = np.where(unknown, np.abs(given) + 1.0, allowed)
        return judge(problem.id, name, tag, PAIR, given, due, allowed, sides=SIDES)


def _by_name(answer: Answer) -> Quantities:
    found = {f"dW[{layer}]": array for layer, array in (answer.dW or {}).items()}
    return found | {f"db[{layer}]": array for layer, array in (answer.db or {}).items()}


@dataclass(frozen=True)
class OwnLoss:
    """What the loss says of the gradients.

    Attributes:
        complaint: why it says nothing, in a sentence; "" where it does.
        compared: every question.
        decay: the multiple of W that every dW holds beside the slope, 0 if none does.
        left_out: the multiple of W that the slopes hold, and no dW.
    """

    complaint: str = ""
    compared: Sequence[Compared] = ()
    decay: float = 0.0
    left_out: float = 0.0

    @property
    def verdicts(self) -> list[Verdict]:
        """Of every gradient of every question."""
        found: list[Verdict] = []
        for one in self.compared:
            found += [one.verdict(name) for name in one.names]
        return found

    @property
    def wrong(self) -> list[str]:
        """The gradients that are not the slopes, from the output back."""
        failed = [verdict.quantity for verdict in self.verdicts if verdict.outcome == "fail"]
        return list(dict.fromkeys(failed))

    @property
    def agrees(self) -> bool:
        """Whether every gradient is the slope of the loss, as far as that is known."""
        return bool(self.compared) and not self.wrong

    def is_known(self) -> bool:
        """Whether most entries have slopes that are known, in half of the questions or more: the
        same small step may miss every jump of a rounded loss once, and by that look exact."""
        known = [share_known(one) >= FEWEST for one in self.compared]
        return bool(known) and sum(known) >= FEWEST * len(known)

    def without_decay(self) -> OwnLoss:
        """The same with one multiple of W taken off every dW, where that is all that differs and
        the gradients hold it; where the slopes do, with the note that they are left out."""
        decay = _decay(self.compared)
        if decay == 0.0:
            return self
        found = replace(self, compared=[_taken_off(one, decay) for one in self.compared])
        if not found.agrees:
            return self
        if decay < 0:
            return replace(self, left_out=-decay)
        return replace(found, decay=decay)

    @property
    def factors(self) -> list[float]:
        """By how much the gradients of each question are larger than the slopes; [] where some
        question has no such number."""
        found = [_factor(one) for one in self.compared]
        known = [factor for factor in found if factor is not None]
        if len(known) < len(found):
            return []
        return known

    @property
    def nearly_agrees(self) -> bool:
        """Whether what differs is less than a thousandth."""
        return _alike([1.0, *self.factors]) and bool(self.factors)

    @property
    def rescaled(self) -> str:
        """By which number the gradients are larger than the slopes, in words; "" where it is not
        one, nor N or 1/N."""
        factors = self.factors
        if not factors:
            return ""
        samples = [len(one.probe.setting.problem.y) for one in self.compared]
        if _alike(factors):
            return f"every gradient is {factors[0]:.4g} times the slope of your loss"
        if _alike([factor * N for factor, N in zip(factors, samples, strict=True)]):
            return (
                "every gradient is 1/N of the slope of your loss: that is a sum, and yours a mean"
            )
        if _alike([factor / N for factor, N in zip(factors, samples, strict=True)]):
            return (
                "every gradient is N times the slope of your loss: that is a mean, and yours a sum"
            )
        return ""

    def in_words(self) -> str:
        """How the gradients differ from the slopes, if that is one number or a weight decay; else
        ""."""
        if self.left_out:
            return f"your loss holds a weight decay of {self.left_out:g}, which your dW leave out"
        return self.rescaled


def _alike(values: Sequence[float]) -> bool:
    return all(math.isclose(value, values[0], rel_tol=THREE_DIGITS) for value in values)


def share_known(one: Compared) -> float:
    """How many of the slopes are known, of 1."""
    allowed = [one.allowed(name) for name in one.due]
    entries = sum(bar.size for bar in allowed)
    return sum(int(np.isfinite(bar).sum()) for bar in allowed) / max(entries, 1)


def _factor(one: Compared) -> float | None:
    """By how much all gradients of a question are larger than the slopes; None where that is not
    one number."""
    given, due = one.given, one.due
    if any(name not in given or given[name].shape != due[name].shape for name in due):
        return None
    pairs = [(given[name], due[name], np.isfinite(one.allowed(name))) for name in due]
    squares = sum(float((slope[known] ** 2).sum()) for _, slope, known in pairs)
    products = sum(float((mine[known] * slope[known]).sum()) for mine, slope, known in pairs)
    if not squares:
        return None
    factor = products / squares
    near = THREE_DIGITS * abs(factor) * one.largest
    if all(np.all(np.abs(mine - factor * slope)[known] <= near) for mine, slope, known in pairs):
        return factor
    return None


def _decay(compared: Sequence[Compared]) -> float:
    """The multiple of W by which all dW differ from the slopes, as far as can be seen; else 0."""
    found: list[float] = []
    for one in compared:
        for layer, W in one.probe.setting.problem.W.items():
            name = f"dW[{layer}]"
            given = one.given.get(name)
            if given is None or given.shape != W.shape:
                return 0.0
            known = np.isfinite(one.allowed(name))
            off = (given - one.due[name])[known]
            found.append(float((off * W[known]).sum()) / (float((W[known] ** 2).sum()) or 1.0))
    smallest, largest = min(found, default=0.0), max(found, default=0.0)
    if smallest * largest <= 0 or largest - smallest > THREE_DIGITS * max(abs(smallest), largest):
        return 0.0
    return float(f"{smallest:.3g}")


def _taken_off(one: Compared, decay: float) -> Compared:
    W = one.probe.setting.problem.W
    dW = {layer: array - decay * W[layer] for layer, array in (one.gradients.dW or {}).items()}
    return replace(one, gradients=replace(one.gradients, dW=dW))

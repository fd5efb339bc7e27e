"""A candidate's own loss: the slopes of loss(W, b, x, y), found by calling it, beside the gradients
that the candidate gives.

Where no network that can be declared explains the gradients, the loss alone says what is right.
Where one does, the loss is held against that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.candidates.candidate import Answer, Candidate, Question
from backproof.checks.candidates.conventions import Conventions, changed_lines
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.probes import Probe, plan
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Diagnosis
from backproof.checks.quantities import Quantities, equation
from backproof.checks.verdict import Verdict, judge

PAIR = ("candidate", "own loss")
SIDES = ("yours", "the slope of your loss")
ROLES = (Role.FIRST, Role.SQUARE, Role.SINGLE, Role.SAME_Z)
MOST_SAMPLES = 16  # of a question about the loss, which is called for every entry
MOST_QUESTIONS = 4  # beside those with small and large errors
NEAR = 0.1  # what a last layer is multiplied by, for outputs near 0
FAR = 4.0
SMALLEST_TARGET = 0.05  # of real targets beside such outputs: below and above where losses bend
LARGEST_TARGET = 4.0
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
        known = [_share_known(one) >= FEWEST for one in self.compared]
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


def _share_known(one: Compared) -> float:
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
    if any(_share_known(one) < 1.0 for one in own.compared):
        return []
    return [Evidence(one.probe, one.slopes) for one in own.compared]


def passed(own: OwnLoss, declared: Conventions, asked: Conventions) -> Diagnosis:
    """That every gradient is the slope of the candidate's own loss."""
    constants = changed_lines(declared, asked)
    statement = f"Every gradient is that of your own loss(W, b, x, y), {HOW}."
    if own.decay:
        constants = [*constants, f"WEIGHT_DECAY = {own.decay:g}"]
        statement = (
            f"Every gradient is that of your own loss(W, b, x, y), {HOW}, and a multiple of W "
            "beside it."
        )
    if constants:
        statement += f" A convention that the file does not declare: {' and '.join(constants)}."
    if not own.is_known():
        return Diagnosis("untested", UNTESTED, asked=asked)
    found = Diagnosis(
        "pass",
        statement,
        correct=own.compared[0].names,
        conventions=constants,
        verdicts=own.verdicts,
        asked=asked,
        by_own_loss=True,
    )
    return _counted(found, own)


HOW = "found by calling it"
UNTESTED = (
    "Your own loss(W, b, x, y) is too rough to say what its gradients are: in float64, away from "
    "corners, and for fewer entries it would."
)
NEARLY = (
    "Your gradients are those of your own loss(W, b, x, y) to three digits, and not to six: an "
    "epsilon in the loss does that, and so do few digits. Leave it out, and ask again."
)
NO_NETWORK = "Lines are told where a network can be declared; this one is known by its loss alone."


def failed(own: OwnLoss, declared: Conventions, asked: Conventions) -> Diagnosis:
    """Which gradients are not the slopes of the candidate's own loss, and what they look like."""
    if not own.is_known():
        return Diagnosis("untested", UNTESTED, asked=asked)
    if own.nearly_agrees:
        return Diagnosis("untested", NEARLY, asked=asked)
    wrong = own.wrong
    verdicts = own.verdicts
    verb = "is not the gradient" if len(wrong) == 1 else "are not the gradients"
    statement = f"{', '.join(wrong)} {verb} of your own loss(W, b, x, y), {HOW}{_looks(own)}."
    found = Diagnosis(
        "fail",
        statement,
        correct=[name for name in own.compared[0].names if name not in wrong],
        wrong=wrong,
        line_reason=NO_NETWORK,
        conventions=changed_lines(declared, asked),
        verdicts=verdicts,
        asked=asked,
        by_own_loss=True,
    )
    return _counted(found, own)


def _looks(own: OwnLoss) -> str:
    """What the error looks like: ": dW[1], yours is 2 times the slope of your loss"."""
    whole = own.in_words()
    if whole:
        return f": {whole}"
    seen: dict[str, str] = {}
    for verdict in own.verdicts:
        if verdict.outcome == "fail":
            seen.setdefault(verdict.quantity, verdict.pattern)
    said = [f"{name}, {pattern}" for name, pattern in seen.items() if pattern]
    if not said:
        return ""
    return f": {'; '.join(said)}"


def _counted(found: Diagnosis, own: OwnLoss) -> Diagnosis:
    problems = {one.probe.setting.problem.id for one in own.compared}
    gradients = 0
    for one in own.compared:
        gradients += sum(slope.size for slope in one.due.values())
    return replace(found, problems=len(problems), gradients=gradients)


def beside_network(own: OwnLoss, found: Diagnosis, declared: Conventions) -> Diagnosis:
    """What the loss says where the gradients are those of a network: that they are its own, too; or
    that it is another loss, which is wrong unless the file declares the one whose gradients they
    are."""
    if own.agrees or own.nearly_agrees:
        if own.decay == 0.0 and own.agrees and own.is_known():
            hint = f"They are the gradients of your own loss(W, b, x, y), too, {HOW}."
            return replace(found, hints=[*found.hints, hint])
        return found
    hint = f"{ANOTHER}: {own.in_words() or _one_entry(own)}."
    cost_is_said = {"COST", "OUTPUT"} & declared.declared
    if cost_is_said or own.rescaled or not own.is_known():
        return replace(found, hints=[*found.hints, hint])
    wrong = own.wrong
    return replace(
        found,
        outcome="fail",
        statement=hint,
        correct=[name for name in found.correct if name not in wrong],
        wrong=wrong,
        verdicts=own.verdicts,
        line_reason=NO_NETWORK,
        by_own_loss=True,
    )


ANOTHER = "Your loss(W, b, x, y) is not the one that your gradients belong to"


OF_NO_NETWORK = "Your own loss(W, b, x, y) is that of no network that can be declared"


def _one_entry(own: OwnLoss) -> str:
    """The entry that is farthest off in the first gradient that is not a slope."""
    first = next(verdict for verdict in own.verdicts if verdict.outcome == "fail")
    yours, due = first.values
    entry = f"{first.quantity}{list(first.worst_index)}"
    return f"the slope of {entry} is {due:.6g}, and yours is {yours:.6g}"


def unusable(own: OwnLoss, asked: Conventions) -> Diagnosis:
    """That the loss says nothing, where nothing else does."""
    return Diagnosis("untested", f"Your own loss is no help: {own.complaint}", asked=asked)

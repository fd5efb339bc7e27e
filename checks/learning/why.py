"""Why does mine not learn? One door for everybody's network: weights, data, and if they like a
step.

NumPy alone; nothing that is handed over is changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from backproof.checks.learning import by_doing, of_data, of_doing, rates
from backproof.checks.learning import given as handed_over
from backproof.checks.learning.answer import Answer
from backproof.checks.learning.by_doing import Course, StepFailed, our_step, their_step
from backproof.checks.learning.course import of_losses
from backproof.checks.learning.data_signs import DataSigns
from backproof.checks.learning.finding import Progress, Symptom
from backproof.checks.learning.flow import STARVED_IF_SLOW, STARVED_IN_VAIN, vanishing
from backproof.checks.learning.given import Arrays, Given
from backproof.checks.learning.history import read_history
from backproof.checks.learning.passes import run
from backproof.checks.learning.rates import RangeTest, range_test
from backproof.checks.learning.symptoms import judge
from backproof.checks.learning.trying import MakeStep, Tried, try_remedies
from backproof.checks.learning.vital_signs import MOST_ROWS, VitalSigns, vital_signs

# of the loss of knowing nothing: whoever is below it has learnt something in spite of large inputs
UNLEARNED = 0.9
# findings that a training which learns proves wrong: they are about what would keep it from that
REFUTED = frozenset(
    {
        "input-blind",
        "saturated",
        "stuck-at-prior",
        "too-few-steps",
        "vanishing",
        "exploding",
        "dead-units",
        "inputs-unscaled",
        "rate-too-large",
        "rate-too-small",
        "overflow",
        "diverged",
    }
)


def assert_learns(W: Arrays, b: Arrays | None, x: Any, y: Any, **settings: Any) -> Answer:
    """Raise AssertionError, with the findings, if something keeps a network from learning.

    Args:
        W, b, x, y, settings: those of `why`. With a `step`, it is also wrong if the training does
            not learn and nobody knows why.
    Returns: the answer, if nothing was found.
    Raises: AssertionError; and whatever `why` raises.
    """
    answer = why(W, b, x, y, **settings)
    if answer.outcome != "pass":
        raise AssertionError(f"\n{answer}")
    return answer


def why(
    W: Arrays,
    b: Arrays | None,
    x: Any,
    y: Any,
    *,
    hidden: str | Sequence[str] = "sigmoid",
    output: str | None = None,
    cost: str | None = None,
    history: Sequence[Any] | None = None,
    step: Callable[..., Any] | None = None,
    learning_rate: float | None = None,
    layout: str | None = None,
    time_limit: float = 5.0,
    try_remedies: bool = False,
) -> Answer:
    """Why a network does not learn, as far as its weights, its data and its training show it.

    Args:
        W, b: weights and biases, lists or dicts of arrays, (out, in) or (in, out); b may be None.
        x: one sample a row.
        y: labels, one-hot rows, or values.
        hidden: the hidden activation, or one for each hidden layer.
        output, cost: the head; left out, what fits the targets is taken, and told.
        history: losses, or a dict with "loss" and perhaps "accuracy" each, of a training that was.
        step: step(W, b, x, y, learning_rate) -> (W, b), or None after changing both in place; it is
            run on copies and watched. A step of four arguments has its learning rate inside.
        learning_rate: that the step is called with; left out, its default, or what a short test
            finds.
        layout: "out,in" or "in,out" of W; left out, recognised from the shapes.
        time_limit: seconds for watching, and as much again for trying.
        try_remedies: whether to try what each finding asks for.
    Returns: the findings, what was tried, and the course of the training.
    Raises: ValueError, in one line, for whatever does not fit together, and for a step that does
        not step.
    """
    taken = handed_over.take(W, b, x, y, hidden=hidden, output=output, cost=cost, layout=layout)
    rate = None if learning_rate is None else float(learning_rate)
    limit_s = float(time_limit)
    if step is None:
        return Door(taken, None, rate, limit_s).answer(history, try_remedies)
    inside = not by_doing.takes_rate(step)
    told = rate if rate is not None else by_doing.rate_told(step)
    maker = partial(_theirs, step)
    return Door(taken, maker, told, limit_s, inside).answer(history, try_remedies)


@dataclass
class Door:
    """All that is looked at for one answer.

    Attributes:
        given: the network and its data.
        make_step: makes their step for a network and its data; None where there is no step.
        rate: their learning rate, if it was told.
        limit_s: seconds for watching.
        inside: whether the learning rate is inside their step, which then takes none.
        finds_rate: the step by which a rate is looked for where none was told.
        remarks: to be told among the notes.
    """

    given: Given
    make_step: MakeStep | None
    rate: float | None
    limit_s: float
    inside: bool = False
    finds_rate: MakeStep = our_step
    remarks: list[str] = field(default_factory=list)

    def answer(self, history: Sequence[Any] | None, tries: bool) -> Answer:
        """Look at everything."""
        notes = [*self.remarks, *self.given.notes]
        N = len(self.given.x)
        if N > MOST_ROWS:
            notes.append(
                f"{MOST_ROWS} of {N:,} samples, taken evenly, were fed through the network"
            )
        data = DataSigns.of(self.given.x, self.given.Y, classes=self.given.classes)
        notes += _remarks(data, self.given)
        signs = self._signs(self.given)
        before = read_history(history)
        found = [*self._labels_off(), *of_data.data_symptoms(data, self.given.shape, self.given.K)]
        unlearned = not signs.loss < UNLEARNED * signs.prior_loss
        if unlearned:
            found += of_data.inputs_unscaled(data)
        found += self._of_network(signs, before)
        course = None
        if self.make_step is not None:
            course, found = self._by_doing(found, data, notes)
        else:
            right = self._right(self.given)
            found += of_doing.poor_minimum(self.given, signs, data, right, None)
        tried: list[Tried] = []
        if tries and found:
            rate = course.rate if course is not None else self.rate
            tried = try_remedies(
                found,
                self.given,
                self.make_step or our_step,
                self._told(rate),
                limit_s=2 * self.limit_s,
            )
        return Answer(
            tuple(found),
            tuple(tried),
            course,
            tuple(notes),
            signs,
            self._right(self._now(course)),
            float(data.frequencies[0]) if self.given.classes else math.nan,
            data.constant.size,
        )

    def _signs(self, of: Given) -> VitalSigns:
        shape = of.shape
        return vital_signs(
            of.W,
            of.b,
            of.x,
            of.Y,
            hidden=shape.hidden,
            output=shape.output,
            cost=shape.cost,
        )

    def _of_network(self, signs: VitalSigns, history: Sequence[Progress]) -> list[Symptom]:
        given = self.given
        found = judge(signs, given.x, self._labels(), history=history, ended=bool(history))
        return [*found, *of_losses(history, signs)]

    def _labels(self) -> np.ndarray:
        """As integers, for what is asked of classes alone."""
        if self.given.K > 1:
            return self.given.Y.argmax(axis=1)
        return np.unique(self.given.Y[:, 0], return_inverse=True)[1]

    def _labels_off(self) -> list[Symptom]:
        """Labels that count from 1, where the outputs are numbered from 0."""
        if not self.given.off_by:
            return []
        K = self.given.K
        return [
            Symptom(
                "targets-out-of-range",
                "the labels",
                f"they go from 1 to {K}; {K} outputs are numbered 0 to {K - 1}",
                "count from 1, so the last class has no output of its own",
                "Number them from 0: y = y - 1.",
                {"lowest": 1.0, "highest": float(K)},
                hopeless=True,
            )
        ]

    def _told(self, rate: float | None) -> float | None:
        """The rate for trying; none where it is inside their step or unknown."""
        if rate is None or not math.isfinite(rate):
            return None
        return rate

    def _by_doing(
        self, found: list[Symptom], data: DataSigns, notes: list[str]
    ) -> tuple[Course, list[Symptom]]:
        """Run their step, and add what that shows; what it refutes is taken back."""
        assert self.make_step is not None
        step = self.make_step(self.given)
        rate, chosen = self._rate(step, notes)
        by_doing.first_call(step, self.given, rate, max(self.limit_s, 1.0))
        suspected = any(symptom.name in REFUTED for symptom in found)
        enough = by_doing.WELL_LEARNT if suspected else by_doing.LEARNT
        course = by_doing.watch(self.given, step, rate, limit_s=self.limit_s, learnt=enough)
        if course.over == "learnt":
            return course, [symptom for symptom in found if symptom.name not in REFUTED]
        tested = self._range(step, course, chosen)
        found += of_doing.rate_too_large(course, tested)
        slow = list(of_doing.rate_too_small(course, tested))
        if slow:  # a larger rate goes on from here: it has not come to rest
            found = [symptom for symptom in found if symptom.name != "poor-minimum"]
        found += of_doing.overflowed(course)
        now = self._now(course)
        signs = self._signs(now)
        thrown = any(one.name in ("rate-too-large", "overflow") for one in found)
        if thrown:  # what the weights look like afterwards is an effect
            return course, _once_each(found)
        if math.isfinite(signs.loss):
            found += judge(signs, now.x, self._labels())
            if course.knows > UNLEARNED and course.last.step >= of_doing.ENOUGH_STEPS:
                found += vanishing(signs, STARVED_IF_SLOW if slow else STARVED_IN_VAIN)
            if not slow:
                found += of_doing.poor_minimum(now, signs, data, self._right(now), course)
        else:
            found += judge(signs, now.x, self._labels())
        found += slow  # behind what is in the weights, for which a larger rate makes up
        if not found and not course.learns:
            notes.append(
                f"the loss went from {course.first.loss:.4g} to {course.last.loss:.4g} in "
                f"{course.last.step} steps, and nothing that is known here keeps it from falling"
            )
        return course, _once_each(found)

    def _rate(self, step: by_doing.Step, notes: list[str]) -> tuple[float, bool]:
        """The learning rate to call their step with, and whether it was chosen here."""
        if self.inside:
            self.rate = by_doing.effective_rate(self.given, step)
            notes.append(f"step takes no learning rate: it moves like one of {self.rate:.3g}")
            return self.rate, False
        if self.rate is not None:
            return self.rate, False
        finder = self.finds_rate(self.given)
        best = range_test(self.given, finder, limit_s=self.limit_s / 2).best
        rate = best if math.isfinite(best) else 0.1
        notes.append(f"no learning rate was told: {rate:.2g} was found by a short test")
        return rate, True

    def _range(self, step: by_doing.Step, course: Course, chosen: bool) -> RangeTest | None:
        if chosen or not course.rate > 0 or not math.isfinite(course.rate):
            return None
        tried = our_step(self.given) if self.inside else step
        tested = range_test(self.given, tried, around=course.rate, limit_s=self.limit_s)
        if tested.gain < of_doing.BETTER * course.prior and course.knows > UNLEARNED:
            limit_s = 2 * self.limit_s  # a few steps are not enough to leave where it stands
            return range_test(
                self.given, tried, around=course.rate, limit_s=limit_s, most=rates.PATIENT
            )
        return tested

    def _now(self, course: Course | None) -> Given:
        if course is None:
            return self.given
        return replace(self.given, W=course.W, b=course.b)

    def _right(self, of: Given) -> float:
        if not of.classes:
            return math.nan
        some = slice(None, None, max(1, len(of.x) // 2048))
        with np.errstate(all="ignore"):
            p = run(of.x[some], of.Y[some], of.W, of.b, of.shape).p
        return by_doing.accuracy(p, of.Y[some])


def _theirs(call: Callable[..., Any], given: Given) -> by_doing.Step:
    """Their step for a network and data of which something was changed."""
    return their_step(call, given, by_doing.takes_rate(call))


def _remarks(data: DataSigns, given: Given) -> list[str]:
    """What is worth knowing and keeps nobody from learning."""
    if not data.constant.size:
        return []
    columns = ", ".join(str(column) for column in data.constant[:8])
    more = " ..." if data.constant.size > 8 else ""
    return [
        f"{data.constant.size} of {given.x.shape[1]} columns of x are constant ({columns}{more})"
    ]


def _once_each(found: Sequence[Symptom]) -> list[Symptom]:
    """The first of each name and place."""
    kept: dict[tuple[str, str], Symptom] = {}
    for symptom in found:
        kept.setdefault((symptom.name, symptom.where), symptom)
    return list(kept.values())


__all__ = ["StepFailed", "assert_learns", "why"]

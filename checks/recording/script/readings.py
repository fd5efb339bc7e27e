"""Readings of a step: which passes it is made of, what they are compared with, and by which cost.

Each reading gives the right gradients of the step. The one that explains best what the script takes
off, or what its lines compute, is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.heads import Head, costs_of
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import Page
from backproof.checks.recording.script import costs, losses, mistakes
from backproof.checks.recording.script.archive import CLOSE
from backproof.checks.recording.script.changes import (
    Change,
    by_factor,
    changes,
    few_by_lines,
    made_beside,
    made_by_lines,
    own_deltas,
)
from backproof.checks.recording.script.choices import choices
from backproof.checks.recording.script.climbs import climbing
from backproof.checks.recording.script.descent import Descent, are_alike, shared_descent
from backproof.checks.recording.script.other_losses import OwnLoss
from backproof.checks.recording.script.passes import Pass, Step
from backproof.checks.recording.script.recognised import NotRecognised, Recognised
from backproof.checks.recording.script.targets import Targets, candidates
from backproof.checks.recording.script.written import Written, conventional

ROUNDINGS = 200.0  # that a sample's share of a gradient may be off by, in its type's
ALIKE = 1e-4  # relative: magnitudes that are one number
FEWEST_SIGNS = 6  # that agree by no accident
MOST_NUMBERS = 1_000  # of a pass, that are looked for one by one
FUZZY = 0.02  # of a change: what is known no better says nothing of a gradient


@dataclass(frozen=True)
class Reading:
    """One reading of a step.

    Attributes:
        found: the network.
        step: which.
        passes: those that the update is made of.
        targets: what they are compared with.
        page: the right numbers, of the mean loss.
        written: the numbers that stand in the script.
        is_off: whether its gradients are known to be another multiple than any convention's.
        carried: parameters that lose once more what they lost at the step before.
        before: that step, where any does.
        loss: what is minimised, where that is no cost of the page: then its targets are such that
            the derivative which lines make is that of half a square.
    """

    found: Recognised
    step: Step
    passes: tuple[Pass, ...]
    targets: Targets
    page: Page
    written: Written
    is_off: bool = False
    carried: tuple[Quantity, ...] = ()
    before: Reading | None = None
    loss: OwnLoss | None = None

    @property
    def moments(self) -> tuple[int, ...]:
        """When its passes began, which tells them apart."""
        return tuple(one.began for one in self.passes)

    @property
    def head(self) -> Head:
        """The output and the cost."""
        return self.page.problem.head

    @property
    def L(self) -> int:
        """How many layers."""
        return self.page.problem.L

    @cached_property
    def changes(self) -> dict[Quantity, Change]:
        """What the step took off."""
        return changes(self.found, self.step)

    @cached_property
    def top(self) -> bool:
        """Whether the last layer's weights go down this cost's gradient, or lines compute it; of
        a single number, which is a multiple of any, at a rate that the script holds."""
        quantity = Quantity("dW", self.L)
        fit = self._fit(quantity)
        if self.is_off:
            return False
        if fit is None:
            some = any(factor > 0 for factor in self.made(quantity))
            return some and not self.is_single and (self.shows_error or self.shows_cost)
        return not self.is_single or self.written.has_rate(fit.rate, self.page)

    @property
    def is_compared(self) -> bool:
        """Whether a line compares the output with its targets, where that can be told: among single
        numbers there are some of any size."""
        gathered = self.found.gathered
        return gathered is None or gathered.targets([one.ended for one in self.passes]) is not None

    @property
    def is_single(self) -> bool:
        """Whether the output's delta is one number, so that any two are multiples."""
        return self.page.N == 1 and self.page.problem.sizes[-1] == 1

    @cached_property
    def is_alike(self) -> bool:
        """Whether it is at least a multiple of that, of whatever sign."""
        quantity = Quantity("dW", self.L)
        fits = self.changes[quantity].ratio(self.page.values[quantity]) is not None
        return not self.is_single and (fits or bool(self.made(quantity)))

    @property
    def shows_bias(self) -> bool:
        """Whether the last layer's biases lose a multiple of this cost's gradient, by a rate that
        the script holds."""
        quantity = Quantity("db", self.L)
        change = self.changes.get(quantity)
        if change is None or not self._tells(quantity) or self.hides(quantity):
            return False
        factor = change.ratio(self.page.values[quantity])
        return factor is not None and factor > 0 and self.written.has_rate(factor, self.page)

    @cached_property
    def shows_error(self) -> bool:
        """Whether a line makes the difference of the output and these targets."""
        begin = 0
        for one in self.passes:
            end = begin + len(one.p)
            Y = self.page.problem.Y[begin:end]
            seen = self.found.archive.has_multiple(Y - one.p, one.ended, self.step.until)
            if not seen and not self._has_numbers(Y - one.p, Y, one.ended):
                return False
            begin = end
        return True

    @cached_property
    def mistake(self) -> np.ndarray | None:
        """An error of this output that a line makes, and nobody means."""
        if not self.targets.are_labels or len(self.passes) > 1:
            return None
        one = self.passes[0]
        for error in mistakes.errors(one.z[-1], one.p, self.targets, self.head.is_softmax):
            some = self.found.archive.multiples(error, self.step.until)
            if any(each.made.time >= one.began for each in some):
                return error
        return None

    @property
    def shows_mistake(self) -> bool:
        """Whether a line makes an error of this output that nobody means."""
        return self.mistake is not None

    @cached_property
    def mistaken_descent(self) -> Descent | None:
        """How the last layer's weights go down what is made of that error; None where they do
        not, or there is none."""
        if self.mistake is None:
            return None
        below = self.page.values[Quantity("a", self.L - 1)] if self.L > 1 else self.page.problem.x
        change = self.changes[Quantity("dW", self.L)]
        return change.descent(self.mistake.T @ below / self.page.N, change.near)

    @property
    def takes_one(self) -> bool:
        """Whether the last layer's weights go down the gradient of one of several passes alone."""
        return self.is_of_one(Quantity("dW", self.L))

    def is_of_one(self, quantity: Quantity) -> bool:
        """Whether a step takes off a gradient of one of several passes alone, the last or the
        first, as where a loop keeps one of what it should add up."""
        layer = quantity.layer or self.L
        change = self.changes.get(quantity)
        if len(self.passes) < 2 or change is None or quantity.kind not in ("dW", "db"):
            return False
        n = len(self.passes[0].p)
        below = self.page.values[Quantity("a", layer - 1)] if layer > 1 else self.page.problem.x
        dz = self.page.values[Quantity("dz", layer)]
        for part in (slice(-n, None), slice(n)):
            alone = dz[part].T @ below[part] if quantity.kind == "dW" else dz[part].sum(axis=0)
            factor = change.ratio(alone)
            if factor is not None and factor > 0:
                return True
        return False

    def _has_numbers(self, error: np.ndarray, Y: np.ndarray, since: int) -> bool:
        """Whether lines make every entry of an error as a single number; where all targets are 0
        the outputs themselves would do."""
        if not Y.any() or error.size > MOST_NUMBERS:
            return False
        numbers = np.sort(self.found.archive.numbers(since, self.step.until))
        sizes = np.abs(error).reshape(-1)
        begin = np.searchsorted(numbers, sizes * (1 - CLOSE))
        end = np.searchsorted(numbers, sizes * (1 + CLOSE), side="right")
        return bool((end > begin).all())

    @cached_property
    def shows_cost(self) -> bool:
        """Whether the script computes this cost, of these targets."""
        return costs.is_computed(self)

    @property
    def shows_delta(self) -> bool:
        """Whether a line makes an array of which the last layer's change is made."""
        return bool(self.deltas)

    @cached_property
    def deltas(self) -> list[tuple[Made, float]]:
        """Those arrays, and by what their product is multiplied in the change."""
        change = self.changes[Quantity("dW", self.L)]
        began = self.passes[0].began
        return list(own_deltas(self.found, self.page, change, began, self.step.until))

    @cached_property
    def judged(self) -> tuple[dict[Quantity, bool], Descent | None]:
        """Which gradients are right, of all that were seen: by what the step takes off, where that
        is plain descent with one rate (and one weight decay); else by what the lines compute."""
        if self.is_off:
            return dict.fromkeys(self.changes, False), None
        if self.before is not None:
            rate = self.before.descent
            return {quantity: quantity not in self.carried for quantity in self.changes}, rate
        fits = {quantity: self._fit(quantity) for quantity in self.changes}
        many = [quantity for quantity in self.changes if self._tells(quantity)]
        if any(fits[quantity] is not None for quantity in many):
            telling = {quantity: fits[quantity] for quantity in many}
            shared = shared_descent(
                telling, lambda rate: self.written.has_rate(rate, self.page), self._is_literal
            )
            by_rate = {} if shared is None else self._by_rate(shared)
            is_rates = all(fits.values()) and all(self._own_factors(one) for one in self.changes)
            is_known = all(by_rate.values()) or not is_rates or by_rate == self._by_lines()
            if shared is not None and is_known:
                return by_rate, shared
            if not is_rates:
                raise NotRecognised(
                    "its layers go by several rates, and no lines hold the gradients themselves"
                )
        return self._by_lines(), None

    def _is_literal(self, rate: float) -> bool:
        """Whether the script holds a rate of the mean of a cost that nobody halves."""
        return not self.head.is_quadratic and self.written.has(rate)

    def _by_lines(self) -> dict[Quantity, bool]:
        """Which gradients lines make, all in the same multiple, and nothing adds to the weights."""
        computed = {quantity: self._own_factors(quantity) for quantity in self.changes}
        few = {one: self._few_factors(one) for one in self.changes}
        ratios = {one: change.ratio(self.page.values[one]) for one, change in self.changes.items()}
        known = {one: ratio for one, ratio in ratios.items() if ratio is not None and ratio < 0}
        up = [ratio for one, ratio in known.items() if self._tells(one)]
        for quantity in self.changes:
            climbs = any(are_alike(known.get(quantity, 0.0), ratio, ALIKE) for ratio in up)
            if climbs or quantity in self.climbing:  # added where it must be taken off
                computed[quantity] = few[quantity] = []
        for quantity in self.still:
            computed[quantity] = few[quantity] = []
        found = by_factor(computed, few)
        return {one: is_right or self.hides(one) for one, is_right in found.items()}

    def _by_rate(self, shared: Descent) -> dict[Quantity, bool]:
        """Which gradients go by a descent; or else are made by lines, and evened out."""
        found = {}
        for one in self.changes:
            found[one] = self._goes_by(one, shared) or self._is_evened_out(one)
        return found

    def _is_evened_out(self, quantity: Quantity) -> bool:
        """Whether lines make a gradient, and each of its entries is taken off in its own measure,
        as Adagrad does: with the signs of the gradient, and as large as others."""
        lost = self.changes[quantity].lost
        right = self.page.values[quantity]
        if lost.size < FEWEST_SIGNS or not losses.is_adaptive(lost) or not self.made(quantity):
            return False
        return bool((np.sign(lost) == np.sign(right)).all())

    def _few_factors(self, quantity: Quantity) -> list[float]:
        return few_by_lines(self.found, self.page.values[quantity], self.step.after)

    def _own_factors(self, quantity: Quantity) -> list[float]:
        """By what the right gradient is multiplied where lines make it, before it is multiplied by
        a rate of its own; a bias that is zero at first becomes that of the first step."""
        factors = self.made(quantity)
        fit = self._fit(quantity)
        if fit is None:
            return factors
        others = [one for one in factors if not are_alike(abs(one), fit.rate, 1e-4)]
        return others or [one for one in factors if one > 0]

    @property
    def rates(self) -> list[float]:
        """By what each parameter's gradient was multiplied and taken off, those of which that is
        known."""
        rates = [self.rate_of(quantity) for quantity in self.changes]
        return [rate for rate in rates if rate is not None]

    def rate_of(self, quantity: Quantity) -> float | None:
        """That of one parameter; None where it is not known."""
        fit = self._fit(quantity)
        return None if fit is None else fit.rate

    def _tells(self, quantity: Quantity) -> bool:
        """Whether a multiple of a gradient is one by no accident. Where all its entries are as
        large, as those of db of two outputs whose probabilities add up to 1, whatever looks at each
        entry alone (Adam, a sign, a clip) takes off a multiple."""
        sizes = np.abs(self.page.values[quantity])
        return sizes.size > 1 and float(np.ptp(sizes)) > ALIKE * float(sizes.max())

    def hides(self, quantity: Quantity) -> bool:
        """Whether a gradient is nothing but what rounding leaves of terms that cancel, or nothing
        at all, and nothing was lost."""
        if not self.page.values[quantity].any():
            change = self.changes[quantity]
            rounding = change.eps * ROUNDINGS * self._size(quantity) * self._most_a_unit(quantity)
            return bool(np.abs(change.lost).max(initial=0) <= rounding)
        return self.changes[quantity].eps * ROUNDINGS * self._cancels(quantity) > FUZZY

    @property
    def unshown(self) -> list[Quantity]:
        """The gradients that are so small that the step does not tell whether they are right."""
        return [one for one, is_right in self.seen.items() if is_right and self.hides(one)]

    @cached_property
    def climbing(self) -> frozenset[Quantity]:
        """The parameters that go up the loss, at the first of all steps."""
        if self.step is not self.found.steps[0]:
            return frozenset()
        made = [quantity for quantity in self.changes if self.made(quantity)]
        shown = {one: change for one, change in self.changes.items() if not self.hides(one)}
        return climbing(shown, self.page.values, made)

    @cached_property
    def still(self) -> frozenset[Quantity]:
        """The biases that have a gradient, and that nothing ever changes."""
        found = set()
        for number, layer in enumerate(self.found.layers, start=1):
            quantity = Quantity("db", number)
            stays = layer.has_bias and layer.b is not None and not layer.b.ever_differs
            if stays and not self.hides(quantity):
                found.add(quantity)
        return frozenset(found)

    @property
    def seen(self) -> dict[Quantity, bool]:
        """Which gradients are right."""
        return self.judged[0]

    @property
    def descent(self) -> Descent | None:
        """The descent that the parameters share."""
        return self.judged[1]

    @cached_property
    def has_rate(self) -> bool:
        """Whether the rate that it implies is a number of the script's."""
        rate = self.descent
        return rate is not None and self.written.has_rate(rate.rate, self.page)

    @cached_property
    def descends(self) -> bool:
        """Whether the last layer's weights lose a multiple of this cost's gradient."""
        return self.top and self._fit(Quantity("dW", self.L)) is not None

    @property
    def score(self) -> tuple[bool, bool, bool, int, bool, bool, bool, bool]:
        """How well it explains what the script computes."""
        count = sum(self.seen.values())
        return (
            self.has_rate and count > 0,
            self.top,
            self.descends,
            count if self.top else 0,
            self.is_alike or self.takes_one,
            self.shows_error or self.shows_mistake,
            self.shows_cost,
            bool(count),
        )

    def loses_other(self, quantity: Quantity) -> np.ndarray:
        """Which entries of a parameter lose something else than a descent takes off."""
        change = self.changes[quantity]
        if self.descent is None:
            return np.ones(change.lost.shape, bool)
        due = self.page.values[quantity]
        if quantity.kind == "dW":
            due = due + self.descent.decay * change.before
        off = np.abs(change.lost - self.descent.rate * due)
        return np.asarray(off > ALIKE * np.abs(change.lost).max(initial=0))

    def _goes_by(self, quantity: Quantity, shared: Descent) -> bool:
        """Whether a parameter lost what a descent takes off, with its decay or without; as near as
        the roundings of each sample's share let it be."""
        change = self.changes[quantity]
        right = self.page.values[quantity]
        rounding = change.eps * ROUNDINGS * self._size(quantity)
        near = max(change.near * float(np.abs(change.lost).max(initial=0)), shared.rate * rounding)
        for decay in {0.0, shared.decay}:
            wanted = shared.rate * (right + decay * change.before)
            allowed = near + shared.near * float(np.abs(wanted).max(initial=0))
            if np.abs(change.lost - wanted).max(initial=0) <= allowed:
                return True
        return False

    def _fit(self, quantity: Quantity) -> Descent | None:
        change = self.changes[quantity]
        near = max(change.near, change.eps * ROUNDINGS * self._cancels(quantity))
        if near > FUZZY:
            return None
        return change.descent(self.page.values[quantity], near)

    def _most_a_unit(self, quantity: Quantity) -> float:
        """How much a layer's weights lose for a gradient of 1."""
        weights = Quantity("dW", quantity.layer)
        due = float(np.abs(self.page.values[weights]).max(initial=0))
        return float(np.abs(self.changes[weights].lost).max(initial=0)) / (due or np.inf)

    def _cancels(self, quantity: Quantity) -> float:
        """How many times larger the sum over samples is if its terms lose their signs."""
        largest = float(np.abs(self.page.values[quantity]).max(initial=0))
        return self._size(quantity) / (largest or 2.0**-1000)

    def _size(self, quantity: Quantity) -> float:
        """The largest entry of a gradient if the terms of its sum lose their signs."""
        layer = quantity.layer or self.L
        dz = np.abs(self.page.values[Quantity("dz", layer)])
        below = self.page.values[Quantity("a", layer - 1)] if layer > 1 else self.page.problem.x
        whole = dz.T @ np.abs(below) if quantity.kind == "dW" else dz.sum(axis=0)
        return float(whole.max(initial=0))

    def made(self, quantity: Quantity) -> list[float]:
        """By what the right gradient is multiplied where lines make it."""
        usual = {1 / factor for factor in conventional(self.page)}
        right = self.page.values[quantity]
        until = self.step.after
        alone = made_by_lines(self.found, right, until, usual)
        return alone + made_beside(self.found, quantity, right, until)


def readings(found: Recognised, step: Step, written: Written) -> list[Reading]:
    """All readings of a step that anything speaks for, the likeliest first."""
    tried: list[Reading] = []
    for passes in choices(found, step):
        for targets in candidates(found, passes, step.until):
            for head in heads(found.network.output):
                if targets.are_labels or head.is_quadratic:
                    one = reading_of(found, step, passes, targets, head, written)
                    if one is not None and (targets.are_labels or _is_likely(one)):
                        tried.append(one)
    return sorted(tried, key=lambda one: one.score, reverse=True)


def _is_likely(one: Reading) -> bool:
    if one.top or one.is_alike or one.shows_error:
        return True
    return one.shows_cost or one.shows_bias


def heads(output: str) -> list[Head]:
    """The costs that may stand behind an output; those that differ by a factor alone once."""
    return [Head(output, cost) for cost in costs_of(output) if cost != "half-quadratic"]


def reading_of(
    found: Recognised,
    step: Step,
    passes: Sequence[Pass],
    targets: Targets,
    head: Head,
    written: Written,
) -> Reading | None:
    """One reading; None where the targets are none that the cost may have."""
    Y = targets.Y
    if head.is_softmax and not head.is_quadratic and not np.allclose(Y.sum(axis=1), 1):
        return None
    x = np.concatenate([one.input.rows for one in passes])
    numbers = [layer.numbers(step.since) for layer in found.layers]
    W = {number: pair[0] for number, pair in enumerate(numbers, start=1)}
    b = {number: pair[1] for number, pair in enumerate(numbers, start=1)}
    y = Y.argmax(axis=1) if _is_one_hot(targets) else Y
    problem = Problem(x, y, W, b, head=head, hidden=found.network.hidden, name="watched")
    return Reading(found, step, tuple(passes), targets, Page(problem, 1.0 / len(x)), written)


def _is_one_hot(targets: Targets) -> bool:
    """Whether each sample has one class of several."""
    one_each = bool((np.round(targets.Y).sum(axis=1) == 1).all())
    return targets.are_labels and targets.Y.shape[1] > 1 and one_each

"""The remedies that findings name, tried: the same training once as it is and once with the one
change, for as many steps.

A remedy is a function from what was given to what is tried, under `@remedy` with the names of the
findings that it is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.learning.by_doing import Course, Step, our_step, watch, with_data
from backproof.checks.learning.data_signs import DataSigns
from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.given import Given
from backproof.checks.learning.of_data import pixels
from backproof.checks.learning.rates import range_test
from backproof.checks.learning.related import standardised

# of the loss without it, both in units of knowing nothing: less is jitter
HELPED = 0.9
RISEN = 0.02  # or so much more of the samples right
STEPS = 3000  # at most, and as many as the time allows
USUAL_RATE = 0.1  # where nobody told one: what most people write first
SEEDS = 5  # first weights that are drawn before a start counts as unlucky


@dataclass(frozen=True)
class Tried:
    """What a remedy did.

    Attributes:
        symptom: the name of the finding.
        change: what was changed, to be read after "with".
        steps: that both trainings took.
        loss, accuracy: after the change; the accuracy is NaN for values.
        loss_before, accuracy_before: without it.
        helped: whether it made a difference that is no jitter.
    """

    symptom: str
    change: str
    steps: int
    loss: float
    accuracy: float
    loss_before: float
    accuracy_before: float
    helped: bool

    def __str__(self) -> str:
        after = f"loss {self.loss:.4g} after the same {self.steps} steps"
        before = f"{self.loss_before:.4g} without"
        if math.isfinite(self.accuracy):
            after = f"{self.accuracy:.1%} right, {after}"
            before = f"{self.accuracy_before:.1%} and {before}"
        word = "helps" if self.helped else "does not help"
        return f"{self.symptom}: with {self.change}: {after} ({before}): {word}"


@dataclass(frozen=True)
class Change:
    """What is to be tried.

    Attributes:
        words: to be read after "with".
        given: the network and the data with the change.
        rate: another learning rate; None for the same.
        ours: whether their step cannot run it, so that ours does.
    """

    words: str
    given: Given
    rate: float | None = None
    ours: bool = False


Remedy = Callable[[Given, Symptom], Iterator[Change]]
MakeStep = Callable[[Given], Step]
REMEDIES: dict[str, list[Remedy]] = {}


def remedy(*names: str) -> Callable[[Remedy], Remedy]:
    """Register a remedy for findings of these names, in the order in which they are tried."""

    def register(function: Remedy) -> Remedy:
        for name in names:
            REMEDIES.setdefault(name, []).append(function)
        return function

    return register


@remedy("inputs-unscaled", "saturated", "overflow", "dead-units", "exploding")
def scaled_inputs(given: Given, symptom: Symptom) -> Iterator[Change]:
    """Pictures divided by their largest number, other columns standardised."""
    size = float(np.sqrt(np.square(given.x).mean()))
    if symptom.name != "inputs-unscaled" and 0.1 < size < 3:
        return
    signs = DataSigns.of(given.x, given.Y, classes=given.classes)
    if pixels(signs):
        largest = float(given.x.max())
        yield Change(f"inputs divided by {largest:g}", with_data(given, given.x / largest))
    else:
        words = "every column of x at mean 0 and deviation 1"
        yield Change(words, with_data(given, standardised(given.x)))


@remedy(
    "input-blind",
    "symmetric-units",
    "saturated",
    "stuck-at-prior",
    "vanishing",
    "exploding",
    "dead-units",
    "overflow",
    "diverged",
    "poor-minimum",
)
def other_weights(given: Given, symptom: Symptom) -> Iterator[Change]:
    """Every weight drawn on its own around zero, in the size that keeps sizes; biases 0."""
    tries = SEEDS if symptom.name == "poor-minimum" else 1
    for seed in range(tries):
        yield Change(f"weights drawn anew, {_drawn(given)}", fresh(given, seed))


@remedy("dead-units", "overflow", "saturated", "inputs-unscaled")
def fresh_and_scaled(given: Given, symptom: Symptom) -> Iterator[Change]:
    """Standardised inputs under fresh weights of He's size."""
    drawn = fresh(with_data(given, standardised(given.x)), 0)
    yield Change(f"standardised inputs and weights drawn anew, {_drawn(given)}", drawn)


@remedy("vanishing", "stuck-at-prior")
def another_activation(given: Given, symptom: Symptom) -> Iterator[Change]:
    """tanh in place of what is there, under fresh weights."""
    if set(given.shape.hidden) != {"tanh"}:
        changed = replace(
            given, shape=replace(given.shape, hidden=("tanh",) * len(given.shape.hidden))
        )
        words = f"tanh in the hidden layers (our step) and weights drawn anew, {_drawn(changed)}"
        yield Change(words, fresh(changed, 0), ours=True)


@remedy("poor-minimum")
def more_units(given: Given, symptom: Symptom) -> Iterator[Change]:
    """Four times the hidden units, at least eight."""
    sizes = [given.x.shape[1]]
    sizes += [max(8, 4 * len(given.b[layer])) for layer in range(1, len(given.b))]
    sizes.append(given.K)
    words = f"{sizes[1]} units in the hidden layer, weights drawn anew"
    yield Change(words, drawn_anew(given, sizes, 0))


@remedy("targets-out-of-range")
def scaled_targets(given: Given, symptom: Symptom) -> Iterator[Change]:
    """Targets moved and stretched into what the output can answer."""
    activation = given.shape.output_activation
    low = max(activation.lowest, -1.0) if given.shape.output != "softmax" else 0.0
    high = min(activation.highest, 1.0)
    margin = 0.1 * (high - low)
    least = given.Y.min()
    reach = given.Y.max() - least
    if reach > 0:
        Y = low + margin + (high - low - 2 * margin) * (given.Y - least) / reach
        words = f"targets scaled into {low + margin:.2g} to {high - margin:.2g}"
        yield Change(words, with_data(given, given.x, Y))
    linear = replace(given, shape=replace(given.shape, output="linear", cost="quadratic"))
    yield Change("a linear output (our step)", linear, ours=True)


@remedy("rate-too-large", "rate-too-small", "overflow")
def other_rate(given: Given, symptom: Symptom) -> Iterator[Change]:
    """The rate that the finding suggests."""
    suggested = symptom.measures.get("suggested", math.nan)
    if math.isfinite(suggested):
        yield Change(f"the learning rate {suggested:.2g}", given, rate=suggested)


@remedy("diverged", "too-few-steps", "exploding", "vanishing", "inputs-unscaled")
def best_rate(given: Given, symptom: Symptom) -> Iterator[Change]:
    """The best rate of a short test."""
    best = range_test(given, our_step(given), limit_s=1.0).best
    if math.isfinite(best):
        yield Change(f"the learning rate {best:.2g}", given, rate=best)


def _drawn(given: Given) -> str:
    """How weights are drawn anew, as it would be written."""
    gains = {round(GAINS.get(name, 1.0), 2): name for name in given.shape.hidden}
    sizes = [f"{gain:g} / sqrt(n_in) below {name}" for gain, name in gains.items()]
    return f"normal of deviation {', '.join([*sizes, '1 / sqrt(n_in) at the output'])}, biases 0"


def fresh(given: Given, seed: int) -> Given:
    """The same network with every weight drawn anew."""
    sizes = [given.x.shape[1], *(len(given.b[layer]) for layer in given.b)]
    return drawn_anew(given, sizes, seed)


def drawn_anew(given: Given, sizes: Sequence[int], seed: int) -> Given:
    """A network of these sizes: normal weights of deviation gain / sqrt(n_in), where the gain is
    what the activation above needs, and biases 0."""
    random = np.random.default_rng([seed, *sizes])
    W = {}
    b = {}
    for layer in range(1, len(sizes)):
        gain = 1.0
        if layer < len(sizes) - 1:
            gain = GAINS.get(given.shape.hidden[layer - 1], 1.0)
        spread = gain / math.sqrt(sizes[layer - 1])
        W[layer] = random.normal(size=(sizes[layer], sizes[layer - 1])) * spread
        b[layer] = np.zeros(sizes[layer])
    return replace(given, W=W, b=b)


# of the standard deviation: He's for those that are 0 on one side, and four for a sigmoid, whose
# slope is a fourth
GAINS = {
    "relu": math.sqrt(2),
    "leaky-relu": math.sqrt(2),
    "elu": 1.2,
    "silu": 1.6,
    "gelu": 1.5,
    "gelu-tanh": 1.5,
    "sigmoid": 4.0,
    "bipolar-sigmoid": 2.0,
}


def try_remedies(
    found: Sequence[Symptom],
    given: Given,
    make_step: MakeStep,
    rate: float | None,
    *,
    limit_s: float,
) -> list[Tried]:
    """For each finding, its remedies in turn until one helps; at the rate that was given and, where
    that does not help, at the best rate of a short test.

    Args:
        found: the findings.
        given: the network and its data.
        make_step: makes a step for a network and data: `our_step`, or theirs.
        rate: theirs; None for USUAL_RATE.
        limit_s: seconds for all of it.
    Returns: one for each finding that has a remedy that can be tried.
    """
    share = limit_s / (2 * len(found) + 2)
    runner = Runner(given, make_step, rate if rate is not None else USUAL_RATE, share)
    return [tried for symptom in found if (tried := runner.best_of(symptom)) is not None]


class Runner:
    """Runs the training as it is once, and then each change for as many steps.

    Args:
        given, make_step, rate: as of `try_remedies`.
        share_s: seconds for one training.
    """

    def __init__(self, given: Given, make_step: MakeStep, rate: float, share_s: float) -> None:
        self._given = given
        self._make_step = make_step
        self._rate = rate
        self._share_s = share_s
        start = self._train(given, rate, STEPS, ours=False)
        self._steps = start.last.step if start.over == "time" else STEPS
        self._before = start

    def best_of(self, symptom: Symptom) -> Tried | None:
        """The first change that helps, or else the one that did best; None where nothing can be
        tried."""
        best: Tried | None = None
        for make in REMEDIES.get(symptom.name, []):
            for change in make(self._given, symptom):
                for tried in self._at_rates(symptom, change):
                    if best is None or tried.helped or _score(tried) < _score(best):
                        best = tried
                    if tried.helped:
                        return tried
        return best

    def _at_rates(self, symptom: Symptom, change: Change) -> Iterator[Tried]:
        steps = self._steps
        first = change.rate if change.rate is not None else self._rate
        yield self._compare(symptom, change, change.words, first, steps)
        if change.rate is None:
            step = our_step(change.given)
            best = range_test(change.given, step, limit_s=self._share_s).best
            if math.isfinite(best):
                words = f"{change.words} and the learning rate {best:.2g}"
                yield self._compare(symptom, change, words, best, steps)

    def _compare(
        self, symptom: Symptom, change: Change, words: str, rate: float, steps: int
    ) -> Tried:
        after = self._train(change.given, rate, steps, ours=change.ours)
        before = self._before
        gained = after.last.accuracy - before.last.accuracy
        fallen = after.knows < HELPED * before.knows
        helped = bool(fallen or gained > RISEN) and math.isfinite(after.knows)
        if symptom.name == "poor-minimum":
            helped = helped and gained > RISEN
        return Tried(
            symptom.name,
            words,
            after.last.step,
            after.last.loss,
            after.last.accuracy,
            before.last.loss,
            before.last.accuracy,
            helped,
        )

    def _train(self, given: Given, rate: float, steps: int, *, ours: bool) -> Course:
        make = our_step if ours else self._make_step
        return watch(given, make(given), rate, limit_s=self._share_s, steps=steps, learnt=0.0)


def _score(tried: Tried) -> float:
    return tried.loss if math.isfinite(tried.loss) else math.inf

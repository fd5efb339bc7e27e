"""A training, run and watched: on their data, from their weights, by their step or by ours, until
it is clear what comes of it or the time is over."""

from __future__ import annotations

import inspect
import itertools
import math
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backproof.checks.learning import passes
from backproof.checks.learning.activations import slope
from backproof.checks.learning.given import Given
from backproof.checks.learning.passes import Layers, Shape

FULL_BATCH = 512  # samples up to which a step takes all of them
BATCH = 64  # samples of a step where there are more
MOST_STEPS = 20_000
MOST_LOOKED_AT = 256  # samples on which a training is looked at
# of the loss of knowing nothing: half of what is to be known is known
LEARNT = 0.5
# the same where something was found before: it takes nearly all that is to be known to refute that
WELL_LEARNT = 0.1
# times the loss of knowing nothing, and times that of the start: hardly anything comes back
LOST = 50.0
# steps, at least, for which it stays there: one large step may be made good by the next
LOST_FOR = 30


class StepFailed(ValueError):
    """Their step did not do what a step does; the text says what it did."""


@dataclass(frozen=True)
class Glance:
    """What a training looks like at one moment.

    Attributes:
        step: how many steps were over.
        loss, accuracy: on the samples looked at; the accuracy is NaN for values.
        output_spread: the largest difference that any two samples make to an output.
        flat: of each hidden layer, which part of its slopes is below 8% of the steepest.
        gradients: |dW| of each layer.
        updates: |change of W| of each layer since the look before, a step, in units of |W|.
    """

    step: int
    loss: float
    accuracy: float
    output_spread: float
    flat: tuple[float, ...]
    gradients: tuple[float, ...]
    updates: tuple[float, ...]


@dataclass(frozen=True)
class Course:
    """A training from its first look to its last.

    Attributes:
        glances: in order; the first one before any step.
        rate: the learning rate; NaN where it is inside their step.
        batch: samples a step.
        prior: the loss of answering the mean of the targets.
        warnings: what NumPy warned of in their step, with the line.
        W, b: afterwards.
        seconds: that it took.
        over: "learnt", "diverged", "steps" or "time".
    """

    glances: tuple[Glance, ...]
    rate: float
    batch: int
    prior: float
    warnings: tuple[str, ...]
    W: Layers
    b: Layers
    seconds: float
    over: str

    @property
    def first(self) -> Glance:
        """Before any step."""
        return self.glances[0]

    @property
    def last(self) -> Glance:
        """After the last step."""
        return self.glances[-1]

    @property
    def knows(self) -> float:
        """The last loss in units of that of knowing nothing."""
        if not math.isfinite(self.last.loss):
            return math.inf
        return self.last.loss / self.prior if self.prior > 0 else 0.0

    @property
    def learns(self) -> bool:
        """Whether the loss fell by what jitter does not explain, below that of knowing nothing."""
        if self.over == "learnt" or self.knows < WELL_LEARNT:
            return True
        return self.last.loss < 0.9 * min(self.first.loss, self.prior)


Step = Callable[[Layers, Layers, np.ndarray, float], tuple[Layers, Layers]]


def our_step(given: Given) -> Step:
    """Plain gradient descent with our own gradients: (W, b, rows, rate) -> (W, b)."""

    def step(W: Layers, b: Layers, rows: np.ndarray, rate: float) -> tuple[Layers, Layers]:
        back = passes.run(given.x[rows], given.Y[rows], W, b, given.shape)
        return (
            {layer: W[layer] - rate * back.dW[layer] for layer in W},
            {layer: b[layer] - rate * back.db[layer] for layer in b},
        )

    return step


def their_step(call: Callable[..., Any], given: Given, takes_rate: bool) -> Step:
    """Their step, spoken to in their own form: fresh copies in, W and b out."""

    def step(W: Layers, b: Layers, rows: np.ndarray, rate: float) -> tuple[Layers, Layers]:
        theirs = given.form.theirs(W, b)
        x = given.x[rows].copy()
        y = given.y[rows].copy()
        try:
            made = call(*theirs, x, y, rate) if takes_rate else call(*theirs, x, y)
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            raise StepFailed(
                f"step: expected (W, b) or None, got {type(error).__name__}: {error} (line "
                f"{at.lineno}: {at.line})."
            ) from error
        after = theirs if made is None else made
        if not isinstance(after, tuple | list) or len(after) != 2:
            raise StepFailed(
                f"step: expected (W, b), or None after changing both in place, got "
                f"{type(made).__name__}. Return both."
            )
        try:
            W_after, b_after = given.form.ours(*after)
        except (ValueError, TypeError, IndexError) as error:
            raise StepFailed(
                f"step: expected W and b in the form in which they came, got {error}."
            ) from error
        shapes = [array.shape for array in W_after.values()]
        if shapes != [array.shape for array in W.values()]:
            raise StepFailed(f"step: expected weights of the shapes that they had, got {shapes}.")
        return W_after, b_after

    return step


def takes_rate(call: Callable[..., Any]) -> bool:
    """Whether a step wants the learning rate as its fifth argument."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return True
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return True
    return (
        sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters) > 4
    )


def rate_told(call: Callable[..., Any]) -> float | None:
    """The learning rate that a step has as the default of its fifth argument."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return None
    if len(parameters) > 4 and isinstance(parameters[4].default, int | float):
        return float(parameters[4].default)
    return None


def first_call(step: Step, given: Given, rate: float, limit_s: float) -> float:
    """Make one step with a limit of time, and see that it moves something.

    Returns: the seconds that it took.
    Raises: StepFailed for a step that takes too long, fails, or changes nothing though there is a
        gradient.
    """
    rows = batches(given, 0)[0]
    found: list[Any] = []

    def call() -> None:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found.append(step(given.W, given.b, rows, rate))
            except StepFailed as error:
                found.append(error)

    start = time.perf_counter()
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(limit_s)
    seconds = time.perf_counter() - start
    if thread.is_alive():
        raise StepFailed(
            f"step: expected one call within {limit_s:.0f} s, got none on {len(rows)} samples. "
            "Give fewer rows, or a larger time_limit."
        )
    if isinstance(found[0], StepFailed):
        raise found[0]
    moved = any((found[0][0][layer] != given.W[layer]).any() for layer in given.W)
    with np.errstate(all="ignore"):
        back = passes.run(given.x[rows], given.Y[rows], given.W, given.b, given.shape)
    pulled = max(float(np.abs(back.dW[layer]).max()) for layer in back.dW)
    if not moved and pulled > 1e-9 and rate > 1e-9:
        raise StepFailed(
            "step: expected changed weights, got W as it was. Return (W, b), or change them in "
            "place (W -= ... does, W = W - ... does not)."
        )
    return seconds


def batches(given: Given, seed: int) -> list[np.ndarray]:
    """The rows of each step of an epoch: all of them, or shuffled batches where there are many."""
    N = len(given.x)
    size = given.batch
    if size is None:
        size = N if N <= FULL_BATCH else BATCH
    if size >= N:
        return [np.arange(N)]
    order = np.random.default_rng(seed).permutation(N)
    return [order[at : at + size] for at in range(0, N - size + 1, size)]


def each_batch(given: Given) -> Iterator[np.ndarray]:
    """The rows of one step after the other, without an end."""
    seed = 0
    while True:
        yield from batches(given, seed)
        seed += 1


def watch(
    given: Given,
    step: Step,
    rate: float,
    *,
    limit_s: float,
    steps: int = MOST_STEPS,
    learnt: float = LEARNT,
) -> Course:
    """Train and look, at first after every step and then ever more seldom.

    Args:
        given: the network and its data; nothing of it is changed.
        step: what one step does.
        rate: the learning rate.
        limit_s: seconds after which it ends.
        steps: after which it ends.
        learnt: it ends once the loss is below this part of that of knowing nothing; 0 for never.
    Returns: the course of the training.
    """
    start = time.perf_counter()
    W = given.W
    b = given.b
    looked = given.x, given.Y
    if len(given.x) > MOST_LOOKED_AT:
        some = np.linspace(0, len(given.x) - 1, MOST_LOOKED_AT).astype(np.int64)
        looked = given.x[some], given.Y[some]
    prior = passes.constant_loss(looked[1], given.shape)
    rows = each_batch(given)
    over = "steps"
    with np.errstate(all="ignore"):
        glances = [_glance(0, W, b, *looked, given, None, 1)]
    due = 1
    before = W
    since = 0
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
        warnings.simplefilter("always")
        for count in range(1, steps + 1):
            W, b = step(W, b, next(rows), rate)
            if count < due and count != steps and time.perf_counter() - start < limit_s:
                continue
            with np.errstate(all="ignore"):
                glances.append(_glance(count, W, b, *looked, given, before, count - since))
            before = W
            since = count
            due = count + max(1, count // 8)
            over = _over(glances, prior, learnt)
            if over == "steps" and time.perf_counter() - start >= limit_s:
                over = "time"
            if over != "steps":
                break
    said = tuple(dict.fromkeys(_said(one) for one in caught if one.category is RuntimeWarning))
    size = len(batches(given, 0)[0])
    seconds = time.perf_counter() - start
    return Course(tuple(glances), rate, size, prior, said[:4], W, b, seconds, over)


def effective_rate(given: Given, step: Step) -> float:
    """The learning rate inside a step that takes none: how far it goes along the gradient, in units
    of the gradient."""
    rows = batches(given, 0)[0]
    with np.errstate(all="ignore"):
        W, _ = step(given.W, given.b, rows, math.nan)
        back = passes.run(given.x[rows], given.Y[rows], given.W, given.b, given.shape)
    along = sum(float(((given.W[at] - W[at]) * back.dW[at]).sum()) for at in W)
    square = sum(float(np.square(back.dW[at]).sum()) for at in W)
    return along / square if square > 0 else math.nan


def _over(glances: list[Glance], prior: float, learnt: float) -> str:
    last = glances[-1]
    if not math.isfinite(last.loss):
        return "diverged"
    most = LOST * max(prior, glances[0].loss)
    kept = itertools.takewhile(lambda one: one.loss > most, reversed(glances))
    since = min((one.step for one in kept), default=last.step)
    if last.step >= 2 * since + LOST_FOR:
        return "diverged"
    lost = any(one.loss > most for one in glances)
    # what was thrown about may come by for a moment
    known = min(learnt, WELL_LEARNT) if lost else learnt
    if all(one.loss < known * prior for one in glances[-2 if lost else -1 :]):
        return "learnt"
    return "steps"


def _glance(
    count: int,
    W: Layers,
    b: Layers,
    x: np.ndarray,
    Y: np.ndarray,
    given: Given,
    before: Layers | None,
    steps: int,
) -> Glance:
    shape: Shape = given.shape
    seen = passes.run(x, Y, W, b, shape)
    flat = []
    for layer in range(1, len(W)):
        activation = shape.activation(layer)
        slopes = np.abs(slope(activation, seen.z[layer]))
        flat.append(float((slopes < 0.08 * activation.steepest).mean()))
    updates = tuple(0.0 for _ in W)
    if before is not None:
        updates = tuple(_moved(W[layer], before[layer]) / steps for layer in W)
    return Glance(
        count,
        float(seen.losses.mean()),
        accuracy(seen.p, Y) if given.classes else math.nan,
        float((seen.p.max(axis=0) - seen.p.min(axis=0)).max()),
        tuple(flat),
        tuple(float(np.sqrt(np.square(seen.dW[layer]).sum())) for layer in W),
        updates,
    )


def accuracy(p: np.ndarray, Y: np.ndarray) -> float:
    """Which part of the samples has its class named: the largest output, or the nearer side of a
    single one."""
    if Y.shape[1] > 1:
        return float((p.argmax(axis=1) == Y.argmax(axis=1)).mean())
    middle = (Y.max() + Y.min()) / 2
    return float(((p[:, 0] > middle) == (Y[:, 0] > middle)).mean())


def _moved(now: np.ndarray, before: np.ndarray) -> float:
    length = float(np.sqrt(np.square(before).sum()))
    change = float(np.sqrt(np.square(now - before).sum()))
    return change / length if length > 0 else math.nan


def _said(warning: warnings.WarningMessage) -> str:
    return f"{warning.message} (line {warning.lineno})"


def with_data(given: Given, x: np.ndarray, Y: np.ndarray | None = None) -> Given:
    """The same network with other samples, or other targets, too."""
    if Y is None:
        return replace(given, x=x)
    y = Y if given.y.ndim == 2 else Y[:, 0]
    return replace(given, x=x, Y=Y, y=y)

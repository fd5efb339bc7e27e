"""A loss that is none of the known costs. Where its derivative is that of a loss that people train
with, everything is judged by it; of any other, what a line makes is taken for it, and what goes
back from that through the layers is looked at, whatever the loss may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.heads import Head
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import ratio
from backproof.checks.recording.script.changes import Change, changes
from backproof.checks.recording.script.choices import choices
from backproof.checks.recording.script.losses import weights_of_classes
from backproof.checks.recording.script.other_losses import OwnLoss, Setting, Slope, slopes
from backproof.checks.recording.script.passes import Pass, Step, output_of
from backproof.checks.recording.script.readings import Reading, reading_of, readings
from backproof.checks.recording.script.recognised import Recognised
from backproof.checks.recording.script.targets import Targets, candidates
from backproof.checks.recording.script.written import Written

FEWEST = 6  # numbers that are a derivative's by no accident
FEWEST_MORE = 3  # samples than classes
MOST_DELTAS = 6
MOST_TARGETS = 30
MOST_NUMBERS = 40
MOST_WORK = 100_000_000  # entries of logits, times what is tried with them
NEAR = 1e-6  # relative, as where a small number is added to a logarithm
LINEAR = Head("linear", "quadratic")
WHAT_RETURNS = "what a line returns"


@dataclass(frozen=True)
class _Top:
    """What comes out of a step's passes, and what the last weights lose by it.

    Attributes:
        network: whose output is its logits.
        step, passes: of it.
        z: logits, one sample a row.
        below: what the last layer takes.
        change: of the last layer's weights.
        written: the numbers of the script.
    """

    network: Recognised
    step: Step
    passes: tuple[Pass, ...]
    z: np.ndarray
    below: np.ndarray
    change: Change
    written: Written

    @staticmethod
    def of(network: Recognised, step: Step, passes: tuple[Pass, ...], written: Written) -> _Top:
        z = np.concatenate([one.z[-1] for one in passes])
        depth = len(network.layers)
        below = np.concatenate([one.a[-2] if depth > 1 else one.input.rows for one in passes])
        change = changes(network, step)[Quantity("dW", depth)]
        return _Top(network, step, passes, z, below, change, written)

    def reading(self, dz: np.ndarray, loss: OwnLoss, targets: Targets) -> Reading | None:
        """By half squares that have this derivative, against targets beside the logits."""
        beside = Targets(targets.name, self.z - dz * len(dz) / 2, False)
        some = self.network, self.step, self.passes, beside, LINEAR, self.written
        one = reading_of(*some)
        return one and replace(one, loss=loss, targets=targets)

    def deltas(self) -> list[tuple[str, np.ndarray]]:
        """What lines make and the last layer's change is made of, with its name."""
        nothing = Targets("", np.zeros(self.z.shape), False)
        base = self.reading(nothing.Y, OwnLoss(""), nothing)
        found = []
        for made, factor in base.deltas[:MOST_DELTAS] if base else ():
            dz = _rows(made.value, self.z.shape)
            if factor > 0 and dz is not None:
                found.append((made.site.name or WHAT_RETURNS, dz))
        return found

    def is_line(self, dz: np.ndarray) -> bool:
        """Whether a line makes this derivative."""
        some = self.network.archive.multiples(dz, self.step.after)
        return any(one.factor > 0 and one.made.time >= self.passes[0].began for one in some)

    def goes_along(self, dz: np.ndarray) -> bool:
        """Whether the last weights go down this derivative, or up, or a line makes their
        gradient."""
        product = dz.T @ self.below
        if product.size < FEWEST or not product.any():
            return False
        if self.change.descent(product, self.change.near) or self.change.ratio(product):
            return True
        some = self.network.archive.multiples(product, self.step.after)
        return any(one.factor > 0 for one in some)


def by_known_loss(
    network: Recognised, step: Step, written: Written, like: Reading | None = None
) -> list[Reading]:
    """The readings of a step by losses that have a name, the likeliest first.

    Args:
        network: what was recognised.
        step: one of its steps.
        written: the numbers of the script.
        like: where the loss of another step is known, its reading.
    """
    plain = network.with_output("linear")
    step = plain.steps[[one.since for one in network.steps].index(step.since)]
    found: list[Reading] = []
    for passes in choices(plain, step):
        top = _Top.of(plain, step, passes, written)
        if top.z.size >= FEWEST:
            found += _known(network, top, like)
    return sorted(found, key=_rank, reverse=True)


def _rank(one: Reading) -> tuple[bool, tuple[float, ...]]:
    return one.loss is not None and one.loss.is_likely, one.score


def _known(network: Recognised, top: _Top, like: Reading | None) -> Iterator[Reading]:
    deltas = top.deltas()
    work = 0
    for targets in candidates(network, top.passes, top.step.until)[:MOST_TARGETS]:
        for output in _outputs(network, top.z.shape[1], like):
            with np.errstate(all="ignore"):
                for slope in slopes(_setting(top, deltas, targets, output, like)):
                    work += top.z.size
                    if work > MOST_WORK:
                        return
                    if like is not None and like.loss and slope.name != like.loss.name:
                        continue
                    one = _if_it_goes(top, deltas, targets, output, slope, like is not None)
                    if one is not None:
                        yield one


def _outputs(network: Recognised, K: int, like: Reading | None) -> list[str]:
    """Those that the logits may go through; of one number, softmax is none."""
    output = network.network.output
    if like is not None and like.loss is not None:
        return [like.loss.output]
    if output != "linear":
        return [output]
    return ["linear", "sigmoid", "tanh"] if K == 1 else ["linear", "softmax", "sigmoid", "tanh"]


def _setting(
    top: _Top,
    deltas: Sequence[tuple[str, np.ndarray]],
    targets: Targets,
    output: str,
    like: Reading | None,
) -> Setting:
    if like is not None and like.loss is not None and like.loss.weights is not None:
        weights = [like.loss.weights]
    elif output in ("softmax", "sigmoid") and targets.are_labels:
        error = output_of(output, top.z) - targets.Y
        masked = [error * column[:, None] for column in _classes(targets.Y)]
        weights = weights_of_classes([one.T @ top.below for one in masked], top.change.lost)
        for _, dz in deltas if _has_more(error, targets.Y) else ():
            weights += weights_of_classes(masked, dz)
    else:
        weights = []
    numbers = top.written.literals[:MOST_NUMBERS].tolist()
    return Setting(output, top.z, targets.Y, numbers, weights)


def _if_it_goes(
    top: _Top,
    deltas: Sequence[tuple[str, np.ndarray]],
    targets: Targets,
    output: str,
    slope: Slope,
    is_known: bool,
) -> Reading | None:
    """The reading by a loss, where the last weights go down it; or up, and the script computes it;
    or where it is known from another step, and a line makes its derivative."""
    if not np.isfinite(slope.dz).all() or not slope.dz.any():
        return None
    name, dz = _as_made(deltas, slope.dz)
    is_line = is_known and top.is_line(dz)
    if not (name or is_line or top.goes_along(dz)):
        return None
    loss = OwnLoss(name, slope.name, output, targets.name, slope.values, slope.weights)
    one = top.reading(dz, loss, targets)
    if one is None:
        return None
    if is_known:
        return one if one.top or is_line else None
    if not one.top:
        return one if one.shows_cost else None
    if slope.needs_proof and not (one.shows_cost or _shows_error(top, output, targets)):
        return replace(one, loss=replace(loss, is_likely=False))
    return one


def _as_made(deltas: Sequence[tuple[str, np.ndarray]], dz: np.ndarray) -> tuple[str, np.ndarray]:
    """The numbers that a line makes of a derivative, whatever their sign, and what it calls them;
    the derivative itself where none makes it."""
    for name, made in deltas:
        factor = ratio(made, dz, NEAR)
        if factor is not None:
            return name, made * np.sign(factor)
    return "", dz


def _shows_error(top: _Top, output: str, targets: Targets) -> bool:
    """Whether a line makes the difference of the output and the targets."""
    error = output_of(output, top.z) - targets.Y
    some = top.network.archive.multiples(error, top.step.until)
    return any(one.made.time >= top.passes[-1].ended for one in some)


def readings_like(best: Reading, network: Recognised, step: Step) -> list[Reading]:
    """The readings of another step by what the first one goes down: any cost, or its own loss."""
    if best.loss is None:
        return readings(network, step, best.written)
    if best.loss.name:
        return by_known_loss(network, step, best.written, best)
    one = by_derivative(network, step, best.written)
    return [] if one is None else [one]


def by_derivative(network: Recognised, step: Step, written: Written) -> Reading | None:
    """The reading of a step in which most gradients follow from a derivative that lines make; None
    where none is taken off the last layer's weights.

    Args:
        network: what was recognised.
        step: one of its steps.
        written: the numbers of the script.
    """
    plain = network.with_output("linear")
    step = plain.steps[[one.since for one in network.steps].index(step.since)]
    found: list[Reading] = []
    for passes in choices(plain, step):
        top = _Top.of(plain, step, passes, written)
        for name, dz in top.deltas() if top.z.size >= FEWEST else ():
            one = top.reading(dz, OwnLoss(name), Targets(name, dz, False))
            if one is not None:
                found.append(one)
    return max(found, key=lambda one: (sum(one.seen.values()), one.has_rate), default=None)


def _has_more(error: np.ndarray, Y: np.ndarray) -> bool:
    """Whether there are samples enough to tell a weight of a class from one of each sample."""
    pairs = np.unique(np.hstack([error, Y]), axis=0)
    return len(pairs) >= len(_classes(Y)) + FEWEST_MORE


def _classes(Y: np.ndarray) -> Sequence[np.ndarray]:
    """Which samples are of each class."""
    return list(Y.T) if Y.shape[1] > 1 else [1 - Y[:, 0], Y[:, 0]]


def _rows(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """An array with one sample a row."""
    if value.ndim == 2 and value.shape == shape:
        return value
    if value.ndim == 2 and value.T.shape == shape:
        return value.T
    return value.reshape(shape) if 1 in shape and value.size == max(shape) else None

"""What only time shows: a training that was thrown away, that learns by heart, or that stopped
before it had begun."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.learning.finding import Progress, Symptom
from backproof.checks.learning.related import agreement
from backproof.checks.learning.vital_signs import VitalSigns

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Integer

# |change of the weights| in one epoch, in their length: healthy ones stay below 2, or learn in that
# very epoch
JUMPED = 2.5
# epochs, at least, that a loss must last: right after the start, healthy ones overshoot to 7 times
# the prior's
LATELY = 3
# the same, summed over epochs: networks begin to learn between 0.2 and 2; beyond it they lack
# something else
HARDLY_MOVED = 1.0
TRIED = 0.1  # the same sum: below it, a training that has ended says nothing about its labels
# standard deviations by which accuracy on training samples exceeds that on test samples: one in
# 30,000 by chance
RISEN = 4.0
# standard deviations of `agreement`: digits show 80, labels that were dealt out at random pass it
# once in 700
UNRELATED = 3.0
ENOUGH = 50  # samples for that
# standard deviations above the commonest class: test samples that know nothing exceed it once in
# 700
AT_CHANCE = 3.0
# of the first loss is all that a history of losses gained while it fell without a break
CRAWLING = 0.02
LEARNT = 0.9  # of the prior's loss: whoever is below it knows something of the labels


def diverged(signs: VitalSigns, history: Sequence[Progress]) -> Iterator[Symptom]:
    """Something is not finite, or one epoch threw the weights to where the loss stays above that of
    knowing nothing."""
    broken = [layer for layer in signs.layers if not layer.finite]
    lately = [epoch.train_loss for epoch in history[-max(LATELY, len(history) // 4) :]]
    jump = max(
        (epoch.relative_update for epoch in history if math.isfinite(epoch.relative_update)),
        default=0.0,
    )
    thrown = len(history) > LATELY and jump > JUMPED and min(lately) > signs.prior_loss
    if broken or thrown or not math.isfinite(signs.loss):
        yield Symptom(
            "diverged",
            f"layer {broken[0].layer}" if broken else "the training",
            f"loss {lately[-1] if lately else signs.loss:.4g} where the class frequencies alone "
            f"give {signs.prior_loss:.4g}; "
            + (
                "its numbers are not finite"
                if broken
                else f"one epoch moved the weights by {jump:.1f} times their length"
            ),
            "was thrown far away by steps that are too large",
            "Start again with a smaller learning rate: a tenth.",
            {
                "loss": lately[-1] if lately else signs.loss,
                "prior_loss": signs.prior_loss,
                "jump": jump,
            },
            hopeless=True,
            flag="a smaller --lr",
        )


def unlearnable_labels(
    signs: VitalSigns,
    x: Inexact[np.ndarray, "N n_0"],
    y: Integer[np.ndarray, " N"],
    history: Sequence[Progress],
    ended: bool,
    tested: int,
) -> Iterator[Symptom]:
    """Test samples are at chance although training samples are not, or although the weights moved;
    and neighbours do not agree.

    Where a class is rare, accuracy says little; a loss on test samples below that of knowing
    nothing says that something is known.
    """
    if not history or not math.isfinite(history[-1].test_accuracy) or len(y) < ENOUGH:
        return
    if history[-1].test_loss < LEARNT * signs.prior_loss:
        return
    last = history[-1]
    chance = float(np.bincount(y).max() / len(y))
    deviation = math.sqrt(chance * (1 - chance) / tested)
    risen = last.train_accuracy > last.test_accuracy + RISEN * deviation
    tried = _path(history) > (TRIED if ended else HARDLY_MOVED)
    if last.test_accuracy > chance + AT_CHANCE * deviation or not (risen or tried):
        return
    related = agreement(np.asarray(x), np.asarray(y))
    if related < UNRELATED:
        yield Symptom(
            "unlearnable-labels",
            "the labels",
            f"accuracy {last.train_accuracy:.1%} on training samples, {last.test_accuracy:.1%} on "
            f"test samples, {chance:.1%} by "
            "always answering the commonest class; nearest neighbours share a label "
            f"{related:.1f} standard deviations more often "
            f"than by chance{_at_start(history)}",
            "do not depend on the inputs as far as can be seen: what is learnt is learnt by heart",
            "Check that x and y are in the same order and that y was not shuffled alone.",
            {
                "train_accuracy": last.train_accuracy,
                "test_accuracy": last.test_accuracy,
                "chance": chance,
                "agreement": related,
            },
            hopeless=True,
        )


def too_few_steps(signs: VitalSigns, history: Sequence[Progress]) -> Iterator[Symptom]:
    """Nothing is wrong, the loss still falls, and the weights have hardly moved."""
    path = _path(history)
    if len(history) < 2 or signs.loss < LEARNT * signs.prior_loss or not 0 < path < HARDLY_MOVED:
        return
    before = history[min(len(history) // 2, len(history) - 2)]
    last = history[-1]
    if last.train_loss < before.train_loss:
        yield Symptom(
            "too-few-steps",
            "the training",
            f"the loss still falls, from {before.train_loss:.6g} after epoch {before.epoch} to "
            f"{last.train_loss:.6g} after "
            f"{last.epoch}, while the weights moved by {path:.1e} of their length, "
            f"{last.relative_update:.1e} in the last",
            "stopped before it had begun",
            "Take more steps, or a larger learning rate: a healthy epoch moves the weights by a "
            "hundredth of their length or more.",
            {
                "path": path,
                "relative_update": last.relative_update,
                "loss": signs.loss,
                "prior_loss": signs.prior_loss,
            },
            hopeless=False,
            flag="--epochs, or --lr",
        )


def of_losses(history: Sequence[Progress], signs: VitalSigns) -> Iterator[Symptom]:
    """What a bare list of losses says of the learning rate: it broke or rose, or it hardly fell and
    falls on."""
    losses = [epoch.train_loss for epoch in history]
    if len(losses) < LATELY or any(math.isfinite(epoch.relative_update) for epoch in history):
        return
    broken = [at for at, loss in enumerate(losses) if not math.isfinite(loss)]
    lately = losses[-max(LATELY, len(losses) // 4) :]
    risen = not broken and min(lately) > max(2 * losses[0], signs.prior_loss)
    if broken or risen:
        where = f"is not finite from number {broken[0]} on" if broken else "stays above its start"
        yield Symptom(
            "rate-too-large",
            "the training",
            f"of {len(losses)} losses, the first {losses[0]:.4g}, the last {losses[-1]:.4g}: it "
            f"{where}",
            "takes steps so long that they jump over what they aim at",
            "Start again with a learning rate of a tenth.",
            {"loss": losses[-1], "first": losses[0]},
            hopeless=True,
        )
        return
    fell = losses[0] - losses[-1]
    steadily = all(after < before for before, after in itertools.pairwise(losses))
    if steadily and fell < CRAWLING * losses[0] and losses[-1] > LEARNT * signs.prior_loss:
        yield Symptom(
            "rate-too-small",
            "the training",
            f"{len(losses)} losses fall steadily, from {losses[0]:.6g} to {losses[-1]:.6g}, where "
            f"knowing nothing costs {signs.prior_loss:.4g}",
            "takes steps so short that it hardly moves",
            "Take a learning rate ten times as large, again and again until the loss no longer "
            "falls steadily; or many more steps.",
            {"loss": losses[-1], "first": losses[0]},
            hopeless=False,
        )


def _at_start(history: Sequence[Progress]) -> str:
    """How much the samples' gradients of W[1] cancelled at the start, where it was measured."""
    cancellation = history[0].cancellation
    if math.isfinite(cancellation):
        return f"; at the start their gradients of W[1] cancelled to {cancellation:.2f}"
    return ""


def _path(history: Sequence[Progress]) -> float:
    """How far the weights moved in all epochs, in units of their length; an epoch that began at
    zero weights has no such unit."""
    return math.fsum(
        epoch.relative_update for epoch in history if math.isfinite(epoch.relative_update)
    )

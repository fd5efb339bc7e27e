"""A penalty on the weights that no constant declares, which is no bug: lambda/N times W, the usual
L2 of courses, and multiples of sign(W), L1.

It is one number in all layers of all problems, as it is or divided by the samples of a call: where
that explains whatever is wrong, no bug is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.weight_decay import without_added
from backproof.checks.findings import Diagnosis

NONE = 1e-9  # of the weights: a multiple that rounding alone leaves
USUAL_BATCH = 16  # for an example of what to write


@dataclass(frozen=True)
class Penalty:
    """What is added to each dW.

    Attributes:
        squares: the multiple of W.
        absolutes: the multiple of sign(W).
        over_samples: whether both are divided by the samples of a call.
    """

    squares: float
    absolutes: float
    over_samples: bool

    @property
    def needs_saying(self) -> bool:
        """Whether it is a penalty, and one that WEIGHT_DECAY cannot say."""
        positive = min(self.squares, self.absolutes) >= 0 < max(self.squares, self.absolutes)
        return positive and (self.over_samples or self.absolutes > 0)

    def added(self, item: Evidence, decay: float) -> dict[int, np.ndarray]:
        """What it adds to each dW of a question, beside a declared decay that was taken off."""
        over = item.setting.in_call if self.over_samples else 1
        squares = self.squares / over - decay
        absolutes = self.absolutes / over
        times = 1 if item.setting.mean else item.setting.calls
        found = {}
        for layer, W in item.setting.problem.W.items():
            found[layer] = times * (squares * W + absolutes * np.sign(W))
        return found

    @property
    def in_words(self) -> str:
        """ "0.7/N times W"."""
        over = "/N" if self.over_samples else ""
        parts = [(self.squares, "W"), (self.absolutes, "sign(W)")]
        return " and ".join(f"{value:.6g}{over} times {what}" for value, what in parts if value)


def penalty_in(conventions: Conventions, evidence: Sequence[Evidence]) -> Penalty | None:
    """The penalty that is all that makes these gradients wrong; None if none does."""
    gradients = [item for item in evidence if item.is_of_gradients]
    if not gradients or any(item.given is None for item in gradients):
        return None
    decay = conventions.weight_decay
    for penalty in _possible(gradients[0], decay):
        if not penalty.needs_saying:
            continue
        rest = (without_added(item, penalty.added(item, decay)) for item in gradients)
        if not any(item.is_wrong for item in rest):
            return penalty
    return None


def _possible(item: Evidence, decay: float) -> Iterator[Penalty]:
    """What the first answer may hold: its multiples of W and sign(W) as somebody may have typed
    them, divided by N or not."""
    found = _multiples(item)
    if found is None:
        return
    times = 1 if item.setting.mean else item.setting.calls
    squares, absolutes = found
    for over_samples in (False, True):
        over = item.setting.in_call if over_samples else 1
        numbers = [(squares / times + decay) * over, absolutes / times * over]
        for digits in (6, 12):
            typed = [float(f"{number:.{digits}g}") for number in numbers]
            some = [number * (abs(number) > NONE) for number in typed]
            yield Penalty(some[0], some[1], over_samples)


def _multiples(item: Evidence) -> tuple[float, float] | None:
    """By which multiples of W and sign(W) all dW of an answer differ from the right ones, by least
    squares."""
    off: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for layer, W in item.setting.problem.W.items():
        given = item.gradients.get(f"dW[{layer}]")
        if given is None or given.shape != W.shape or not np.isfinite(given).all():
            return None
        off.append((given - item.correct.value(f"dW[{layer}]")).ravel())
        weights.append(W.ravel())
    flat = np.concatenate(weights)
    columns = np.column_stack([flat, np.sign(flat)])
    squares, absolutes = np.linalg.lstsq(columns, np.concatenate(off), rcond=None)[0]
    return float(squares), float(absolutes)


def told(penalty: Penalty, declared: Conventions) -> Diagnosis:
    """What is said of it, and what to do."""
    what = "That is a convention that no constant can say"
    todo = "ask with it at 0"
    if not penalty.absolutes:
        example = penalty.squares / USUAL_BATCH
        todo += (
            ", or with the batch size that you train with, such as BATCH = "
            f"{USUAL_BATCH} and WEIGHT_DECAY = {example:.6g}"
        )
        if declared.weight_decay:
            what = "WEIGHT_DECAY is the multiple itself, and knows no N"
    samples = ", N being the samples of a call" if penalty.over_samples else ""
    statement = (
        f"Your dW hold a penalty on the weights: {penalty.in_words}{samples}. Without it every "
        f"gradient is right. {what}: {todo}."
    )
    return Diagnosis("untested", statement)

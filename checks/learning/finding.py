"""What is found (Symptom), and what a training leaves behind for those who look (Progress)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

NAMES = (
    "input-blind",
    "symmetric-units",
    "saturated",
    "stuck-at-prior",
    "too-few-steps",
    "unlearnable-labels",
    "diverged",
)
# the same with what needs more than weights and epochs to be seen: data, other activations, a step
ALL_NAMES = (
    *NAMES,
    "vanishing",
    "exploding",
    "dead-units",
    "inputs-unscaled",
    "targets-out-of-range",
    "labels-shuffled",
    "duplicate-rows",
    "class-imbalance",
    "poor-minimum",
    "leak",
    "rate-too-large",
    "rate-too-small",
    "overflow",
)


@dataclass(frozen=True)
class Symptom:
    """One reason why the network does not learn.

    Attributes:
        name: one of ALL_NAMES.
        where: such as "layer 1".
        evidence: the numbers that say so.
        meaning: what it means, a sentence whose subject is `where`.
        remedy: what to do about it.
        measures: the numbers of the evidence, by name.
        hopeless: whether more training, as it is, can never mend it.
        flag: what to change of a command of ours, such as "--init pytorch"; empty where there is no
            such flag.
    """

    name: str
    where: str
    evidence: str
    meaning: str
    remedy: str
    measures: dict[str, float]
    hopeless: bool
    flag: str = ""

    @property
    def line(self) -> str:
        """The name, where, what it means, the evidence and the remedy, in one line."""
        return f"{self.name}: {self.where} {self.meaning}: {self.evidence}. {self.remedy}"

    @property
    def of_our_run(self) -> Symptom:
        """The same, told to somebody who trains with this project: with the flag that helps."""
        if self.flag:
            return replace(self, remedy=f"{self.remedy} Here: {self.flag}.", flag="")
        return self

    def as_json(self) -> dict[str, object]:
        """For `--json`; numbers that are not finite become null."""
        finite = {
            name: value if math.isfinite(value) else None for name, value in self.measures.items()
        }
        texts = {
            name: getattr(self, name)
            for name in ("name", "where", "evidence", "meaning", "remedy", "hopeless")
        }
        return texts | {"measures": finite}


@dataclass(frozen=True)
class Progress:
    """One epoch of a training, epoch 0 being the network as drawn.

    Attributes:
        epoch: how many epochs were over.
        train_loss, test_loss: means over all samples, in the cost's own unit.
        train_accuracy, test_accuracy: parts of 1; NaN where there is no test set.
        relative_update: |change of all weights and biases in this epoch| over their length before
            it; 0 for epoch 0.
        cancellation: of W[1]'s gradient, from `measures`; NaN where it was not measured.
    """

    epoch: int
    train_loss: float
    test_loss: float
    train_accuracy: float
    test_accuracy: float
    relative_update: float
    cancellation: float = math.nan

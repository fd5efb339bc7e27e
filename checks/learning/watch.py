"""Symptoms of a live training: looked for before the first epoch, at epochs 1, 2, 4, 8, ... and at the end.

The epochs are geometric so that looking costs next to nothing in a long run and misses nothing in a short one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from checks.learning.finding import Progress, Symptom
from checks.learning.symptoms import look, measures
from model.training import Record, Training

ROWS = 256  # samples that are looked at


class Watcher:
    """Looks at a training as it goes.

    Args:
        training: what to look at; nothing of it is changed.
    Attributes:
        measures: the numbers of the latest look, for the dashboard.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._history: list[Progress] = []
        self._seen: set[tuple[str, str]] = set()
        self._parameters: np.ndarray | None = None
        self.measures: dict[str, float] = {}

    def look(self, record: Record) -> list[Symptom]:
        """Take note of an epoch, and look if it is one of those.

        Returns: the symptoms that were not reported before.
        """
        due = record.epoch & (record.epoch - 1) == 0  # 0, 1, 2, 4, 8, ...
        self.measures = measures(**self._network()) if due else {}
        self._note(record)
        found = self._look(ended=False) if due or record.diverged else []
        new = [symptom for symptom in found if not self.reported(symptom)]
        self._seen |= {(symptom.name, symptom.where) for symptom in new}
        return new

    def conclude(self, *, ended: bool) -> list[Symptom]:
        """The symptoms of the network as it is now.

        Args:
            ended: whether training ran to its end: only then can it have been too short.
        """
        return self._look(ended=ended) if self._history else []

    def reported(self, symptom: Symptom) -> bool:
        """Whether `look` has returned it already."""
        return (symptom.name, symptom.where) in self._seen

    def _look(self, *, ended: bool) -> list[Symptom]:
        tested = len(self._training.test.y)
        return look(**self._network(), history=self._history, ended=ended, tested=tested)

    def _note(self, record: Record) -> None:
        """Add an epoch to the history, with how far it moved the weights."""
        network = self._training.network
        now = np.concatenate([parameter.detach().cpu().numpy().ravel() for parameter in network.parameters()])
        before = now if self._parameters is None else self._parameters
        with np.errstate(all="ignore"):  # a diverged network is noted like any other
            moved = float(np.linalg.norm(now - before) / (np.linalg.norm(before) or 1.0))
        self._parameters = now
        cancellation = self.measures.get("cancellation/layer_1", math.nan)
        scores = (record.train.loss, record.test.loss, record.train.accuracy, record.test.accuracy)
        self._history.append(Progress(record.epoch, *scores, moved, cancellation))

    def _network(self) -> dict[str, Any]:
        """W, b, the head, and x and y at a few hundred rows taken evenly: the arguments of `look` and `measures`."""
        training = self._training
        stride = max(1, len(training.train.y) // ROWS)
        W, b = (
            {layer: tensor.detach().cpu().numpy() for layer, tensor in of.items()}
            for of in (training.network.W, training.network.b)
        )
        x, y = training.train.x[::stride].cpu().numpy(), training.train.y[::stride].cpu().numpy()
        return {"W": W, "b": b, "x": x, "y": y, "output": training.settings.output, "cost": training.settings.cost}

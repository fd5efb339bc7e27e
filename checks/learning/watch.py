"""Symptoms of a live training: looked for before the first epoch, at epochs 1, 2, 4, 8, ... and at
the end.

The epochs are geometric so that looking costs next to nothing in a long run and misses nothing in a
short one.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from backproof.checks.learning.finding import Progress, Symptom
from backproof.checks.learning.layer_signs import Reads
from backproof.checks.learning.symptoms import dashboard, judge
from backproof.checks.learning.vital_signs import VitalSigns, evenly, vital_signs
from backproof.model.training import Record, Training


class Watcher:
    """Looks at a training as it goes.

    Args:
        training: what to look at; nothing of it is changed.
        epochs: after which it ends: `measures` are taken there, too.
    Attributes:
        measures: the numbers of the latest epoch, for the dashboard; none where nothing was
            measured.
        baseline: the accuracy on test samples of always answering the commonest class; NaN for
            values and where there are none.
    """

    def __init__(self, training: Training, epochs: int | None = None) -> None:
        self._training = training
        self._epochs = epochs
        rows = torch.from_numpy(evenly(len(training.train.y))).to(training.train.y.device)
        self._x = training.train.x[rows].cpu().numpy().astype(np.float64)
        self._y = training.train.y[rows].cpu().numpy()
        self._reads = Reads.of(self._x)
        self._tensors = list(training.network.parameters())
        self._history: list[Progress] = []
        self._seen: set[tuple[str, str]] = set()
        self._parameters = torch.empty(0)
        self._length = 0.0
        self._latest: tuple[int, VitalSigns] | None = None
        self.measures: dict[str, float] = {}
        self.baseline = _baseline(training.test.y.cpu().numpy())

    def look(self, record: Record) -> list[Symptom]:
        """Take note of an epoch, and look if it is one of those.

        Returns: the symptoms that were not reported before.
        """
        due = record.epoch & (record.epoch - 1) == 0  # 0, 1, 2, 4, 8, ...
        self._latest = None
        if due or record.epoch == self._epochs:
            self.measures = dashboard(self._signs(record.epoch))
        else:
            self.measures = {}
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
        if self._history:
            return self._look(ended=ended)
        return []

    def reported(self, symptom: Symptom) -> bool:
        """Whether `look` has returned it already."""
        return (symptom.name, symptom.where) in self._seen

    def _look(self, *, ended: bool) -> list[Symptom]:
        signs = self._signs(self._training.epoch)
        tested = len(self._training.test.y)
        found = judge(signs, self._x, self._y, history=self._history, ended=ended, tested=tested)
        return [symptom.of_our_run for symptom in found]

    def _note(self, record: Record) -> None:
        """Add an epoch to the history, with how far it moved the weights."""
        before = self._parameters
        length = self._length
        self._parameters = torch.cat(
            [parameter.detach().reshape(-1) for parameter in self._tensors]
        )
        self._length = float(self._parameters.norm())
        moved = float((self._parameters - before).norm()) / (length or 1.0) if len(before) else 0.0
        cancellation = self.measures.get("cancellation/layer_1", math.nan)
        scores = (record.train.loss, record.test.loss, record.train.accuracy, record.test.accuracy)
        self._history.append(Progress(record.epoch, *scores, moved, cancellation))

    def _signs(self, epoch: int) -> VitalSigns:
        """Of the network as it is, at a few hundred rows taken evenly; measured once after an
        epoch."""
        if self._latest is None or self._latest[0] != epoch:
            training = self._training
            W, b = (
                {layer: tensor.detach().cpu().numpy() for layer, tensor in of.items()}
                for of in (training.network.W, training.network.b)
            )
            signs = vital_signs(
                W,
                b,
                self._x,
                self._y,
                output=training.settings.output,
                cost=training.settings.cost,
                hidden=training.network.activations,
                of_x=self._reads,
            )
            self._latest = epoch, signs
        return self._latest[1]


def _baseline(y: np.ndarray) -> float:
    """The share of the commonest label."""
    if y.dtype.kind not in "iu" or not len(y):
        return math.nan
    return float(np.bincount(y).max() / len(y))

"""What a network makes of its test samples at one moment: everything that the pictures, curves and histograms are drawn from."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.training import LARGEST_EVALUATION, Training

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int64

LARGEST_SNAPSHOT = 10_000  # test samples that are looked at: all of MNIST's
FEW = 512  # of them, those whose activations are kept


@dataclass(frozen=True)
class Snapshot:
    """The first test samples as the network sees them.

    Attributes:
        a: activations of each hidden layer 1..L-1, of the first few samples.
        p: probability of each class, of all samples.
        y: their true classes.
    """

    a: dict[int, Float[np.ndarray, "M n_l"]]
    p: Float[np.ndarray, "N K"]
    y: Int64[np.ndarray, " N"]

    @cached_property
    def said(self) -> Int64[np.ndarray, " N"]:
        """The class that the network gives each sample."""
        return self.p.argmax(axis=1)

    @property
    def wrong(self) -> Bool[np.ndarray, " N"]:
        """Which samples it gets wrong."""
        return self.said != self.y

    def confusion(self) -> Int64[np.ndarray, "K K"]:
        """How many samples of each class, down, were given each class, across."""
        K = self.p.shape[1]
        return np.bincount(self.y * K + self.said, minlength=K * K).reshape(K, K).astype(np.int64)

    def worst(self, count: int) -> Int64[np.ndarray, " M"]:
        """The samples that it gets wrong with the largest lead of the wrong class over the right one, worst first."""
        rows = np.flatnonzero(self.wrong)
        lead = self.p[rows, self.said[rows]] - self.p[rows, self.y[rows]]
        return rows[np.argsort(-lead, kind="stable")[:count]]


@torch.no_grad()
def take(training: Training) -> Snapshot:
    """Look at the first test samples now."""
    x, y = training.test.x[:LARGEST_SNAPSHOT], training.test.y[:LARGEST_SNAPSHOT]
    network, output = training.network, training.settings.output
    logits = torch.cat([network(part) for part in torch.split(x, LARGEST_EVALUATION)])
    p = logits.softmax(dim=1) if output == "softmax" else logits.sigmoid()
    a, inputs = {}, x[:FEW]
    for layer in range(1, network.depth):
        inputs = network.sigmoid(layer)(network.linear(layer)(inputs))
        a[layer] = _array(inputs)
    return Snapshot(a, _array(p), y.cpu().numpy())


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()

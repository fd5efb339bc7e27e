"""What a network makes of its test samples at one moment: everything that the pictures, curves and
histograms are drawn from."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backproof.model.costs import probabilities
from backproof.model.evaluation import KEPT, LARGEST_EVALUATION
from backproof.model.training import Training

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int64

FEW = 512  # test samples whose activations are kept


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
    y: Int64[np.ndarray, " N"] | Float[np.ndarray, "N 1"]

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
        """The samples that it gets wrong with the largest lead of the wrong class over the right
        one, worst first."""
        rows = np.flatnonzero(self.wrong)
        lead = self.p[rows, self.said[rows]] - self.p[rows, self.y[rows]]
        if len(rows) > count:  # most of them need no order
            kept = lead >= np.partition(lead, -count)[-count]
            rows = rows[kept]
            lead = lead[kept]
        return rows[np.argsort(-lead, kind="stable")[:count]]


@torch.no_grad()
def take(training: Training, logits: Float[Tensor, "M K"] | None = None) -> Snapshot:
    """Look at the first test samples now.

    Args:
        training: as it is.
        logits: what the network says of at least as many test samples, where that is known: it
            takes most of the time.
    """
    x = training.test.x[:KEPT]
    y = training.test.y[:KEPT]
    network = training.network
    output = training.settings.output
    if logits is None:
        logits = torch.cat([network(part) for part in torch.split(x, LARGEST_EVALUATION)])
    # along a class's samples everything is ten times as fast as across few classes
    by_class = logits[: len(y)].T.contiguous()
    p = by_class.softmax(dim=0) if output == "softmax" else probabilities(by_class, output)
    a = {}
    inputs = x[:FEW]
    for layer in range(1, network.depth):
        inputs = network.activation(layer)(network.linear(layer)(inputs))
        a[layer] = _array(inputs)
    return Snapshot(a, _array(p).T, y.cpu().numpy())


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()

"""Verifies the gradients of a network in training, on the batch that it is about to learn from."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from backproof.checks.activations import named
from backproof.checks.heads import Head
from backproof.checks.problem import Problem
from backproof.checks.report.text import Report
from backproof.checks.witnesses.verify import verify, verify_quickly
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Training

# of a batch that are checked: every parameter is reached with any number of them
MOST_SAMPLES = 16
FEWEST_SAMPLES = 2
# multiply-adds that a check's nudges may take, about a twentieth of a second: wide networks get
# fewer samples
WORK = 50_000_000


class Checker:
    """Checks a training's gradients as it goes, everything the first time and the parameters from
    then on, and remembers the worst.

    Args:
        training: checked before its next epoch, on the batch that it begins with.
        every: epochs between checks; 0 for never.
    Attributes:
        worst_ratio: the largest error so far, in units of what rounding explains.
        elapsed_s: that all checks took together.
    """

    def __init__(self, training: Training, every: int) -> None:
        self._training = training
        self._every = every
        self._outcome = "pass"
        self.checks = 0
        self.worst_ratio = 0.0
        self.elapsed_s = 0.0

    def look(self) -> Report | None:
        """Check now if it is time to; None if it is not."""
        training = self._training
        if not self._every or training.epoch % self._every:
            return None
        head = {"output": training.settings.output, "cost": training.settings.cost}
        report = check_network(
            training.network,
            training.next_batch(),
            **head,
            name=f"epoch {training.epoch}",
            everything=not self.checks,
        )
        self.checks += 1
        self.elapsed_s += report.elapsed_s
        self.worst_ratio = max(self.worst_ratio, report.worst.ratio if report.worst else math.inf)
        self._outcome = report.outcome if self._outcome == "pass" else "fail"
        return report

    def summary(self) -> dict[str, Any] | None:
        """What train.py's --json says about all checks together; None if there was none."""
        if not self.checks:
            return None
        parameters = sum(parameter.numel() for parameter in self._training.network.parameters())
        worst = self.worst_ratio if math.isfinite(self.worst_ratio) else None
        return {
            "verdict": self._outcome,
            "parameters": parameters,
            "worst_ratio": worst,
            "seconds": self.elapsed_s,
        }


def check_network(
    network: MLP, batch: Samples, *, output: str, cost: str, name: str, everything: bool = False
) -> Report:
    """Verify every parameter's gradient of a network in training, on its own batch, device and
    precision.

    Args:
        network: as it is now; nothing of it is changed.
        batch: what it is about to learn from; its first samples are used, with their own mean.
        output, cost: the head.
        name: for the report, such as "epoch 3".
        everything: whether to compare all that is computed on the way, too, each witness with each.
    Returns: what the comparisons found.
    """
    start = time.perf_counter()
    W = {layer: _array(tensor) for layer, tensor in network.W.items()}
    b = {layer: _array(tensor) for layer, tensor in network.b.items()}
    dtype = str(network.W[1].dtype).removeprefix("torch.")
    device = network.W[1].device.type
    few = samples_for(network.sizes)
    x = _array(batch.x[:few])
    y = batch.y[:few].cpu().numpy()
    hidden = [named(activation, network.slope) for activation in network.activations]
    problem = Problem(x, y, W, b, Head(output, cost), name, dtype, hidden)
    how = partial(verify, differences=False) if everything else verify_quickly
    verdicts = how(problem, device=device, dtype=dtype)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Report(verdicts, 1, parameters, device, dtype, time.perf_counter() - start)


def samples_for(sizes: Sequence[int]) -> int:
    """How many samples a check takes: each of the n_l units of a layer is nudged in each of them,
    and fed on to the loss."""
    each = sum(
        sizes[layer] * (sizes[layer] + _onward(sizes[layer:])) for layer in range(1, len(sizes))
    )
    return max(FEWEST_SAMPLES, min(MOST_SAMPLES, WORK // each))


def _onward(sizes: Sequence[int]) -> int:
    """Multiply-adds from a layer to the loss."""
    return sum(n * n_in for n_in, n in itertools.pairwise(sizes))


def _array(tensor: object) -> np.ndarray:
    """A float64 copy of a tensor, wherever it lives."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64).copy()  # type: ignore[attr-defined]

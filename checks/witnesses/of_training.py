"""Problems out of real training: a live network and its batch, or a run on disk and its data."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.symptoms import look
from backproof.checks.problem import Problem
from backproof.checks.report.text import Report
from backproof.checks.witnesses.verify import verify, verify_quickly
from backproof.model.checkpoint import SavedModel, load_config, load_model
from backproof.model.data import load
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Training

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Int64

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
    problem = Problem(x, y, W, b, output, cost, name, dtype)
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


def problems_of_run(run: Path, *, count: int, batch: int, seed: int) -> list[Problem]:
    """Problems with a run's weights, on random batches of its own training data.

    Args:
        run: the run's folder.
        count: how many batches.
        batch: samples in each, or all there are.
        seed: of the draws.
    Raises: BadInput if the folder is not a run or its data cannot be found.
    """
    model, x, y = _model_and_data(run)
    return [
        _problem_of_run(run, model.W, model.b, x, y, model.output, model.cost, batch, seed + i)
        for i in range(count)
    ]


def symptoms_of_run(run: Path) -> list[Symptom]:
    """Why a run's network does not learn, as far as its weights and training data show it.

    Raises: BadInput if the folder is not a run or its data cannot be found.
    """
    model, x, y = _model_and_data(run)
    return look(model.W, model.b, x, y, output=model.output, cost=model.cost)


def _model_and_data(
    run: Path,
) -> tuple[SavedModel, Inexact[np.ndarray, "N n_0"], Int64[np.ndarray, " N"]]:
    """A run's network and its training samples, preprocessed."""
    model = load_model(run)
    config = load_config(run)
    data_dir = config.get("data_dir")
    dataset = load(str(config.get("data", model.data)), Path(data_dir) if data_dir else None)
    return model, *dataset.training(np.float64)


def _problem_of_run(
    run: Path,
    W: dict[int, np.ndarray],
    b: dict[int, np.ndarray],
    x: Inexact[np.ndarray, "N n_0"],
    y: Int64[np.ndarray, " N"],
    output: str,
    cost: str,
    batch: int,
    seed: int,
) -> Problem:
    rows = np.random.default_rng(seed).permutation(len(y))[:batch]
    wide = [
        {layer: array.astype(np.float64) for layer, array in layers.items()} for layers in (W, b)
    ]
    return Problem(
        x[rows].astype(np.float64),
        y[rows],
        wide[0],
        wide[1],
        output,
        cost,
        f"{run.name} seed={seed}",
    )


def _array(tensor: object) -> np.ndarray:
    """A float64 copy of a tensor, wherever it lives."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64).copy()  # type: ignore[attr-defined]

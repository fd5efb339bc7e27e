"""One training run: its folder, its settings, its data and its network, from the first epoch or
from where it stopped."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backproof.model.checkpoint import (
    CHECKPOINT,
    CONFIG,
    MODEL,
    SAMPLES,
    SavedModel,
    claim_run,
    load_config,
    load_state,
    save_config,
    save_model,
    save_state,
)
from backproof.model.command_line import BadInput
from backproof.model.configuration import Configuration, resume
from backproof.model.data import Dataset, load
from backproof.model.device import bytes_for, memory, threads_for
from backproof.model.distributed import Processes
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Record, Settings, Training

SECONDS_BETWEEN_WRITES = 1.0  # forcing files to disk takes longer than an epoch of a small network


@dataclass
class Run:
    """A run in progress.

    Attributes:
        folder: where everything of it is written.
        configuration: its settings.
        dataset: what it learns.
        training: the network and its optimizer; `training.epoch` says how far it is.
        resumed_after: the epoch from which it goes on; None if it is new.
        last: the record that was kept last.
    """

    folder: Path
    configuration: Configuration
    dataset: Dataset
    training: Training
    resumed_after: int | None = None
    last: Record | None = field(default=None, init=False)
    _state: tuple[dict[str, np.ndarray], dict[str, Any]] | None = field(default=None, init=False)
    _written_at: float = field(default=-math.inf, init=False)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the input and of each layer."""
        return self.training.network.sizes

    def keep(self, record: Record) -> None:
        """Remember the state after an epoch, and write it to disk unless that was done less than a
        second ago."""
        self.last = record
        self._state = self.training.state()
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write the state of the last epoch kept: what is needed to resume first, then what is
        needed to label."""
        if self.last is None or self._state is None:
            return
        arrays, facts = self._state
        save_state(self.folder, arrays, {**facts, "digest": self.dataset.digest})
        save_model(self.folder, self._saved_model(self.last, arrays))
        self._state = None
        self._written_at = time.monotonic()

    def _saved_model(self, record: Record, arrays: dict[str, np.ndarray]) -> SavedModel:
        settings = self.configuration
        data = self.dataset
        W, b = MLP.layers_of(arrays, prefix="network.")
        facts = {
            "epoch": record.epoch,
            "accuracy": {"train": record.train.accuracy, "test": record.test.accuracy},
            "digest": data.digest,
            "seed": settings.seed,
        }
        return SavedModel(
            W,
            b,
            data.preprocessing,
            data.classes,
            data.name,
            settings.output,
            settings.cost,
            data.picture,
            facts,
        )


def start_run(
    configuration: Configuration,
    folder: Path | None = None,
    *,
    runs: Path = Path("runs"),
    device: str,
    download: bool = False,
    processes: Processes | None = None,
) -> Run:
    """Lay out a new run: its data, its first weights, its folder.

    Args:
        configuration: its settings.
        folder: where it will be written, by the process that leads; None for the next free one in
            `runs`.
        runs: the folder of all runs.
        device: "cpu" or "cuda".
        download: whether missing MNIST files may be fetched.
        processes: that share the work; None for this one alone.
    Raises: BadInput if the data cannot be used, the network does not fit into memory, or the folder
    holds a run already.
    """
    dataset = load(configuration.data, _path(configuration.data_dir), download)
    training = _training(configuration, dataset, device, processes)
    if not training.processes.leads:
        return Run(folder or runs, configuration, dataset, training)
    folder = _empty(folder) if folder else claim_run(runs, configuration.data)
    save_config(folder, configuration.as_json())
    _save_samples(folder, dataset)
    return Run(folder, configuration, dataset, training)


def _empty(folder: Path) -> Path:
    """A folder that somebody named, if it holds no run yet."""
    taken = next((name for name in (MODEL, CHECKPOINT, CONFIG) if (folder / name).exists()), None)
    if taken:
        raise BadInput(
            f"--run-dir {folder}: expected a folder without a run, got one with {taken}. Give "
            "another, or --resume it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def resume_run(
    given: dict[str, Any], folder: Path, *, device: str, processes: Processes | None = None
) -> Run:
    """Go on with a run from its last saved epoch.

    Args:
        given: the flags of the command line, which may raise the number of epochs and must not
            contradict the run.
        folder: the run's, which every process must be able to read.
        device: "cpu" or "cuda".
        processes: that share the work; None for this one alone.
    Raises: BadInput if the folder is no run, its data has changed, or a flag contradicts it.
    """
    configuration = resume(given, load_config(folder), folder)
    arrays, facts = load_state(folder)
    dataset = load(configuration.data, _path(configuration.data_dir))
    if facts.get("digest") != dataset.digest:
        raise BadInput(
            f"{configuration.data}: expected the data that {folder} was trained on, got other "
            "data. Start a new run."
        )
    training = _training(configuration, dataset, device, processes)
    try:
        training.restore(arrays, facts)
    except ValueError as error:
        raise BadInput(
            f"{folder}/{CHECKPOINT}: expected the state of {training.network.sizes}, got {error}. "
            "Train again."
        ) from error
    if configuration.epochs <= training.epoch:
        raise BadInput(
            f"--epochs: expected more than the {training.epoch} that {folder} has, got "
            f"{configuration.epochs}. Give more."
        )
    if training.processes.leads:
        save_config(folder, configuration.as_json())
    return Run(folder, configuration, dataset, training, resumed_after=training.epoch)


def _training(
    configuration: Configuration, dataset: Dataset, device: str, processes: Processes | None
) -> Training:
    """Network, data and optimizer on the device, before the first step."""
    processes = processes or Processes()
    if configuration.batch_size < processes.world:
        raise BadInput(
            f"--batch-size: expected a sample or more for each of {processes.world} processes, "
            f"got {configuration.batch_size}. "
            "Give more, or start fewer processes."
        )
    sizes = (dataset.x.shape[1], *configuration.hidden, len(dataset.classes))
    dtype = getattr(torch, configuration.dtype)
    if device == "cpu":
        threads = threads_for(sizes, configuration.batch_size // processes.world)
        torch.set_num_threads(max(1, threads // processes.local_world))
    shape = "-".join(map(str, sizes))
    if bytes_for(sizes, np.dtype(configuration.dtype).itemsize) > memory():
        raise BadInput(
            f"--hidden: expected a network that fits into memory, got {shape}. Give fewer units."
        )
    try:
        network = MLP(
            sizes, init=configuration.init, seed=configuration.seed, dtype=dtype, device=device
        )
        train, test = (
            _samples(*part, device)
            for part in (
                dataset.training(configuration.dtype),
                dataset.testing(configuration.dtype),
            )
        )
    except (RuntimeError, MemoryError) as error:
        raise BadInput(
            f"--hidden: expected a network that fits into memory, got {shape}. Give fewer units."
        ) from error
    settings = Settings(
        batch_size=configuration.batch_size,
        learning_rate=configuration.lr,
        optimizer=configuration.optimizer,
        momentum=configuration.momentum,
        weight_decay=configuration.weight_decay,
        output=configuration.output,
        cost=configuration.cost,
        backward=configuration.backward,
        seed=configuration.seed,
    )
    return Training(network, train, test, settings, processes)


def _samples(x: np.ndarray, y: np.ndarray, device: str) -> Samples:
    return Samples(torch.from_numpy(x).to(device), torch.from_numpy(y).to(device))


def _save_samples(folder: Path, dataset: Dataset, count: int = 10) -> None:
    """The first test rows, raw, as label.py reads them."""
    rows = [",".join(f"{value:.17g}" for value in row) for row in dataset.x[dataset.test[:count]]]
    (folder / SAMPLES).write_text("\n".join(rows) + "\n")


def _path(text: str | None) -> Path | None:
    if text:
        return Path(text)
    return None

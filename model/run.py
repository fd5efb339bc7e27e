"""One training run: its folder, its settings, its data and its network, from the first epoch or
from where it stopped."""

from __future__ import annotations

import hashlib
import io
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backproof.model.atomic import write_atomically
from backproof.model.checkpoint import (
    CHECKPOINT,
    MODEL,
    SAMPLES,
    load_state,
    save_model,
    save_state,
)
from backproof.model.command_line import BadInput
from backproof.model.configuration import CHANGEABLE, Configuration, resume
from backproof.model.data import Dataset, load
from backproof.model.device import answering_for, bytes_for, memory, threads_for
from backproof.model.distributed import Processes
from backproof.model.evaluation import Samples
from backproof.model.folders import (
    Claim,
    claim_run,
    clear_unfinished,
    is_unfinished,
    sweep,
)
from backproof.model.network import MLP
from backproof.model.run_config import CONFIG, SavedConfig, load_config, run_name, save_config
from backproof.model.saved_model import SavedModel
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
        name: what tells it from other runs, as `run_name` has it.
        claim: the right to write the folder; None for a process that does not lead.
        resumed_after: the epoch from which it goes on; None if it is new.
        last: the record that was kept last.
    """

    folder: Path
    configuration: Configuration
    dataset: Dataset
    training: Training
    name: str
    claim: Claim | None = None
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
        model = self._saved_model(self.last, arrays)
        state = {**facts, "digest": self.dataset.digest, "run": self.name}
        save_state(self.folder, arrays, state, model)
        save_model(self.folder, model)
        self._state = None
        self._written_at = time.monotonic()

    def end(self) -> None:
        """Write what was kept last, and let other programs write the folder."""
        try:
            self.write()
        finally:
            if self.claim is not None:
                self.claim.release()

    def discard(self) -> None:
        """Remove what a new run has written, if it never saved anything: nobody will go on with
        it."""
        if self.claim is None or self.resumed_after is not None or self.last is not None:
            return
        clear_unfinished(self.folder)
        (self.folder / CONFIG).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else's files are in it
            self.folder.rmdir()

    @cached_property
    def _samples_seal(self) -> str:
        """SHA-256 of samples.csv, as it was written."""
        return hashlib.sha256(_samples_text(self.dataset)).hexdigest()

    def _saved_model(self, record: Record, arrays: dict[str, np.ndarray]) -> SavedModel:
        settings = self.configuration
        data = self.dataset
        W, b = MLP.layers_of(arrays, prefix="network.")
        facts = {
            "epoch": record.epoch,
            **_scores(record),
            "digest": data.digest,
            "seed": settings.seed,
            "samples": self._samples_seal,
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
            data.columns,
            facts,
            self.name,
            self.training.network.activations,
            data.answers,
        )


def _scores(record: Record) -> dict[str, dict[str, float | None]]:
    """How good the network is, as far as a share of right answers or R2 says it."""
    if record.train.r2 is None:
        return {"accuracy": {"train": record.train.accuracy, "test": record.test.accuracy}}
    return {"r2": {"train": record.train.r2, "test": record.test.r2}}


def _data(configuration: Configuration, download: bool = False) -> Dataset:
    """The data set, whose labels are numbers to predict where the output is linear and they can
    be."""
    return load(
        configuration.data,
        _path(configuration.data_dir),
        download,
        values=configuration.output == "linear",
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
    dataset = _data(configuration, download)
    training = _training(configuration, dataset, device, processes)
    name = run_name(configuration.as_json(), CHANGEABLE, dataset.digest)
    if not training.processes.leads:
        return Run(folder or runs, configuration, dataset, training, name)
    folder = folder or claim_run(runs, configuration.data)
    claim = _claimed(folder)
    save_config(folder, configuration.as_json(), name)
    _save_samples(folder, dataset)
    return Run(folder, configuration, dataset, training, name, claim)


def _claimed(folder: Path) -> Claim:
    """The right to write a folder that holds no run yet, or one that was stopped before it saved
    anything: that one's remains are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    claim = Claim(folder)
    if is_unfinished(folder):
        clear_unfinished(folder)
        return claim
    taken = next((name for name in (MODEL, CHECKPOINT, CONFIG) if (folder / name).exists()), None)
    if taken:
        claim.release()
        raise BadInput(
            f"--run-dir {folder}: expected a folder without a run, got one with {taken}. Give "
            "another, or --resume it."
        )
    sweep(folder)
    return claim


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
    Raises: BadInput if the folder is no run, another program writes it, its data has changed, its
    files are of two runs, or a flag contradicts it.
    """
    saved = load_config(folder)
    configuration = resume(given, saved.settings, folder)
    leads = processes is None or processes.leads
    claim = Claim(folder) if leads else None
    try:
        if is_unfinished(folder):
            return _anew(configuration, folder, claim, device, processes)
        return _resumed(configuration, saved, folder, claim, device, processes)
    except BaseException:
        if claim is not None:
            claim.release()
        raise


def _resumed(
    configuration: Configuration,
    saved: SavedConfig,
    folder: Path,
    claim: Claim | None,
    device: str,
    processes: Processes | None,
) -> Run:
    """A run from its checkpoint."""
    arrays, facts = load_state(folder)
    dataset = _data(configuration)
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
    if saved.run and facts.get("run", saved.run) != saved.run:
        raise BadInput(
            f"{folder}/{CHECKPOINT}: expected the state of the run in {CONFIG}, got that of "
            "another. Put the right file there, or start a new run."
        )
    if configuration.epochs <= training.epoch:
        raise BadInput(
            f"--epochs: expected more than the {training.epoch} that {folder} has, got "
            f"{configuration.epochs}. Give more."
        )
    name = saved.run or run_name(configuration.as_json(), CHANGEABLE, dataset.digest)
    if claim is not None:
        sweep(folder)
        save_config(folder, configuration.as_json(), name)
    return Run(folder, configuration, dataset, training, name, claim, resumed_after=training.epoch)


def _anew(
    configuration: Configuration,
    folder: Path,
    claim: Claim | None,
    device: str,
    processes: Processes | None,
) -> Run:
    """A run that was stopped before it saved anything, from its first epoch."""
    dataset = _data(configuration)
    training = _training(configuration, dataset, device, processes)
    name = run_name(configuration.as_json(), CHANGEABLE, dataset.digest)
    if claim is not None:
        clear_unfinished(folder)
        save_config(folder, configuration.as_json(), name)
        _save_samples(folder, dataset)
    return Run(folder, configuration, dataset, training, name, claim)


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
        with answering_for(device, sizes):
            network = MLP(
                sizes,
                activation=configuration.activation,
                init=configuration.init,
                seed=configuration.seed,
                dtype=dtype,
                device=device,
            )
            train = _samples(*dataset.training(configuration.dtype), device)
            test = _samples(*dataset.testing(configuration.dtype), device)
    except RuntimeError as error:
        if device != "cpu":  # a card's errors have been told apart
            raise
        raise BadInput(  # the CPU's allocator has no error of its own
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


def _save_samples(folder: Path, dataset: Dataset) -> None:
    """The first test rows, raw, as label.py reads them."""
    write_atomically(folder / SAMPLES, _samples_text(dataset))


def _samples_text(dataset: Dataset, count: int = 10) -> bytes:
    text = io.StringIO()
    np.savetxt(text, dataset.x[dataset.test[:count]], fmt="%.17g", delimiter=",")
    return text.getvalue().encode()


def _path(text: str | None) -> Path | None:
    if text:
        return Path(text)
    return None

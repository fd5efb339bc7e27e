"""What a run says on the screen before its first epoch and as it goes on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backproof.model.command_line import counted

if TYPE_CHECKING:
    from backproof.model.evaluation import Score
    from backproof.model.run import Run
    from backproof.model.training import Record

LINES_SHOWN = 10  # epochs that get a line of their own on the screen; TensorBoard has them all


def introduction(run: Run) -> list[str]:
    """What would be needed to repeat the run."""
    import torch

    data = run.dataset
    settings = run.configuration
    samples = f"{len(data.train):,} training and {len(data.test):,} test samples"
    if len(data.train) == len(data.y) == len(data.test):
        samples = (
            f"{len(data.train):,} samples, too few to set some apart: tested on those that "
            "it learns"
        )
    if data.answers is None:
        samples += f", {len(data.classes)} classes"
    else:
        samples += f", numbers from {data.y.min():g} to {data.y.max():g}"
    arithmetic = f"{settings.dtype} on {run.training.train.x.device.type}"
    names = run.training.network.activations
    hidden = ", ".join(names if len(set(names)) > 1 else names[:1])
    head = f"{settings.output} output, {settings.cost}"
    if hidden not in ("", "sigmoid"):
        head = f"{hidden} in hidden layers, {head}"
    passes = counted(settings.epochs, "epoch")
    lines = [
        f"{data.name}: {samples}, digest {data.digest}",
        f"{'-'.join(map(str, run.sizes))}: {head}, {settings.init} weights, seed {settings.seed}, "
        f"{arithmetic}",
        f"{settings.optimizer}: learning rate {settings.lr:g}, batches of {settings.batch_size}, "
        f"{passes}",
        f"torch {torch.__version__}, run {run.folder}",
    ]
    if run.resumed_after is not None:
        return [*lines, f"resumed after epoch {run.resumed_after}"]
    return lines


def progress(run: Run) -> Iterator[Record]:
    """The records of the run's epochs, with a bar on a terminal or in a notebook, and a line
    for about ten of them."""
    notebook = in_notebook()
    bars = importlib.import_module("tqdm.auto" if notebook else "tqdm")
    first = run.training.epoch
    last = run.configuration.epochs
    shown = {first + round(part * (last - first) / LINES_SHOWN) for part in range(LINES_SHOWN + 1)}
    quality = "right" if run.dataset.answers is None else "   R2"
    print(f"epoch  train loss  test loss  train {quality}  test {quality}")
    with bars.tqdm(
        total=last - first,
        unit="epoch",
        disable=not (notebook or sys.stderr.isatty()),
        leave=False,
    ) as bar:
        for record in run.training.fit(last):
            if record.epoch in shown:
                train = record.train
                test = record.test
                line = (
                    f"{record.epoch:5}  {train.loss:10.4f}  {test.loss:9.4f}  "
                    f"{_quality(train):>11}  {_quality(test):>10}"
                )
                bar.write(line, file=sys.stdout)
            bar.update(record.epoch > first)
            yield record


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel: not whether one could be started from it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _quality(score: Score) -> str:
    """The share of right answers, or R2 where numbers are predicted."""
    if score.r2 is None:
        return f"{score.accuracy:.2%}"
    return f"{score.r2:.4f}"

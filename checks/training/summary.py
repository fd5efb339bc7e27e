"""What a run says when it is over: to people, and to programs."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backproof.model.command_line import counted
from backproof.model.pasted import tool

if TYPE_CHECKING:
    from backproof.checks.learning.finding import Symptom
    from backproof.checks.training.checker import Checker
    from backproof.checks.training.session import Session
    from backproof.model.run import Run

MOST_TYPED = 16  # numbers that the last line asks nobody to type more of


def as_text(
    session: Session,
    symptoms: Sequence[Symptom],
    seconds: float,
    *,
    runs: Path,
    label: Sequence[str],
) -> list[str]:
    """The last lines: how good, how sure, where, and what to do next.

    Args:
        session: that is over, or was stopped. What its watcher has said on the screen already is
            told in short.
        symptoms: that the network has at the end.
        seconds: since the command began.
        runs: the folder of all runs, which TensorBoard is to show if this one lies there.
        label: the words that call the program that labels.
    """
    run = session.run
    checker = session.checker
    watcher = session.watcher
    checked = checker.summary()
    folder = run.folder
    lines = ["gradients not checked"]
    if checked:
        worst = f"the largest error was {checker.worst_ratio:.2g} of what rounding explains"
        times = counted(checker.checks, "time")
        lines = [
            f"gradients {checked['verdict']}: all {checked['parameters']:,} parameters, {times}, "
            f"three ways; {worst}"
        ]
    for symptom in symptoms:
        short = f"{symptom.name}: {symptom.where}, still so at the end: {symptom.evidence}"
        lines.append(f"symptom {short if watcher.reported(symptom) else symptom.line}")
    if not run.last:
        return [*lines, f"stopped before the first epoch was saved, in {seconds:.1f} s"]
    shown = str((folder.parent if folder.parent == runs else folder).resolve())
    quality = f"{_quality(run)} after {counted(run.last.epoch, 'epoch')}"
    if math.isfinite(watcher.baseline):
        quality += f" ({watcher.baseline:.2%} by always answering the commonest class)"
    return [
        *lines,
        f"{quality}, in {seconds:.1f} s",
        f"run: {folder.resolve()}",
        f"look: {shlex.join([*tool('tensorboard', 'tensorboard.main'), '--logdir', shown])}",
        f"label: {_label_command(run, label)}",
    ]


def as_json(
    run: Run, checker: Checker, symptoms: Sequence[Symptom], seconds: float
) -> dict[str, Any]:
    """The object of --json."""
    last = run.last
    return {
        "run": str(run.folder),
        "data": run.dataset.name,
        "sizes": list(run.sizes),
        "epochs": last.epoch if last else 0,
        "seconds": seconds,
        "loss": {"train": last.train.loss, "test": last.test.loss} if last else None,
        **_scores(run),
        "gradient_check": checker.summary(),
        "symptoms": [symptom.as_json() for symptom in symptoms],
    }


def _quality(run: Run) -> str:
    """How good the network is on test samples."""
    assert run.last is not None
    test = run.last.test
    if test.r2 is None or test.mean_squared_error is None or run.dataset.answers is None:
        return f"test accuracy {test.accuracy:.2%}"
    error = test.mean_squared_error * _squared_unit(run)
    return f"test R2 {test.r2:.4f}, mean squared error {error:.4g}"


def _squared_unit(run: Run) -> float:
    """The square of what is 1 to the network, in squared units of the data."""
    assert run.dataset.answers is not None
    return float(run.dataset.answers.scale[0]) ** 2


def _scores(run: Run) -> dict[str, Any]:
    """How good the network is, for machines: accuracy, or R2 and the mean squared error in squared
    units of the data."""
    last = run.last
    if run.dataset.answers is None:
        both = {"train": last.train.accuracy, "test": last.test.accuracy} if last else None
        return {"accuracy": both}
    found: dict[str, Any] = {"accuracy": None, "r2": None, "mean_squared_error": None}
    if last is not None:
        parts = {"train": last.train, "test": last.test}
        found["r2"] = {name: score.r2 for name, score in parts.items()}
        found["mean_squared_error"] = {
            name: (score.mean_squared_error or 0.0) * _squared_unit(run)
            for name, score in parts.items()
        }
    return found


def _label_command(run: Run, label: Sequence[str]) -> str:
    """A command that labels something with this run when it is pasted."""
    from backproof.model.checkpoint import SAMPLES

    command = [*label, "--run", str(run.folder)]
    first = run.dataset.x[run.dataset.test[0]]
    few = len(first) <= MOST_TYPED
    return shlex.join(
        [*command, *(f"{value:g}" for value in first)]
        if few
        else [*command, str(run.folder / SAMPLES)]
    )

"""Trainings that are killed, or whose disk fails, at every call that changes a run's files."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backproof.model import sealed
from backproof.model.checkpoint import CHECKPOINT
from backproof.model.command_line import BadInput
from benchmarks.reliability.counted import CODES, Count, Extent
from benchmarks.reliability.trained import digest, digest_or_reason, table, training
from benchmarks.reliability.trials import KILLED, Fault, scratch, tried

KILLS = {"before": -1, "after": -2, "within": -3}
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
EPOCHS = 2
CONFIGURATIONS = (
    ("--data", "bars", "--hidden", "3", "--lr", "0.5"),
    (
        *("--data", "bars", "--hidden", "4", "3", "--optimizer", "adam"),
        *("--dtype", "float64"),
    ),
    ("--data", "table.csv", "--optimizer", "sgd", "--momentum", "0.9"),
    (*("--data", "bars", "--hidden", "5", "--output", "sigmoid", "--cost", "quadratic"),),
)


@dataclass(frozen=True)
class Reference:
    """A configuration's weights after every epoch, and how many calls change its run's files."""

    flags: tuple[str, ...]
    weights: dict[int, str]
    calls: int


def reference(flags: tuple[str, ...]) -> Reference:
    """Train it without faults."""
    weights = {}
    calls = 0
    for epochs in range(EPOCHS + 1):
        with scratch() as folder:
            table(folder)
            run = training((*flags, *checked(flags), "--epochs", str(epochs), "--run-dir", "r"))
            done = tried(run, folder, Fault(folder))
            assert done.code in (0, 1), done.err
            weights[epochs] = digest(folder / "r")
            calls = done.calls
    return Reference(flags, weights, calls)


def checked(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Gradients are checked in one configuration: it takes longer than all the rest."""
    if "quadratic" in flags:
        return ()
    return ("--no-check",)


def survived(known: Reference, fault: Fault, folder: Path, count: Count, what: str) -> None:
    """One trial: train with a fault, look at what label would use, go on, and compare."""
    run_folder = folder / "r"
    flags = (*known.flags, *checked(known.flags), "--epochs", str(EPOCHS), "--run-dir", "r")
    done = tried(training(flags), folder, fault)
    where = f"{what} at call {fault.call} of {known.flags}"
    if done.traceback or done.code not in (*CODES, KILLED):
        return count.add("traceback", f"{where}: {done.code} {done.err[-300:]}")
    problem = stale(known, run_folder)
    if problem:
        return count.add("older weights", f"{where}: {problem}")
    again = tried(training(("--resume", "r", *checked(known.flags))), folder)
    came = "resumed to the same bits"
    if again.code == 2 and not (run_folder / CHECKPOINT).exists():
        again = tried(training(flags), folder)
        came = "begun anew in place"
    elif again.code == 2 and "expected more than the" in again.err:
        came = "were complete"
    left = [path.name for path in run_folder.glob(".*")] if run_folder.exists() else ["no run"]
    if again.traceback or digest_or_reason(run_folder) != known.weights[EPOCHS]:
        return count.add("lost", f"{where}: {again.code} {again.err[-300:]}")
    if left and came != "were complete":
        return count.add("temporary files left", f"{where}: {left}")
    return count.add(came)


def stale(known: Reference, folder: Path) -> str:
    """Whether label would answer from other weights than the newest complete ones; "" where not."""
    try:
        epoch = sealed.read(folder / CHECKPOINT).facts["epoch"]
    except BadInput:
        epoch = None
    try:
        said = digest(folder)
    except BadInput as error:
        return f"refused: {error}" if epoch is not None else ""
    if epoch is None or known.weights[epoch] != said:
        return f"the checkpoint has epoch {epoch}, label uses others"
    return ""


def positions(calls: int, extent: Extent, seed: random.Random) -> Sequence[int]:
    """A share of all calls, in order."""
    chosen = max(1, extent.of(calls))
    return sorted(seed.sample(range(1, calls + 1), min(calls, chosen)))


def kills(extent: Extent, seed: random.Random) -> Iterator[Count]:
    """The process is killed before, after and within every call, in four configurations."""
    count = Count("kills before, after and within every call, four configurations")
    for flags in extent.some(CONFIGURATIONS):
        known = reference(flags)
        for how, number in KILLS.items():
            for call in positions(known.calls, extent, seed):
                with scratch() as folder:
                    table(folder)
                    survived(known, Fault(folder, call, number), folder, count, how)
    yield count


def errors(extent: Extent, seed: random.Random) -> Iterator[Count]:
    """A call fails, or it and all after it, in two configurations."""
    count = Count("ENOSPC, EIO, EDQUOT at every call, once and for good")
    for flags in extent.some(CONFIGURATIONS[:3:2]):
        known = reference(flags)
        for number in extent.some(ERRORS):
            for for_good in (False, True):
                for call in positions(known.calls, extent, seed):
                    with scratch() as folder:
                        table(folder)
                        what = f"{errno.errorcode[number]}{' for good' * for_good}"
                        fault = Fault(folder, call, number, for_good)
                        survived(known, fault, folder, count, what)
    yield count

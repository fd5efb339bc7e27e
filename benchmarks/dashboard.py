"""What the dashboard and the watcher cost: the same training alone, with the one, and with the
other, in turns.

    python benchmarks/dashboard.py --data mnist --data-dir data/mnist --hidden 100 --batch-size 32
    --epochs 5

Flags that are not listed here are train.py's. No gradient is checked unless --checked is given, so
that nothing hides a share. Two figures stand beside each other: the ratio of whole trainings, which
counts caches that were emptied and threads that stay awake, and jitters by some percent; and the
milliseconds inside the dashboard's and the watcher's own calls, which do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as train.py has both
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from backproof.checks.learning.watch import Watcher
from backproof.checks.training.checker import Checker
from backproof.model.configuration import resolve
from backproof.model.dashboard import Dashboard
from backproof.model.run import Run, start_run
from backproof.model.training import Record
from backproof.train import parse_args

ALLOWED = {"dashboard": 0.10, "watcher": 0.02}  # of a training
KINDS = ("alone", *ALLOWED)


@dataclass
class Clocks:
    """Seconds on the wall, where other programs count, too, and of the processor, where only this
    one's threads do."""

    wall: float = 0.0
    processor: float = 0.0

    def add(self, call: Callable[[], object]) -> None:
        """Run something, and add the time that it takes."""
        wall, processor = time.perf_counter(), time.process_time()
        call()
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor


def measured(run: Run, kind: str, checked: bool) -> tuple[Clocks, Clocks]:
    """From the first step to the last: all of it, and what lies inside the calls of the dashboard
    or the watcher."""
    whole, own = Clocks(), Clocks()
    train = {"alone": alone, "dashboard": shown, "watcher": watched}[kind]
    whole.add(lambda: train(run, epochs(run, checked), own))
    return whole, own


def epochs(run: Run, checked: bool) -> Iterator[Record]:
    """The training, with a check of its gradients after every epoch if that is asked for."""
    checker = Checker(run.training, every=int(checked))
    for record in run.training.fit(run.configuration.epochs):
        yield record
        checker.look()


def alone(run: Run, records: Iterator[Record], own: Clocks) -> None:
    for _ in records:
        pass


def shown(run: Run, records: Iterator[Record], own: Clocks) -> None:
    made: list[Dashboard] = []
    own.add(lambda: made.append(Dashboard(run)))
    for record in records:
        own.add(lambda record=record: made[0].write(record))
    own.add(lambda: made[0].__exit__(None, None, None))


def watched(run: Run, records: Iterator[Record], own: Clocks) -> None:
    made: list[Watcher] = []
    own.add(lambda: made.append(Watcher(run.training, run.configuration.epochs)))
    for record in records:
        own.add(lambda record=record: made[0].look(record))
    own.add(lambda: made[0].conclude(ended=True))


def main(argv: list[str] | None = None) -> int:
    """Flags -> a table -> exit code 1 if the dashboard takes more than 10% of a training, or the
    watcher more than 2%."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="trainings of each kind (default: 5)"
    )
    parser.add_argument(
        "--checked", action="store_true", help="check every epoch's gradients, as train.py does"
    )
    given, rest = parser.parse_known_args(argv)
    flags = vars(parse_args(rest))
    spent: dict[str, list[tuple[Clocks, Clocks]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        measured(
            start_run(resolve(flags | {"epochs": 1}), Path(folder) / "first", device="cpu"),
            "dashboard",
            True,
        )
        for repeat in range(given.repeats):
            for kind in KINDS[repeat % len(KINDS) :] + KINDS[: repeat % len(KINDS)]:
                run = start_run(resolve(flags), Path(folder) / f"{repeat}-{kind}", device="cpu")
                spent[kind].append(measured(run, kind, given.checked))
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    sizes, settings = "-".join(map(str, run.sizes)), run.configuration
    print(
        f"{run.dataset.name} {sizes}, batches of {settings.batch_size}, {settings.epochs} epochs, "
        f"{given.repeats} of each kind;"
    )
    checks = "checked" if given.checked else "not checked"
    print(
        f"gradients {checks}; torch {torch.__version__}, {threads} thread(s), load {load:.1f} on "
        f"{os.cpu_count()} cores"
    )
    good = [report(kind, spent[kind], spent["alone"]) for kind in KINDS]
    return 0 if all(good) else 1


def report(
    kind: str, spent: list[tuple[Clocks, Clocks]], alone: list[tuple[Clocks, Clocks]]
) -> bool:
    """Two lines, and whether the share inside its own calls is allowed."""
    shares = []
    for clock in ("wall", "processor"):
        whole, own, base = (
            statistics.median(getattr(pair[part], clock) for pair in of)
            for of, part in ((spent, 0), (spent, 1), (alone, 0))
        )
        shares.append(own / base)
        ratio = statistics.median(
            getattr(pair[0], clock) / getattr(other[0], clock)
            for pair, other in zip(spent, alone, strict=True)
        )
        line = f"{kind:<10} {clock:<10} {whole:7.3f} s"
        print(
            line
            if kind == "alone"
            else f"{line}   ratio {ratio:5.3f}   own {1000 * own:6.1f} ms = {own / base:5.1%}"
        )
    return kind == "alone" or shares[1] <= ALLOWED[kind]


if __name__ == "__main__":
    raise SystemExit(main())

"""What the dashboard costs: the same training with it and without it, in turns, and the ratio of their processor times.

    python benchmarks/dashboard.py --data mnist --data-dir data/mnist --hidden 100 --batch-size 32 --epochs 5

Flags that are not listed here are train.py's. No gradient is checked, so that nothing hides the dashboard's share.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from model.configuration import resolve
from model.dashboard import Dashboard
from model.run import Run, start_run
from train import parse_args


def seconds(run: Run, shown: bool) -> float:
    """Of the processor, from the first step to the last: the clock on the wall would count what other programs do, too."""
    start = time.process_time()
    epochs = run.training.fit(run.configuration.epochs)
    if shown:
        with Dashboard(run) as dashboard:
            for record in epochs:
                dashboard.write(record)
    else:
        for _ in epochs:
            pass
    return time.process_time() - start


def main(argv: list[str] | None = None) -> int:
    """Flags -> a table -> exit code 1 if the dashboard costs more than 10%."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="trainings of each kind (default: 5)")
    given, rest = parser.parse_known_args(argv)
    flags = vars(parse_args(rest))
    spent: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(given.repeats):
            for shown in (repeat % 2 == 0, repeat % 2 == 1):
                run = start_run(resolve(flags), Path(folder) / f"{repeat}-{shown}", device="cpu")
                spent[shown].append(seconds(run, shown))
    sizes = "-".join(map(str, run.sizes))
    print(f"{run.dataset.name} {sizes}, batches of {run.configuration.batch_size}, {run.configuration.epochs} epochs;")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    print("repeat  without [s]  with [s]  ratio")
    for repeat, (without, with_) in enumerate(zip(spent[False], spent[True], strict=True)):
        print(f"{repeat:6}  {without:11.3f}  {with_:8.3f}  {with_ / without:5.3f}")
    ratio = statistics.median(spent[True]) / statistics.median(spent[False])
    print(f"median  {statistics.median(spent[False]):11.3f}  {statistics.median(spent[True]):8.3f}  {ratio:5.3f}")
    return 0 if ratio <= 1.1 else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""How the time of an epoch grows with batch, width, depth, samples and processes: python
benchmarks/scaling.py

Random samples, one thing varied at a time around 784-100-10 with batches of 32. The best of several
epochs counts, and the time of a step's matrix products grows with what is varied, so the last
column is seconds per thousand million multiply-adds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as train.py has it; before torch is imported

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from backproof.model.device import threads_for  # noqa: E402
from backproof.model.distributed import Processes, join, leave  # noqa: E402
from backproof.model.evaluation import Samples  # noqa: E402
from backproof.model.network import MLP  # noqa: E402
from backproof.model.training import Settings, Training  # noqa: E402

BASE = {"batch": 32, "width": 100, "depth": 1, "samples": 8192}
VARIED = {
    "batch": (8, 32, 128, 512, 2048),
    "width": (16, 64, 256, 1024),
    "depth": (1, 2, 4, 8),
    "samples": (2048, 8192, 32768),
}
PROCESSES = (1, 2)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--epochs", type=int, default=3, help="of each, of which the fastest counts (default: 3)"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the table"
    )
    parser.add_argument(
        "--one",
        action="store_true",
        help="print the seconds of the base case alone, as one of several processes",
    )
    given = parser.parse_args(argv)
    if given.one:
        processes = join("cpu")
        seconds = epoch_s(**BASE, epochs=given.epochs)
        print(f"{seconds:.6f}" if processes.leads else "", flush=True)
        leave(processes)
        return 0
    lines = [
        "| varied | value | seconds an epoch | seconds per 10^9 multiply-adds |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, values in VARIED.items():
        for value in values:
            case = {**BASE, name: value}
            seconds = epoch_s(**case, epochs=given.epochs)
            lines.append(
                f"| {name} | {value} | {seconds:.3f} | "
                f"{seconds / multiply_adds(**case) * 1e9:.4f} |"
            )
    for count in PROCESSES:
        seconds = together_s(count, given.epochs)
        lines.append(
            f"| processes | {count} | {seconds:.3f} | {seconds / multiply_adds(**BASE) * 1e9:.4f} |"
        )
    print("\n".join(lines))
    heading = (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}; "
        "by `python benchmarks/scaling.py`."
    )
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "scaling.md").write_text(
        "\n".join(["# How the time of an epoch grows", "", heading, "", *lines]) + "\n"
    )
    return 0


def sizes_of(width: int, depth: int) -> tuple[int, ...]:
    return (784, *[width] * depth, 10)


def multiply_adds(batch: int, width: int, depth: int, samples: int) -> float:
    """Of an epoch: each weight takes part once forward, once in dW and, but for the first layer,
    once in da."""
    weights = [n * n_in for n_in, n in itertools.pairwise(sizes_of(width, depth))]
    return samples * float(3 * sum(weights) - weights[0])


def epoch_s(batch: int, width: int, depth: int, samples: int, epochs: int) -> float:
    """Seconds of the fastest of some epochs, shared with the other processes if there are any."""
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(size=(samples, 784)).astype(np.float32))
    data = Samples(x, torch.from_numpy(random.integers(10, size=samples)))
    sizes = sizes_of(width, depth)
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    processes = (
        Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
        if there
        else Processes()
    )
    torch.set_num_threads(1 if there else threads_for(sizes, batch))
    training = Training(MLP(sizes), data, data, Settings(batch, 0.1), processes)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        training.run_epoch()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def together_s(count: int, epochs: int) -> float:
    """The base case under torchrun."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={count}",
        __file__,
    ]
    done = subprocess.run(
        [*command, "--one", "--epochs", str(epochs)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[0])


if __name__ == "__main__":
    sys.exit(main())

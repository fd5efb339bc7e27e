"""One MNIST epoch, ours beside what people would use instead: python benchmarks/training.py
--data-dir DIR

Every peer trains the same network on the same samples in this one process. Epochs are interleaved,
so that whatever else the machine does meets everybody, and the best of several counts. The test
accuracy after them stands beside each time.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as train.py has it; before torch is imported

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof.model.data import load
from backproof.model.device import threads_for
from benchmarks.peers import ON_CUDA, PEERS, Peer, Task, quietly

RESULTS = Path(__file__).parent / "results"
SHAPES = ((784, 100, 10), (784, 16, 16, 10), (784, 512, 256, 10))
BATCHES = (32, 128, 1024)
LEARNING_RATE = 0.5
# peer -> seconds of its best epoch, test accuracy after the last
Row = dict[str, tuple[float, float]]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("BACKPROOF_MNIST"),
        help="folder of the MNIST files",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=5,
        help="epochs of each, of which the fastest counts (default: 5)",
    )
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES, help="batch sizes")
    parser.add_argument(
        "--shapes",
        nargs="*",
        default=["-".join(map(str, s)) for s in SHAPES],
        help="such as 784-100-10",
    )
    parser.add_argument(
        "--samples", type=int, default=60_000, help="training samples (default: all 60000)"
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where torch computes (default: cpu)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="folder of the table and the plot (default: benchmarks/results)",
    )
    given = parser.parse_args(argv)
    dataset = load("mnist", given.data_dir)
    train, test = dataset.training("float32"), dataset.testing("float32")
    train = train[0][: given.samples], train[1][: given.samples]
    rows: dict[tuple[str, int], Row] = {}
    for shape in given.shapes:
        for batch in given.batches:
            task = Task(
                tuple(map(int, shape.split("-"))), batch, LEARNING_RATE, train, test, given.device
            )
            rows[shape, batch] = measure(task, given.epochs)
            print("\n".join(table({(shape, batch): rows[shape, batch]})), flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    heading = [
        f"# One epoch of {len(train[1]):,} MNIST samples",
        "",
        f"Best of {given.epochs}, in seconds, with the time in units of ours and the test "
        f"accuracy after {given.epochs} epochs. "
        f"{machine(given.device)}, load {os.getloadavg()[0]:.1f} at the end, "
        f"{time.strftime('%Y-%m-%d')}; Python "
        f"{platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}; by "
        "`python benchmarks/training.py`.",
        "",
    ]
    name = "training" if given.device == "cpu" else f"training-{given.device}"
    (given.out / f"{name}.md").write_text("\n".join([*heading, *table(rows)]) + "\n")
    plot(rows, given.out / f"{name}.png")
    return 0


def machine(device: str) -> str:
    """What computed."""
    return torch.cuda.get_device_name() if device == "cuda" else f"{os.cpu_count()} cores"


def measure(task: Task, epochs: int) -> Row:
    """Interleaved epochs of every peer that is installed; torch's own peers get every core, as they
    would by default."""
    names = PEERS if task.device == "cpu" else ON_CUDA
    peers = {name: peer for name in names if (peer := quietly(PEERS[name], task))}
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(epochs):
        for name, peer in peers.items():
            best[name] = min(best[name], timed(name, peer, task))
    return {name: (best[name], peer.accuracy()) for name, peer in peers.items()}


def timed(name: str, peer: Peer, task: Task) -> float:
    """Seconds of one epoch; ours with the threads that train.py would choose, the limit with the
    better of one and all."""
    choices = {
        "ours": [threads_for(task.sizes, task.batch_size)],
        "matrix products alone": [1, os.cpu_count() or 1],
    }
    seconds = []
    for threads in choices.get(name.split(",")[0], [os.cpu_count() or 1]):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        peer.epoch()
        if task.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def table(rows: dict[tuple[str, int], Row]) -> list[str]:
    """A markdown table: a line for each network, batch and peer."""
    lines = [
        "| network | batch | | seconds | times ours | test accuracy |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for (shape, batch), row in rows.items():
        reference = row["ours, by hand"][0]
        for name, (seconds, accuracy) in row.items():
            right = "" if np.isnan(accuracy) else f"{accuracy:.2%}"
            lines.append(
                f"| {shape} | {batch} | {name} | {seconds:.3f} | {seconds / reference:.2f} | "
                f"{right} |"
            )
    return lines


def plot(rows: dict[tuple[str, int], Row], path: Path) -> None:
    """Seconds by peer, one panel a network and batch."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = list(PEERS)
    figure, axes = plt.subplots(
        1, len(rows), figsize=(1.5 + 2.4 * len(rows), 3.4), sharey=True, squeeze=False
    )
    for axis, ((shape, batch), row) in zip(axes[0], rows.items(), strict=True):
        seconds = [row.get(name, (0.0, 0.0))[0] for name in names]
        axis.barh(
            names,
            seconds,
            color=["tab:blue" if name.startswith("ours") else "tab:gray" for name in names],
        )
        axis.set_title(f"{shape}\nbatch {batch}", fontsize=9)
        axis.set_xlabel("seconds an epoch")
        axis.invert_yaxis() if axis is axes[0][0] else None
    figure.tight_layout()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())

"""The experiments of Nielsen's book that everybody knows, with the same settings, and what they
give here.

    python -m benchmarks.nielsen --data-dir data/mnist [--seeds 3] [--only 2]

784-30-10 and 784-100-10, sigmoid output as in the book, and beside each the same with a softmax
output. 50,000 training images in batches of 10, plain gradient descent. Chapter 1 counts right
answers on the 10,000 test images and quotes the best epoch of the best of three runs; chapter 3
counts on the 10,000 validation images, the last of the 60,000, and quotes the last epoch. His
quadratic cost is half of ours, so his learning rate of 3 is 1.5 here; his weight decay is lambda /
n, with n = 50,000. Weights are drawn as in his chapter 3, with variance 1 / n_in, or, with --init
large, as in his chapter 1, with variance 1.
Source: M. Nielsen, Neural Networks and Deep Learning, 2015.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof.model.command_line import whole_number
from backproof.model.data import load
from backproof.model.device import threads_for
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Settings, Training

RESULTS = Path(__file__).parent / "results"
TRAINING_IMAGES, BATCH = 50_000, 10


@dataclass(frozen=True)
class Experiment:
    """One run of the book.

    Attributes:
        where: in the book.
        hidden: units.
        cost, learning_rate: of ours; see the module's first lines.
        lambda_: of L2 regularisation, for the whole training set.
        epochs: passes over the 50,000.
        counted_on: "test" or "validation".
        book: percent right, as the book reports it: of the best epoch on test, of the last on
            validation.
        output: "sigmoid", or "softmax" beside it.
    """

    where: str
    hidden: int
    cost: str
    learning_rate: float
    lambda_: float
    epochs: int
    counted_on: str
    book: float
    output: str = "sigmoid"

    @property
    def name(self) -> str:
        """One line."""
        decay = f", λ = {self.lambda_:g}" if self.lambda_ else ""
        return (
            f"784-{self.hidden}-10, {self.output}, {self.cost}, η = "
            f"{self.learning_rate:g}{decay}, {self.epochs} epochs"
        )


BOOK = (
    Experiment("chapter 1", 30, "quadratic", 1.5, 0.0, 30, "test", 95.42),
    Experiment("chapter 1", 100, "quadratic", 1.5, 0.0, 30, "test", 96.59),
    Experiment("chapter 3", 100, "cross-entropy", 0.5, 5.0, 30, "validation", 97.92),
    Experiment("chapter 3", 100, "cross-entropy", 0.1, 5.0, 60, "validation", 98.04),
)


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
        "--seeds", type=whole_number(1), default=3, help="runs of each (default: 3)"
    )
    parser.add_argument(
        "--epochs", type=whole_number(1), help="fewer than the book's, to try it out"
    )
    parser.add_argument(
        "--only", type=whole_number(1), metavar="K", help="the K-th experiment alone, 1 to 4"
    )
    parser.add_argument(
        "--init",
        choices=("normal", "large"),
        default="normal",
        help="variance of the first weights (default: normal)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="folder of the table (default: benchmarks/results)",
    )
    given = parser.parse_args(argv)
    parts = samples(given.data_dir)
    chosen = BOOK[given.only - 1 : given.only] if given.only else BOOK
    lines = [
        f"torch {torch.__version__}, NumPy {np.__version__}, float32, {given.init} first weights, "
        f"seeds 0 to {given.seeds - 1}.",
        "",
        "| experiment | counted on | book | here, best epoch | here, last epoch | test images, "
        "last epoch |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    for experiment in (e for book in chosen for e in (book, replace(book, output="softmax"))):
        experiment = replace(
            experiment, epochs=min(experiment.epochs, given.epochs or experiment.epochs)
        )
        lines.append(
            row(
                experiment,
                [run(experiment, parts, seed, given.init) for seed in range(given.seeds)],
            )
        )
        print(lines[-1], flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    name = "nielsen" if given.init == "normal" else f"nielsen-{given.init}"
    (given.out / f"{name}.md").write_text("\n".join(["# Nielsen's experiments", "", *lines]) + "\n")
    return 0


def samples(data_dir: Path | None) -> dict[str, Samples]:
    """The split of the book: 50,000 to learn from, 10,000 to choose settings by, 10,000 to test."""
    dataset = load("mnist", data_dir)
    (x, y), (test_x, test_y) = dataset.training("float32"), dataset.testing("float32")
    cut = TRAINING_IMAGES
    arrays = {
        "train": (x[:cut], y[:cut]),
        "validation": (x[cut:], y[cut:]),
        "test": (test_x, test_y),
    }
    return {name: Samples(*map(torch.from_numpy, pair)) for name, pair in arrays.items()}


def run(
    experiment: Experiment, parts: dict[str, Samples], seed: int, init: str
) -> dict[str, list[float]]:
    """Percent right after every epoch, on validation and test images."""
    sizes = (784, experiment.hidden, 10)
    torch.set_num_threads(threads_for(sizes, BATCH))
    settings = Settings(
        BATCH,
        experiment.learning_rate,
        weight_decay=experiment.lambda_ / TRAINING_IMAGES,
        output=experiment.output,
        cost=experiment.cost,
        seed=seed,
    )
    network = MLP(sizes, init="normal", seed=seed)
    if init == "large":
        with torch.no_grad():
            for W in network.W.values():
                W *= W.shape[1] ** 0.5
    training = Training(network, parts["train"], parts["test"], settings)
    found: dict[str, list[float]] = {"validation": [], "test": []}
    for _ in range(experiment.epochs):
        training.run_epoch()
        for name, right in found.items():
            right.append(100 * training.evaluate(parts[name]).accuracy)
    return found


def row(experiment: Experiment, runs: list[dict[str, list[float]]]) -> str:
    """A line of the table: every seed."""
    counted = [found[experiment.counted_on] for found in runs]
    best, last, test = (
        [f"{of:.2f}" for of in each]
        for each in zip(
            *((max(c), c[-1], r["test"][-1]) for c, r in zip(counted, runs, strict=True)),
            strict=True,
        )
    )
    book = f"{experiment.book:.2f}" if experiment.output == "sigmoid" else ""
    cells = (
        experiment.name,
        experiment.counted_on,
        book,
        ", ".join(best),
        ", ".join(last),
        ", ".join(test),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())

"""Networks as train.py trains them, with one of its first seven symptoms provoked or with none:
what benchmarks/symptoms.py counts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from backproof.checks.heads import CLASSIC
from backproof.checks.learning import descent
from backproof.checks.learning.finding import Progress, Symptom
from backproof.checks.learning.symptoms import look
from backproof.checks.learning.vital_signs import prior_loss
from backproof.model.data import load
from backproof.model.network import MLP

HEADS = [(head.output, head.cost) for head in CLASSIC]

Layers = dict[int, np.ndarray]
Samples = tuple[np.ndarray, np.ndarray]
Case = tuple[list[Symptom], str]  # what was found, and where it should be


def input_blind(random: np.random.Generator, seed: int) -> Case:
    """Constant rows, and inputs that all have the same sum."""
    n_0, N, K = (
        int(random.integers(4, 60)),
        int(random.integers(6, 300)),
        int(random.integers(2, 8)),
    )
    x = (
        random.dirichlet(np.ones(n_0), size=N)
        if seed % 2
        else random.permuted(np.tile(np.arange(n_0) < n_0 // 2, (N, 1)), axis=1)
    )
    W, b = network((n_0, *hidden(random), K), "row-constant", seed)
    if seed % 3 == 0:  # the fault alone, under layers that are as they should be
        fresh = network((n_0, *(len(b[layer]) for layer in b)), "pytorch", seed)
        W, b = {1: W[1], **{layer: fresh[0][layer] for layer in W if layer > 1}}, fresh[1]
    return look(W, b, x.astype(np.float64), random.integers(K, size=N), **head(seed)), "layer 1"


def symmetric_units(random: np.random.Generator, seed: int) -> Case:
    """Copies in one hidden layer, in as many groups as it pleases; every third case trained on in
    float32 steps."""
    x, y = blobs(random)
    sizes = (x.shape[1], *hidden(random, least=4), int(y.max()) + 1)
    W, b = network(sizes, "pytorch", seed)
    layer = int(random.integers(1, len(sizes) - 1))
    group = random.integers(random.integers(1, 4), size=sizes[layer])
    W[layer], b[layer], W[layer + 1] = W[layer][group], b[layer][group], W[layer + 1][:, group]
    for _ in range(300 if seed % 3 == 0 else 0):
        descent.step(W, b, x, y, learning_rate=0.3, **head(seed))
        W, b = (
            {at: array.astype(np.float32).astype(np.float64) for at, array in arrays.items()}
            for arrays in (W, b)
        )
    return look(W, b, x, y, **head(seed)), f"layer {layer}"


def saturated(random: np.random.Generator, seed: int) -> Case:
    """Inputs of 0..255, or all-positive weights in one hidden layer that is wide enough for them to
    add up."""
    x, y = blobs(random)
    if seed % 2:
        x = np.rint(255 * (x - x.min()) / (x.max() - x.min()))
        W, b = network(
            (x.shape[1], *hidden(random), int(y.max()) + 1),
            ("pytorch", "normal", "xavier")[seed % 3],
            seed,
        )
        return look(W, b, x, y, **head(seed)), "layer 1"
    sizes = (x.shape[1], *hidden(random, least=30, depth=3), int(y.max()) + 1)
    W, b = network(sizes, "pytorch", seed)
    layer = int(random.integers(2, len(sizes) - 1))
    W[layer] = random.uniform(0.1, 0.8, size=W[layer].shape)
    return look(W, b, x, y, **head(seed)), f"layer {layer}"


def stuck_at_prior(random: np.random.Generator, seed: int) -> Case:
    """A blind network, one whose first layer answers all inputs alike, or a very deep one, each
    trained until it rests."""
    if seed % 3 == 0:
        x, y = load("bars").training()
        W, b = network((4, *hidden(random), 2), "row-constant", seed)
        # so that nothing saturates
        W, b = ({layer: array / 10 for layer, array in arrays.items()} for arrays in (W, b))
    elif seed % 3 == 1:
        x, y = blobs(random)
        x = x + 1e3
        W, b = network((x.shape[1], *hidden(random), int(y.max()) + 1), "pytorch", seed)
        W[1] = np.abs(W[1])
    else:
        x, y = blobs(random)
        W, b = network(
            (x.shape[1], *[int(random.integers(10, 30))] * 9, int(y.max()) + 1), "pytorch", seed
        )
    W, b = descent.steps(W, b, x, y, learning_rate=0.05, count=5000, **head(seed))
    return look(W, b, x, y, **head(seed)), f"layer {len(W)}"


def too_few_steps(random: np.random.Generator, seed: int) -> Case:
    """A learning rate a thousandth of what is needed, or hardly an epoch."""
    train, test = halves(*blobs(random), random)
    W, b = network(
        (train[0].shape[1], *hidden(random), int(train[1].max()) + 1),
        ("pytorch", "xavier")[seed % 2],
        seed,
    )
    history = trained(
        W,
        b,
        train,
        test,
        seed,
        rate=float(10 ** random.uniform(-5, -3.5)),
        epochs=int(random.integers(2, 20)),
    )
    return look(
        W, b, *train, **head(seed), history=history, ended=True, tested=len(test[1])
    ), "the training"


def unlearnable_labels(random: np.random.Generator, seed: int) -> Case:
    """Labels that were shuffled alone."""
    x, y = load("digits").training() if seed % 2 else blobs(random, N=1000)
    train, test = halves(x, random.permutation(y), random)
    W, b = network((x.shape[1], *hidden(random), int(y.max()) + 1), "normal", seed)
    history = trained(W, b, train, test, seed, rate=0.5, epochs=25)
    return look(
        W, b, *train, **head(seed), history=history, ended=True, tested=len(test[1])
    ), "the labels"


def diverged(random: np.random.Generator, seed: int) -> Case:
    """A learning rate hundreds of times too large, or numbers that overflowed."""
    train, test = halves(*blobs(random), random)
    W, b = network((train[0].shape[1], *hidden(random), int(train[1].max()) + 1), "pytorch", seed)
    if seed % 4 == 0:
        layer = int(random.integers(1, len(W) + 1))
        W[layer][0, 0] = (np.nan, np.inf)[seed % 8 // 4]
        return look(W, b, *train, **head(seed)), f"layer {layer}"
    history = trained(W, b, train, test, seed, rate=float(10 ** random.uniform(2, 4)), epochs=8)
    return look(
        W, b, *train, **head(seed), history=history, ended=True, tested=len(test[1])
    ), "the training"


PROVOKED: dict[str, Callable[[np.random.Generator, int], Case]] = {
    "input-blind": input_blind,
    "symmetric-units": symmetric_units,
    "saturated": saturated,
    "stuck-at-prior": stuck_at_prior,
    "too-few-steps": too_few_steps,
    "unlearnable-labels": unlearnable_labels,
    "diverged": diverged,
}


def healthy(kind: str, seed: int) -> tuple[list[Symptom], int, bool]:
    """One training with settings that work: what was found in it, after how many looks, and whether
    it learnt."""
    random = np.random.default_rng([seed, len(kind), 1])
    train, test, (rate, batch, epochs) = data_for(kind, random)
    widths = [int(random.integers(12, 65)) for _ in range(random.integers(1, 3))]
    W, b = network(
        (train[0].shape[1], *widths, int(train[1].max()) + 1),
        ("pytorch", "xavier", "normal")[seed % 3],
        seed,
    )
    rate = float(rate * 10 ** random.uniform(-0.3, 0.3)) * (
        2 if head(seed)["cost"] == "quadratic" else 1
    )
    found, looks, history = [], 0, list[Progress]()
    for progress in descent.epochs(
        W, b, train, test, **head(seed), learning_rate=rate, batch=batch, count=epochs, seed=seed
    ):
        history.append(progress)
        if progress.epoch <= 50 or progress.epoch % 10 == 0 or progress.epoch == epochs:
            looks += 1
            found += look(
                W,
                b,
                *train,
                **head(seed),
                history=history,
                ended=progress.epoch == epochs,
                tested=len(test[1]),
            )
    K = len(b[len(b)])
    return found, looks, history[-1].train_loss < 0.5 * prior_loss(train[1], K, **head(seed))


def data_for(
    kind: str, random: np.random.Generator
) -> tuple[Samples, Samples, tuple[float, int, int]]:
    """Training and test samples, and the learning rate, batch size and epochs that suit them."""
    if kind == "csv":
        return *csv_table(random), (0.3, 16, 60)
    data = load(kind, Path(os.environ["BACKPROOF_MNIST"]) if kind == "mnist" else None)
    train, test = data.training(), data.testing()
    if kind == "mnist":
        rows = random.choice(len(train[1]), size=4000, replace=False)
        return (train[0][rows], train[1][rows]), (test[0][:1000], test[1][:1000]), (0.5, 16, 12)
    return train, test, {"digits": (0.3, 16, 25), "bars": (0.7, 4, 4000)}[kind]


def csv_table(random: np.random.Generator) -> tuple[Samples, Samples]:
    """A table that is written as CSV and read back: blobs, rings or stripes, columns in wild units,
    sometimes few of one class."""
    N, K = int(random.integers(150, 800)), int(random.integers(2, 6))
    y = random.choice(K, size=N, p=random.dirichlet(np.full(K, 5.0)))
    kind = random.integers(3)
    if kind == 0:
        x = random.normal(size=(K, 6))[y] * 2 + random.normal(size=(N, 6))
    elif kind == 1:
        angle = random.uniform(0, 2 * np.pi, size=N)
        x = (1 + y + random.normal(size=N) / 6)[:, None] * np.column_stack(
            [np.cos(angle), np.sin(angle)]
        )
    else:
        x = random.normal(size=(N, 4))
        x[:, 0] = y + random.uniform(0.1, 0.9, size=N)
    x = x * 10 ** random.uniform(-4, 4, size=x.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        lines = [
            ",".join([*(f"{value:.6g}" for value in row), f"class{label}"])
            for row, label in zip(x, y, strict=True)
        ]
        header = ",".join([*(f"column{i}" for i in range(x.shape[1])), "label"])
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        data = load(str(path))
    return data.training(), data.testing()


def trained(
    W: Layers, b: Layers, train: Samples, test: Samples, seed: int, *, rate: float, epochs: int
) -> list[Progress]:
    with np.errstate(all="ignore"):
        return list(
            descent.epochs(
                W,
                b,
                train,
                test,
                **head(seed),
                learning_rate=rate,
                batch=16,
                count=epochs,
                seed=seed,
            )
        )


def head(seed: int) -> dict[str, str]:
    return dict(zip(("output", "cost"), HEADS[seed % len(HEADS)], strict=True))


def network(sizes: tuple[int, ...], init: str, seed: int) -> tuple[Layers, Layers]:
    import torch

    drawn = MLP(sizes, init=init, seed=seed, dtype=torch.float64)
    return tuple(
        {layer: array.detach().numpy().copy() for layer, array in arrays.items()}
        for arrays in (drawn.W, drawn.b)
    )


def hidden(random: np.random.Generator, *, least: int = 8, depth: int = 2) -> tuple[int, ...]:
    return tuple(
        int(n) for n in random.integers(least, 60, size=random.integers(min(depth, 2), depth + 1))
    )


def blobs(random: np.random.Generator, N: int = 0) -> Samples:
    """Gaussian clouds, two of each class."""
    n, K = int(random.integers(3, 30)), int(random.integers(2, 8))
    y = random.integers(K, size=N or int(random.integers(100, 500)))
    centre = random.normal(size=(2, K, n)) * 1.5
    return centre[random.integers(2, size=len(y)), y] + random.normal(size=(len(y), n)), y


def halves(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> Iterator[Samples]:
    order = random.permutation(len(y))
    cut = len(y) * 3 // 4
    return iter([(x[order[:cut]], y[order[:cut]]), (x[order[cut:]], y[order[cut:]])])

"""What people would use instead: the same network, one epoch at a time, each written as its own
documentation writes it.

Every peer is `prepare(task) -> Peer`; `epoch()` runs one epoch and returns when the arithmetic is
done, `accuracy()` says how good the weights are then. All train the same shapes on the same
samples: sigmoid, softmax and cross-entropy, plain SGD.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Settings, Training, shuffle


@dataclass(frozen=True)
class Task:
    """One row of the table."""

    sizes: tuple[int, ...]
    batch_size: int
    learning_rate: float
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    device: str = "cpu"

    def tensors(self, part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y of "train" or "test" where the arithmetic is."""
        x, y = getattr(self, part)
        return torch.from_numpy(x).to(self.device), torch.from_numpy(y).to(self.device)


@dataclass
class Peer:
    epoch: Callable[[], None]
    accuracy: Callable[[], float]


def ours(task: Task, backward: str) -> Peer:
    """model/training.py, as train.py runs it."""
    samples = [Samples(*task.tensors(part)) for part in ("train", "test")]
    settings = Settings(task.batch_size, task.learning_rate, backward=backward)
    training = Training(MLP(task.sizes, device=task.device), *samples, settings)
    return Peer(training.run_epoch, lambda: training.evaluate(training.test).accuracy)


def scikit_learn(task: Task) -> Peer:
    """MLPClassifier with logistic units, plain SGD, one epoch a call of partial_fit (which
    shuffles, as fit does)."""
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        task.sizes[1:-1],
        activation="logistic",
        solver="sgd",
        alpha=0.0,
        batch_size=task.batch_size,
        learning_rate_init=task.learning_rate,
        momentum=0.0,
        nesterovs_momentum=False,
        random_state=0,
    )
    (x, y), classes = task.train, np.arange(task.sizes[-1])
    return Peer(
        lambda: classifier.partial_fit(x, y, classes=classes) and None,
        lambda: classifier.score(*task.test),
    )


def data_loader(task: Task) -> Peer:
    """The loop of the PyTorch examples: DataLoader, nn.Sequential, torch.optim.SGD."""
    x, y = map(torch.from_numpy, task.train)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), batch_size=task.batch_size, shuffle=True
    )
    network = _sequential(task)
    optimizer = torch.optim.SGD(network.parameters(), lr=task.learning_rate)
    cost = torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        for batch_x, batch_y in loader:
            optimizer.zero_grad()
            cost(network(batch_x.to(task.device)), batch_y.to(task.device)).backward()
            optimizer.step()

    return Peer(epoch, lambda: _accuracy(network, task))


def in_memory(task: Task) -> Peer:
    """The same with the batches taken out of tensors in memory, and torch's fused SGD."""
    x, y = task.tensors("train")
    network = _sequential(task)
    optimizer = torch.optim.SGD(network.parameters(), lr=task.learning_rate, fused=True)
    cost = torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        for rows in torch.randperm(len(y)).to(task.device).split(task.batch_size):
            optimizer.zero_grad()
            cost(network(x[rows]), y[rows]).backward()
            optimizer.step()

    return Peer(epoch, lambda: _accuracy(network, task))


def plain_numpy(task: Task) -> Peer:
    """The loop that a beginner ends up with, in float32."""
    (x, y), sizes = task.train, task.sizes
    weights = [W.detach().numpy().copy() for W in MLP(sizes).W.values()]
    biases = [np.zeros(n, dtype=np.float32) for n in sizes[1:]]
    Y, epochs = np.eye(sizes[-1], dtype=np.float32)[y], iter(range(1, 1_000_000))

    def forward(inputs: np.ndarray) -> list[np.ndarray]:
        a = [inputs]
        for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
            z = a[-1] @ W.T + b
            a.append(
                1 / (1 + np.exp(-z))
                if i < len(weights) - 1
                else np.exp(z - z.max(axis=1, keepdims=True))
            )
        a[-1] /= a[-1].sum(axis=1, keepdims=True)
        return a

    def epoch() -> None:
        order = shuffle(0, next(epochs), len(y))
        for start in range(0, len(y), task.batch_size):
            rows = order[start : start + task.batch_size]
            a = forward(x[rows])
            dz = (a[-1] - Y[rows]) / len(rows)
            for i in range(len(weights) - 1, -1, -1):
                dW, db = dz.T @ a[i], dz.sum(axis=0)
                if i:
                    dz = (dz @ weights[i]) * a[i] * (1 - a[i])
                weights[i] -= task.learning_rate * dW
                biases[i] -= task.learning_rate * db

    return Peer(
        epoch, lambda: float((forward(task.test[0])[-1].argmax(axis=1) == task.test[1]).mean())
    )


def jax_scan(task: Task) -> Peer:
    """JAX: the whole epoch one compiled lax.scan; compiled before the clock starts; samples beyond
    full batches are left out."""
    import jax
    import jax.numpy as jnp

    (x, y), steps = map(jnp.asarray, task.train), len(task.train[1]) // task.batch_size
    parameters = [
        (jnp.asarray(W.detach().numpy()), jnp.zeros(len(W))) for W in MLP(task.sizes).W.values()
    ]

    def logits(parameters: Any, inputs: Any) -> Any:
        for W, b in parameters[:-1]:
            inputs = jax.nn.sigmoid(inputs @ W.T + b)
        return inputs @ parameters[-1][0].T + parameters[-1][1]

    def loss(parameters: Any, inputs: Any, labels: Any) -> Any:
        return -jnp.take_along_axis(
            jax.nn.log_softmax(logits(parameters, inputs)), labels[:, None], axis=1
        ).mean()

    def step(parameters: Any, rows: Any) -> Any:
        gradients = jax.grad(loss)(parameters, x[rows], y[rows])
        return jax.tree.map(lambda p, g: p - task.learning_rate * g, parameters, gradients), None

    run = jax.jit(lambda parameters, order: jax.lax.scan(step, parameters, order)[0])
    state, epochs = [parameters], iter(range(1, 1_000_000))

    def epoch() -> None:
        order = shuffle(0, next(epochs), len(y))[: steps * task.batch_size].reshape(
            steps, task.batch_size
        )
        state[0] = jax.block_until_ready(run(state[0], order))

    run.lower(parameters, jnp.zeros((steps, task.batch_size), dtype=int)).compile()
    return Peer(
        epoch,
        lambda: float((jnp.argmax(logits(state[0], task.test[0]), axis=1) == task.test[1]).mean()),
    )


def limit(task: Task) -> Peer:
    """The same matrix products alone, by torch.mm, in the same shapes and into memory that is
    there."""
    N, sizes = task.batch_size, task.sizes
    W = [torch.randn(n, n_in, device=task.device) for n_in, n in itertools.pairwise(sizes)]
    a, dz = ([torch.rand(N, n, device=task.device) for n in sizes] for _ in range(2))
    dW, L, steps = [torch.empty_like(w) for w in W], len(W), -(-len(task.train[1]) // N)
    W_T, dz_T = [w.t() for w in W], [d.t() for d in dz]

    def epoch() -> None:
        for _ in range(steps):
            for layer in range(L):
                torch.mm(a[layer], W_T[layer], out=a[layer + 1])
            for layer in range(L, 0, -1):
                torch.mm(dz_T[layer], a[layer - 1], out=dW[layer - 1])
                if layer > 1:
                    torch.mm(dz[layer], W[layer - 1], out=dz[layer - 1])

    return Peer(epoch, lambda: float("nan"))


PEERS: dict[str, Callable[[Task], Peer]] = {
    "ours, by hand": lambda task: ours(task, "by-hand"),
    "ours, autograd": lambda task: ours(task, "autograd"),
    "scikit-learn": scikit_learn,
    "PyTorch DataLoader": data_loader,
    "PyTorch in memory": in_memory,
    "NumPy": plain_numpy,
    "JAX lax.scan": jax_scan,
    "matrix products alone": limit,
}


ON_CUDA = (
    "ours, by hand",
    "ours, autograd",
    "PyTorch DataLoader",
    "PyTorch in memory",
    "matrix products alone",
)


def quietly(prepare: Callable[[Task], Peer], task: Task) -> Peer | None:
    """A peer, or None where its library is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return prepare(task)
    except ModuleNotFoundError:
        return None


def _sequential(task: Task) -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for n_in, n in itertools.pairwise(task.sizes):
        layers += [torch.nn.Linear(n_in, n), torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers[:-1]).to(task.device)


@torch.no_grad()
def _accuracy(network: torch.nn.Module, task: Task) -> float:
    x, y = task.tensors("test")
    return float((network(x).argmax(dim=1) == y).double().mean())

"""One step, one epoch, all epochs. Yields records, prints nothing, writes nothing.

What happens in an epoch is a function of the seed, the epoch's number and the state before it, so
that a run which was stopped and resumed ends with the weights of one that was not, bit for bit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from backproof.model.backward import Backward
from backproof.model.batches import Batches
from backproof.model.costs import cost_of
from backproof.model.distributed import Processes, leave, noticing_loss
from backproof.model.evaluation import Samples, Score, evaluate
from backproof.model.network import MLP
from backproof.model.optimizers import SGD, Adam, Optimizer
from backproof.model.products import Run
from backproof.model.replay import Replay, in_turn

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

    from backproof.model.costs import Answers


@dataclass(frozen=True)
class Settings:
    """How to train: everything but the network, the data and the number of epochs.

    Attributes:
        batch_size: samples a step; the last batch of an epoch may be smaller.
        learning_rate: of the optimizer, per unit of gradient of the mean loss.
        optimizer: "sgd" or "adam".
        momentum: of sgd.
        weight_decay: lambda: lambda W is added to the gradient of every W, not of b.
        output, cost: the head.
        backward: "by-hand" or "autograd": who computes the gradients.
        seed: of the shuffles.
    """

    batch_size: int
    learning_rate: float
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    output: str = "softmax"
    cost: str = "cross-entropy"
    backward: str = "by-hand"
    seed: int = 0


@dataclass(frozen=True)
class Record:
    """What an epoch left behind; epoch 0 is the network before its first step.

    Attributes:
        epoch: how many epochs are complete.
        train, test: evaluations after the epoch.
        learning_rate: that it used.
        gradient_norms: Euclidean norm of dW by layer, of the epoch's last step; empty at epoch 0.
        elapsed_s: of the epoch, evaluation included.
        logits: of the test samples, or of the first 10,000 and some more; None where several
            processes share them.
    """

    epoch: int
    train: Score
    test: Score
    learning_rate: float
    gradient_norms: dict[int, float]
    elapsed_s: float
    logits: Float[Tensor, "N K"] | None = field(default=None, repr=False, compare=False)

    @property
    def diverged(self) -> bool:
        """Whether the loss is no longer a number."""
        return not np.isfinite(self.train.loss)


class Training:
    """A network on its way: `fit` goes on from `epoch`, `state` and `restore` move it to disk and
    back."""

    def __init__(
        self,
        network: MLP,
        train: Samples,
        test: Samples,
        settings: Settings,
        processes: Processes | None = None,
    ) -> None:
        self.network = network
        self.train = train
        self.test = test
        self.settings = settings
        self.processes = processes or Processes()
        self.cost = cost_of(settings.output, settings.cost)
        self.optimizer = _optimizer(network, settings)
        self.epoch = 0
        self._batches = Batches(
            train.x, train.y, settings.batch_size, self.processes.rank, self.processes.world
        )
        self._descend = _descend(settings, self.processes)
        # an epoch has one for its batches, one for its last
        self._by_size: dict[tuple[int, int, float | None], Backward] = {}
        if settings.backward == "autograd":
            self._shared = _shared(network, self.processes)
        else:
            self._shared = network

    def fit(self, epochs: int) -> Iterator[Record]:
        """Train up to `epochs` epochs in all, yielding a record after each; the first is of the
        state as it is.

        A diverged epoch is yielded, and is the last one.
        """
        yield self._record(time.perf_counter(), {})
        while self.epoch < epochs:
            start = time.perf_counter()
            self.run_epoch()
            norms = {
                layer: float(W.grad.norm())
                for layer, W in self.network.W.items()
                if W.grad is not None
            }
            record = self._record(start, norms)
            yield record
            if record.diverged:
                return

    def _record(self, start: float, norms: dict[int, float]) -> Record:
        """Evaluate the network as it is, after an epoch that began at `start`."""
        parts: list[Tensor] = []
        train = self.evaluate(self.train)
        test = self.evaluate(self.test, parts)
        logits = torch.cat(parts) if self.processes.world == 1 else None
        return Record(
            self.epoch,
            train,
            test,
            self.settings.learning_rate,
            norms,
            time.perf_counter() - start,
            logits,
        )

    def evaluate(self, samples: Samples, parts: list[Tensor] | None = None) -> Score:
        """Mean loss and accuracy over samples as the network is; `parts` gets the logits of the
        first."""
        return evaluate(self.network, samples, self.cost, self.processes, parts)

    def run_epoch(self) -> None:
        """Every training sample once, in the order of `shuffle`."""
        order = torch.from_numpy(shuffle(self.settings.seed, self.epoch + 1, len(self.train.y))).to(
            self.train.y.device
        )
        size = min(self.settings.batch_size, len(order))
        # The last step leaves its gradients to be looked at: where the others do not, or where it
        # has fewer samples, it is another.
        last = len(order) % size or (size if self._descend else 0)
        many, few = torch.split(order, [len(order) - last, last])
        # By hand, nothing is recorded and nothing that outlives the epoch is made: torch need not
        # keep track of either.
        with torch.inference_mode(self.settings.backward == "by-hand"):
            for count in self._batches(many.view(-1, size)):
                self._run(count)
            if last:
                self.step(*self._batches.share(few), whole=last)
        self.epoch += 1

    @cached_property
    def _steps(self) -> list[Run]:
        """The step on each of the places where full batches come to lie; it need not leave its
        gradients."""
        return [
            self.bound(x, y, self._batches.batch_size, seen=False) for x, y in self._batches.places
        ]

    @cached_property
    def _run(self) -> Callable[[int], None]:
        """Runs so many of these steps; on CUDA it replays them, but autograd and messages cannot be
        recorded so."""
        replays = (
            self.train.x.is_cuda
            and self.settings.backward == "by-hand"
            and self.processes.world == 1
        )
        if replays:
            parameters = list(self.network.parameters())
            return Replay(self._steps, parameters=parameters, device=self.train.x.device)
        return partial(in_turn, self._steps)

    def step(self, x: Float[Tensor, "N n_0"], y: Answers, whole: int | None = None) -> None:
        """One batch forward, backward, and the optimizer's step; leaves its gradients.

        Args:
            x, y: the batch, or this process's part of it.
            whole: samples of the whole batch, where this is a part.
        """
        self.bound(x, y, whole)()

    def bound(
        self,
        x: Float[Tensor, "N n_0"],
        y: Answers,
        whole: int | None = None,
        *,
        seen: bool = True,
    ) -> Run:
        """`step`, bound to where its batch lies, for batches that come to lie there again and
        again.

        Args:
            x, y, whole: as for `step`; or memory that will hold them.
            seen: whether anybody will look at the gradients. Plain descent by hand need not store
                them otherwise.
        """
        if self.settings.backward == "autograd":
            return partial(self._step_by_autograd, x, y, whole)
        N = len(y)
        if self._descend and not seen:
            return self._by_hand(N, N, self._descend).at(x, y)
        return partial(self._step_by_hand, self._by_hand(N, whole or N).at(x, y))

    def _step_by_hand(self, passes: Run) -> None:
        """Passes that leave their gradients, and the optimizer's step."""
        passes()
        if self.processes.world > 1:
            self.processes.add_up_all(
                [g for parameter in self.network.parameters() if (g := parameter.grad) is not None]
            )
        self.optimizer.step()

    def _step_by_autograd(self, x: Tensor, y: Tensor, whole: int | None) -> None:
        self.network.zero_grad()
        with noticing_loss() if self.processes.world > 1 else nullcontext():
            torch.autograd.backward(self._loss(x, y, whole))
        self.optimizer.step()

    def _by_hand(self, N: int, whole: int, descend: float | None = None) -> Backward:
        """The hand-written passes for batches of N samples, or parts of N samples of a larger
        one."""
        form = N, whole, descend
        if form not in self._by_size:
            with torch.inference_mode(False):  # its memory outlives the epoch
                head = self.settings.output, self.settings.cost
                self._by_size[form] = Backward(
                    self.network, N, *head, mean_over=whole, descend=descend
                )
        return self._by_size[form]

    def _loss(self, x: Tensor, y: Tensor, whole: int | None) -> Tensor:
        """The mean loss of a batch; for a part of one, what makes the mean over the processes'
        gradients that of the batch."""
        if self.processes.world == 1:
            loss: Tensor = self.cost(self.network(x), y)
            return loss
        losses: Tensor = cost_of(self.settings.output, self.settings.cost, reduction="none")(
            self._shared(x), y
        )
        return losses.sum() * (self.processes.world / (whole or len(y)))

    def next_batch(self) -> Samples:
        """The batch that the next epoch begins with: what a gradient check should look at."""
        rows = torch.from_numpy(
            shuffle(self.settings.seed, self.epoch + 1, len(self.train.y))[
                : self.settings.batch_size
            ]
        )
        rows = rows.to(self.train.y.device)
        return Samples(self.train.x[rows], self.train.y[rows])

    def leave(self) -> None:
        """Say goodbye to the other processes, if there are any: this training is over."""
        self._shared = self.network  # what talks to them must be gone before they are
        leave(self.processes)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and facts that `restore` needs: copies, so that they stay what they are while
        training goes on."""
        arrays = {
            f"network.{name}": _array(tensor) for name, tensor in self.network.state_dict().items()
        }
        arrays |= {
            f"optimizer.{name}": _array(tensor) for name, tensor in self.optimizer.state().items()
        }
        return arrays, {"epoch": self.epoch}

    def restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Go back to a state.

        Raises: ValueError if it is of another network, precision or optimizer; nothing is changed
        then.
        """
        expected = _forms(self.state()[0])
        found = _forms(arrays)
        if expected != found:
            name = min({name for name, _ in set(expected.items()) ^ set(found.items())})
            raise ValueError(
                f"{name} of {found.get(name, 'no')} numbers, not {expected.get(name, 'no')}"
            )
        epoch = facts.get("epoch")
        if type(epoch) is not int or epoch < 0:
            raise ValueError(f"{epoch!r} as its number of epochs")
        self.network.load_state_dict(_tensors(arrays, "network."))
        self.optimizer.restore(_tensors(arrays, "optimizer."))
        self.epoch = epoch


def shuffle(seed: int, epoch: int, N: int) -> Int64[np.ndarray, " N"]:
    """The order of the training samples in an epoch: a pure function of its arguments, on every
    machine and device."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(N)


def _shared(network: MLP, processes: Processes) -> nn.Module:
    """The network as autograd runs it: with other processes, inside torch's
    DistributedDataParallel, which averages gradients."""
    if processes.world > 1:
        return nn.parallel.DistributedDataParallel(network)
    return network


def _optimizer(network: MLP, settings: Settings) -> Optimizer:
    """The one that the settings name."""
    weights = list(network.W.values())
    biases = list(network.b.values())
    if settings.optimizer == "adam":
        return Adam(weights, biases, settings.learning_rate, settings.weight_decay)
    return SGD(weights, biases, settings.learning_rate, settings.momentum, settings.weight_decay)


def _descend(settings: Settings, processes: Processes) -> float | None:
    """The learning rate, where a step is no more than that times the gradient, which one process
    has computed by hand.

    Weight decay is left to the optimizer: W times 1 - learning_rate lambda would keep a wrong share
    of it in float32, where that number is rounded to a multiple of 6e-8, alike in every step.
    """
    plain = settings.optimizer == "sgd" and not settings.momentum and not settings.weight_decay
    if plain and settings.backward == "by-hand" and processes.world == 1:
        return settings.learning_rate
    return None


def _forms(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Shape and precision by name."""
    return {
        name: f"{'x'.join(map(str, array.shape)) or 1} {array.dtype}"
        for name, array in arrays.items()
    }


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()


def _tensors(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }

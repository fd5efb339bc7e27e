"""A replayed step is the step. On a card it is a CUDA graph; here the recording is imitated, to test the order of things."""

from functools import partial

import pytest
import torch

from model.evaluation import Samples
from model.network import MLP
from model.replay import WARM_UP, Replay
from model.training import Settings, Training


def training(device="cpu", N=41, **settings):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(N, 6, generator=generator, dtype=torch.float64), torch.randint(4, (N,), generator=generator)
    samples = Samples(x.to(device), y.to(device))
    return Training(MLP((6, 5, 4), seed=1, dtype=torch.float64, device=device), samples, samples, Settings(8, 0.3, **settings))


def weights(of):
    return torch.cat([parameter.detach().flatten().cpu() for parameter in of.network.parameters()])


@pytest.mark.parametrize("how", [{}, {"momentum": 0.9}, {"optimizer": "adam"}, {"output": "sigmoid", "cost": "quadratic"}], ids=str)
def test_replayed_epochs_end_with_the_same_weights_bit_for_bit(how):
    """5 full batches of 8, and one sample left over; the first steps run aside, and recording itself is no step."""
    plain, replayed, log = training(**how), training(**how), []

    def record(run):
        log.append("record")
        return lambda: (log.append("replay"), run())

    def aside(run):
        log.append("aside")
        run()

    replayed._replay = Replay(partial(replayed.step, seen=False), replayed.train.x, replayed.train.y, 8, aside=aside, record=record)
    for _ in range(2):
        plain.run_epoch()
        replayed.run_epoch()
    assert torch.equal(weights(plain), weights(replayed))
    assert log == ["aside"] * WARM_UP + ["record"] + ["replay"] * (10 - WARM_UP)


def test_a_replay_that_kept_its_first_rows_would_end_elsewhere():
    """The wrong version: what was recorded looks at a batch of its own, not at the memory that the rows are copied into."""
    plain, wrong = training(), training()
    first = wrong.next_batch()
    wrong._replay = Replay(lambda x, y: wrong.step(first.x, first.y), wrong.train.x, wrong.train.y, 8, aside=lambda run: run())
    wrong._replay._record = lambda run: run
    plain.run_epoch()
    wrong.run_epoch()
    assert not torch.equal(weights(plain), weights(wrong))


def test_nothing_is_replayed_on_the_cpu():
    assert training()._replay is None


@pytest.mark.cuda
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_cuda_graph_ends_within_rounding_of_plain_steps(optimizer):
    graph, plain = (training("cuda", N=203, optimizer=optimizer) for _ in range(2))
    assert graph._replay is not None
    plain._replay = None
    for _ in range(2):
        graph.run_epoch()
        plain.run_epoch()
    # The same kernels on the same numbers: libraries may choose others while recording, a few eps a step over 52 smooth steps.
    assert float((weights(graph) - weights(plain)).abs().max()) <= 1e-12

"""A replayed step is the step. On a card it is a CUDA graph; here the recording is imitated, to
test the order of things."""

from functools import partial

import pytest
import torch

from backproof.model import batches
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.replay import WARM_UP, Replay, in_turn
from backproof.model.training import Settings, Training


def training(device="cpu", N=41, **settings):
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.rand(N, 6, generator=generator, dtype=torch.float64),
        torch.randint(4, (N,), generator=generator),
    )
    samples = Samples(x.to(device), y.to(device))
    return Training(
        MLP((6, 5, 4), seed=1, dtype=torch.float64, device=device),
        samples,
        samples,
        Settings(8, 0.3, **settings),
    )


def weights(of):
    return torch.cat([parameter.detach().flatten().cpu() for parameter in of.network.parameters()])


@pytest.fixture
def three_a_block(monkeypatch):
    """Blocks of three batches of eight."""
    monkeypatch.setitem(batches.BLOCK_BYTES, "cpu", 3 * 8 * 6 * 8)


@pytest.mark.parametrize(
    "how",
    [{}, {"momentum": 0.9}, {"optimizer": "adam"}, {"output": "sigmoid", "cost": "quadratic"}],
    ids=str,
)
def test_replayed_epochs_end_with_the_same_weights_bit_for_bit(three_a_block, how):
    """5 full batches, so blocks of 3 and of 2, and one sample left over; the first block runs
    aside, and recording is no step."""
    plain, replayed, log = training(**how), training(**how), []

    def record(run):
        log.append("record")
        return lambda: (log.append("replay"), run())

    def aside(run):
        log.append("aside")
        run()

    replayed._run = Replay(replayed._steps, aside=aside, record=record)
    for _ in range(3):
        plain.run_epoch()
        replayed.run_epoch()
    assert torch.equal(weights(plain), weights(replayed))
    assert log == ["aside", "record", "replay", "record", *["replay"] * 4]


def test_blocks_run_aside_until_libraries_have_had_their_steps():
    log = []
    run = Replay(
        [lambda: None] * 2,
        aside=lambda run: log.append("aside"),
        record=lambda run: lambda: log.append("replay"),
    )
    for count in (2, 2, 2):
        run(count)
    assert WARM_UP == 3
    assert log == ["aside", "aside", "replay"]


def test_a_replay_of_other_memory_would_end_elsewhere(three_a_block):
    """The wrong version: what was recorded looks at batches of its own, not at the memory that
    samples are gathered into."""
    plain, wrong = training(), training()
    batch = wrong.next_batch()
    steps = [wrong.bound(batch.x, batch.y, seen=False) for _ in wrong._steps]
    wrong._run = Replay(steps, aside=lambda run: run(), record=lambda run: run)
    plain.run_epoch()
    wrong.run_epoch()
    assert not torch.equal(weights(plain), weights(wrong))


def test_nothing_is_replayed_on_the_cpu():
    assert not isinstance(training()._run, Replay)


@pytest.mark.cuda
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_cuda_graph_ends_within_rounding_of_plain_steps(optimizer):
    graph, plain = (training("cuda", N=203, optimizer=optimizer) for _ in range(2))
    assert isinstance(graph._run, Replay)
    plain._run = partial(in_turn, plain._steps)
    for _ in range(3):
        graph.run_epoch()
        plain.run_epoch()
    # The same kernels on the same numbers: libraries may choose others while recording, a few eps a
    # step over 78 smooth steps.
    assert float((weights(graph) - weights(plain)).abs().max()) <= 1e-12

"""Batches: every sample once, in order, whole or shared between processes."""

import pytest
import torch

from backproof.model import batches
from backproof.model.batches import Batches


def collected(batches, order):
    """x and y of this process's share of every batch of an epoch, the smaller last one, too."""
    few = len(order) % batches.batch_size
    many = order[: len(order) - few].view(-1, batches.batch_size)
    full = [(x.clone(), y.clone()) for count in batches(many) for x, y in batches.places[:count]]
    return full + ([batches.share(order[-few:])] if few else [])


def samples(N, width=3):
    return torch.arange(float(N))[:, None].repeat(1, width), torch.arange(N)


@pytest.mark.parametrize(("N", "batch_size"), [(10, 3), (12, 4), (5, 8), (1, 1), (100, 7)])
@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_every_sample_comes_once_and_in_order(monkeypatch, N, batch_size, block_bytes):
    monkeypatch.setitem(batches.BLOCK_BYTES, "cpu", block_bytes)
    x, y = samples(N)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    every = Batches(x, y, batch_size)
    for _ in range(2):  # the memory is used again
        seen = collected(every, order)
        assert torch.equal(torch.cat([by for _, by in seen]), order)
        assert torch.equal(torch.cat([bx[:, 0] for bx, _ in seen]), order.float())
        assert [len(by) for _, by in seen] == [
            min(batch_size, N - start) for start in range(0, N, min(batch_size, N))
        ]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(("N", "batch_size"), [(10, 3), (12, 4), (13, 6), (5, 8)])
def test_processes_share_every_batch(N, batch_size, world):
    x, y = samples(N)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    parts = [
        [by for _, by in collected(Batches(x, y, batch_size, rank, world), order)]
        for rank in range(world)
    ]
    # as many steps in every process, or they would wait for each other forever
    assert len({len(part) for part in parts}) == 1
    for start, batch in zip(range(0, N, batch_size), zip(*parts, strict=True), strict=True):
        together = torch.cat(batch)
        expected = order[start : start + batch_size]
        assert sorted(together.tolist()) == sorted(expected.tolist())


def test_many_small_batches_share_few_places(monkeypatch):
    monkeypatch.setattr(batches, "MOST_PLACES", 4)
    every = Batches(*samples(100), batch_size=1)
    assert len(every.places) == 4
    assert torch.equal(
        torch.cat([y for _, y in collected(every, torch.arange(100))]), torch.arange(100)
    )


def test_no_batch_is_no_block():
    every = Batches(*samples(3), batch_size=3)
    assert list(every(torch.empty(0, 3, dtype=torch.int64))) == []

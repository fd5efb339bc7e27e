"""What the pictures, curves and histograms are drawn from: the network's own answers, however they
came here."""

import numpy as np
import pytest
import torch

from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.tensorboard.snapshot import Snapshot, take
from backproof.model.training import Settings, Training


def a_training(output="softmax", N=50):
    generator = torch.Generator().manual_seed(0)
    samples = Samples(
        torch.randn((N, 3), generator=generator), torch.randint(4, (N,), generator=generator)
    )
    return Training(
        MLP((3, 5, 4)), samples, samples, Settings(batch_size=4, learning_rate=0.1, output=output)
    )


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_known_logits_give_the_same_as_asking_the_network(output):
    training = a_training(output)
    asked = take(training)
    for record in training.fit(0):
        told = take(training, record.logits)
    np.testing.assert_array_equal(told.p, asked.p)
    assert told.p.shape == (50, 4)
    assert told.a.keys() == {1}


def test_logits_of_more_samples_than_are_looked_at_are_cut():
    training = a_training()
    logits = torch.cat([training.network(training.test.x), torch.full((3, 4), 9.0)]).detach()
    assert take(training, logits).p.shape == (50, 4)


@pytest.mark.parametrize("count", [1, 3, 100])
def test_the_worst_mistakes_come_in_the_order_of_their_lead(count):
    random = np.random.default_rng(0)
    p, y = random.dirichlet(np.ones(4), 60), random.integers(4, size=60)
    now = Snapshot({}, p, y)
    rows = np.flatnonzero(now.wrong)
    lead = p[rows, now.said[rows]] - p[rows, y[rows]]
    assert now.worst(count).tolist() == rows[np.argsort(-lead, kind="stable")][:count].tolist()


def test_mistakes_that_are_equally_bad_come_in_the_order_of_the_samples():
    now = Snapshot({}, np.tile([[0.75, 0.25]], (9, 1)), np.array([1, 0, 1, 1, 0, 1, 1, 1, 1]))
    assert now.worst(4).tolist() == [0, 2, 3, 5]
    assert Snapshot({}, now.p[:0], now.y[:0]).worst(4).tolist() == []

"""Evaluation: every sample once, however many fit into memory at once, and nothing left behind."""

import pytest
import torch

from backproof.model import evaluation
from backproof.model.costs import cost_of
from backproof.model.evaluation import Samples, evaluate
from backproof.model.network import MLP


def samples(N):
    generator = torch.Generator().manual_seed(3)
    return Samples(
        torch.randn((N, 3), generator=generator), torch.randint(2, (N,), generator=generator)
    )


@pytest.mark.parametrize("N", [1, 4, 5, 9])
def test_each_sample_counts_once_over_several_chunks(monkeypatch, N):
    monkeypatch.setattr(evaluation, "LARGEST_EVALUATION", 4)
    network, some = MLP((3, 5, 2)), samples(N)
    score = evaluate(network, some, cost_of("softmax", "cross-entropy"))
    with torch.no_grad():
        logits = network(some.x)
    losses = cost_of("softmax", "cross-entropy", reduction="none")(logits, some.y).double()
    right = (logits.argmax(dim=1) == some.y).double().mean()
    # float32 losses of at most 4: each chunk's mean rounds up to four terms, once more for the
    # quotient and the product
    assert abs(score.loss - float(losses.mean())) <= 6 * 4 * torch.finfo(torch.float32).eps
    assert score.accuracy == float(right)


def test_the_first_logits_are_kept_part_by_part(monkeypatch):
    monkeypatch.setattr(evaluation, "LARGEST_EVALUATION", 4)
    monkeypatch.setattr(evaluation, "KEPT", 5)
    network, some, parts = MLP((3, 5, 2)), samples(13), []
    evaluate(network, some, cost_of("softmax", "cross-entropy"), parts=parts)
    with torch.no_grad():
        assert torch.equal(torch.cat(parts), torch.cat([network(some.x[:4]), network(some.x[4:8])]))


def test_no_gradient_is_left_behind():
    network = MLP((3, 5, 2))
    evaluate(network, samples(5), cost_of("softmax", "quadratic"))
    assert all(parameter.grad is None for parameter in network.parameters())

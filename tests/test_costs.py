"""The four heads against their formulas, and against torch's own where it has one."""

import math

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from backproof.model.costs import BinaryCrossEntropy, Quadratic, cost_of, probabilities

HEADS = [
    (output, cost) for output in ("softmax", "sigmoid") for cost in ("cross-entropy", "quadratic")
]
EPS = torch.finfo(torch.float64).eps


def batch(N=5, K=3, scale=2.0):
    generator = torch.Generator().manual_seed(N * 10 + K)
    logits = torch.randn((N, K), generator=generator, dtype=torch.float64) * scale
    return logits, torch.randint(K, (N,), generator=generator)


def by_formula(logits, y, output, cost):
    """The loss of one sample, in Python's own floats."""
    z = logits.tolist()
    p = [
        math.exp(one) / sum(map(math.exp, z)) if output == "softmax" else 1 / (1 + math.exp(-one))
        for one in z
    ]
    Y = [float(k == y) for k in range(len(z))]
    if cost == "quadratic":
        return sum((p_k - Y_k) ** 2 for p_k, Y_k in zip(p, Y, strict=True))
    if output == "softmax":
        return -math.log(p[y])
    return -sum(math.log(p_k if Y_k else 1 - p_k) for p_k, Y_k in zip(p, Y, strict=True))


@pytest.mark.parametrize(("output", "cost"), HEADS)
def test_each_loss_is_its_formula(output, cost):
    logits, y = batch()
    losses = cost_of(output, cost, reduction="none")(logits, y)
    assert losses.shape == (5,)
    for loss, z, label in zip(losses.tolist(), logits, y.tolist(), strict=True):
        # a dozen operations on numbers of at most 10: each rounds by eps; 1 - p amplifies by 1/(1 -
        # p) < 1000
        assert abs(loss - by_formula(z, label, output, cost)) <= 12 * 10 * 1000 * EPS


@pytest.mark.parametrize(("output", "cost"), HEADS)
def test_the_mean_is_over_samples_not_over_classes(output, cost):
    logits, y = batch()
    mean, losses = (
        cost_of(output, cost)(logits, y),
        cost_of(output, cost, reduction="none")(logits, y),
    )
    assert mean.shape == ()
    # five additions in another order
    assert abs(float(mean - losses.sum() / 5)) <= 5 * EPS * float(losses.sum())


def test_softmax_and_cross_entropy_is_torchs_own_module():
    assert type(cost_of("softmax", "cross-entropy")) is nn.CrossEntropyLoss
    assert type(cost_of("sigmoid", "cross-entropy")) is BinaryCrossEntropy
    assert (
        type(cost_of("sigmoid", "quadratic")) is type(cost_of("softmax", "quadratic")) is Quadratic
    )


@pytest.mark.parametrize(("output", "cost"), HEADS)
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_logits_of_ten_thousand_keep_loss_and_gradient_finite(output, cost, right):
    logits = torch.tensor([[1e4, -1e4]], dtype=torch.float64, requires_grad=True)
    loss = cost_of(output, cost)(logits, torch.tensor([0 if right else 1]))
    loss.backward()
    assert math.isfinite(loss.item())
    assert logits.grad.isfinite().all()
    assert (loss.item() == 0) == right


@pytest.mark.parametrize(
    ("output", "cost"), [("relu", "cross-entropy"), ("softmax", "hinge"), ("", "")]
)
def test_an_unknown_head_is_refused(output, cost):
    with pytest.raises(ValueError, match="expected an output of"):
        cost_of(output, cost)


def test_probabilities_sum_to_one_under_softmax_alone():
    logits, _ = batch()
    sums = probabilities(logits, "softmax").sum(dim=1)
    # three quotients, each rounded once, and two additions
    assert ((sums - 1).abs() <= 3 * EPS).all()
    assert (probabilities(logits, "sigmoid") == logits.sigmoid()).all()


@pytest.mark.parametrize(
    "module",
    [Quadratic("softmax"), BinaryCrossEntropy()],
    ids=["quadratic", "binary cross-entropy"],
)
def test_shapes_that_would_broadcast_are_refused(module):
    with pytest.raises(TypeCheckError):
        module(torch.zeros((3, 2)), torch.zeros(1, dtype=torch.int64))

"""Our optimizers against torch's own, and their state."""

import pytest
import torch

from backproof.model.costs import cost_of
from backproof.model.network import MLP
from backproof.model.optimizers import SGD, Adam

SIZES, STEPS, RATE = (4, 6, 3), 200, 0.01
EPS = torch.finfo(torch.float64).eps
SETTINGS = [
    ("sgd", 0.0, 0.0),
    ("sgd", 0.9, 0.0),
    ("sgd", 0.0, 0.1),
    ("sgd", 0.9, 0.1),
    ("adam", 0.0, 0.0),
    ("adam", 0.0, 0.1),
]
IDS = [f"{name},momentum={momentum},decay={decay}" for name, momentum, decay in SETTINGS]


def ours(network, name, momentum=0.0, decay=0.0, rate=RATE):
    weights, biases = list(network.W.values()), list(network.b.values())
    return (
        SGD(weights, biases, rate, momentum, decay)
        if name == "sgd"
        else Adam(weights, biases, rate, decay)
    )


def torchs(network, name, momentum, decay):
    groups = [
        {"params": list(network.W.values()), "weight_decay": decay},
        {"params": list(network.b.values()), "weight_decay": 0.0},
    ]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=RATE, momentum=momentum, foreach=False)
    return torch.optim.Adam(groups, lr=RATE, foreach=False)


def train(network, optimizer, steps=STEPS):
    generator = torch.Generator().manual_seed(7)
    cost = cost_of("softmax", "cross-entropy")
    for _ in range(steps):
        x = torch.randn((5, 4), generator=generator, dtype=torch.float64)
        y = torch.randint(3, (5,), generator=generator)
        network.zero_grad()
        cost(network(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize(("name", "momentum", "decay"), SETTINGS, ids=IDS)
def test_the_weights_are_torchs_after_many_steps(name, momentum, decay):
    network, other, start = (MLP(SIZES, seed=1, dtype=torch.float64) for _ in range(3))
    train(network, ours(network, name, momentum, decay))
    train(other, torchs(other, name, momentum, decay))
    # A step rounds W (|W| < 4) once, and its change by a few eps; the change is at most RATE * 10
    # (momentum 0.9 sums ten gradients, of at most 1 each, Adam moves by RATE). What earlier steps
    # rounded differently changes later gradients by the loss's curvature, here below 1: over 200
    # steps of 0.1 a factor of at most e**(200 * RATE) = 7.4.
    allowed = STEPS * 2 * 4 * EPS * 7.4
    for one, another, before in zip(
        network.parameters(), other.parameters(), start.parameters(), strict=True
    ):
        assert one.shape == another.shape
        assert (one - another).abs().max() <= allowed
        assert (one - before).abs().max() > 1e6 * allowed  # so that agreement says something


@pytest.mark.parametrize("wrong", ["bias correction", "epsilon", "decay on biases"])
def test_the_comparison_would_catch(monkeypatch, wrong):
    network, other = (
        MLP(SIZES, seed=1, dtype=torch.float64),
        MLP(SIZES, seed=1, dtype=torch.float64),
    )
    optimizer = ours(network, "adam", decay=0.1)
    if wrong == "bias correction":
        optimizer._steps.fill_(1000)
    elif wrong == "epsilon":
        monkeypatch.setattr("backproof.model.optimizers.EPSILON", 1e-6)
    else:
        optimizer._groups = [
            (parameters, values, 0.1) for parameters, values, _ in optimizer._groups
        ]
    train(network, optimizer)
    train(other, torchs(other, "adam", 0.0, 0.1))
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    assert (
        max((one - another).abs().max().item() for one, another in pairs)
        > 1000 * STEPS * 2 * 4 * EPS * 7.4
    )


@pytest.mark.parametrize(("name", "momentum", "decay"), SETTINGS, ids=IDS)
def test_a_restored_state_goes_on_bit_for_bit(name, momentum, decay):
    network = MLP(SIZES, seed=2)
    optimizer = ours(network, name, momentum, decay)
    _steps_with_fixed_gradients(network, optimizer, range(3))
    weights = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    _steps_with_fixed_gradients(network, optimizer, range(3, 6))

    again = MLP(SIZES, seed=3)
    again.load_state_dict(weights)
    other = ours(again, name, momentum, decay)
    other.restore(state)
    _steps_with_fixed_gradients(again, other, range(3, 6))
    assert all(
        torch.equal(one, two)
        for one, two in zip(network.parameters(), again.parameters(), strict=True)
    )
    assert other.state().keys() == optimizer.state().keys()
    assert all(torch.equal(tensor, other.state()[key]) for key, tensor in optimizer.state().items())


def _steps_with_fixed_gradients(network, optimizer, numbers):
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize(("name", "momentum"), [("sgd", 0.9), ("adam", 0.0)])
def test_without_its_state_a_run_would_go_on_differently(name, momentum):
    network, again = MLP(SIZES, seed=2), MLP(SIZES, seed=2)
    optimizer = ours(network, name, momentum)
    _steps_with_fixed_gradients(network, optimizer, range(3))
    again.load_state_dict(network.state_dict())
    _steps_with_fixed_gradients(network, optimizer, range(3, 5))
    _steps_with_fixed_gradients(again, ours(again, name, momentum), range(3, 5))
    assert not torch.equal(network.W[1], again.W[1])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_weight_decay_leaves_the_gradients_as_the_backward_pass_made_them(name):
    network = MLP(SIZES)
    optimizer = ours(network, name, momentum=0.9, decay=0.1)
    _steps_with_fixed_gradients(network, optimizer, [0])
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        assert torch.equal(parameter.grad, torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_another_optimizers_state_is_refused(name):
    network = MLP(SIZES)
    other = {"sgd": "adam", "adam": "sgd"}[name]
    with pytest.raises(KeyError):
        ours(network, name, momentum=0.9).restore(ours(network, other, momentum=0.9).state())


def test_plain_gradient_descent_has_no_state():
    assert ours(MLP(SIZES), "sgd").state() == {}

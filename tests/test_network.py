"""The network: its sizes, its first weights, and the forward pass of the page."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from backproof.checks import by_hand
from backproof.model.network import INITS, MLP, ROW_CONSTANTS

SIZES = (5, 4, 3, 2)
EPS = np.finfo(np.float64).eps


def rows(N=6, n_0=5):
    return torch.randn((N, n_0), generator=torch.Generator().manual_seed(N), dtype=torch.float64)


def test_layers_have_pytorchs_orientation_and_the_pages_numbers():
    network = MLP(SIZES)
    assert {layer: tuple(W.shape) for layer, W in network.W.items()} == {
        1: (4, 5),
        2: (3, 4),
        3: (2, 3),
    }
    assert {layer: tuple(b.shape) for layer, b in network.b.items()} == {1: (4,), 2: (3,), 3: (2,)}
    assert (network.depth, network.sizes) == (3, SIZES)


def test_W_and_b_are_the_parameters_themselves():
    network = MLP(SIZES)
    own = {id(parameter) for parameter in (*network.W.values(), *network.b.values())}
    assert own == {id(parameter) for parameter in network.parameters()}
    assert len(own) == 6


def test_sigmoids_stand_between_the_layers_and_none_after_the_last():
    kinds = [nn.Linear, nn.Sigmoid, nn.Linear, nn.Sigmoid, nn.Linear]
    assert all(
        isinstance(module, kind) for module, kind in zip(MLP(SIZES).layers, kinds, strict=True)
    )
    (only,) = MLP((3, 2)).layers
    assert isinstance(only, nn.Linear)
    network = MLP(SIZES)
    assert network.linear(2) is network.layers[2]
    assert network.activation(2) is network.layers[3]


def test_forward_gives_the_logits_of_the_page():
    network = MLP(SIZES, seed=3, dtype=torch.float64)
    W = {layer: tensor.detach().numpy() for layer, tensor in network.W.items()}
    b = {layer: tensor.detach().numpy() for layer, tensor in network.b.items()}
    logits, z = network(rows()).detach().numpy(), by_hand.forward(rows().numpy(), W, b).z[3]
    assert logits.shape == z.shape == (6, 2)
    # three layers, each a sum of at most 6 terms; nothing is above 6 * 5 and the sigmoids only
    # shrink what came before
    assert np.abs(logits - z).max() <= 3 * 6 * 30 * EPS


@pytest.mark.parametrize(("name", "layer"), [("z", 1), ("a", 1), ("z", 2), ("a", 2), ("z", 3)])
def test_after_is_the_rest_of_the_network(name, layer):
    network = MLP(SIZES, seed=1, dtype=torch.float64)
    position = 2 * layer - 1 if name == "z" else 2 * layer
    value = network.layers[:position](rows())
    assert torch.equal(network.after(name, layer)(value), network(rows()))


def test_from_arrays_holds_these_weights():
    first = MLP(SIZES, seed=9, dtype=torch.float64)
    W = {layer: tensor.detach().numpy() for layer, tensor in first.W.items()}
    b = {layer: tensor.detach().numpy() for layer, tensor in first.b.items()}
    again = MLP.from_arrays(W, b)
    assert again.sizes == SIZES
    assert torch.equal(again(rows()), first(rows()))


def test_layers_of_reads_a_state_dictionary():
    network = MLP(SIZES)
    state = {f"network.{name}": tensor.numpy() for name, tensor in network.state_dict().items()} | {
        "optimizer.m.0": np.zeros(3)
    }
    W, b = MLP.layers_of(state, prefix="network.")
    assert W.keys() == b.keys() == {1, 2, 3}
    assert np.array_equal(W[2], network.W[2].detach().numpy())
    assert np.array_equal(b[3], network.b[3].detach().numpy())


@pytest.mark.parametrize("init", INITS)
def test_a_seed_gives_the_same_weights_and_no_global_state_changes(init):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = MLP(SIZES, init=init, seed=5)
    torch.manual_seed(2)
    second = MLP(SIZES, init=init, seed=5)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(one, other)
        for one, other in zip(first.parameters(), second.parameters(), strict=True)
    )
    wide = MLP(SIZES, init=init, seed=5, dtype=torch.float64)
    assert all(
        torch.equal(one, other.float())
        for one, other in zip(first.parameters(), wide.parameters(), strict=True)
    )


@pytest.mark.parametrize("init", ["pytorch", "xavier", "normal", "row-constant"])
def test_another_seed_gives_other_weights(init):
    assert not torch.equal(MLP(SIZES, init=init, seed=0).W[1], MLP(SIZES, init=init, seed=1).W[1])


def test_building_a_network_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    MLP(SIZES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("init", "limit"), [("pytorch", 1 / math.sqrt(100)), ("xavier", math.sqrt(6 / 180))]
)
def test_uniform_weights_fill_their_interval(init, limit):
    W = MLP((100, 80), init=init).W[1].detach()
    assert W.abs().max() <= limit
    # of 8,000 uniform draws the largest is below 0.99 with chance 1e-35; their mean has deviation
    # limit / sqrt(24000)
    assert W.abs().max() > 0.99 * limit
    assert abs(W.mean()) < 5 * limit / math.sqrt(24000)


def test_normal_weights_have_variance_one_over_the_inputs():
    network = MLP((100, 80), init="normal")
    # the standard deviation of 8,000 normal draws is itself known to 1 part in sqrt(16000) = 126;
    # five of these are 4%
    assert abs(network.W[1].std().item() * 10 - 1) < 0.04
    assert abs(network.b[1].std().item() - 1) < 5 / math.sqrt(160)


def test_biases_are_drawn_with_pytorch_and_zero_with_xavier():
    assert MLP((100, 80), init="pytorch").b[1].abs().max() > 0.05
    assert not MLP((100, 80), init="xavier").b[1].any()


def test_row_constant_draws_one_number_a_unit_and_one_a_layer():
    network = MLP((6, 40, 3), init="row-constant", dtype=torch.float64)
    for layer, W in network.W.items():
        assert (W[:, :1] == W).all()
        assert (network.b[layer] == network.b[layer][0]).all()
        assert set(W.flatten().tolist()) | set(network.b[layer].tolist()) <= set(ROW_CONSTANTS)
    # 40 draws of seven; true of this seed
    assert len(set(network.W[1][:, 0].tolist())) == len(ROW_CONSTANTS)


@pytest.mark.parametrize(("init", "value"), [("constant", 0.5), ("zeros", 0.0)])
def test_constants_are_what_they_say(init, value):
    assert all((parameter == value).all() for parameter in MLP(SIZES, init=init).parameters())


@pytest.mark.parametrize("sizes", [(), (4,), (4, 0), (0, 2), (4, -3, 2)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(
        ValueError, match="expected an input size and at least one layer, each 1 or more, got"
    ):
        MLP(sizes)


def test_an_unknown_init_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError,
        match=r"expected one of pytorch, xavier, he, normal, .*, zeros, got 'lecun'",
    ):
        MLP(SIZES, init="lecun")


@pytest.mark.parametrize(
    "x", [torch.zeros(5), torch.zeros((2, 5), dtype=torch.int64)], ids=["a vector", "integers"]
)
def test_forward_refuses_what_is_no_batch_of_floats(x):
    with pytest.raises(TypeCheckError):
        MLP(SIZES)(x)

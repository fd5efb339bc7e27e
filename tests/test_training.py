"""Training: what an epoch is, what a record says, and that nothing but seed, epoch and state
decides."""

import math

import numpy as np
import pytest
import torch

from backproof.model import evaluation, products
from backproof.model.evaluation import Samples, Score
from backproof.model.network import MLP
from backproof.model.training import Record, Settings, Training, shuffle

METHODS = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
}


def samples(N, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((N, 3), generator=generator, dtype=dtype)
    return Samples(x, torch.randint(2, (N,), generator=generator))


def a_training(N=10, batch_size=4, learning_rate=0.1, seed=0, **settings):
    return Training(
        MLP((3, 5, 2), seed=seed),
        samples(N),
        samples(6, 1),
        Settings(batch_size, learning_rate, seed=seed, **settings),
    )


def weights(training):
    return {name: tensor.clone() for name, tensor in training.network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


def test_shuffle_is_a_permutation():
    assert np.array_equal(np.sort(shuffle(0, 1, 100)), np.arange(100))


def test_shuffle_is_a_pure_function_of_seed_epoch_and_number():
    assert shuffle(3, 2, 8).tolist() == shuffle(3, 2, 8).tolist()
    orders = {tuple(shuffle(seed, epoch, 20)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_shuffle_does_not_depend_on_what_was_drawn_before():
    orders = []
    for seed in (5, 6):
        np.random.seed(seed)
        torch.manual_seed(seed)
        orders.append(shuffle(7, 3, 12).tolist())
    assert orders[0] == orders[1]


def test_shuffle_of_neighbouring_seeds_and_epochs_is_not_shifted():
    assert shuffle(1, 2, 50).tolist() != shuffle(2, 1, 50).tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 99])
def test_an_epoch_uses_every_sample_once_in_batches(monkeypatch, batch_size):
    training = a_training(N=10, batch_size=batch_size)
    seen = []
    monkeypatch.setattr(training, "bound", lambda x, y, *_, **how: lambda: seen.append(x.clone()))
    training.run_epoch()
    order = torch.from_numpy(shuffle(0, 1, 10))
    assert torch.equal(torch.cat(seen), training.train.x[order])
    assert [len(x) for x in seen] == [
        min(batch_size, 10 - start) for start in range(0, 10, batch_size)
    ]


def test_epochs_have_different_orders(monkeypatch):
    training = a_training(N=50, batch_size=50)
    seen = []
    monkeypatch.setattr(training, "bound", lambda x, y, *_, **how: lambda: seen.append(x.clone()))
    training.run_epoch()
    training.run_epoch()
    assert not torch.equal(seen[0], seen[1])


def test_next_batch_is_the_one_that_the_next_epoch_begins_with(monkeypatch):
    training, seen = a_training(), []
    monkeypatch.setattr(
        training, "bound", lambda x, y, *_, **how: lambda: seen.append((x.clone(), y.clone()))
    )
    for _ in range(2):
        batch = training.next_batch()
        seen.clear()
        training.run_epoch()
        assert torch.equal(batch.x, seen[0][0])
        assert torch.equal(batch.y, seen[0][1])


def test_a_step_moves_the_weights_by_the_gradient_of_the_mean_loss():
    training = a_training(learning_rate=0.5)
    x, y = training.train.x, training.train.y
    before = weights(training)
    training.step(x, y)
    for name, parameter in training.network.named_parameters():
        # one product by a power of 2, one sum
        assert torch.equal(parameter.detach(), before[name] - 0.5 * parameter.grad)


def test_gradients_of_one_step_do_not_leak_into_the_next():
    training = a_training()
    batch = training.next_batch()
    training.step(batch.x, batch.y)
    training.network.load_state_dict(a_training().network.state_dict())
    training.step(batch.x, batch.y)
    fresh = a_training()
    fresh.step(batch.x, batch.y)
    assert torch.equal(training.network.W[1].grad, fresh.network.W[1].grad)


@pytest.mark.parametrize("worth_it", [2**62, 0], ids=["MKL", "oneDNN"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_an_epoch_leaves_behind_is_ordinary_tensors(monkeypatch, method, worth_it):
    """Of tensors that are made in inference mode, torch lets nobody change any afterwards."""
    monkeypatch.setattr(products, "WORTH_IT", worth_it)
    monkeypatch.setattr(products, "WORTH_COPYING", worth_it)
    monkeypatch.setattr(products, "WORTH_MOVING", worth_it)
    training = a_training(N=10, batch_size=4, **method)
    training.run_epoch()
    left = [
        *training.network.parameters(),
        *(p.grad for p in training.network.parameters()),
        *training.optimizer.state().values(),
    ]
    assert not any(tensor.is_inference() for tensor in left)
    for parameter in training.network.parameters():
        parameter.grad.add_(parameter.detach())  # as a hook of a user's would
    training.cost(training.network(training.train.x), training.train.y).backward()
    batch = training.next_batch()
    training.step(batch.x, batch.y)  # outside of an epoch, with what the epoch laid out
    training.run_epoch()
    assert training.epoch == 2


def test_records_start_with_the_state_as_it_is_and_follow_every_epoch():
    training = a_training()
    records = list(training.fit(3))
    assert [record.epoch for record in records] == [0, 1, 2, 3]
    assert records[0].gradient_norms == {}
    assert all(record.gradient_norms.keys() == {1, 2} for record in records[1:])
    assert all(record.learning_rate == 0.1 and record.elapsed_s > 0 for record in records)
    assert records[-1].train == training.evaluate(training.train)
    assert records[-1].test == training.evaluate(training.test)


def test_a_record_has_the_logits_that_were_evaluated():
    training = a_training()
    for record in training.fit(2):
        with torch.no_grad():
            assert torch.equal(record.logits, training.network(training.test.x))


def test_a_record_keeps_the_logits_of_few_samples_however_many_there_are(monkeypatch):
    monkeypatch.setattr(evaluation, "LARGEST_EVALUATION", 2)
    monkeypatch.setattr(evaluation, "KEPT", 3)
    training = a_training()
    (record,) = training.fit(0)
    with torch.no_grad():
        assert torch.equal(
            record.logits,
            torch.cat(
                [training.network(training.test.x[:2]), training.network(training.test.x[2:4])]
            ),
        )


@pytest.mark.parametrize("N", [10, 12], ids=["of fewer samples", "as full as the others"])
def test_gradient_norms_are_of_the_epochs_last_step(N):
    training = a_training(N)
    last = list(training.fit(1))[-1]
    assert last.gradient_norms == {
        layer: float(W.grad.norm()) for layer, W in training.network.W.items()
    }
    assert last.gradient_norms.keys() == {1, 2}
    assert all(norm > 0 for norm in last.gradient_norms.values())


def test_fit_goes_on_where_it_stands():
    training = a_training()
    assert [record.epoch for record in training.fit(2)] == [0, 1, 2]
    assert [record.epoch for record in training.fit(4)] == [2, 3, 4]
    assert [record.epoch for record in training.fit(4)] == [4]


def test_fit_prints_nothing(capfd):
    list(a_training().fit(2))
    assert capfd.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    one, two, other = a_training(), a_training(), a_training(seed=1)
    for training in (one, two, other):
        list(training.fit(2))
    assert same(weights(one), weights(two))
    assert not torch.equal(one.network.W[1], other.network.W[1])


def test_the_seed_decides_the_shuffles_too():
    one, other = a_training(), a_training()
    other.settings = Settings(4, 0.1, seed=1)  # the same first weights, another order
    list(one.fit(1))
    list(other.fit(1))
    assert not torch.equal(one.network.W[1], other.network.W[1])


def test_training_neither_reads_nor_changes_global_random_state():
    torch.manual_seed(0)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(a_training().fit(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)


@pytest.mark.parametrize("method", METHODS)
def test_a_restored_state_goes_on_bit_for_bit(method):
    whole, first, second = (a_training(**METHODS[method]) for _ in range(3))
    list(whole.fit(6))
    list(first.fit(3))
    second.network.load_state_dict(MLP((3, 5, 2), seed=9).state_dict())
    second.restore(*first.state())
    assert second.epoch == 3
    list(second.fit(6))
    assert same(weights(whole), weights(second))
    for one, other in ((whole.state()[0], second.state()[0]),):
        assert one.keys() == other.keys()
        assert all(np.array_equal(array, other[name]) for name, array in one.items())


@pytest.mark.parametrize("method", ["momentum", "adam"])
def test_restoring_the_weights_alone_would_not_do(method):
    whole, second = a_training(**METHODS[method]), a_training(**METHODS[method])
    list(whole.fit(3))
    second.network.load_state_dict(whole.network.state_dict())
    second.epoch = 3
    list(whole.fit(6))
    list(second.fit(6))
    assert not same(weights(whole), weights(second))


def test_a_state_stays_what_it_is_while_training_goes_on():
    training = a_training(**METHODS["adam"])
    arrays, facts = training.state()
    copies = {name: array.copy() for name, array in arrays.items()}
    list(training.fit(2))
    assert all(np.array_equal(array, copies[name]) for name, array in arrays.items())
    assert facts == {"epoch": 0}


def _without(name):
    return lambda arrays, facts: arrays.pop(name)


W_1, M_0 = "network.layers.linear1.weight", "optimizer.m.0"
DAMAGE = {
    "missing weights": (_without(W_1), f"{W_1} of no numbers, not 5x3 float32"),
    "missing moments": (_without(M_0), f"{M_0} of no numbers, not 5x3 float32"),
    "something else": (
        lambda a, f: a.update({"optimizer.zzz": np.zeros(2)}),
        "optimizer.zzz of 2 float64 numbers, not no",
    ),
    "other shape": (
        lambda a, f: a.update({W_1: np.zeros((5, 4), np.float32)}),
        f"{W_1} of 5x4 float32 numbers, not 5x3 float32",
    ),
    "would broadcast": (
        lambda a, f: a.update({M_0: np.zeros((1, 3), np.float32)}),
        f"{M_0} of 1x3 float32 numbers",
    ),
    "other precision": (
        lambda a, f: a.update({W_1: np.zeros((5, 3))}),
        f"{W_1} of 5x3 float64 numbers, not 5x3 float32",
    ),
    "no epoch": (lambda a, f: f.clear(), "None as its number of epochs"),
    "negative epoch": (lambda a, f: f.update(epoch=-1), "-1 as its number of epochs"),
    "half an epoch": (lambda a, f: f.update(epoch=2.5), "2.5 as its number of epochs"),
    "true": (lambda a, f: f.update(epoch=True), "True as its number of epochs"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_restore_refuses_another_state_and_changes_nothing(damage):
    change, message = DAMAGE[damage]
    other, training = a_training(seed=1, optimizer="adam"), a_training(optimizer="adam")
    list(other.fit(1))
    arrays, facts = other.state()
    change(arrays, facts)
    before = training.state()
    with pytest.raises(ValueError, match=message):
        training.restore(arrays, facts)
    assert training.epoch == 0
    assert all(
        np.array_equal(array, training.state()[0][name]) for name, array in before[0].items()
    )


def test_training_learns_what_can_be_learnt():
    training = a_training(N=40, learning_rate=1.0)
    training.train.y.copy_(training.train.x[:, 0] > 0)
    records = list(training.fit(60))
    assert records[-1].train.accuracy >= 0.95 > records[0].train.accuracy
    assert records[-1].train.loss < records[0].train.loss / 2


def test_a_diverged_epoch_is_yielded_and_is_the_last():
    training = a_training(learning_rate=0.1)
    records = []
    for record in training.fit(5):
        records.append(record)
        if record.epoch == 2:
            training.network.W[1].data.fill_(math.nan)
    assert [record.epoch for record in records] == [0, 1, 2, 3]
    assert [record.diverged for record in records] == [False, False, False, True]


@pytest.mark.parametrize(("loss", "diverged"), [(0.5, False), (math.nan, True), (math.inf, True)])
def test_a_loss_that_is_no_number_has_diverged(loss, diverged):
    assert Record(1, Score(loss, 0.5), Score(0.1, 0.5), 0.1, {}, 0.1).diverged == diverged


def test_shuffle_refuses_a_negative_seed():
    with pytest.raises(ValueError, match="expected non-negative integer"):
        shuffle(-1, 1, 4)

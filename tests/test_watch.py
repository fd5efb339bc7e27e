"""Symptoms are looked for as a training goes, told once, and summed up at the end."""

import json

import pytest
import torch

from backproof import train
from backproof.checks.learning.watch import Watcher
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Settings, Training

BARS = Samples(
    torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]]),
    torch.tensor([0, 0, 1, 1]),
)
ORIGINAL = [
    "--data",
    "bars",
    "--hidden",
    "50",
    "50",
    "--init",
    "row-constant",
    "--output",
    "sigmoid",
    "--cost",
    "quadratic",
]


def bars(init, learning_rate=0.01):
    settings = Settings(
        batch_size=4, learning_rate=learning_rate, output="sigmoid", cost="quadratic"
    )
    return Training(MLP((4, 50, 50, 2), init=init), BARS, BARS, settings)


def test_symptoms_are_found_before_the_first_epoch_and_told_once():
    training = bars("row-constant")
    watcher = Watcher(training)
    told = [watcher.look(record) for record in training.fit(4)]
    assert {("input-blind", "layer 1"), ("symmetric-units", "layer 1")} <= {
        (found.name, found.where) for found in told[0]
    }
    assert not any(told[1:])
    assert all(watcher.reported(found) for found in told[0])
    assert {found.name for found in watcher.conclude(ended=True)} >= {
        "input-blind",
        "symmetric-units",
    }


def test_looking_changes_nothing():
    looked, alone = bars("pytorch"), bars("pytorch")
    watcher = Watcher(looked)
    for record, _ in zip(looked.fit(5), alone.fit(5), strict=True):
        watcher.look(record)
    assert all(
        torch.equal(looked.network.W[layer], alone.network.W[layer]) for layer in looked.network.W
    )


def test_a_healthy_start_tells_nothing_and_measures_something():
    training = bars("pytorch", learning_rate=1.0)
    watcher = Watcher(training)
    for record in training.fit(3):
        assert watcher.look(record) == []
        assert ("saturation/layer_1" in watcher.measures) == (record.epoch in (0, 1, 2))


def test_the_last_epoch_is_measured_and_nothing_is_told_there_that_the_end_will_tell():
    training = bars("row-constant")
    watcher = Watcher(training, 3)
    told = [(bool(watcher.look(record)), bool(watcher.measures)) for record in training.fit(3)]
    assert told == [(True, True), (False, True), (False, True), (False, True)]
    assert watcher.conclude(ended=True)


def test_how_far_an_epoch_moved_the_weights_is_their_change_over_their_length():
    training = bars("pytorch", learning_rate=1.0)
    watcher, lengths, changes = Watcher(training), [], []
    before = None
    for record in training.fit(3):
        watcher.look(record)
        now = torch.cat(
            [parameter.detach().reshape(-1).double() for parameter in training.network.parameters()]
        )
        changes.append(0.0 if before is None else float((now - before).norm() / before.norm()))
        lengths.append(len(now))
        before = now
    noted = [progress.relative_update for progress in watcher._history]
    # float32 norms of n entries: each within n roundings of the exact one
    assert noted == pytest.approx(changes, rel=3 * lengths[0] * torch.finfo(torch.float32).eps)


def test_divergence_is_told_when_it_happens():
    training = bars("pytorch", learning_rate=1e30)
    watcher = Watcher(training)
    told = [found.name for record in training.fit(50) for found in watcher.look(record)]
    # sigmoids can absorb any weights without a NaN
    assert told == ["diverged"] or "saturated" in told


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_original_network_is_told_why_it_cannot_learn(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main([*ORIGINAL, "--lr", "0.01", "--epochs", "100", "--json"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    warned = [
        index
        for index, line in enumerate(lines)
        if line.startswith(("warning: input-blind: layer 1", "warning: symmetric-units: layer 1"))
    ]
    first_epoch = next(index for index, line in enumerate(lines) if line.split()[:1] == ["0"])
    assert len(warned) == 2
    assert max(warned) < next(
        index
        for index, line in enumerate(lines)
        if index > first_epoch and line.split()[:1] == ["10"]
    )
    symptoms = {
        (found["name"], found["where"]): found["evidence"]
        for found in json.loads(lines[-1])["symptoms"]
    }
    assert ("input-blind", "layer 1") in symptoms
    count, distinct = symptoms["symmetric-units", "layer 1"].split(" units, ")
    assert count == "50"
    assert int(distinct.split(" ")[0]) <= 7

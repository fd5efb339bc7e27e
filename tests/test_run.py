"""A run's folder: what is written when, and when nothing is."""

import json
import os

import numpy as np
import pytest

from backproof.model import run as module
from backproof.model.checkpoint import (
    CHECKPOINT,
    CONFIG,
    MODEL,
    SAMPLES,
    load_config,
    load_model,
    load_state,
)
from backproof.model.command_line import BadInput
from backproof.model.configuration import resolve
from backproof.model.run import resume_run, start_run


def start(folder, **given):
    return start_run(resolve({"data": "bars", "epochs": 3, **given}), folder, device="cpu")


def finish(run):
    for record in run.training.fit(run.configuration.epochs):
        run.keep(record)
    run.write()
    return run


def refusal(call, *arguments, **named):
    with pytest.raises(BadInput) as error:
        call(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_new_run_has_its_settings_and_samples_before_it_trains(tmp_path):
    run = start(tmp_path / "a" / "r")
    assert sorted(os.listdir(run.folder)) == [CONFIG, SAMPLES]
    assert load_config(run.folder) == json.loads(json.dumps(run.configuration.as_json()))
    assert (run.folder / SAMPLES).read_text() == "1,1,0,0\n0,0,1,1\n1,0,1,0\n0,1,0,1\n"
    assert run.sizes == (4, 8, 2)


def test_a_finished_run_has_model_and_checkpoint_of_the_same_epoch(tmp_path):
    run = finish(start(tmp_path / "r"))
    model, (arrays, facts) = load_model(run.folder), load_state(run.folder)
    assert facts == {"epoch": 3, "digest": run.dataset.digest}
    assert model.facts["epoch"] == 3
    assert model.facts["accuracy"] == {
        "train": run.last.train.accuracy,
        "test": run.last.test.accuracy,
    }
    for layer, W in run.training.network.W.items():
        assert np.array_equal(model.W[layer], W.detach().numpy())
        assert np.array_equal(arrays[f"network.layers.linear{layer}.weight"], W.detach().numpy())


def test_epochs_in_the_same_second_are_written_once_and_the_last_one_always(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(
        module, "save_model", lambda folder, model: written.append(model.facts["epoch"])
    )
    run = start(tmp_path / "r", epochs=9)
    for record in run.training.fit(9):
        clock[0] = record.epoch * 0.3
        run.keep(record)
    run.write()
    assert written == [0, 4, 8, 9]
    run.write()
    assert written == [0, 4, 8, 9]


def test_what_is_written_is_the_last_whole_epoch_not_the_half_that_followed(tmp_path):
    run = start(tmp_path / "r")
    records = run.training.fit(3)
    next(records)
    run.keep(next(records))
    run._written_at = float("inf")
    run.keep(next(records))
    batch = run.training.next_batch()
    run.training.step(batch.x, batch.y)  # interrupted within epoch 3
    run.write()
    again = resume_run({}, run.folder, device="cpu")
    assert again.training.epoch == 2
    whole = finish(start(tmp_path / "whole"))
    finish(again)
    for layer, W in whole.training.network.W.items():
        assert np.array_equal(again.training.network.W[layer].detach(), W.detach())


def test_a_run_that_never_kept_an_epoch_writes_nothing(tmp_path):
    run = start(tmp_path / "r")
    run.write()
    assert not (run.folder / MODEL).exists()


@pytest.mark.parametrize("name", [MODEL, CHECKPOINT, CONFIG])
def test_a_folder_with_a_run_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("precious")
    expected = (
        f"--run-dir {tmp_path}: expected a folder without a run, got one with {name}. Give "
        "another, or --resume it."
    )
    assert refusal(start, tmp_path) == expected
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("hidden", [[2**31], [400_000, 400_000]], ids=["wide", "wide and deep"])
def test_a_network_beyond_memory_is_refused_before_anything_is_allocated(
    tmp_path, monkeypatch, hidden
):
    monkeypatch.setattr(module, "memory", lambda: 2**36)
    monkeypatch.setattr(module, "MLP", None)
    shape = "-".join(map(str, (4, *hidden, 2)))
    expected = f"--hidden: expected a network that fits into memory, got {shape}. Give fewer units."
    assert refusal(start, tmp_path / "r", hidden=hidden) == expected
    assert not (tmp_path / "r").exists()


def test_an_allocation_that_fails_all_the_same_is_refused(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(module, "MLP", fail)
    assert "expected a network that fits into memory, got 4-8-2" in refusal(start, tmp_path / "r")


def test_resuming_refuses_other_data(tmp_path, monkeypatch):
    table = tmp_path / "t.csv"
    table.write_text("1,2,a\n3,4,b\n5,6,a\n")
    finish(start(tmp_path / "r", data=str(table)))
    before = (tmp_path / "r" / CONFIG).read_text()
    table.write_text("1,2,a\n3,4,b\n5,7,a\n")
    message = refusal(resume_run, {"epochs": 9}, tmp_path / "r", device="cpu")
    assert (
        message
        == f"{table}: expected the data that {tmp_path / 'r'} was trained on, got other data. "
        "Start a new run."
    )
    table.unlink()
    assert "No such file" in refusal(resume_run, {"epochs": 9}, tmp_path / "r", device="cpu")
    assert (tmp_path / "r" / CONFIG).read_text() == before


def test_resuming_a_finished_run_asks_for_more_epochs(tmp_path):
    finish(start(tmp_path / "r"))
    expected = f"--epochs: expected more than the 3 that {tmp_path / 'r'} has, got 3. Give more."
    assert refusal(resume_run, {}, tmp_path / "r", device="cpu") == expected


def test_resuming_with_the_state_of_another_network_is_refused(tmp_path):
    finish(start(tmp_path / "one"))
    finish(start(tmp_path / "two", hidden=[9]))
    (tmp_path / "one" / CHECKPOINT).write_bytes((tmp_path / "two" / CHECKPOINT).read_bytes())
    message = refusal(resume_run, {"epochs": 9}, tmp_path / "one", device="cpu")
    assert message.startswith(
        f"{tmp_path / 'one'}/{CHECKPOINT}: expected the state of (4, 8, 2), got "
        "network.layers.linear1.bias of 9"
    )
    assert message.endswith("not 8 float32. Train again.")


def test_a_resumed_run_remembers_its_new_end(tmp_path):
    finish(start(tmp_path / "r"))
    run = resume_run({"epochs": 7}, tmp_path / "r", device="cpu")
    assert (run.resumed_after, run.training.epoch, run.configuration.epochs) == (3, 3, 7)
    assert load_config(tmp_path / "r")["epochs"] == 7

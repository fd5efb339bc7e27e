"""What TensorBoard shows: the tags that runs/README.md explains, one value a step, and no epoch lost."""

import re
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from model.dashboard import Dashboard
from model.training import Record, Score

README = Path(__file__).parents[1] / "runs" / "README.md"


def scalars(folder):
    """{tag: {step: value}}, after a look that no step comes twice."""
    events = EventAccumulator(str(folder))
    events.Reload()
    read = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert all(len(dict(values)) == len(values) for values in read.values())
    return {tag: dict(values) for tag, values in read.items()}


def record(epoch, norms=None):
    return Record(epoch, Score(0.5 / (epoch + 1), 0.75), Score(0.25, 0.625), 0.125, norms or {}, 0.1)


def test_a_record_becomes_its_scalars(tmp_path):
    with Dashboard(tmp_path) as dashboard:
        dashboard.write(record(3, {1: 2.0, 2: 4.0}), 0.5)
    assert scalars(tmp_path) == {
        "loss/train": {3: 0.125},
        "loss/test": {3: 0.25},
        "accuracy/train": {3: 0.75},
        "accuracy/test": {3: 0.625},
        "optimizer/learning_rate": {3: 0.125},
        "gradient_norm/layer_1": {3: 2.0},
        "gradient_norm/layer_2": {3: 4.0},
        "gradient_check/worst_ratio": {3: 0.5},
    }


def test_no_check_is_no_value(tmp_path):
    with Dashboard(tmp_path) as dashboard:
        dashboard.write(record(1))
    assert "gradient_check/worst_ratio" not in scalars(tmp_path)


def test_every_epoch_is_on_disk_before_the_next_begins(tmp_path):
    with Dashboard(tmp_path) as dashboard:
        for epoch in range(3):
            dashboard.write(record(epoch))
            assert scalars(tmp_path)["loss/train"].keys() == set(range(epoch + 1))


def test_an_error_inside_still_closes_the_file(tmp_path):
    def interrupted():
        with Dashboard(tmp_path) as dashboard:
            dashboard.write(record(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert scalars(tmp_path)["loss/train"] == {1: 0.25}


def test_a_resumed_run_drops_what_was_written_beyond_its_checkpoint(tmp_path):
    with Dashboard(tmp_path) as dashboard:
        for epoch in range(6):  # killed after epoch 5, when 3 was the last on disk
            dashboard.write(record(epoch))
    with Dashboard(tmp_path, resumed_after=3) as dashboard:
        for epoch in (4, 5, 6):
            dashboard.write(record(epoch), 0.5)
    values = scalars(tmp_path)
    assert values["loss/train"].keys() == set(range(7))
    assert values["gradient_check/worst_ratio"].keys() == {4, 5, 6}


def test_the_tags_of_a_resumed_run_are_those_that_the_readme_explains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--data", "bars", "--run-dir", "r", "--epochs", "2"]) == 0
    assert train.main(["--resume", "r", "--epochs", "4"]) == 0
    values = scalars(tmp_path / "r")
    explained = README.read_text().split("| Tag |")[1]
    tags = {tag for cell in re.findall(r"^\|([^|]*)\|", explained, re.MULTILINE) for tag in re.findall(r"`(.*?)`", cell)}
    assert {re.sub(r"layer_\d+", "layer_1", tag) for tag in values} == tags  # the page shows layer 1 of each
    steps = {tag: set(steps) for tag, steps in values.items()}
    assert steps.pop("gradient_norm/layer_1") == steps.pop("gradient_norm/layer_2") == {1, 2, 3, 4}
    always = {tag: each for tag, each in steps.items() if tag.split("/")[0] in ("loss", "accuracy", "optimizer", "gradient_check")}
    assert len(always) == 6
    assert all(each == {0, 1, 2, 3, 4} for each in always.values()), always
    assert all(0 <= ratio < 1 for ratio in values["gradient_check/worst_ratio"].values())

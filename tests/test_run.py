"""A run's folder: what is written when, and when nothing is."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from backproof.model import folders
from backproof.model import run as module
from backproof.model.checkpoint import CHECKPOINT, MODEL, SAMPLES, load_model, load_state
from backproof.model.command_line import BadInput
from backproof.model.configuration import resolve
from backproof.model.run import resume_run, start_run
from backproof.model.run_config import CONFIG, load_config

ROOT = Path(__file__).parents[1]


def start(folder, **given):
    return start_run(resolve({"data": "bars", "epochs": 3, **given}), folder, device="cpu")


def finish(run):
    for record in run.training.fit(run.configuration.epochs):
        run.keep(record)
    run.end()
    return run


def refusal(call, *arguments, **named):
    with pytest.raises(BadInput) as error:
        call(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_new_run_has_its_settings_and_samples_before_it_trains(tmp_path):
    run = start(tmp_path / "a" / "r")
    assert sorted(os.listdir(run.folder)) == [CONFIG, SAMPLES]
    assert load_config(run.folder).settings == json.loads(json.dumps(run.configuration.as_json()))
    assert (run.folder / SAMPLES).read_text() == "1,1,0,0\n0,0,1,1\n1,0,1,0\n0,1,0,1\n"
    assert run.sizes == (4, 8, 2)


def test_a_finished_run_has_model_and_checkpoint_of_the_same_epoch(tmp_path):
    run = finish(start(tmp_path / "r"))
    model, (arrays, facts) = load_model(run.folder), load_state(run.folder)
    assert facts == {"epoch": 3, "digest": run.dataset.digest, "run": run.name}
    assert model.run == load_config(run.folder).run == run.name
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
    run.end()
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


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    for seed in (0, 1):
        finish(start(tmp_path / f"{seed}", seed=seed))
    (tmp_path / "0" / CHECKPOINT).write_bytes((tmp_path / "1" / CHECKPOINT).read_bytes())
    message = refusal(resume_run, {"epochs": 9}, tmp_path / "0", device="cpu")
    assert "expected the state of the run in config.json, got that of another" in message
    assert "of one run, got them of two" in refusal(load_model, tmp_path / "0")


def test_only_one_program_writes_a_run(tmp_path):
    first = start(tmp_path / "r")
    for record in first.training.fit(3):
        first.keep(record)
    first.write()
    expected = (
        f"{tmp_path / 'r'}: expected a run that nobody writes, got one that another program is "
        "writing. Wait until it has ended, or stop it."
    )
    assert refusal(resume_run, {"epochs": 9}, tmp_path / "r", device="cpu") == expected
    assert refusal(start, tmp_path / "r") == expected
    first.end()
    assert resume_run({"epochs": 9}, tmp_path / "r", device="cpu").resumed_after == 3


def test_a_lock_ends_with_its_process(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from backproof.model.folders import Claim\n"
        "claim = Claim(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    with folders.Claim(tmp_path), pytest.raises(BadInput):
        folders.Claim(tmp_path)


def test_where_a_folder_cannot_be_locked_a_file_in_it_is(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EBADF, "no locks here")

    monkeypatch.setattr(folders.fcntl, "flock", refuse)
    program = (
        "import sys, time; from pathlib import Path; from backproof.model import folders\n"
        "folders._locked_file(Path(sys.argv[1])); print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / folders.LOCK)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(BadInput, match="another program is writing"):
            folders.Claim(tmp_path)
        other.kill()
    folders.Claim(tmp_path).release()


@pytest.mark.parametrize("how", ["resume", "anew"])
def test_a_run_that_was_killed_before_its_first_save_begins_again_in_place(tmp_path, how):
    dead = start(tmp_path / "r")
    dead.claim.release()
    (dead.folder / "events.out.tfevents.1").write_bytes(b"half")
    (dead.folder / ".model.safetensors.abcd_123").write_bytes(b"half")
    (dead.folder / "notes.txt").write_text("mine")
    if how == "resume":
        run = resume_run({}, dead.folder, device="cpu")
    else:
        run = start(dead.folder, seed=3)
    assert run.resumed_after is None
    assert sorted(os.listdir(dead.folder)) == sorted([CONFIG, SAMPLES, "notes.txt"])
    assert load_model(finish(run).folder).facts["seed"] == (0 if how == "resume" else 3)


def test_temporary_files_of_killed_programs_are_swept(tmp_path):
    finish(start(tmp_path / "r"))
    for name in (MODEL, CHECKPOINT, CONFIG):
        (tmp_path / "r" / f".{name}.abcdefgh").touch()
    (tmp_path / "r" / ".mine").touch()
    resume_run({"epochs": 9}, tmp_path / "r", device="cpu")
    assert sorted(os.listdir(tmp_path / "r")) == sorted(
        [".mine", CONFIG, SAMPLES, MODEL, CHECKPOINT]
    )


def test_a_resumed_run_remembers_its_new_end(tmp_path):
    finish(start(tmp_path / "r"))
    run = resume_run({"epochs": 7}, tmp_path / "r", device="cpu")
    assert (run.resumed_after, run.training.epoch, run.configuration.epochs) == (3, 3, 7)
    assert load_config(tmp_path / "r").settings["epochs"] == 7


def as_the_first_format(folder):
    """The same run as it was written before files had seals."""
    model = load_model(folder)
    arrays = {f"{kind}.{n}": a for kind in "Wb" for n, a in getattr(model, kind).items()}
    arrays |= {"x.mean": model.preprocessing.mean, "x.scale": model.preprocessing.scale}
    names = ("classes", "data", "output", "cost", "picture", "facts")
    about = {name: getattr(model, name) for name in names}
    state, facts = load_state(folder)
    del facts["run"]
    for name, content, said in ((MODEL, arrays, about), (CHECKPOINT, state, facts)):
        metadata = {"format": "backproof 1", "facts": json.dumps(said)}
        save_file(content, folder / name, metadata=metadata)
    (folder / CONFIG).write_text(json.dumps(load_config(folder).settings))


def test_runs_of_the_first_format_are_labelled_and_go_on(tmp_path):
    whole = finish(start(tmp_path / "whole", epochs=6))
    old = finish(start(tmp_path / "old")).folder
    before = load_model(old)
    as_the_first_format(old)
    again = load_model(old)
    assert (again.run, again.classes, again.sizes) == ("", before.classes, before.sizes)
    for layer, W in before.W.items():
        assert np.array_equal(again.W[layer], W)
    resumed = finish(resume_run({"epochs": 6}, old, device="cpu"))
    for layer, W in whole.training.network.W.items():
        assert np.array_equal(resumed.training.network.W[layer].detach(), W.detach())
    assert load_model(old).run == load_config(old).run == whole.name

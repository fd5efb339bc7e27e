"""train.py: what it prints and leaves behind, and that stopping costs nothing."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from train_command import BARS, run, tree, weights

from backproof import label, train
from backproof.checks.activations import Sigmoid
from backproof.model.checkpoint import load_model
from backproof.model.pasted import script, tool
from backproof.model.training import Training

ROOT = Path(__file__).parents[1]
FILES = {
    "checkpoint.safetensors",
    "config.json",
    "model.safetensors",
    "samples.csv",
    "projector",
    "projector_config.pbtxt",
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_leaves_what_the_readme_of_runs_lists():
    assert run(*BARS, "--epochs", 2) == 0
    names = {path.name for path in Path("runs/bars-1").iterdir()}
    assert {name for name in names if not name.startswith("events.out.tfevents.")} == FILES
    assert len(names) == len(FILES) + 1


def test_every_run_gets_a_folder_of_its_own():
    for _ in range(2):
        assert run(*BARS, "--epochs", 1) == 0
    assert {path.name for path in Path("runs").iterdir()} == {"bars-1", "bars-2"}


def test_the_first_lines_are_what_it_takes_to_repeat_the_run(capsys):
    run(
        *BARS,
        "--epochs",
        1,
        "--seed",
        7,
        "--output",
        "sigmoid",
        "--cost",
        "quadratic",
        "--dtype",
        "float64",
        "--device",
        "cpu",
    )
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "bars: 4 samples, too few to set some apart: tested on those that it learns, 2 "
        "classes, digest a36ed214948b"
    )
    assert lines[1] == "4-5-2: sigmoid output, quadratic, pytorch weights, seed 7, float64 on cpu"
    assert lines[2] == "sgd: learning rate 2, batches of 4, 1 epoch"
    assert lines[3] == f"torch {torch.__version__}, run runs/bars-1"


def test_the_last_lines_say_how_good_how_sure_and_what_next(capsys, tmp_path):
    run("--data", "bars", "--check-every", 100)
    checked, accuracy, where, look, what_next = capsys.readouterr().out.splitlines()[-5:]
    assert re.fullmatch(
        r"gradients pass: all 58 parameters, 4 times, three ways; the largest error was 0\.\d+ of "
        r".*",
        checked,
    )
    assert re.fullmatch(
        r"test accuracy 100\.00% after 300 epochs \(50\.00% by always answering the commonest "
        r"class\), in \d+\.\d s",
        accuracy,
    )
    assert where == f"run: {tmp_path}/runs/bars-1"
    assert (
        look
        == f"look: {shlex.join(tool('tensorboard', 'tensorboard.main'))} --logdir {tmp_path}/runs"
    )
    assert what_next.startswith(f"label: {shlex.join(script('label'))} ")
    for picture, answer in (
        ("1100", "horizontal"),
        ("0011", "horizontal"),
        ("1010", "vertical"),
        ("0101", "vertical"),
    ):
        assert label.main(list(picture)) == 0
        assert capsys.readouterr().out.split()[0] == answer


@pytest.mark.parametrize("data", ["bars", "digits"])
def test_the_printed_command_works_when_pasted_from_a_path_with_spaces(capsys, data):
    folder = "my runs/a 'first' $(one)"
    assert run("--data", data, "--hidden", 5, "--epochs", 1, "--no-check", "--run-dir", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    command = lines[-1].removeprefix("label: ")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == (1 if data == "bars" else 10)
    told = subprocess.run(
        ["bash", "-c", f"printf %s {lines[-2].split('--logdir ')[1]}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(told.stdout) == Path(folder).resolve()


def test_json_is_the_last_line_and_has_every_key_of_the_contract(capsys):
    assert run(*BARS, "--epochs", 3, "--json") == 0
    answer = json.loads(
        capsys.readouterr().out.splitlines()[-1], parse_constant=lambda name: pytest.fail(name)
    )
    assert answer.pop("seconds") > 0
    check = answer.pop("gradient_check")
    assert check.keys() == {"verdict", "parameters", "worst_ratio", "seconds"}
    assert (check["verdict"], check["parameters"]) == ("pass", 4 * 5 + 5 + 5 * 2 + 2)
    assert 0 <= check["worst_ratio"] < 1
    assert check["seconds"] > 0
    for score in (answer.pop("loss"), answer.pop("accuracy")):
        assert score.keys() == {"train", "test"}
        assert all(isinstance(value, float) and value >= 0 for value in score.values())
    assert isinstance(answer.pop("symptoms"), list)
    assert answer == {"run": "runs/bars-1", "data": "bars", "sizes": [4, 5, 2], "epochs": 3}


def test_json_without_check_says_null(capsys):
    assert run(*BARS, "--epochs", 1, "--json", "--no-check") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["gradient_check"] is None


def test_no_epoch_at_all_is_a_run_that_can_label_and_go_on(capsys):
    assert run(*BARS, "--epochs", 0, "--run-dir", "r") == 0
    assert label.main(["--run", "r", "1", "1", "0", "0"]) == 0
    assert run("--resume", "r", "--epochs", 2) == 0
    capsys.readouterr()
    assert run(*BARS, "--epochs", 2, "--run-dir", "whole") == 0
    assert weights("r") == weights("whole")


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--optimizer", "adam", "--lr", "0.01", "--batch-size", "3"],
        ["--momentum", "0.9", "--weight-decay", "0.01", "--batch-size", "1", "--lr", "0.2"],
        ["--dtype", "float64", "--output", "sigmoid", "--cost", "quadratic", "--seed", "5"],
    ],
    ids=["default", "adam", "momentum", "float64"],
)
def test_two_runs_and_a_resumed_one_have_the_same_weights_bit_for_bit(flags):
    for folder in ("one", "two"):
        assert run(*BARS, *flags, "--epochs", 6, "--run-dir", folder, "--no-check") == 0
    assert run(*BARS, *flags, "--epochs", 3, "--run-dir", "three") == 0
    assert weights("three") != weights("one")
    assert run("--resume", "three", "--epochs", 6) == 0
    assert weights("one") == weights("two") == weights("three")


def test_a_resumed_run_of_digits_has_the_same_weights_bit_for_bit():
    assert run("--epochs", 6, "--run-dir", "whole", "--no-check") == 0
    assert run("--epochs", 3, "--run-dir", "parts", "--check-every", 3) == 0
    assert run("--resume", "parts", "--epochs", 6, "--no-check") == 0
    assert weights("whole") == weights("parts")


@pytest.mark.parametrize("where", ["between epochs", "within an epoch"])
def test_ctrl_c_saves_says_so_and_costs_nothing(monkeypatch, capsys, where):
    original, calls = Training.bound, []

    def bound(training, *batch, **how):
        step = original(training, *batch, **how)

        def interrupted():
            calls.append(1)
            step()
            if len(calls) == (6 if where == "between epochs" else 7):
                raise KeyboardInterrupt

        return interrupted

    flags = [*BARS, "--batch-size", 2, "--epochs", 6]  # two steps an epoch
    with monkeypatch.context() as patch:
        patch.setattr(Training, "bound", bound)
        assert run(*flags, "--run-dir", "parts", "--json") == 130
    out, err = capsys.readouterr()
    # the sixth step is the third epoch's last, and that epoch is not complete
    epochs = 2 if where == "between epochs" else 3
    assert err == f"train.py: interrupted; everything up to epoch {epochs} is saved.\n"
    assert json.loads(out.splitlines()[-1])["epochs"] == epochs
    assert f"label: {shlex.join(script('label'))} " in out
    assert run("--resume", "parts") == 0
    assert run(*flags, "--run-dir", "whole") == 0
    assert weights("parts") == weights("whole")


def test_sigint_from_outside_saves_and_the_resumed_run_ends_the_same(capsys):
    flags = ["--hidden", "8", "--no-check", "--device", "cpu", "--run-dir"]
    with subprocess.Popen(
        [sys.executable, ROOT / "train.py", *flags, "parts", "--epochs", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # what runs in a shell's background ignores it
    ) as process:
        while not Path("parts/model.safetensors").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    stopped = int(
        re.fullmatch(rb"train.py: interrupted; everything up to epoch (\d+) is saved.\n", err)[1]
    )
    assert f"label: {shlex.join(script('label'))} ".encode() in out
    assert run("--resume", "parts", "--epochs", stopped + 3, "--no-check") == 0
    assert run(*flags, "whole", "--epochs", stopped + 3) == 0
    assert weights("parts") == weights("whole")


def test_ctrl_c_before_the_first_epoch_does_not_claim_to_have_saved(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "next_batch", interrupt)  # the first check's
    assert run(*BARS, "--json") == 130
    out, err = capsys.readouterr()
    assert err == "train.py: interrupted; nothing was saved yet.\n"
    assert json.loads(out.splitlines()[-1])["accuracy"] is None
    assert not Path("runs/bars-1/model.safetensors").exists()


def test_a_card_without_memory_is_one_line_and_leaves_no_folder(monkeypatch, capsys):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Training, "next_batch", fail)
    assert run(*BARS) == 2
    err = capsys.readouterr().err
    assert err.startswith(
        "train.py: --hidden: expected a network that fits into memory, got 4-5-2."
    )
    assert os.listdir("runs") == []


def test_ctrl_c_before_training_leaves_nothing(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "prepare", interrupt)
    assert run(*BARS) == 130
    assert (
        capsys.readouterr().err
        == "train.py: interrupted before training began; there is nothing to resume.\n"
    )
    assert tree() == {}


def test_a_wrong_gradient_stops_training_with_exit_code_1(monkeypatch, capsys):
    original = Sigmoid.h
    # autograd has the right one
    monkeypatch.setattr(Sigmoid, "h", lambda self, z: original(self, z) * 1.001)
    assert run(*BARS, "--epochs", 4, "--json") == 1
    out = capsys.readouterr().out
    answer = json.loads(out.splitlines()[-1])
    assert answer["epochs"] == 0
    assert answer["gradient_check"]["verdict"] == "fail"
    assert answer["gradient_check"]["worst_ratio"] > 1
    assert "FAIL" in out


def test_divergence_to_a_finite_loss_is_exit_code_1_too(capsys):
    assert run(*BARS, "--lr", "1e6", "--epochs", 20, "--run-dir", "far", "--no-check") == 1
    out = capsys.readouterr().out
    assert "symptom diverged" in out
    assert "nan" not in out


def test_divergence_is_exit_code_1_and_the_last_finite_epoch_is_kept(capsys):
    assert run(*BARS, "--lr", "1e30", "--epochs", 5, "--json", "--weight-decay", 1) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(
        r"train\.py: expected a finite loss, got \w+ in epoch \d\. Try a smaller --lr\.\n", err
    )
    assert np.isfinite(json.loads(out.splitlines()[-1])["loss"]["train"])
    assert label.main(["--run", "runs/bars-1", "1", "1", "0", "0"]) == 0


STEEP = ["tanh", "relu", "leaky-relu", "elu", "softplus", "silu", "gelu", "gelu-tanh"]
STEEP += ["bipolar-sigmoid"]


@pytest.mark.parametrize("name", STEEP)
def test_every_activation_learns_digits_with_its_gradients_verified(name, capsys):
    told = ["--activation", name, "--epochs", 3, "--check-every", 3, "--run-dir", name, "--json"]
    assert run(*told) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["accuracy"]["test"] >= 0.9
    assert answer["gradient_check"]["verdict"] == "pass"
    assert load_model(Path(name)).activation == (name, name)


def test_an_activation_for_each_layer_is_kept_labelled_and_resumed(capsys):
    layers = ["--hidden", 5, 4, "--activation", "relu", "tanh"]
    assert run("--data", "bars", *layers, "--epochs", 3, "--run-dir", "two") == 0
    assert "relu, tanh in hidden layers" in capsys.readouterr().out
    assert load_model(Path("two")).activation == ("relu", "tanh")
    assert run("--resume", "two", "--epochs", 5) == 0
    assert run("--resume", "two", "--epochs", 6, "--activation", "relu") == 2
    assert "--activation: expected the run's own relu tanh, got relu" in capsys.readouterr().err


def test_weights_suit_the_activation_unless_they_are_named(capsys):
    assert run("--data", "bars", "--activation", "relu", "--epochs", 0, "--run-dir", "he") == 0
    assert ", he weights" in capsys.readouterr().out
    named = ["--init", "pytorch", "--run-dir", "named"]
    assert run("--data", "bars", "--activation", "relu", "--epochs", 0, *named) == 0
    assert ", pytorch weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--activation", "swish"], "expected an activation of sigmoid, tanh, .* got 'swish'"),
        (["--activation", "rellu"], "Perhaps relu is meant"),
        (["--activation", "relu", "tanh", "elu"], "one for each of 1, got 3"),
        (["--output", "softmx"], "Perhaps softmax is meant"),
        (["--output", "linear", "--cost", "cross-entropy"], "expected one of quadratic, half-"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unknown_name_is_refused_in_one_line_with_the_known_ones(flags, said, capsys):
    assert run("--data", "bars", *flags) == 2
    err = capsys.readouterr().err
    assert re.search(said.replace("?", r"\?"), err)
    assert err.count("\n") == 1

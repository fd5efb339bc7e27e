"""train.py: what it prints and leaves behind, that stopping costs nothing, and that bad input is one line and exit code 2."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import label
import train
from checks import by_hand
from model.checkpoint import load_model, load_state
from model.training import Training

ROOT = Path(__file__).parents[1]
BARS = ["--data", "bars", "--hidden", "5"]
FILES = {"checkpoint.safetensors", "config.json", "model.safetensors", "samples.csv", "projector", "projector_config.pbtxt"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*argv):
    """Exit code of train.py in this process, a refusal by argparse included."""
    try:
        return train.main(list(map(str, argv)))
    except SystemExit as refused:
        return refused.code


def weights(folder):
    """Everything that training changed, bit by bit: of the model, and of the checkpoint with the optimizer's state."""
    model, (arrays, facts) = load_model(Path(folder)), load_state(Path(folder))
    layers = {f"{name}.{layer}": array for name in "Wb" for layer, array in getattr(model, name).items()}
    return {name: (array.shape, array.dtype, array.tobytes()) for name, array in (layers | arrays).items()}, model.facts, facts


def tree():
    """Every file and folder here, with what is in it."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(Path().rglob("*"))}


def refused(capsys, *argv):
    """The one line of a refusal that cost nothing: exit code 2, nothing printed, nothing on disk changed."""
    before = tree()
    capsys.readouterr()
    assert run(*argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert re.match(r"train\.py: .*expected .*, got.*\. [A-Z].*\.\n", err), err
    assert tree() == before
    return err.removeprefix("train.py: ").rstrip("\n")


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
    run(*BARS, "--epochs", 1, "--seed", 7, "--output", "sigmoid", "--cost", "quadratic", "--dtype", "float64", "--device", "cpu")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bars: 4 training and 4 test samples, 2 classes, digest a36ed214948b"
    assert lines[1] == "4-5-2: sigmoid output, quadratic, pytorch weights, seed 7, float64 on cpu"
    assert lines[2] == "sgd: learning rate 2, batches of 4, 1 epoch"
    assert lines[3] == f"torch {torch.__version__}, run runs/bars-1"


def test_the_last_lines_say_how_good_how_sure_and_what_next(capsys, tmp_path):
    run("--data", "bars", "--check-every", 100)
    checked, accuracy, where, look, what_next = capsys.readouterr().out.splitlines()[-5:]
    assert re.fullmatch(r"gradients pass: all 58 parameters, 4 times, three ways; the largest error was 0\.\d+ of .*", checked)
    assert re.fullmatch(r"test accuracy 100\.00% after 300 epochs, in \d+\.\d s", accuracy)
    assert where == f"run: {tmp_path}/runs/bars-1"
    assert look == f"look: tensorboard --logdir {tmp_path}/runs"
    assert what_next.startswith("label: python ")
    for picture, answer in (("1100", "horizontal"), ("0011", "horizontal"), ("1010", "vertical"), ("0101", "vertical")):
        assert label.main(list(picture)) == 0
        assert capsys.readouterr().out.split()[0] == answer


@pytest.mark.parametrize("data", ["bars", "digits"])
def test_the_printed_command_works_when_pasted_from_a_path_with_spaces(capsys, data):
    folder = "my runs/a 'first' $(one)"
    assert run("--data", data, "--hidden", 5, "--epochs", 1, "--no-check", "--run-dir", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    command = lines[-1].removeprefix("label: ")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == (1 if data == "bars" else 10)
    told = subprocess.run(
        ["bash", "-c", f"printf %s {lines[-2].split('--logdir ')[1]}"], capture_output=True, text=True, check=True
    )
    assert Path(told.stdout) == Path(folder).resolve()


def test_json_is_the_last_line_and_has_every_key_of_the_contract(capsys):
    assert run(*BARS, "--epochs", 3, "--json") == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1], parse_constant=lambda name: pytest.fail(name))
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
        ["--momentum", "0.9", "--weight-decay", "0.01", "--batch-size", "1"],
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
    original, calls = Training.step, []

    def step(training, x, y, whole=None):
        calls.append(1)
        original(training, x, y, whole)
        if len(calls) == (6 if where == "between epochs" else 7):
            raise KeyboardInterrupt

    flags = [*BARS, "--batch-size", 2, "--epochs", 6]  # two steps an epoch
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", step)
        assert run(*flags, "--run-dir", "parts", "--json") == 130
    out, err = capsys.readouterr()
    epochs = 2 if where == "between epochs" else 3  # the sixth step is the third epoch's last, and that epoch is not complete
    assert err == f"train.py: interrupted; everything up to epoch {epochs} is saved.\n"
    assert json.loads(out.splitlines()[-1])["epochs"] == epochs
    assert "label: python " in out
    assert run("--resume", "parts") == 0
    assert run(*flags, "--run-dir", "whole") == 0
    assert weights("parts") == weights("whole")


def test_sigint_from_outside_saves_and_the_resumed_run_ends_the_same(capsys):
    flags = ["--hidden", "8", "--no-check", "--device", "cpu", "--run-dir"]
    with subprocess.Popen(
        [sys.executable, ROOT / "train.py", *flags, "parts", "--epochs", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not Path("parts/model.safetensors").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    stopped = int(re.fullmatch(rb"train.py: interrupted; everything up to epoch (\d+) is saved.\n", err)[1])
    assert b"label: python " in out
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


def test_ctrl_c_before_training_leaves_nothing(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "prepare", interrupt)
    assert run(*BARS) == 130
    assert capsys.readouterr().err == "train.py: interrupted before training began; there is nothing to resume.\n"
    assert tree() == {}


def test_a_wrong_gradient_stops_training_with_exit_code_1(monkeypatch, capsys):
    original = by_hand.sigmoid
    monkeypatch.setattr(by_hand, "sigmoid", lambda z: original(z) * 1.001)  # autograd has the right one
    assert run(*BARS, "--epochs", 4, "--json") == 1
    out = capsys.readouterr().out
    answer = json.loads(out.splitlines()[-1])
    assert answer["epochs"] == 0
    assert answer["gradient_check"]["verdict"] == "fail"
    assert answer["gradient_check"]["worst_ratio"] > 1
    assert "FAIL" in out


def test_divergence_is_exit_code_1_and_the_last_finite_epoch_is_kept(capsys):
    assert run(*BARS, "--lr", "1e30", "--epochs", 5, "--json", "--weight-decay", 1) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(r"train\.py: expected a finite loss, got \w+ in epoch \d\. Try a smaller --lr\.\n", err)
    assert np.isfinite(json.loads(out.splitlines()[-1])["loss"]["train"])
    assert label.main(["--run", "runs/bars-1", "1", "1", "0", "0"]) == 0


FLAGS = {
    "unknown data set": (["--data", "foo"], "expected digits, bars, mnist, a .csv or a .npz file, got 'foo'."),
    "no data set": (["--data", ""], "expected digits, bars, mnist, a .csv or a .npz file, got ''."),
    "hidden 0": (["--hidden", 0], "--hidden: expected a whole number of at least 1, got '0'."),
    "hidden -3": (["--hidden", -3], "--hidden: expected a whole number of at least 1, got '-3'."),
    "hidden 2.5": (["--hidden", "2.5"], "--hidden: expected a whole number of at least 1, got '2.5'."),
    "hidden in quotes": (["--hidden", "64 32"], "--hidden: expected a whole number of at least 1, got '64 32'."),
    "hidden of 20 digits": (["--hidden", "9" * 20], "--hidden: expected a whole number of at most 4294967295"),
    "hidden beyond memory": (
        [*BARS, "--hidden", 2**32 - 1],
        "--hidden: expected a network that fits into memory, got 4-4294967295-2.",
    ),
    "hidden squared": ([*BARS, "--hidden", *[10**6] * 3], "--hidden: expected a network that fits into memory"),
    "batch size 0": (["--batch-size", 0], "--batch-size: expected a whole number of at least 1, got '0'."),
    "learning rate nan": (["--lr", "nan"], "--lr: expected a finite number above 0, got 'nan'."),
    "learning rate inf": (["--lr", "inf"], "--lr: expected a finite number above 0, got 'inf'."),
    "learning rate 0": (["--lr", 0], "--lr: expected a finite number above 0, got '0'."),
    "learning rate -1": (["--lr", -1], "--lr: expected a finite number above 0, got '-1'."),
    "learning rate text": (["--lr", "fast"], "--lr: expected a finite number above 0, got 'fast'."),
    "learning rate 1e300": (["--lr", "1e300"], "--lr: expected a number of at most 1e+30, got '1e300'."),
    "momentum -1": (["--momentum", "-1"], "--momentum: expected a finite number of at least 0, got '-1'."),
    "momentum of adam": (["--momentum", "0.9"], "--momentum: expected --optimizer sgd"),
    "weight decay nan": (["--weight-decay", "nan"], "--weight-decay: expected a finite number of at least 0"),
    "seed too large": (["--seed", 2**32], "--seed: expected a whole number of at most 4294967295, got '4294967296'."),
    "seed -1": (["--seed", -1], "--seed: expected a whole number of at least 0, got '-1'."),
    "seed text": (["--seed", "x"], "--seed: expected a whole number of at least 0, got 'x'."),
    "epochs -1": (["--epochs", -1], "--epochs: expected a whole number of at least 0, got '-1'."),
    "epochs 1e3": (["--epochs", "1e3"], "--epochs: expected a whole number of at least 0, got '1e3'."),
    "check every 0": (["--check-every", 0], "--check-every: expected a whole number of at least 1, got '0'."),
    "unknown init": (["--init", "he"], "--init: expected one of pytorch, xavier"),
    "unknown output": (["--output", "relu"], "--output: expected one of softmax, sigmoid, got 'relu'."),
    "unknown cost": (["--cost", "hinge"], "--cost: expected one of cross-entropy, quadratic, got 'hinge'."),
    "unknown dtype": (["--dtype", "float16"], "--dtype: expected one of float32, float64, got 'float16'."),
    "unknown device": (["--device", "tpu"], "--device: expected one of auto, cpu, cuda, got 'tpu'."),
    "unknown flag": (["--learning-rate", "1"], "expected the flags of --help, got --learning-rate 1."),
    "abbreviated flag": (["--epoch", "1"], "expected the flags of --help, got --epoch 1."),
    "stray word": (["digits"], "expected the flags of --help, got digits."),
    "flag without value": (["--lr"], "--lr: expected one value, got none."),
    "empty folder": (["--run-dir", ""], "--run-dir: expected the name of a folder, got ''."),
    "no MNIST": (
        ["--data", "mnist", "--data-dir", "none"],
        "{here}/none: expected the 4 MNIST files, plain or .gz, got none called ",
    ),
    "resume nothing": (["--resume", "none"], "none: expected the folder of a run with a config.json, got "),
    "resume elsewhere": (["--resume", "a", "--run-dir", "b"], "--run-dir: expected nothing beside --resume, got b."),
}


@pytest.mark.parametrize("case", FLAGS)
def test_refuses(capsys, case, tmp_path):
    argv, line = FLAGS[case]
    assert refused(capsys, *argv).startswith(line.replace("{here}", str(tmp_path)))
    assert tree() == {}


def test_refuses_cuda_where_there_is_none(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refused(capsys, "--device", "cuda").startswith("--device: expected a CUDA device, got a machine where torch ")


TABLES = {
    "missing": (None, "expected a CSV file, got: No such file or directory."),
    "empty": ("", "expected rows of numbers, got an empty file."),
    "ragged": ("1,2,a\n3,b\n5,6,a\n", "line 2: expected 3 fields, as in the first line, got 2."),
    "non-numeric": ("1,2,a\n3,x,b\n", "line 2, column 2: expected a number, got 'x'."),
    "holding NaN": ("1,2,a\n3,nan,b\n", "line 2, column 2: expected a finite number of at most 1e+30, got nan."),
    "holding infinity": ("1,2,a\n3,-inf,b\n", "line 2, column 2: expected a finite number of at most 1e+30, got -inf."),
    "missing a label": ("1,2,a\n3,4,\n", "line 2: expected a label in the last column, got an empty field."),
    "of one class": ("1,2,a\n3,4,a\n", "expected labels of at least 2 classes, got one class in 2 rows, 'a'."),
    "of a regression": ("".join(f"{n},{n / 7}\n" for n in range(40)), "expected classes that repeat"),
    "of one column": ("a\nb\n", "line 1: expected at least 2 columns"),
    "not text": (b"\xff\xfe1\x00", "line 1: expected UTF-8 text, got byte 0xff."),
}


@pytest.mark.parametrize("case", TABLES)
def test_refuses_a_csv_that_is(capsys, case, tmp_path):
    content, line = TABLES[case]
    if content is not None:
        Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(capsys, "--data", "t.csv")
    assert message.startswith(f"{tmp_path}/t.csv")
    assert line in message


@pytest.mark.parametrize("kind", ["directory", "text", "no labels", "labels that don't fit", "pickled"])
def test_refuses_an_npz_that_is(capsys, kind, tmp_path):
    if kind == "directory":
        Path("t.npz").mkdir()
    elif kind == "text":
        Path("t.npz").write_text("hello")
    else:
        y = np.array([0, 1]) if kind == "labels that don't fit" else np.array([{}, {}, {}])
        np.savez("t.npz", x=np.zeros((3, 2)), **({} if kind == "no labels" else {"y": y}))
    assert refused(capsys, "--data", "t.npz").startswith(f"{tmp_path}/t.npz")


@pytest.fixture
def a_run(capsys):
    """A finished run of 2 epochs in r."""
    assert run(*BARS, "--epochs", 2, "--run-dir", "r", "--no-check") == 0
    capsys.readouterr()
    return Path("r")


def test_refuses_to_write_over_a_run(capsys, a_run):
    assert refused(capsys, *BARS, "--run-dir", "r").startswith("--run-dir r: expected a folder without a run, got one with ")


def test_refuses_to_resume_a_finished_run(capsys, a_run):
    assert refused(capsys, "--resume", "r") == "--epochs: expected more than the 2 that r has, got 2. Give more."
    assert refused(capsys, "--resume", "r", "--epochs", 1).startswith("--epochs: expected more than the 2 that r has, got 1.")


def test_refuses_to_resume_with_other_sizes(capsys, a_run):
    message = refused(capsys, "--resume", "r", "--epochs", 9, "--hidden", 6, 7)
    assert message == (
        "--hidden: expected the run's own 5, got 6 7. Leave it out to resume r, or start a new run without --resume."
    )


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "foreign", "directory", "missing"])
def test_refuses_to_resume_a_run_whose_file_is(capsys, a_run, name, damage):
    path = a_run / name
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        path.write_bytes(b"\xfe\xff" * 100)
    elif damage == "foreign" and name == "config.json":
        path.write_text('{"architecture": "transformer"}')
    elif damage == "foreign":
        save_file({"W": np.zeros(3)}, path)
    elif damage == "directory":
        path.mkdir()
    assert refused(capsys, "--resume", "r", "--epochs", 9).startswith("r")


def test_refuses_to_resume_the_state_of_another_network(capsys, a_run):
    assert run("--data", "bars", "--hidden", "6", "--epochs", 2, "--run-dir", "other", "--no-check") == 0
    Path("r/checkpoint.safetensors").write_bytes(Path("other/checkpoint.safetensors").read_bytes())
    assert "expected the state of (4, 5, 2), got " in refused(capsys, "--resume", "r", "--epochs", 9)


@pytest.mark.parametrize("folder", ["file", "file/r"])
def test_refuses_a_folder_that_cannot_be_made(capsys, folder):
    Path("file").write_text("precious")
    message = refused(capsys, *BARS, "--run-dir", folder)
    assert message.startswith(f"{folder}: expected a file or folder that can be written, got: ")


def test_refuses_where_runs_is_a_file(capsys):
    Path("runs").write_text("precious")
    assert "expected a file or folder that can be written" in refused(capsys, *BARS)


def test_help_and_bad_usage_answer_without_torch():
    program = "import sys, train\ntry: train.main(sys.argv[1:])\nexcept SystemExit: print('torch' in sys.modules, file=sys.stderr)"
    for flag, code in (("--help", b"False\n"), ("--nope", b"False\n")):
        done = subprocess.run([sys.executable, "-c", program, flag], capture_output=True, cwd=ROOT, check=False)
        assert done.stderr.endswith(code)

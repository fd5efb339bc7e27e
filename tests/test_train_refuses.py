"""train.py: bad input is one line and exit code 2, and nothing that was there before is changed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from train_command import BARS, refused, run, tree

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


FLAGS = {
    "unknown data set": (
        ["--data", "foo"],
        "expected digits, bars, mnist, a .csv or a .npz file, got 'foo'.",
    ),
    "no data set": (["--data", ""], "expected digits, bars, mnist, a .csv or a .npz file, got ''."),
    "hidden 0": (["--hidden", 0], "--hidden: expected a whole number of at least 1, got '0'."),
    "hidden -3": (["--hidden", -3], "--hidden: expected a whole number of at least 1, got '-3'."),
    "hidden 2.5": (
        ["--hidden", "2.5"],
        "--hidden: expected a whole number of at least 1, got '2.5'.",
    ),
    "hidden in quotes": (
        ["--hidden", "64 32"],
        "--hidden: expected a whole number of at least 1, got '64 32'.",
    ),
    "hidden of 20 digits": (
        ["--hidden", "9" * 20],
        "--hidden: expected a whole number of at most 4294967295",
    ),
    "hidden beyond memory": (
        [*BARS, "--hidden", 2**32 - 1],
        "--hidden: expected a network that fits into memory, got 4-4294967295-2.",
    ),
    "hidden squared": (
        [*BARS, "--hidden", *[10**6] * 3],
        "--hidden: expected a network that fits into memory",
    ),
    "batch size 0": (
        ["--batch-size", 0],
        "--batch-size: expected a whole number of at least 1, got '0'.",
    ),
    "learning rate nan": (["--lr", "nan"], "--lr: expected a finite number above 0, got 'nan'."),
    "learning rate inf": (["--lr", "inf"], "--lr: expected a finite number above 0, got 'inf'."),
    "learning rate 0": (["--lr", 0], "--lr: expected a finite number above 0, got '0'."),
    "learning rate -1": (["--lr", -1], "--lr: expected a finite number above 0, got '-1'."),
    "learning rate text": (["--lr", "fast"], "--lr: expected a finite number above 0, got 'fast'."),
    "learning rate 1e300": (
        ["--lr", "1e300"],
        "--lr: expected a number of at most 1e+30, got '1e300'.",
    ),
    "momentum -1": (
        ["--momentum", "-1"],
        "--momentum: expected a finite number of at least 0, got '-1'.",
    ),
    "momentum of adam": (["--momentum", "0.9"], "--momentum: expected --optimizer sgd"),
    "weight decay nan": (
        ["--weight-decay", "nan"],
        "--weight-decay: expected a finite number of at least 0",
    ),
    "seed too large": (
        ["--seed", 2**32],
        "--seed: expected a whole number of at most 4294967295, got '4294967296'.",
    ),
    "seed -1": (["--seed", -1], "--seed: expected a whole number of at least 0, got '-1'."),
    "seed text": (["--seed", "x"], "--seed: expected a whole number of at least 0, got 'x'."),
    "epochs -1": (["--epochs", -1], "--epochs: expected a whole number of at least 0, got '-1'."),
    "epochs 1e3": (
        ["--epochs", "1e3"],
        "--epochs: expected a whole number of at least 0, got '1e3'.",
    ),
    "check every 0": (
        ["--check-every", 0],
        "--check-every: expected a whole number of at least 1, got '0'.",
    ),
    "unknown init": (["--init", "lecun"], "--init: expected one of pytorch, xavier"),
    "unknown output": (
        ["--output", "softmx"],
        "--output: expected one of softmax, sigmoid, linear, tanh, relu, leaky-relu, elu, ",
    ),
    "unknown cost": (
        ["--cost", "hinge"],
        "--cost: expected one of cross-entropy, binary-cross-entropy, quadratic, half-quadratic "
        "beside --output softmax, got 'hinge'.",
    ),
    "unknown dtype": (
        ["--dtype", "float16"],
        "--dtype: expected one of float32, float64, got 'float16'.",
    ),
    "unknown device": (
        ["--device", "tpu"],
        "--device: expected one of auto, cpu, cuda, got 'tpu'.",
    ),
    "unknown flag": (
        ["--learning-rate", "1"],
        "expected the flags of --help, got --learning-rate 1.",
    ),
    "abbreviated flag": (["--epoch", "1"], "expected the flags of --help, got --epoch 1."),
    "stray word": (["digits"], "expected the flags of --help, got digits."),
    "flag without value": (["--lr"], "--lr: expected one value, got none."),
    "empty folder": (["--run-dir", ""], "--run-dir: expected the name of a folder, got ''."),
    "no MNIST": (
        ["--data", "mnist", "--data-dir", "none"],
        "{here}/none: expected the 4 MNIST files, plain or .gz, got none called ",
    ),
    "resume nothing": (
        ["--resume", "none"],
        "none: expected the folder of a run with a config.json, got ",
    ),
    "resume elsewhere": (
        ["--resume", "a", "--run-dir", "b"],
        "--run-dir: expected nothing beside --resume, got b.",
    ),
}


@pytest.mark.parametrize("case", FLAGS)
def test_refuses(capsys, case, tmp_path):
    argv, line = FLAGS[case]
    assert refused(capsys, *argv).startswith(line.replace("{here}", str(tmp_path)))
    assert tree() == {}


def test_refuses_cuda_where_there_is_none(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refused(capsys, "--device", "cuda").startswith(
        "--device: expected a CUDA device, got a machine where torch "
    )


TABLES = {
    "missing": (None, "expected a CSV file, got: No such file or directory."),
    "empty": ("", "expected rows of numbers, got an empty file."),
    "ragged": ("1,2,a\n3,b\n5,6,a\n", "line 2: expected 3 fields, as in the first line, got 2."),
    "non-numeric": ("1,2,a\n3,x,b\n", "line 2, column 2: expected a number, got 'x'."),
    "holding NaN": (
        "1,2,a\n3,nan,b\n",
        "line 2, column 2: expected a finite number of at most 1e+30, got nan.",
    ),
    "holding infinity": (
        "1,2,a\n3,-inf,b\n",
        "line 2, column 2: expected a finite number of at most 1e+30, got -inf.",
    ),
    "missing a label": (
        "1,2,a\n3,4,\n",
        "line 2: expected a label in the last column, got an empty field.",
    ),
    "of one class": (
        "1,2,a\n3,4,a\n",
        "expected labels of at least 2 classes, got one class in 2 rows, 'a'.",
    ),
    "of a regression": (
        "".join(f"{n},{n / 7}\n" for n in range(40)),
        "expected classes that repeat",
    ),
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


@pytest.mark.parametrize(
    "kind", ["directory", "text", "no labels", "labels that don't fit", "pickled"]
)
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
    assert refused(capsys, *BARS, "--run-dir", "r").startswith(
        "--run-dir r: expected a folder without a run, got one with "
    )


def test_refuses_to_resume_a_finished_run(capsys, a_run):
    assert (
        refused(capsys, "--resume", "r")
        == "--epochs: expected more than the 2 that r has, got 2. Give more."
    )
    assert refused(capsys, "--resume", "r", "--epochs", 1).startswith(
        "--epochs: expected more than the 2 that r has, got 1."
    )


def test_refuses_to_resume_with_other_sizes(capsys, a_run):
    message = refused(capsys, "--resume", "r", "--epochs", 9, "--hidden", 6, 7)
    assert message == (
        "--hidden: expected the run's own 5, got 6 7. Leave it out to resume r, or start a new "
        "run without --resume."
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
    assert (
        run("--data", "bars", "--hidden", "6", "--epochs", 2, "--run-dir", "other", "--no-check")
        == 0
    )
    Path("r/checkpoint.safetensors").write_bytes(Path("other/checkpoint.safetensors").read_bytes())
    assert "expected the state of (4, 5, 2), got " in refused(
        capsys, "--resume", "r", "--epochs", 9
    )


@pytest.mark.parametrize("folder", ["file", "file/r"])
def test_refuses_a_folder_that_cannot_be_made(capsys, folder):
    Path("file").write_text("precious")
    message = refused(capsys, *BARS, "--run-dir", folder)
    assert message.startswith(f"{folder}: expected a file or folder that can be written, got: ")


def test_refuses_where_runs_is_a_file(capsys):
    Path("runs").write_text("precious")
    assert "expected a file or folder that can be written" in refused(capsys, *BARS)


def test_help_and_bad_usage_answer_without_torch():
    program = (
        "import sys, train\ntry: train.main(sys.argv[1:])\nexcept SystemExit: print('torch' "
        "in sys.modules, file=sys.stderr)"
    )
    for flag, code in (("--help", b"False\n"), ("--nope", b"False\n")):
        done = subprocess.run(
            [sys.executable, "-c", program, flag], capture_output=True, cwd=ROOT, check=False
        )
        assert done.stderr.endswith(code)

"""label.py: its answers are the network's, it starts without torch, and bad input is one line and
exit code 2."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from backproof import label, train
from backproof.model.checkpoint import load_model
from backproof.model.data import load
from backproof.model.network import MLP
from backproof.model.pasted import script

ROOT = Path(__file__).parents[1]
PICTURES = {
    "1 1 0 0": "horizontal",
    "0 0 1 1": "horizontal",
    "1 0 1 0": "vertical",
    "0 1 0 1": "vertical",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with runs/digits-1 and, newer, runs/bars-1."""
    folder = tmp_path_factory.mktemp("label")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert train.main(["--epochs", "2", "--hidden", "12", "--no-check"]) == 0
        assert train.main(["--data", "bars", "--no-check"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _there(trained, monkeypatch):
    monkeypatch.chdir(trained)


def answer(capsys, *argv):
    """What label.py prints, line by line."""
    capsys.readouterr()
    assert label.main(list(argv)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def refused(capsys, *argv):
    """The one line of a refusal: exit code 2, nothing printed."""
    capsys.readouterr()
    try:
        code = label.main(list(argv))
    except SystemExit as exit_:
        code = exit_.code
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.match(r"label\.py: .*expected .*, got.*\. [A-Z].*\.\n", err), err
    return err.removeprefix("label.py: ").rstrip("\n")


@pytest.mark.parametrize("picture", PICTURES)
def test_the_newest_run_labels_the_four_pictures(capsys, picture):
    (line,) = answer(capsys, *picture.split())
    assert re.fullmatch(PICTURES[picture] + r" 0\.9\d{3}|" + PICTURES[picture] + r" 1\.0000", line)


def test_answers_are_those_of_the_network_in_pytorch(capsys):
    digits, model = load("digits"), load_model(Path("runs/digits-1"))
    network = MLP.from_arrays(model.W, model.b, dtype=torch.float64)
    with torch.no_grad():
        p = network(torch.from_numpy(digits.testing()[0][:10])).softmax(dim=1).numpy()
    lines = answer(capsys, "--run", "runs/digits-1", "--json", "runs/digits-1/samples.csv")
    assert len(lines) == 10
    for line, row in zip(lines, p, strict=True):
        given = json.loads(line)
        assert given["label"] == str(row.argmax())
        # float32 against float64: sums of at most 64 terms, of magnitude at most 8 each by layer,
        # two layers
        assert (
            np.abs(np.array(list(given["probabilities"].values())) - row).max()
            <= 2 * 64 * 8 * np.finfo(np.float32).eps
        )


def test_json_is_one_object_a_line_with_every_key_of_the_contract(capsys):
    Path("t.csv").write_text("1,1,0,0\n0,1,0,1\n")
    lines = [json.loads(line) for line in answer(capsys, "--json", "t.csv")]
    assert [line["input"] for line in lines] == ["t.csv:1", "t.csv:2"]
    assert [line["label"] for line in lines] == ["horizontal", "vertical"]
    for line in lines:
        assert line.keys() == {"input", "label", "probability", "probabilities"}
        assert line["probabilities"].keys() == {"horizontal", "vertical"}
        assert (
            line["probability"]
            == max(line["probabilities"].values())
            == line["probabilities"][line["label"]]
        )
        # two float32 quotients
        assert abs(sum(line["probabilities"].values()) - 1) <= 2 * np.finfo(np.float32).eps


def test_json_of_typed_numbers_names_them(capsys):
    (line,) = answer(capsys, "--json", "1", "1", "0", "0")
    assert json.loads(line)["input"] == "1 1 0 0"


def test_rows_are_named_where_there_are_several(capsys):
    Path("t.csv").write_text("1,1,0,0\n0,1,0,1\n")
    lines = answer(capsys, "t.csv")
    assert [line.split()[0] for line in lines] == ["horizontal", "vertical"]
    assert [line.split()[-1] for line in lines] == ["t.csv:1", "t.csv:2"]


def test_top_k_shows_the_likeliest_first_and_no_more_than_there_are(capsys):
    (line,) = answer(capsys, "--top-k", "99", "1", "1", "0", "0")
    words = line.split()
    assert words[::2] == ["horizontal", "vertical"]
    assert float(words[1]) > float(words[3])
    (line,) = answer(capsys, "--run", "runs/digits-1", "--top-k", "3", *["8"] * 64)
    chances = [float(word) for word in line.split()[1::2]]
    assert chances == sorted(chances, reverse=True)
    assert len(chances) == 3


@pytest.mark.parametrize("typed", ["-1 -1e-3 +0.5 1E1", "-1e5 -.5 -0 0", "-- -1 2 3 4"])
def test_negative_numbers_and_exponents_are_numbers_not_flags(capsys, typed):
    assert len(answer(capsys, *typed.split())) == 1
    assert len(answer(capsys, "--json", "--run", "runs/bars-1", *typed.split())) == 1


@pytest.mark.parametrize(
    "text", ["1 1 0 0\n0 1 0 1\n", "1,1,0,0\n0,1,0,1", "\ufeff1;1;0;0\r\n\r\n0;1;0;1\r\n"]
)
def test_rows_come_from_standard_input(capsys, monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
    assert [line.split()[0] for line in answer(capsys, "-")] == ["horizontal", "vertical"]


def test_a_fresh_process_labels_without_importing_torch_or_what_else_takes_long():
    program = (
        "import sys, label; code = label.main(sys.argv[1:]); print(*sys.modules); sys.exit(code)"
    )
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    for argv in (
        ["1", "1", "0", "0"],
        ["--run", "runs/digits-1", "runs/digits-1/samples.csv"],
        ["--json", "1", "1", "0", "0"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *argv],
            capture_output=True,
            text=True,
            env=path,
            check=True,
        )
        imported = set(done.stdout.splitlines()[-1].split())
        assert {"numpy", "label", "backproof.checks.by_hand"} <= imported
        assert (
            not {"torch", "jaxtyping", "beartype", "PIL", "matplotlib", "tensorboard", "tqdm"}
            & imported
        )


def test_ctrl_c_is_exit_code_130(capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(label, "load_model", interrupt)
    assert label.main(["1", "1", "0", "0"]) == 130
    assert capsys.readouterr().err == "label.py: interrupted.\n"


INPUTS = {
    "nothing": ([], "expected INPUT, got nothing."),
    "three numbers": (
        ["1", "1", "0"],
        "the command line: expected 4 numbers for the network in runs/bars-1, got 3.",
    ),
    "five numbers": (
        ["1"] * 5,
        "the command line: expected 4 numbers for the network in runs/bars-1, got 5.",
    ),
    "a word among numbers": (
        ["1", "x", "0", "0"],
        "expected 4 numbers, or files alone, got 'x' among numbers.",
    ),
    "NaN": (
        ["1", "1", "0", "nan"],
        "the command line: expected finite numbers of at most 1e+30, got nan in place 4.",
    ),
    "infinity": (
        ["1", "-1e999", "0", "0"],
        "the command line: expected finite numbers of at most 1e+30, got -inf in place 2.",
    ),
    "beyond float32": (
        ["1e308"] * 4,
        "the command line: expected finite numbers of at most 1e+30, got 1e+308 in place 1.",
    ),
    "a missing file": (
        ["none.csv"],
        "none.csv: expected a CSV file, got: No such file or directory.",
    ),
    "top 0": (
        ["--top-k", "0", "1", "1", "0", "0"],
        "--top-k: expected a whole number of at least 1, got '0'.",
    ),
    "top x": (["--top-k", "x", "1"], "--top-k: expected a whole number of at least 1, got 'x'."),
    "top nothing": (["1", "--top-k"], "--top-k: expected one value, got none."),
    "unknown flag": (["--foo", "1", "1", "0", "0"], "expected the flags of --help, got --foo."),
    "no run": (
        ["--run", "none", "1"],
        "none: expected the folder of a run with a model.safetensors, got none there.",
    ),
    "empty run": (["--run", "", "1"], "--run: expected the name of a folder, got ''."),
    "another run's row": (
        ["runs/digits-1/samples.csv"],
        "samples.csv:1: expected 4 numbers for the network in runs/bars-1, got 64.",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_refuses(capsys, case):
    argv, line = INPUTS[case]
    assert refused(capsys, *argv).startswith(line)


@pytest.mark.parametrize("text", ["hello", "1,1,0,0", "0x1", ""])
def test_refuses_text(capsys, text):
    assert f"{text!r}" in refused(capsys, text)


FILES = {
    "e.csv": (b"", "e.csv: expected rows of numbers, got an empty file."),
    "h.csv": (b"a,b,c,d\n", "h.csv: expected rows of 4 numbers below the header, got none."),
    "r.csv": (b"1,1,0,0\n1,1\n", "r.csv line 2: expected 4 numbers"),
    "x.csv": (b"1,x,0,0\n1,1,0,0\n", "x.csv line 1: expected numbers alone, got 'x'."),
    "n.csv": (
        b"1,1,0,nan\n",
        "n.csv:1: expected finite numbers of at most 1e+30, got nan in place 4.",
    ),
    "b.csv": (b"\x80\x81", "b.csv, line 1: expected UTF-8 text, got byte 0x80."),
    "e.npy": (b"", "e.npy: expected an .npy file of numbers, got "),
    "g.npy": (
        b"\x93NUMPY\x01\x00\x50\x00" + b"{" * 80,
        "g.npy: expected an .npy file of numbers, got ",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_refuses_the_file(capsys, name):
    content, line = FILES[name]
    Path(name).write_bytes(content)
    assert refused(capsys, name).startswith(line)


def test_refuses_the_whole_where_one_file_is_bad(capsys):
    Path("good.csv").write_text("1,1,0,0\n")
    assert refused(capsys, "good.csv", "none.csv").startswith("none.csv: ")


def test_refuses_numbers_that_overflow_within_the_network(capsys, tmp_path):
    # standardised: whatever is typed grows 1e20 times
    x = np.random.default_rng(0).normal(size=(8, 2)) * 1e-20
    np.savez(tmp_path / "tiny.npz", x=x, y=np.arange(8) % 2)
    assert (
        train.main(
            [
                "--data",
                str(tmp_path / "tiny.npz"),
                "--epochs",
                "1",
                "--run-dir",
                str(tmp_path / "r"),
                "--no-check",
            ]
        )
        == 0
    )
    message = refused(capsys, "--run", str(tmp_path / "r"), "1e30", "-1e30")
    assert message.endswith(
        ": expected numbers like those of tiny, got ones that overflow. Correct them."
    )


@pytest.mark.parametrize(
    "damage", ["truncated", "garbage", "foreign", "directory", "empty", "other shapes"]
)
def test_refuses_a_run_whose_weights_are(capsys, tmp_path, damage):
    content, path = (
        Path("runs/bars-1/model.safetensors").read_bytes(),
        tmp_path / "model.safetensors",
    )
    if damage == "directory":
        path.mkdir()
    elif damage == "foreign":
        save_file({"W.1": np.zeros((8, 4), np.float32)}, path)
    else:
        written = {
            "truncated": content[: len(content) // 2],
            "garbage": b"\xff" * 300,
            "empty": b"",
        }
        # 8 rows of 4 become 4 rows of 8: the same bytes, and no longer this network
        path.write_bytes(written.get(damage, content.replace(b'"shape":[8,4]', b'"shape":[4,8]')))
        assert path.read_bytes() != content
    assert refused(capsys, "--run", str(tmp_path), "1", "1", "0", "0").startswith(str(tmp_path))


def test_refuses_where_no_run_was_ever_made(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = (
        "expected a run in runs/, got none. Train one with "
        f"{shlex.join(script('train'))}, or name one with --run."
    )
    assert refused(capsys, "1", "1", "0", "0") == expected


def test_changed_samples_of_the_run_are_labelled_and_that_is_said(capsys):
    assert train.main(["--data", "bars", "--epochs", "1", "--no-check", "--run-dir", "r"]) == 0
    capsys.readouterr()
    assert label.main(["--run", "r", "r/samples.csv"]) == 0
    assert capsys.readouterr().err == ""
    Path("r/samples.csv").write_text("1,1,0,1\n")
    assert label.main(["--run", "r", "r/samples.csv"]) == 0
    said = "label.py: r/samples.csv: its rows are not those that train.py wrote; labelled as they"
    assert capsys.readouterr().err == f"{said} stand.\n"

"""Numbers in place of classes: a table trains, labels, checks and resumes with a linear output."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from train_command import run

import backproof
from backproof import label
from backproof.checks import __main__ as checks
from backproof.checks.training.labelling import probabilities
from backproof.model.checkpoint import load_model
from backproof.model.command_line import BadInput
from backproof.model.data import load
from backproof.model.evaluation import Samples, evaluate
from backproof.model.files.csv_file import read_csv
from backproof.model.files.npz_file import read_npz
from backproof.model.network import MLP

FLAGS = ["--data", "homes.csv", "--output", "linear", "--activation", "relu", "--run-dir", "homes"]


def table(rows=60, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 2))
    return x, 300 + 50 * (2 * x[:, 0] - x[:, 1])


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """A table of 60 homes in the current folder."""
    monkeypatch.chdir(tmp_path)
    x, y = table()
    lines = [f"{a:.17g},{b:.17g},{price:.17g}" for (a, b), price in zip(x, y, strict=True)]
    (tmp_path / "homes.csv").write_text("\n".join(["size,age,price", *lines]) + "\n")
    return x, y


def test_a_table_of_numbers_trains_labels_checks_and_resumes(homes, capsys):
    x, y = homes
    assert run(*FLAGS, "--epochs", 60, "--check-every", 20, "--json") == 0
    out = capsys.readouterr().out
    answer = json.loads(out.splitlines()[-1])
    assert answer["accuracy"] is None
    assert answer["gradient_check"]["verdict"] == "pass"
    assert answer["r2"]["test"] > 0.9
    assert "numbers from" in out
    assert f"test R2 {answer['r2']['test']:.4f}, mean squared error" in out
    assert label.main(["--run", "homes", "--json", *map(str, x[0])]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {"input", "value"}
    assert abs(said["value"] - y[0]) < 50
    assert label.main(["--run", "homes", *map(str, x[0])]) == 0
    assert capsys.readouterr().out == f"{said['value']:g}\n"
    assert checks.main(["--run", "homes", "--problems", "2"]) == 0
    assert "linear+quadratic relu" in capsys.readouterr().out
    assert run("--resume", "homes", "--epochs", 62) == 0


def test_scores_are_the_mean_squared_error_and_r2_of_what_label_says(homes, capsys):
    assert run(*FLAGS, "--epochs", 5, "--no-check", "--json") == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    data = load("homes.csv", values=True)
    model = load_model(backproof.load("homes").folder)
    said = probabilities(model, data.x[data.test])
    true = data.y[data.test]
    error = float(((said - true) ** 2).mean())
    assert answer["mean_squared_error"]["test"] == pytest.approx(error, rel=1e-4)
    r2 = 1 - error / true.var()
    assert answer["r2"]["test"] == pytest.approx(r2, abs=1e-4)
    trained = backproof.load("homes")
    assert trained.predict(data.x[data.test]) == pytest.approx(said[:, 0])
    assert trained.score(data.x[data.test], true[:, 0]) == pytest.approx(r2, abs=1e-4)


def test_a_numeric_column_is_classes_under_a_softmax_and_numbers_under_a_linear_output(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text("".join(f"{i % 7},{i % 3}\n" for i in range(30)))
    assert read_csv(path).classes == ("0", "1", "2")
    numbers = read_csv(path, values=True)
    assert (numbers.classes, numbers.y.shape, numbers.y.dtype) == (("value",), (30, 1), np.float64)
    words = tmp_path / "words.csv"
    words.write_text("".join(f"{i},{'ab'[i % 2]}\n" for i in range(30)))
    assert read_csv(words, values=True).classes == ("a", "b")


def test_arrays_of_numbers_are_predicted_too(tmp_path):
    x, y = table()
    np.savez(tmp_path / "homes.npz", x=x, y=y)
    assert (read_npz(tmp_path / "homes.npz", values=True).y[:, 0] == y).all()
    with pytest.raises(BadInput, match="expected whole numbers"):
        read_npz(tmp_path / "homes.npz")


@pytest.mark.parametrize(
    ("column", "said"),
    [([3, 3, 3], "expected at least 2 different numbers"), ([1, 1e300], "at most 1e[+]30")],
    ids=["constant", "too large"],
)
def test_what_cannot_be_predicted_is_refused_in_one_line(tmp_path, column, said):
    path = tmp_path / "bad.csv"
    path.write_text("".join(f"{i},{value}\n" for i, value in enumerate(column)))
    with pytest.raises(BadInput, match=said):
        read_csv(path, values=True)


def test_r2_is_zero_for_the_mean_and_one_for_the_truth():
    y = torch.tensor([[1.0], [3.0], [8.0]])
    squares = torch.nn.MSELoss()
    network = MLP((1, 1), init="zeros")
    network.fill({1: np.zeros((1, 1))}, {1: np.array([4.0])})
    mean = evaluate(network, Samples(y, y), squares)
    assert (mean.r2, mean.mean_squared_error) == (0, pytest.approx(26 / 3))
    network.fill({1: np.ones((1, 1))}, {1: np.zeros(1)})
    assert evaluate(network, Samples(y, y), squares).r2 == 1


def test_a_damaged_scale_of_a_saved_network_is_refused(homes):
    assert run(*FLAGS, "--epochs", 1, "--no-check") == 0
    model = load_model(backproof.load("homes").folder)
    assert model.answers is not None
    described = {**model.description, "answers": {"mean": [0.0, 1.0], "scale": [1.0, 1.0]}}
    from backproof.model import saved_model

    with pytest.raises(ValueError, match="numbers to predict of shapes"):
        saved_model.assembled(model.W, model.b, described)
    assert replace(model, answers=None).answers is None

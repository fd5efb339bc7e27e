"""The Python door: what it prints, leaves and answers is what `train` and `label` print, leave and
answer; and the lines of docs/python.md run as they stand."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from train_command import run as train_command
from train_command import weights

import backproof
from backproof import label
from backproof.checks.training import fitting
from backproof.model.command_line import BadInput
from backproof.model.configuration import TAKES, VALID
from backproof.model.data import load as load_data

PAGE = (Path(__file__).parents[1] / "docs/python.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def test_the_lines_of_the_page_run(digits, monkeypatch):
    """With fewer epochs; x and y are the reader's own."""
    x, y = digits.x[digits.test], digits.y[digits.test]
    names = {"x": x, "y": y}
    exec(SNIPPETS[0].replace("epochs=40", "epochs=8, quiet=True"), names)
    assert names["run"].gradients == "pass"
    assert names["run"].score(x, y) > 0.9
    exec(SNIPPETS[1], names)
    assert names["run"].score(x, y) > 0.9
    exec(SNIPPETS[2], names)
    exec(SNIPPETS[3], names)
    inputs = (torch.from_numpy(x) - torch.tensor(names["mean"])) / torch.tensor(names["scale"])
    p = names["network"](inputs.float()).softmax(dim=1).detach().numpy()
    ours = names["run"].predict_proba(x)
    np.testing.assert_allclose(p, ours, rtol=0, atol=1e-4)  # float32, another order of sums
    assert names["classes"] == list(names["run"].classes)
    with safe_open("runs/digits-1/model.safetensors", "pt") as file:
        assert file.metadata()["format"] == "pt"


def test_a_fitted_run_is_the_run_of_the_command(capsys):
    run = backproof.fit("bars", hidden=(5,), epochs=3, seed=2, run_dir="door")
    printed = capsys.readouterr().out
    flags = ["--data", "bars", "--hidden", "5", "--epochs", "3", "--seed", "2"]
    assert train_command(*flags, "--run-dir", "command") == 0
    assert weights("door") == weights("command")
    lines = capsys.readouterr().out.replace("run command", "run door")
    assert [line for line in printed.splitlines() if line in lines] == printed.splitlines()
    assert label.main(["--run", "door", "--json", "1", "1", "0", "0"]) == 0
    said = json.loads(capsys.readouterr().out)
    (p,) = run.predict_proba([1, 1, 0, 0])
    assert list(said["probabilities"].values()) == p.tolist()
    assert run.predict([[1, 1, 0, 0]]).tolist() == [said["label"]]


def test_nothing_is_printed_where_that_is_asked_for(capsys):
    backproof.fit("bars", epochs=1, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_rows_come_in_many_forms(digits):
    run = backproof.fit("digits", hidden=[8], epochs=1, quiet=True, check_every=0)
    x = digits.x[:3]
    expected = run.predict(x).tolist()
    assert run.gradients is None
    for form in (x.tolist(), x.reshape(3, 8, 8), x.astype(np.float32), torch.from_numpy(x)):
        assert run.predict(form).tolist() == expected
    assert run.predict(x[0]).tolist() == expected[:1]
    assert run.predict(x).dtype == np.int64


def test_named_columns_are_put_in_order_and_names_are_classes():
    rows = [f"{i % 2},{i % 3},{'ab'[i % 2]}" for i in range(30)]
    Path("t.csv").write_text("\n".join(["p,q,kind", *rows]))
    run = backproof.fit(Path("t.csv"), epochs=30, quiet=True, lr=np.float64(0.05))
    x = np.array([[0, 1], [1, 2]])

    class Frame(SimpleNamespace):
        def __array__(self, dtype=None, copy=None):
            return self.values

    frame = Frame(values=x[:, ::-1], columns=["q", "p"])
    assert run.predict(x).tolist() == run.predict(frame).tolist() == ["a", "b"]
    assert run.score(x, ["a", "a"]) == 0.5
    with pytest.raises(ValueError, match=r"expected columns \('p', 'q'\), got \('q', 'r'\)"):
        run.predict(Frame(values=x, columns=["q", "r"]))


WRONG_X = {
    "too few": ([[1, 2]], "expected rows of 4 numbers, got an array of shape"),
    "text": ([["a", "b", "c", "d"]], "expected numbers, got an array of <U1"),
    "NaN": ([[1, 2, 3, float("nan")]], "expected finite numbers"),
    "a number": (3, "expected rows of 4 numbers, got an array of shape"),
}


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bars") / "r"
    return backproof.fit("bars", epochs=1, quiet=True, run_dir=folder, check_every=0)


@pytest.mark.parametrize("wrong", WRONG_X)
def test_rows_that_do_not_fit_are_refused(bars, wrong):
    x, message = WRONG_X[wrong]
    with pytest.raises(ValueError, match=re.escape(message)):
        bars.predict(x)


def test_labels_that_do_not_fit_are_refused(bars):
    x = np.zeros((2, 4))
    with pytest.raises(ValueError, match="a class for each row of x"):
        bars.score(x, ["vertical"])
    with pytest.raises(ValueError, match="got 'diagonal'"):
        bars.score(x, ["vertical", "diagonal"])
    with pytest.raises(ValueError, match=r"^expected at least one row to score, got none$"):
        bars.score(np.zeros((0, 4)), [])


WRONG_SETTINGS = {
    "hiden": (3, "expected settings hidden,"),
    "hidden": ((0,), "expected hidden to be a list of whole numbers, each 1 or more, got (0,)."),
    "lr": (-1, "expected lr to be a number above 0, at most 1e+30, got -1."),
    "epochs": (1.5, "expected epochs to be a whole number, 0 or more, got 1.5."),
    "optimizer": ("x", "expected optimizer to be sgd or adam, got 'x'."),
    "cost": ("x", "expected cost to be one of cross-entropy, "),
    "check_every": (-1, "expected check_every to be a whole number of epochs, 0 for no check, "),
    "device": ("gpu", "expected device to be one of auto, cpu, cuda, got 'gpu'."),
}


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_settings_that_cannot_be_are_one_line_and_leave_nothing(name):
    value, message = WRONG_SETTINGS[name]
    with pytest.raises(BadInput, match=rf"^fit: {re.escape(message)}"):
        backproof.fit(**{"data": "bars", name: value})
    assert not Path("runs").exists()


def test_arrays_in_place_of_a_path_are_one_line():
    """Asked of what `fit` asks first: in tests its annotations would answer before it."""
    with pytest.raises(BadInput, match=r"^fit: expected data to be a name or a path, got a tuple"):
        fitting._data(([[1.0]], [0]))
    with pytest.raises(BadInput, match=r"^fit: expected run_dir to be the path of a folder, got 5"):
        fitting._check_how(5, "cpu", 1)


def test_every_setting_says_what_it_takes():
    assert TAKES.keys() == VALID.keys()


def test_what_is_no_run_is_refused():
    with pytest.raises(BadInput, match="expected the folder of a run"):
        backproof.load("none")


def test_a_network_of_numbers_predicts_them_and_has_no_probabilities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 2)).round(3)
    y = (3 * x[:, 0] - x[:, 1]).round(3)
    rows = [",".join(map(str, (*row, value))) for row, value in zip(x, y, strict=True)]
    Path("numbers.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    run = backproof.fit(
        "numbers.csv", output="linear", hidden=(8,), epochs=60, check_every=0, quiet=True
    )
    said = run.predict(x)
    assert said.shape == y.shape
    assert run.score(x, y) > 0.5
    assert run.score(x, y) == pytest.approx(1 - ((said - y) ** 2).mean() / y.var())
    with pytest.raises(ValueError, match=r"expected a network of classes, got one of numbers\."):
        run.predict_proba(x)

"""Flags -> settings: defaults by data set, and what a resumed run may and may not be told."""

import json
from pathlib import Path

import pytest

from backproof.model.command_line import BadInput
from backproof.model.configuration import BY_DATA, CHANGEABLE, TABLE, Configuration, resolve, resume

RUN = Path("runs/r")
SAVED = json.loads(json.dumps(resolve({"data": "bars"}).as_json()))  # as config.json gives it back


@pytest.mark.parametrize("data", ["digits", "bars", "mnist"])
def test_each_data_set_has_its_own_defaults(data):
    settings = resolve({"data": data, "lr": None})
    assert {name: getattr(settings, name) for name in BY_DATA[data]} == BY_DATA[data]
    assert (settings.data, settings.seed, settings.output, settings.cost) == (
        data,
        0,
        "softmax",
        "cross-entropy",
    )


def test_digits_are_the_default():
    assert resolve({}) == resolve({"data": "digits"})


def test_what_is_said_overrides_the_default():
    settings = resolve({"data": "bars", "hidden": [5, 6], "lr": 0.5, "epochs": 0, "seed": 7})
    assert (settings.hidden, settings.lr, settings.epochs, settings.seed) == ((5, 6), 0.5, 0, 7)


def test_no_hidden_layer_is_a_choice():
    assert resolve({"hidden": []}).hidden == ()


def test_a_file_is_kept_by_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = resolve({"data": "sub/flowers.CSV", "data_dir": Path("d")})
    assert settings.data == str(tmp_path / "sub" / "flowers.CSV")
    assert settings.data_dir == str(tmp_path / "d")
    assert settings.epochs == TABLE["epochs"]


def test_momentum_is_refused_where_it_would_do_nothing():
    with pytest.raises(BadInput) as error:
        resolve({"data": "digits", "momentum": 0.9})
    assert str(error.value) == (
        "--momentum: expected --optimizer sgd, whose momentum it is, got adam for digits. Add "
        "--optimizer sgd."
    )
    assert resolve({"data": "digits", "momentum": 0.9, "optimizer": "sgd"}).momentum == 0.9


def test_a_configuration_survives_its_file():
    assert resume({}, SAVED, RUN) == resolve({"data": "bars"})


def test_a_resumed_run_may_be_told_what_it_is():
    assert resume({"data": "bars", "hidden": [8], "lr": 2.0}, SAVED, RUN) == resolve(
        {"data": "bars"}
    )


def test_a_resumed_run_takes_more_epochs_and_nothing_else_changes():
    settings = resume({"epochs": 999}, SAVED, RUN)
    assert settings.epochs == 999
    assert {**settings.as_json(), "epochs": 300} == resolve({"data": "bars"}).as_json()


OTHER = {
    "data": "digits",
    "hidden": [9],
    "batch_size": 3,
    "lr": 0.25,
    "optimizer": "adam",
    "momentum": 0.5,
    "weight_decay": 0.1,
    "init": "zeros",
    "output": "sigmoid",
    "activation": "relu",
    "cost": "quadratic",
    "seed": 1,
    "dtype": "float64",
    "backward": "autograd",
}


def test_every_setting_but_the_changeable_has_a_contradiction_below():
    assert OTHER.keys() | set(CHANGEABLE) == Configuration.__dataclass_fields__.keys()


@pytest.mark.parametrize("name", OTHER)
def test_a_resumed_run_refuses_another(name):
    with pytest.raises(BadInput) as error:
        resume({name: OTHER[name]}, SAVED, RUN)
    old, new = (
        value[0] if isinstance(value, list) else value for value in (SAVED[name], OTHER[name])
    )
    flag = name.replace("_", "-")
    assert str(error.value) == (
        f"--{flag}: expected the run's own {old}, got {new}. Leave it out to resume runs/r, or "
        "start a new run without --resume."
    )


WRONG = {
    "data": [None, 5],
    "data_dir": [5],
    "hidden": [None, "ab", [0], [-3], [8.0], ["8"], [True]],
    "epochs": ["x", -1, None],
    "batch_size": [0, "4", 2.5],
    "lr": ["x", None, -1, 0, float("nan"), float("inf"), 1e300],
    "optimizer": ["lbfgs"],
    "momentum": ["x", -0.1],
    "weight_decay": [None, -1],
    "init": ["foo"],
    "output": ["hinge"],
    "activation": ["swish", ["relu", "swish"], 5],
    "cost": ["hinge", ["quadratic"]],
    "seed": [-1, "a", 2**40],
    "dtype": ["float16", "save"],
    "backward": ["magic"],
}


def test_every_setting_is_validated():
    assert WRONG.keys() == Configuration.__dataclass_fields__.keys()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_an_edited_config_is_refused(name, value):
    with pytest.raises(
        BadInput, match=r"^runs/r/config.json: expected .*, got .* Choose another run\.$"
    ):
        resume({}, {**SAVED, name: value}, RUN)


@pytest.mark.parametrize("saved", [{}, {**SAVED, "foo": 1}, {"hidden": []}])
def test_a_config_of_something_else_is_refused(saved):
    with pytest.raises(
        BadInput, match=r"^runs/r/config.json: expected every setting of a run, got"
    ):
        resume({}, saved, RUN)

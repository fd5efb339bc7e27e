"""Flags -> every setting of a run, with the defaults of its data set, or those of the run that is
resumed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from backproof.model.activations import ACTIVATIONS, names_by_layer
from backproof.model.command_line import LARGEST, BadInput
from backproof.model.costs import COSTS, OUTPUTS, costs_of

BY_DATA: dict[
    str, dict[str, Any]
] = {  # settings that learn each data set in seconds, found by trying
    "digits": {
        "hidden": (64, 32),
        "epochs": 40,
        "batch_size": 32,
        "lr": 0.005,
        "optimizer": "adam",
    },
    "bars": {"hidden": (8,), "epochs": 300, "batch_size": 4, "lr": 2.0, "optimizer": "sgd"},
    "mnist": {"hidden": (100,), "epochs": 10, "batch_size": 32, "lr": 0.5, "optimizer": "sgd"},
}
TABLE: dict[str, Any] = {
    "hidden": (32,),
    "epochs": 100,
    "batch_size": 32,
    "lr": 0.005,
    "optimizer": "adam",
}
INITS = ("pytorch", "xavier", "he", "normal", "row-constant", "constant", "zeros")
CHANGEABLE = ("epochs", "data_dir")  # what a resumed run may be told anew


@dataclass(frozen=True)
class Configuration:
    """What a run is: enough to repeat it. The names are those of train.py's flags."""

    data: str
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    data_dir: str | None = None
    momentum: float = 0.0
    weight_decay: float = 0.0
    activation: str | tuple[str, ...] = "sigmoid"
    init: str = "pytorch"
    output: str = "softmax"
    cost: str = "cross-entropy"
    backward: str = "by-hand"
    seed: int = 0
    dtype: str = "float32"

    def as_json(self) -> dict[str, Any]:
        """For config.json."""
        return asdict(self)


def resolve(given: Mapping[str, Any]) -> Configuration:
    """Fill in what was not given.

    Args:
        given: flags by name; None or absent where the command line is silent.
    Raises: BadInput if the flags contradict each other.
    """
    data = _locate(given.get("data") or "digits")
    said = _said(given)
    usual = _usual(said)
    configuration = Configuration(**{"data": data, **BY_DATA.get(data, TABLE), **usual, **said})
    _check_network(configuration)
    if configuration.momentum and configuration.optimizer == "adam":
        raise BadInput(
            "--momentum: expected --optimizer sgd, whose momentum it is, got adam for "
            f"{Path(data).name}. Add --optimizer sgd."
        )
    return configuration


def _usual(said: Mapping[str, Any]) -> dict[str, Any]:
    """What goes with the activation and the output that were named, unless it was said."""
    usual = {}
    names = said.get("activation", "sigmoid")
    chosen = [names] if isinstance(names, str) else names
    if any(name in ACTIVATIONS and ACTIVATIONS[name].init == "he" for name in chosen):
        usual["init"] = "he"
    if said.get("output") in OUTPUTS:
        usual["cost"] = costs_of(said["output"])[0]
    return usual


def _check_network(configuration: Configuration) -> None:
    """Raise BadInput for an activation, an output or a cost that is not known, or does not fit."""
    try:
        names_by_layer(configuration.activation, len(configuration.hidden))
    except ValueError as error:
        names = configuration.activation
        unknown = [name for name in _listed(names) if name not in ACTIVATIONS]
        raise BadInput(f"--activation: {error}.{_meant(unknown, ACTIVATIONS)}") from error
    if configuration.output not in OUTPUTS:
        raise BadInput(
            f"--output: expected one of {', '.join(OUTPUTS)}, got {configuration.output!r}."
            f"{_meant([configuration.output], OUTPUTS)}"
        )
    if configuration.cost not in costs_of(configuration.output):
        raise BadInput(
            f"--cost: expected one of {', '.join(costs_of(configuration.output))} beside --output "
            f"{configuration.output}, got {configuration.cost!r}. Choose one of them."
        )


def _listed(names: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    return names


def _meant(unknown: Sequence[str], known: Iterable[str]) -> str:
    """The nearest name, as a question; advice where none is near."""
    near = difflib.get_close_matches(unknown[0], list(known), n=1) if unknown else []
    if near:
        return f" Perhaps {near[0]} is meant."
    return " Choose one of them." if unknown else " Give one, or one each."


def resume(given: Mapping[str, Any], saved: Mapping[str, Any], run: Path) -> Configuration:
    """The settings of a run that goes on.

    Args:
        given: flags by name; None or absent where the command line is silent.
        saved: the run's config.json.
        run: its folder, for what is said when they differ.
    Raises: BadInput if config.json has not every setting, or a flag contradicts it.
    """
    for name, is_valid in VALID.items():
        if name in saved and not is_valid(saved[name]):
            came = f"{name} {saved[name]!r}"
            raise BadInput(
                f"{run}/config.json: expected a setting that train.py knows, got {came}. Choose "
                "another run."
            )
    try:
        before = Configuration(**_with_tuples(saved))
    except (TypeError, KeyError) as error:
        raise BadInput(
            f"{run}/config.json: expected every setting of a run, got {error}. Choose another run."
        ) from error
    for name, value in _said(given).items():
        old = getattr(before, name)
        if name not in CHANGEABLE and value != old:
            raise BadInput(
                f"--{name.replace('_', '-')}: expected the run's own {_words(old)}, got "
                f"{_words(value)}. "
                f"Leave it out to resume {run}, or start a new run without --resume."
            )
    return Configuration(
        **{
            **before.as_json(),
            **{name: value for name, value in _said(given).items() if name in CHANGEABLE},
        }
    )


def _with_tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, as JSON and command lines have them, as tuples; a list of one activation as its
    name."""
    found = dict(settings)
    if "hidden" in found:
        found["hidden"] = tuple(found["hidden"])
    if isinstance(found.get("activation"), list):
        names = found["activation"]
        found["activation"] = names[0] if len(names) == 1 else tuple(names)
    return found


def _whole(value: Any, at_least: int) -> bool:
    return type(value) is int and at_least <= value < 2**32


def _are_activations(value: Any) -> bool:
    """One name, or as many as there are hidden layers."""
    if isinstance(value, str):
        return value in ACTIVATIONS
    return isinstance(value, list) and all(name in ACTIVATIONS for name in value)


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= LARGEST


VALID: dict[str, Callable[[Any], bool]] = {  # what may stand in config.json, which anybody can edit
    "data": lambda value: isinstance(value, str),
    "data_dir": lambda value: value is None or isinstance(value, str),
    "hidden": lambda value: isinstance(value, list) and all(_whole(n, 1) for n in value),
    "epochs": lambda value: _whole(value, 0),
    "batch_size": lambda value: _whole(value, 1),
    "seed": lambda value: _whole(value, 0),
    "lr": lambda value: _finite(value) and value > 0,
    "momentum": _finite,
    "weight_decay": _finite,
    "optimizer": lambda value: value in ("sgd", "adam"),
    "init": lambda value: value in INITS,
    "activation": lambda value: _are_activations(value),
    "output": lambda value: value in OUTPUTS,
    "cost": lambda value: value in COSTS,
    "dtype": lambda value: value in ("float32", "float64"),
    "backward": lambda value: value in ("autograd", "by-hand"),
}


TAKES: dict[str, str] = {  # what VALID asks of each, in words
    "data": "digits, bars, mnist, or the path of a .csv or .npz file",
    "data_dir": "the path of a folder",
    "hidden": "a list of whole numbers, each 1 or more",
    "epochs": "a whole number, 0 or more",
    "batch_size": "a whole number, 1 or more",
    "seed": "a whole number, 0 or more",
    "lr": f"a number above 0, at most {LARGEST:g}",
    "momentum": f"a number from 0 to {LARGEST:g}",
    "weight_decay": f"a number from 0 to {LARGEST:g}",
    "optimizer": "sgd or adam",
    "init": f"one of {', '.join(INITS)}",
    "activation": f"one of {', '.join(ACTIVATIONS)}, or a list of them, one for each hidden layer",
    "output": f"one of {', '.join(OUTPUTS)}",
    "cost": f"one of {', '.join(COSTS)}",
    "dtype": "float32 or float64",
    "backward": "by-hand or autograd",
}


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the command line does mention, in the form of Configuration."""
    said = {
        field.name: given[field.name]
        for field in fields(Configuration)
        if given.get(field.name) is not None
    }
    said = _with_tuples(said)
    if "data" in said:
        said["data"] = _locate(said["data"])
    if "data_dir" in said:
        said["data_dir"] = str(Path(said["data_dir"]).resolve())
    return said


def _locate(data: str) -> str:
    """A file by its absolute path, so that a run finds it from anywhere; a name as it is."""
    if Path(data).suffix.lower() in (".csv", ".npz"):
        return str(Path(data).resolve())
    return data


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value)

"""Weights and training state on disk: safetensors and JSON, sealed and atomic, no pickle.

A run's folder holds `checkpoint.safetensors` (all that is needed to go on, and to label),
`model.safetensors` (the network of the same moment, as other programs load it) and `config.json`
(the settings). The checkpoint is written first and names the seal of its model, so that the two
can't disagree: where a program was killed between them, the model is taken out of the checkpoint.
Arrays in, arrays out: this module never imports torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.model import sealed
from backproof.model.atomic import write_atomically
from backproof.model.command_line import BadInput
from backproof.model.files.reading import content_of
from backproof.model.preprocessing import Preprocessing
from backproof.model.sealed import Sealed, advice, expect, first_line

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Layers = dict[int, Float[np.ndarray, "..."]]

MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
CONFIG = "config.json"
SAMPLES = "samples.csv"  # a few test rows, so that there is something to label
DESCRIPTION = (
    "classes",
    "data",
    "output",
    "cost",
    "picture",
    "columns",
    "run",
    "facts",
    "activation",
)
SEAL = "sha256"  # its key in config.json


@dataclass(frozen=True)
class SavedModel:
    """A trained network as NumPy sees it.

    Attributes:
        W, b: weights and biases by layer 1..L.
        preprocessing: what the network expects to be done to raw values.
        classes: names of the K outputs.
        data: name of the data set that it was trained on.
        output, cost: the head.
        picture: (height, width) where an input is a picture.
        columns: names of the inputs, where the data's file has a header.
        facts: anything else that belongs to the run: epoch, accuracies, the data's digest.
        run: which run it is of; "" where its file does not say so.
        activation: of each hidden layer, by name; none in files of networks that are all sigmoid.
        answers: where the network predicts a number, what it was taught of it, (y - mean) / scale;
            None where it tells classes.
        remarks: what is to be said of the files that it came from.
    """

    W: Layers
    b: Layers
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    data: str
    output: str
    cost: str
    picture: tuple[int, int] | None = None
    columns: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    activation: tuple[str, ...] = ()
    answers: Preprocessing | None = None
    remarks: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the input and of each layer."""
        return (self.W[1].shape[1], *(len(self.b[layer]) for layer in range(1, len(self.b) + 1)))

    @property
    def description(self) -> dict[str, Any]:
        """Everything but the weights, as JSON has it."""
        preprocessing = {
            "mean": self.preprocessing.mean.tolist(),
            "scale": self.preprocessing.scale.tolist(),
        }
        described = {name: getattr(self, name) for name in DESCRIPTION}
        if self.answers is not None:
            described["answers"] = {
                "mean": self.answers.mean.tolist(),
                "scale": self.answers.scale.tolist(),
            }
        return {**described, "preprocessing": preprocessing}


def save_model(run: Path, model: SavedModel) -> None:
    """Write a run's model.safetensors.

    Raises: OSError if it cannot be written; what was there before then stands.
    """
    sealed.write(run / MODEL, _of_model(model))


def save_state(
    run: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], model: SavedModel
) -> None:
    """Write a run's checkpoint.safetensors: all that is needed to go on as if nothing had happened,
    and the description of its model.

    Args:
        run: the run's folder.
        arrays: the training's state; the model's weights and biases are among them.
        facts: the rest of it.
        model: the network of the same moment.
    """
    places = {"W": _names_in(arrays, model.W), "b": _names_in(arrays, model.b)}
    about = {"seal": _of_model(model).seal, "places": places, **model.description}
    sealed.write(run / CHECKPOINT, sealed.sealed(arrays, {**facts, "model": about}))


def load_state(run: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a run's checkpoint.safetensors: the arrays and the facts of the training's state.

    Raises: BadInput if the folder is not a run or the file is truncated, changed or foreign.
    """
    content = sealed.read(run / CHECKPOINT)
    facts = {name: value for name, value in content.facts.items() if name != "model"}
    return content.arrays, facts


def load_model(run: Path) -> SavedModel:
    """The newest complete network of a run, checked that it is whole and fits together: that of
    model.safetensors, or of the checkpoint where that one is newer or the only whole one.

    Raises: BadInput if the folder is not a run, its files are of two runs, or neither file is
    whole: truncated, changed, foreign or inconsistent.
    """
    newest: dict[str, Any] = {}
    remarks: tuple[str, ...] = ()
    if os.path.lexists(run / CHECKPOINT):
        try:
            newest = _mapping(sealed.read_facts(run / CHECKPOINT).get("model"))
        except BadInput as error:
            remarks = (f"{error} What follows is of {MODEL} alone.",)
    if not newest:
        return replace(_read_model(run)[0], remarks=remarks)
    if not os.path.lexists(run / MODEL):
        return _model_in_checkpoint(run)
    try:
        model, seal = _read_model(run)
    except BadInput as error:
        return _instead(run, error)
    if seal == newest.get("seal"):
        return model
    try:
        newer = _model_in_checkpoint(run)
    except BadInput as error:
        return replace(model, remarks=(f"{error} What follows is of {MODEL} alone.",))
    if model.run and model.run != newer.run:
        raise BadInput(
            f"{run}: expected {MODEL} and {CHECKPOINT} of one run, got them of two. {advice(run)}"
        )
    return newer


@dataclass(frozen=True)
class SavedConfig:
    """What config.json holds.

    Attributes:
        settings: by name.
        run: which run they are of; "" in a file that does not say so.
    """

    settings: dict[str, Any]
    run: str = ""


def save_config(run: Path, settings: Mapping[str, Any], name: str = "") -> None:
    """Write a run's config.json, sealed.

    Args:
        run: the run's folder.
        settings: by name.
        name: which run they are of, as `run_name` has it.
    """
    content = {**settings, "run": name}
    text = json.dumps({**content, SEAL: _seal_of(content)}, indent=2)
    write_atomically(run / CONFIG, (text + "\n").encode())


def load_config(run: Path) -> SavedConfig:
    """Read a run's config.json.

    Raises: BadInput if it is missing, no JSON object, or not as it was written.
    """
    expect(run / CONFIG)
    try:
        config = json.loads(content_of(run / CONFIG).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{run / CONFIG}: expected JSON, got {first_line(error)}. {advice(run)}"
        ) from error
    if not isinstance(config, dict):
        raise BadInput(
            f"{run / CONFIG}: expected a JSON object, got a {type(config).__name__}. {advice(run)}"
        )
    seal = config.pop(SEAL, None)
    if (seal is not None or config.get("run")) and seal != _seal_of(config):
        raise BadInput(
            f"{run / CONFIG}: expected the settings that train.py wrote, got others. Undo the "
            f"change, or remove the lines of run and {SEAL} to have them taken as they stand."
        )
    name = config.pop("run", "")
    return SavedConfig(config, name if isinstance(name, str) else "")


def run_name(settings: Mapping[str, Any], changeable: Sequence[str], data_digest: str) -> str:
    """12 hex digits that tell runs apart: a function of the data and of all settings that a resumed
    run must not change. Two runs of one name have the same weights at every epoch."""
    fixed = {name: value for name, value in settings.items() if name not in changeable}
    return hashlib.sha256(json.dumps([fixed, data_digest]).encode()).hexdigest()[:12]


def load_run(run: Path) -> tuple[SavedModel, dict[str, Any]]:
    """A run's newest network and its settings.

    Raises: BadInput as `load_model` and `load_config` do, and where they are of two runs.
    """
    model = load_model(run)
    config = load_config(run)
    hidden = config.settings.get("hidden")
    other = config.run and model.run and config.run != model.run
    if other or (hidden is not None and list(model.sizes[1:-1]) != hidden):
        raise BadInput(
            f"{run}: expected {MODEL} and {CONFIG} of one run, got them of two. {advice(run)}"
        )
    return model, config.settings


def _of_model(model: SavedModel) -> Sealed:
    """model.safetensors: named as in nn.Sequential(Linear, activation, Linear, ...)."""
    arrays = {f"{2 * (layer - 1)}.weight": array for layer, array in model.W.items()}
    arrays |= {f"{2 * (layer - 1)}.bias": array for layer, array in model.b.items()}
    return sealed.sealed(arrays, model.description)


def _read_model(run: Path) -> tuple[SavedModel, str]:
    """model.safetensors, and its seal."""
    content = sealed.read(run / MODEL)
    facts = content.facts
    arrays = content.arrays
    try:
        if content.seal:
            W = _by_layer(arrays, "weight")
            b = _by_layer(arrays, "bias")
            places = [str(2 * (layer - 1)) for layer in W]
            known = {f"{place}.weight" for place in places} | {f"{place}.bias" for place in places}
            spare = arrays.keys() - known
            if spare:
                raise ValueError(f"an array called {min(spare)}")
        else:  # the first format
            W = _layers(arrays, "W")
            b = _layers(arrays, "b")
            facts = {
                **facts,
                "run": "",
                "preprocessing": {"mean": arrays["x.mean"], "scale": arrays["x.scale"]},
            }
        return _assembled(W, b, facts), content.seal
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"{run / MODEL}: expected the weights of a Backproof run, got {first_line(error)}. "
            "Train again."
        ) from error


def _model_in_checkpoint(run: Path) -> SavedModel:
    """The network that the checkpoint holds."""
    content = sealed.read(run / CHECKPOINT)
    try:
        about = content.facts["model"]
        W = _placed(content.arrays, about["places"]["W"])
        b = _placed(content.arrays, about["places"]["b"])
        return _assembled(W, b, about)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadInput(
            f"{run / CHECKPOINT}: expected the weights of a Backproof run, got "
            f"{first_line(error)}. Train again."
        ) from error


def _instead(run: Path, error: BadInput) -> SavedModel:
    """The checkpoint's network where model.safetensors can't be used, and what is to be said of
    that; where the checkpoint can't either, what was said of the model is raised."""
    try:
        model = _model_in_checkpoint(run)
    except BadInput:
        raise error from None
    what = str(error).removesuffix(f" {advice(run)}").removesuffix(" Train again.")
    return replace(model, remarks=(f"{what} What follows is of {CHECKPOINT}.",))


def _placed(arrays: Mapping[str, np.ndarray], places: Mapping[str, str]) -> Layers:
    """Each layer's array, found under its name."""
    return {int(layer): arrays[name] for layer, name in places.items()}


def _assembled(W: Layers, b: Layers, described: Mapping[str, Any]) -> SavedModel:
    """Weights and their description, checked against each other."""
    numbers = described["preprocessing"]
    mean = np.asarray(numbers["mean"], dtype=np.float64)
    scale = np.asarray(numbers["scale"], dtype=np.float64)
    model = SavedModel(
        W,
        b,
        Preprocessing(mean, scale),
        tuple(described["classes"]),
        described["data"],
        described["output"],
        described["cost"],
        tuple(described["picture"]) if described["picture"] else None,
        tuple(described.get("columns", ())),
        described["facts"],
        described["run"],
        tuple(described.get("activation", ())),
        _answers(described.get("answers")),
    )
    _check(model)
    return model


def _answers(described: Mapping[str, Any] | None) -> Preprocessing | None:
    if described is None:
        return None
    mean = np.asarray(described["mean"], dtype=np.float64)
    scale = np.asarray(described["scale"], dtype=np.float64)
    if mean.shape != (1,) or scale.shape != (1,):
        raise ValueError(f"numbers to predict of shapes {mean.shape} and {scale.shape}")
    return Preprocessing(mean, scale)


def _by_layer(arrays: Mapping[str, np.ndarray], kind: str) -> Layers:
    """{"0.weight": array, "2.weight": array, ...} -> {1: array, 2: array, ...}."""
    count = sum(bool(re.fullmatch(rf"\d+\.{kind}", name)) for name in arrays)
    return {layer: arrays[f"{2 * (layer - 1)}.{kind}"] for layer in range(1, count + 1)}


def _layers(arrays: Mapping[str, np.ndarray], name: str) -> Layers:
    """{"W.1": array, ...} -> {1: array, ...}; a gap in the numbering is a KeyError."""
    count = sum(key.startswith(f"{name}.") for key in arrays)
    return {layer: arrays[f"{name}.{layer}"] for layer in range(1, count + 1)}


def _names_in(arrays: Mapping[str, np.ndarray], layers: Layers) -> dict[str, str]:
    """Under which name each layer's own array stands among others."""
    names = {id(array): name for name, array in arrays.items()}
    return {str(layer): names[id(array)] for layer, array in layers.items()}


def _mapping(value: object) -> dict[str, Any]:
    """The same, if it is a dictionary."""
    if isinstance(value, dict):
        return value
    return {}


def _seal_of(config: Mapping[str, Any]) -> str:
    """SHA-256 of what config.json says, however it is laid out."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _check(model: SavedModel) -> None:
    """Every layer takes what the one before it gives, there is a class for every output, and every
    number is one."""
    sizes = model.sizes
    expected = {layer: (sizes[layer], sizes[layer - 1]) for layer in model.W}
    found = {layer: W.shape for layer, W in model.W.items()}
    if found != expected or len(model.W) != len(model.b):
        raise ValueError(
            f"weights of shapes {list(found.values())} with biases of sizes {sizes[1:]}"
        )
    biases = [b.shape for b in model.b.values()]
    columns = [model.preprocessing.mean.shape, model.preprocessing.scale.shape]
    if biases != [(n,) for n in sizes[1:]] or columns != [(sizes[0],)] * 2:
        raise ValueError(
            f"biases of shapes {biases}, means and scales of shapes {columns} for sizes {sizes}"
        )
    if len(set(model.classes)) != sizes[-1] or not all(
        isinstance(name, str) for name in model.classes
    ):
        raise ValueError(f"classes {model.classes} for sizes {sizes}")
    for array in (*model.W.values(), *model.b.values()):
        if array.dtype not in (np.float32, np.float64) or not np.isfinite(array).all():
            raise ValueError("weights or biases that are not all finite float32 or float64 numbers")
    if not isinstance(model.output, str) or not isinstance(model.cost, str):
        raise ValueError(f"an output of {model.output!r} with a cost of {model.cost!r}")
    if model.activation and len(model.activation) != len(sizes) - 2:
        raise ValueError(f"{len(model.activation)} activations for sizes {sizes}")
    if model.columns and len(model.columns) != sizes[0]:
        raise ValueError(f"{len(model.columns)} names of columns for {sizes[0]} inputs")
    if model.picture and math.prod(model.picture) != sizes[0]:
        raise ValueError(f"pictures of {model.picture} pixels for {sizes[0]} inputs")

"""Weights and training state on disk: safetensors and JSON, sealed and atomic, no pickle.

A run's folder holds `checkpoint.safetensors` (all that is needed to go on, and to label),
`model.safetensors` (the network of the same moment, as other programs load it) and `config.json`
(the settings). The checkpoint is written first and names the seal of its model, so that the two
can't disagree: where a program was killed between them, the model is taken out of the checkpoint.
Arrays in, arrays out: this module never imports torch.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.model import sealed
from backproof.model.command_line import BadInput
from backproof.model.run_config import CONFIG, load_config
from backproof.model.saved_model import SavedModel, assembled
from backproof.model.sealed import Sealed, advice, first_line

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Layers = dict[int, Float[np.ndarray, "..."]]

MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
SAMPLES = "samples.csv"  # a few test rows, so that there is something to label


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
        return assembled(W, b, facts), content.seal
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
        return assembled(W, b, about)
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

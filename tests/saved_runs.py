"""Runs on disk for tests: a model and a state, and files of them with something wrong."""

from pathlib import Path

import numpy as np
import pytest

from backproof.model.checkpoint import (
    save_model,
    save_state,
)
from backproof.model.command_line import BadInput
from backproof.model.preprocessing import Preprocessing
from backproof.model.saved_model import SavedModel

ROOT = Path(__file__).parents[1]


def a_model(dtype=np.float32):
    generator = np.random.default_rng(4)
    W = {
        1: generator.normal(size=(3, 4)).astype(dtype),
        2: generator.normal(size=(2, 3)).astype(dtype),
    }
    b = {1: generator.normal(size=3).astype(dtype), 2: generator.normal(size=2).astype(dtype)}
    preprocessing = Preprocessing(generator.normal(size=4), np.array([1.0, 2.0, 1e-3, 1e9]))
    return SavedModel(
        W,
        b,
        preprocessing,
        ("ägypten", "日本"),
        "bars",
        "sigmoid",
        "quadratic",
        (2, 2),
        ("nw", "ne", "sw", "se"),
        {"epoch": 7},
    )


def refusal(call, *arguments):
    with pytest.raises(BadInput) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def a_state(model):
    """What a training has at the moment of this model: its weights, under names of its own, and
    more."""
    arrays = {f"network.W{layer}": array for layer, array in model.W.items()}
    arrays |= {f"network.b{layer}": array for layer, array in model.b.items()}
    return arrays | {"optimizer.m": np.array([1 / 3, np.pi], np.float32), "n": np.array(5)}


def save_both(folder, model):
    arrays = a_state(model)
    save_state(folder, arrays, {"epoch": 3, "digest": "abc"}, model)
    save_model(folder, model)
    return arrays

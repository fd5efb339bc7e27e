"""A trained network as NumPy sees it, and its description: what stands in files beside the
arrays."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.model.preprocessing import Preprocessing

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Layers = dict[int, Float[np.ndarray, "..."]]

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


def assembled(W: Layers, b: Layers, described: Mapping[str, Any]) -> SavedModel:
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

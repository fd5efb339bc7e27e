"""Weights and training state on disk: safetensors and JSON, atomic, no pickle.

A run's folder holds `model.safetensors` (the network, and all that label.py needs to use it),
`checkpoint.safetensors` (the same moment's training state, to resume) and `config.json` (the
settings). Arrays in, arrays out: this module never imports torch.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from backproof.model.atomic import write_atomically
from backproof.model.command_line import BadInput
from backproof.model.preprocessing import Preprocessing

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Layers = dict[int, Float[np.ndarray, "..."]]

MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
CONFIG = "config.json"
SAMPLES = "samples.csv"  # a few test rows, so that there is something to label
FORMAT = "backproof 1"
OUTPUTS = ("softmax", "sigmoid")


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
        facts: anything else that belongs to the run: epoch, accuracies, the data's digest.
    """

    W: Layers
    b: Layers
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    data: str
    output: str
    cost: str
    picture: tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the input and of each layer."""
        return (self.W[1].shape[1], *(len(self.b[layer]) for layer in range(1, len(self.b) + 1)))


def save_model(run: Path, model: SavedModel) -> None:
    """Write a run's model.safetensors.

    Raises: OSError if it cannot be written; what was there before then stands.
    """
    arrays = {f"W.{layer}": array for layer, array in model.W.items()} | {
        f"b.{layer}": array for layer, array in model.b.items()
    }
    arrays |= {"x.mean": model.preprocessing.mean, "x.scale": model.preprocessing.scale}
    names = ("classes", "data", "output", "cost", "picture", "facts")
    _write(run / MODEL, arrays, {name: getattr(model, name) for name in names})


def load_model(run: Path) -> SavedModel:
    """Read a run's model.safetensors, checking that it is whole and fits together.

    Raises: BadInput if the folder is not a run, or the file is truncated, foreign or inconsistent.
    """
    arrays, facts = _read(run / MODEL)
    try:
        W = _layers(arrays, "W")
        b = _layers(arrays, "b")
        preprocessing = Preprocessing(arrays["x.mean"], arrays["x.scale"])
        picture = tuple(facts["picture"]) if facts["picture"] else None
        model = SavedModel(
            W,
            b,
            preprocessing,
            tuple(facts["classes"]),
            facts["data"],
            facts["output"],
            facts["cost"],
            picture,
            facts["facts"],
        )
        _check(model)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"{run / MODEL}: expected the weights of a Backproof run, got {_first_line(error)}. "
            "Train again."
        ) from error
    return model


def save_state(run: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write a run's checkpoint.safetensors: all that is needed to go on as if nothing had
    happened."""
    _write(run / CHECKPOINT, arrays, facts)


def load_state(run: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a run's checkpoint.safetensors.

    Raises: BadInput if the folder is not a run or the file is truncated or foreign.
    """
    return _read(run / CHECKPOINT)


def save_config(run: Path, config: dict[str, Any]) -> None:
    """Write a run's config.json."""
    write_atomically(run / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def load_config(run: Path) -> dict[str, Any]:
    """Read a run's config.json.

    Raises: BadInput if it is missing or no JSON object.
    """
    _expect(run / CONFIG)
    try:
        config = json.loads((run / CONFIG).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{run / CONFIG}: expected JSON, got {_first_line(error)}. {_advice(run)}"
        ) from error
    if not isinstance(config, dict):
        raise BadInput(
            f"{run / CONFIG}: expected a JSON object, got a {type(config).__name__}. {_advice(run)}"
        )
    return config


def newest_run(folder: Path) -> Path:
    """The run below a folder whose weights were written last.

    Raises: BadInput if there is none.
    """
    runs = sorted(folder.glob(f"*/{MODEL}"), key=lambda path: path.stat().st_mtime_ns)
    if not runs:
        raise BadInput(
            f"expected a run in {folder}/, got none. Train one with python train.py, or name one "
            "with --run."
        )
    return runs[-1].parent


def claim_run(folder: Path, data: str) -> Path:
    """Make the folder of the next run of a data set, by name or file: runs/digits-1, runs/digits-2,
    ...

    Raises: OSError if it cannot be made; two that ask at once get two.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        run = folder / f"{Path(data).stem}-{number}"
        with contextlib.suppress(FileExistsError):
            run.mkdir()
            return run
    raise AssertionError("itertools.count never ends")


def _write(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_atomically(
        path, save(contiguous, metadata={"format": FORMAT, "facts": json.dumps(facts)})
    )


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts of one of our safetensors files."""
    _expect(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (
        SafetensorError,
        OSError,
        ValueError,
        TypeError,
    ) as error:  # TypeError: a dtype that NumPy has not
        raise BadInput(
            f"{path}: expected a whole safetensors file, got {_first_line(error)}. "
            f"{_advice(path.parent)}"
        ) from error
    if metadata.get("format") != FORMAT:
        raise BadInput(
            f"{path}: expected a file written by train.py ({FORMAT}), got a foreign one. "
            f"{_advice(path.parent)}"
        )
    try:
        facts = json.loads(metadata["facts"])
    except (KeyError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{path}: expected its facts as JSON, got {_first_line(error)}. {_advice(path.parent)}"
        ) from error
    if not isinstance(facts, dict):
        raise BadInput(
            f"{path}: expected its facts as a JSON object, got a {type(facts).__name__}. "
            f"{_advice(path.parent)}"
        )
    return arrays, facts


def _layers(arrays: dict[str, np.ndarray], name: str) -> dict[int, np.ndarray]:
    """{"W.1": array, ...} -> {1: array, ...}; a gap in the numbering is a KeyError."""
    count = sum(key.startswith(f"{name}.") for key in arrays)
    return {layer: arrays[f"{name}.{layer}"] for layer in range(1, count + 1)}


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
    if model.output not in OUTPUTS:
        raise ValueError(f"an output of {model.output!r}, where {' or '.join(OUTPUTS)} is known")
    if model.picture and math.prod(model.picture) != sizes[0]:
        raise ValueError(f"pictures of {model.picture} pixels for {sizes[0]} inputs")


def _expect(path: Path) -> None:
    """A file of a run. Raises BadInput if it is not there."""
    if not path.is_file():
        raise BadInput(
            f"{path.parent}: expected the folder of a run with a {path.name}, got none there. "
            f"{_advice(path.parent)}"
        )


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if str(error):
        return str(error).splitlines()[0]
    return type(error).__name__


def _advice(run: Path) -> str:
    return f"Choose another run than {run}, or train one with python train.py."

"""Arrays and facts in one safetensors file, under a seal: a SHA-256 of every name, shape, number
and fact.

A file that was changed by a single bit, or whose parts were exchanged, is refused when it is
opened; nothing is ever unpickled. Files of the first format ("backproof 1") had no seal and are
still read.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from backproof.model.atomic import write_atomically
from backproof.model.command_line import BadInput
from backproof.model.files.reading import open_regular
from backproof.model.pasted import script

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Shaped

FORMAT = "2"
FIRST_FORMAT = "backproof 1"


@dataclass(frozen=True)
class Sealed:
    """What one of our safetensors files holds.

    Attributes:
        arrays: by name.
        facts: everything else, as JSON has it.
        seal: SHA-256 of all of it, in hex; "" for a file of the first format.
    """

    arrays: dict[str, Shaped[np.ndarray, "..."]]
    facts: dict[str, Any]
    seal: str


def sealed(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Sealed:
    """Arrays and facts with their seal, ready to be written."""
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return Sealed(contiguous, dict(facts), seal_of(contiguous, json.dumps(facts)))


def seal_of(arrays: Mapping[str, np.ndarray], facts: str) -> str:
    """SHA-256 over every array's name, type, shape and bytes, in the order of their names, and the
    text of the facts."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    sha.update(facts.encode())
    return sha.hexdigest()


def write(path: Path, content: Sealed) -> None:
    """Write a file in one step.

    Raises: OSError if it cannot be written; what was there before then stands.
    """
    metadata = {
        "format": "pt",  # without it, other people's programs refuse the file
        "backproof": FORMAT,
        "facts": json.dumps(content.facts),
        "sha256": content.seal,
    }
    write_atomically(path, save(content.arrays, metadata=metadata))


def read(path: Path) -> Sealed:
    """Read a file, checking its seal.

    Raises: BadInput if it is missing, truncated, foreign, or not as it was written.
    """
    metadata, arrays = _opened(path, with_arrays=True)
    text = _facts_text(path, metadata)
    seal = metadata.get("sha256", "")
    if metadata.get("backproof") == FORMAT and seal_of(arrays, text) != seal:
        raise BadInput(
            f"{path}: expected the numbers and facts that train.py wrote, got a file that was "
            f"changed since. {advice(path.parent)}"
        )
    return Sealed(arrays, _facts(path, text), seal)


def read_facts(path: Path) -> dict[str, Any]:
    """The facts alone, which takes no time, however large the arrays are. Their seal is not
    checked.

    Raises: BadInput as `read` does, as far as the facts show it.
    """
    metadata, _ = _opened(path, with_arrays=False)
    return _facts(path, _facts_text(path, metadata))


def expect(path: Path) -> None:
    """A file of a run. Raises BadInput if it is not there, or nobody may look."""
    try:
        there = path.is_file()
    except OSError as error:
        raise BadInput(
            f"{path.parent}: expected the folder of a run, got: {first_line(error)}. "
            f"{advice(path.parent)}"
        ) from error
    if not there:
        raise BadInput(
            f"{path.parent}: expected the folder of a run with a {path.name}, got none there. "
            f"{advice(path.parent)}"
        )


def advice(run: Path) -> str:
    """What to do where a run cannot be used."""
    return f"Choose another run than {run}, or train one with {shlex.join(script('train'))}."


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if str(error):
        return str(error).splitlines()[0]
    return type(error).__name__


def _opened(path: Path, *, with_arrays: bool) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    expect(path)
    arrays = {}
    try:
        open_regular(path).close()  # safetensors says of what it may not read that it is not there
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if with_arrays:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # TypeError: a dtype that NumPy has not
    except (SafetensorError, OSError, ValueError, TypeError, MemoryError) as error:
        raise BadInput(
            f"{path}: expected a whole safetensors file, got {first_line(error)}. "
            f"{advice(path.parent)}"
        ) from error
    return metadata, arrays


def _facts_text(path: Path, metadata: Mapping[str, str]) -> str:
    """The facts as they stand in a file of ours."""
    ours = metadata.get("format") == FIRST_FORMAT or metadata.get("backproof") == FORMAT
    if not ours:
        raise BadInput(
            f"{path}: expected a file written by train.py (format {FORMAT}), got a foreign one. "
            f"{advice(path.parent)}"
        )
    return metadata.get("facts", "")


def _facts(path: Path, text: str) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{path}: expected its facts as JSON, got {first_line(error)}. {advice(path.parent)}"
        ) from error
    if not isinstance(facts, dict):
        raise BadInput(
            f"{path}: expected its facts as a JSON object, got a {type(facts).__name__}. "
            f"{advice(path.parent)}"
        )
    return facts

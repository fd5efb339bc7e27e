"""A run's settings on disk: config.json, sealed, and the name that tells runs apart."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.model.atomic import write_atomically
from backproof.model.command_line import BadInput
from backproof.model.files.reading import content_of
from backproof.model.sealed import advice, expect, first_line

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    Layers = dict[int, Float[np.ndarray, "..."]]

CONFIG = "config.json"
SEAL = "sha256"  # its key in config.json


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


def _seal_of(config: Mapping[str, Any]) -> str:
    """SHA-256 of what config.json says, however it is laid out."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()

"""Runs of small networks, and a digest of what `label` would answer from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from backproof import train
from backproof.checks.training import session as _imports_what_training_needs
from backproof.model import run as run_module
from backproof.model.checkpoint import load_model
from backproof.model.command_line import BadInput

assert _imports_what_training_needs


def table(folder: Path) -> None:
    """A small table with a header."""
    rows = [f"{i % 5},{(i * i) % 7},{'ab'[i % 2]}" for i in range(40)]
    (folder / "table.csv").write_text("\n".join(["p,q,kind", *rows, ""]))


def training(argv: tuple[str, ...]) -> Callable[[], int]:
    """`train` on these flags, saving after every epoch."""

    def run() -> int:
        run_module.SECONDS_BETWEEN_WRITES = 0.0
        return train.main([*argv, "--device", "cpu"])

    return run


def digest(folder: Path) -> str:
    """Of the weights that `label` would use. Raises: BadInput where it would refuse."""
    model = load_model(folder)
    sha = hashlib.sha256()
    for layer in model.W:
        sha.update(model.W[layer].tobytes() + model.b[layer].tobytes())
    return sha.hexdigest()


def digest_or_reason(folder: Path) -> str:
    """The weights' digest, or why there are none."""
    try:
        return digest(folder)
    except BadInput as error:
        return str(error)

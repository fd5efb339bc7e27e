"""The last hidden layer of some test samples -> the files that TensorBoard's projector reads.

The newest state replaces the one before: the projector shows one, and reads it when TensorBoard starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.pictures import png, sprites

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64, Real

CONFIG, FOLDER = "projector_config.pbtxt", "projector"
MOST_NUMBERS = 25_000  # that are written: so many take a few milliseconds, and fewer samples of a wide layer are enough
MOST_POINTS = 500


def points_of(width: int) -> int:
    """How many samples are shown, at most, of a layer that is so wide."""
    return max(3, min(MOST_POINTS, MOST_NUMBERS // width))


def write_points(
    run: Path, a: Float[np.ndarray, "N n"], y: Int64[np.ndarray, " N"], said: Int64[np.ndarray, " N"], classes: Sequence[str]
) -> None:
    """Write where each sample lies, its class, what was said of it.

    Args:
        run: the run's folder.
        a: activations of the last hidden layer.
        y, said: the true class and the network's.
        classes: their names.
    """
    (run / FOLDER).mkdir(exist_ok=True)
    names = [_one_line(name) for name in classes]
    # A layer of fewer than 3 units gets constant columns: the projector draws in three dimensions and fails on fewer.
    wide = np.pad(a, ((0, 0), (0, max(0, 3 - a.shape[1]))))
    line = "\t".join(["%.4g"] * wide.shape[1])  # a template for the row: five times as fast as one for each number
    _replace(run / FOLDER / "activations.tsv", "\n".join(line % tuple(row) for row in wide.tolist()))
    rows = [f"{names[true]}\t{names[told]}\t{'right' if true == told else 'wrong'}" for true, told in zip(y, said, strict=True)]
    _replace(run / FOLDER / "samples.tsv", "\n".join(["class\tsaid\tverdict", *rows]))


def write_setting(run: Path, name: str, x: Real[np.ndarray, "N n_0"], picture: tuple[int, int] | None) -> None:
    """Write what does not change: which files there are, and the samples as pictures.

    Args:
        run: the run's folder.
        name: of the points.
        x: the samples as they are stored.
        picture: (height, width) where a row is a picture.
    """
    (run / FOLDER).mkdir(exist_ok=True)
    lines = [f'  tensor_name: "{name}"', f'  tensor_path: "{FOLDER}/activations.tsv"', f'  metadata_path: "{FOLDER}/samples.tsv"']
    if picture:
        sheet = sprites(x, picture)
        (run / FOLDER / "sprites.png").write_bytes(png(sheet))
        side = int(np.ceil(np.sqrt(len(x))))
        width, height = sheet.width // side, sheet.height // side
        size = f"    single_image_dim: {width}\n    single_image_dim: {height}"
        lines += [f'  sprite {{\n    image_path: "{FOLDER}/sprites.png"\n{size}\n  }}']
    _replace(run / CONFIG, "\n".join(["embeddings {", *lines, "}"]))


def _replace(path: Path, content: str) -> None:
    """In one step, so that TensorBoard never reads half a file; what a power cut loses comes again."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(f"{content}\n")
    os.replace(temporary, path)


def _one_line(name: str) -> str:
    return " ".join(name.split()) or "(blank)"

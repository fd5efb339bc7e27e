"""The last hidden layer of some test samples -> the files that TensorBoard's projector reads.

The newest state replaces the one before: the projector shows one, and reads it when TensorBoard
    starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.tensorboard.pictures import sprites

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64, Real

CONFIG = "projector_config.pbtxt"
FOLDER = "projector"
# that are written: so many take a few milliseconds, and fewer samples of a wide layer are enough
MOST_NUMBERS = 100_000
MOST_POINTS = 500
DECIMALS = 6  # activations are between 0 and 1


def points_of(width: int) -> int:
    """How many samples are shown, at most, of a layer that is so wide."""
    return max(3, min(MOST_POINTS, MOST_NUMBERS // width))


def write_points(
    run: Path,
    a: Float[np.ndarray, "N n"],
    y: Int64[np.ndarray, " N"],
    said: Int64[np.ndarray, " N"],
    classes: Sequence[str],
) -> None:
    """Write where each sample lies, its class, what was said of it.

    Args:
        run: the run's folder.
        a: activations of the last hidden layer.
        y, said: the true class and the network's.
        classes: their names.
    """
    (run / FOLDER).mkdir(exist_ok=True)
    # A layer of fewer than 3 units gets constant columns: the projector draws in three dimensions
    # and fails on fewer.
    _replace(
        run / FOLDER / "activations.tsv",
        _table(a if a.shape[1] >= 3 else np.pad(a, ((0, 0), (0, 3 - a.shape[1])))),
    )
    names = [_one_line(name) for name in classes]
    rows = [
        _sample(names[true], names[told])
        for true, told in zip(y.tolist(), said.tolist(), strict=True)
    ]
    _replace(
        run / FOLDER / "samples.tsv",
        "\n".join(["sample\tclass\tsaid\tverdict", *rows, ""]).encode(),
    )


def write_setting(
    run: Path, name: str, x: Real[np.ndarray, "N n_0"], picture: tuple[int, int] | None
) -> None:
    """Write what does not change: which files there are, and the samples as pictures.

    Args:
        run: the run's folder.
        name: of the points.
        x: the samples as they are stored.
        picture: (height, width) where a row is a picture.
    """
    (run / FOLDER).mkdir(exist_ok=True)
    lines = [
        f'  tensor_name: "{name}"',
        f'  tensor_path: "{FOLDER}/activations.tsv"',
        f'  metadata_path: "{FOLDER}/samples.tsv"',
    ]
    if picture:
        sheet = sprites(x, picture)
        (run / FOLDER / "sprites.png").write_bytes(sheet.png)
        side = int(np.ceil(np.sqrt(len(x))))
        width, height = (length // side for length in sheet.size)
        size = f"    single_image_dim: {width}\n    single_image_dim: {height}"
        lines += [f'  sprite {{\n    image_path: "{FOLDER}/sprites.png"\n{size}\n  }}']
    _replace(run / CONFIG, "\n".join(["embeddings {", *lines, "}", ""]).encode())


def _table(a: Float[np.ndarray, "N n"]) -> bytes:
    """Numbers between 0 and 1, tabs between them, a row a line: figure by figure for all of them at
    once."""
    rest = np.rint(np.nan_to_num(a) * 10**DECIMALS).astype(np.int32)
    text = np.empty((*a.shape, DECIMALS + 3), dtype=np.uint8)  # 0.123456 and what comes after it
    text[:, :, 1] = ord(".")
    text[:, :, -1] = ord("\t")
    text[:, -1:, -1] = ord("\n")
    for place in (*range(DECIMALS + 1, 1, -1), 0):
        left = rest // 10
        text[:, :, place] = rest - 10 * left + ord("0")
        rest = left
    return text.tobytes()


def _sample(true: str, told: str) -> str:
    """A row of what is known of a point. The projector calls points by the first column that has no
    numbers."""
    if true == told:
        return f"{true}, right\t{true}\t{told}\tright"
    return f"{true}, said {told}\t{true}\t{told}\twrong"


def _replace(path: Path, content: bytes) -> None:
    """In one step, so that TensorBoard never reads half a file; what a power cut loses comes
    again."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _one_line(name: str) -> str:
    return " ".join(name.split()) or "(blank)"

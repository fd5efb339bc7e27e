"""Weights, mistakes and counts -> pictures, in NumPy alone.

TensorBoard shows a picture WIDE pixels wide, by repeating or leaving out columns: only what has
that width can be read there.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.tensorboard.lettering import HIGH, width, written
from backproof.model.tensorboard.palettes import GREYS, LETTER, diverging, greys, shade, shades
from backproof.model.tensorboard.picture import Picture

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Int64, Real, UInt8

WIDE = 350  # pixels
MOST_TILES = 100
ACROSS = 4  # mistakes, or fewer where classes have long names
# pixels
MARGIN = 8
GAP = 2
LARGEST_TABLE = (
    24  # classes whose confusions are written as numbers; more are drawn as shades alone
)
MOST_CLASSES = 200  # that are drawn at all
LONGEST = 12  # letters of a class's name
AXES = "true class down, said across"


def weights_picture(W: Inexact[np.ndarray, "n n_0"], picture: tuple[int, int]) -> Picture:
    """What each unit of the first layer looks for: red where its weights are positive, blue where
    negative, white at zero.

    Args:
        W: of the first layer; its first 100 units are drawn, row by row, each on the scale of the
            largest weight of all.
        picture: (height, width) of an input.
    """
    shown = W[:MOST_TILES].reshape(-1, *picture)
    colours = np.rint(128 + shown * (127 / (np.abs(shown).max() or 1.0))).astype(np.uint8)
    columns = int(np.ceil(np.sqrt(len(colours))))
    return Picture(
        _widened(_grid(_enlarged(colours, WIDE // columns - GAP), columns, paper=128), paper=128),
        diverging(),
    )


def mistakes_picture(
    x: Real[np.ndarray, "N n_0"], picture: tuple[int, int], captions: Sequence[tuple[str, str]]
) -> Picture:
    """Pictures with two lines under each.

    Args:
        x: a picture a row, as it is stored.
        picture: (height, width).
        captions: what was said, and what is true, of each.
    """
    if not len(x):
        return Picture(
            _widened(np.pad(written("no mistake among the test samples") * LETTER, MARGIN)), greys()
        )
    longest = max(map(width, itertools.chain.from_iterable(captions)))
    columns = max(1, min(ACROSS, (WIDE - MARGIN) // (longest + MARGIN)))
    step_x = max((WIDE - MARGIN) // columns, longest + MARGIN)
    tiles = _enlarged(_inked(x, picture), step_x - MARGIN)
    height, wide = tiles.shape[1:]
    step_x = max(step_x, wide + MARGIN)
    step_y = height + 2 * HIGH + MARGIN
    sheet = np.zeros(
        (-(-len(tiles) // columns) * step_y + MARGIN, columns * step_x + MARGIN), dtype=np.uint8
    )
    for i, (tile, (said, true)) in enumerate(zip(tiles, captions, strict=True)):
        left = MARGIN + i % columns * step_x
        top = MARGIN + i // columns * step_y
        sheet[top : top + height, left : left + wide] = tile
        mask = written(said)
        _stamp(sheet, np.where(mask, GREYS - 1 + mask, 0).astype(np.uint8), left, top + height + 2)
        _stamp(sheet, written(true) * LETTER, left, top + height + 2 + HIGH)
    return Picture(_widened(sheet), greys())


def confusion_picture(counts: Int64[np.ndarray, "K K"], classes: Sequence[str]) -> Picture:
    """A table of counts: the true class down, what was said across; darker by the root of its
    share, so that one mistake shows.

    Args:
        counts: of samples.
        classes: their names; more than 24 are drawn without numbers, and at most 200.
    """
    counts = counts[:MOST_CLASSES, :MOST_CLASSES]
    K = len(counts)
    labelled = len(counts) <= LARGEST_TABLE
    names = [short(name) for name in classes[:K]] if labelled else []
    numbers = [str(count) if count and labelled else "" for count in counts.ravel().tolist()]
    left = 2 * MARGIN + max(map(width, names), default=0)
    top = 42 if labelled else 24
    wide = max(
        (WIDE - left - MARGIN) // K, 1 + max(map(width, [*names, *numbers])) if labelled else 3
    )
    high = 24 if labelled else wide
    sheet = np.zeros((top + K * high + MARGIN, max(left + K * wide + MARGIN, WIDE)), dtype=np.uint8)
    sheet[top : top + K * high, left : left + K * wide] = _tiled(
        _cells(counts), high, wide, gap=labelled
    )
    _stamp(sheet, written(AXES), MARGIN, 4)
    for i, number in enumerate(numbers):
        _stamp(
            sheet,
            written(number),
            left + i % K * wide + (wide - width(number)) // 2,
            top + i // K * high + (high - HIGH) // 2,
        )
    for i, name in enumerate(names):
        _stamp(sheet, written(name), left - 6 - width(name), top + i * high + (high - HIGH) // 2)
        _stamp(sheet, written(name), left + i * wide + (wide - width(name)) // 2, top - HIGH - 2)
    return Picture(sheet, shades())


def short(name: str) -> str:
    """A class's name in one line of few letters."""
    line = " ".join(name.split())
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST - 3]}..."


def sprites(x: Real[np.ndarray, "N n_0"], picture: tuple[int, int]) -> Picture:
    """Pictures in a square sheet, row by row without gaps, as the projector cuts them."""
    tiles = _enlarged(_inked(x, picture), 16)
    side = int(np.ceil(np.sqrt(len(tiles))))
    return Picture(_grid(tiles, side, side, gap=0), greys())


def _inked(x: Real[np.ndarray, "N n_0"], picture: tuple[int, int]) -> UInt8[np.ndarray, "N h w"]:
    """Colours of `greys`: paper at the smallest value, ink at the largest."""
    low = float(x.min())
    high = float(x.max())
    scale = (GREYS - 1) / (high - low or 1.0)
    return np.rint((x.astype(np.float64) - low) * scale).astype(np.uint8).reshape(-1, *picture)


def _cells(counts: Int64[np.ndarray, "K K"]) -> UInt8[np.ndarray, "K K"]:
    """Colours of `shades` for each count, blue on the diagonal."""
    share = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return shade(share, 1 - np.eye(len(counts)))


def _tiled(
    cells: UInt8[np.ndarray, "K K"], high: int, wide: int, *, gap: bool
) -> UInt8[np.ndarray, "H W"]:
    """Every cell as a rectangle, with a line of paper below and beside it where there is a gap."""
    K = len(cells)
    tiles = np.broadcast_to(cells[:, None, :, None], (K, high, K, wide)).copy()
    if gap:
        tiles[:, -1] = 0
        tiles[:, :, :, -1] = 0
    return tiles.reshape(K * high, K * wide)


def _stamp(
    sheet: UInt8[np.ndarray, "H W"], ink: UInt8[np.ndarray, "h w"], left: int, top: int
) -> None:
    """Add ink to what is there: the colours of a palette are numbered so that this darkens them."""
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] += ink


def _enlarged(tiles: UInt8[np.ndarray, "N h w"], side: int) -> UInt8[np.ndarray, "N H W"]:
    """Every pixel repeated until the longer side has almost as many as are asked for."""
    factor = max(1, side // max(tiles.shape[1:]))
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def _grid(
    tiles: UInt8[np.ndarray, "N h w"],
    columns: int,
    rows: int | None = None,
    gap: int = GAP,
    paper: int = 0,
) -> UInt8[np.ndarray, "H W"]:
    """Tiles side by side, with a gap of colour 0 below and beside each; paper where there is
    none."""
    N, h, w = tiles.shape
    rows = rows or -(-N // columns)
    sheet = np.full((rows * columns, h + gap, w + gap), paper, dtype=np.uint8)
    sheet[:N] = 0
    sheet[:N, :h, :w] = tiles
    across = sheet.reshape(rows, columns, h + gap, w + gap).transpose(0, 2, 1, 3)
    return across.reshape(rows * (h + gap), columns * (w + gap))


def _widened(sheet: UInt8[np.ndarray, "H W"], paper: int = 0) -> UInt8[np.ndarray, "H V"]:
    """With enough paper to its right."""
    right = np.full((len(sheet), max(0, WIDE - sheet.shape[1])), paper, dtype=np.uint8)
    return np.concatenate([sheet, right], axis=1)

"""Weights, mistakes and counts -> PNG, with Pillow alone: a plotting library would take half as long to import as torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Int64, Real, UInt8

TILE = 40  # pixels that a picture is enlarged to, at least
MOST_TILES = 100
LARGEST_TABLE = 24  # classes whose confusions are written as numbers; more are drawn as shades alone
MOST_CLASSES = 200  # that are drawn at all
PAPER, GREY, INK, BLUE, RED = (255, 255, 255), (150, 150, 150), (20, 20, 20), (33, 102, 172), (178, 24, 43)


def weights_picture(W: Inexact[np.ndarray, "n n_0"], picture: tuple[int, int]) -> Image.Image:
    """What each unit of the first layer looks for: red where its weights are positive, blue where negative, white at zero.

    Args:
        W: of the first layer; its first 100 units are drawn, row by row, each on the scale of the largest weight of all.
        picture: (height, width) of an input.
    """
    shown = W[:MOST_TILES].astype(np.float64).reshape(-1, *picture)
    shades = np.round(128 + 127 * shown / (np.abs(shown).max() or 1.0)).astype(np.uint8)
    image = Image.fromarray(_grid(_enlarged(shades), paper=0))
    image.putpalette(_diverging().tobytes())
    return image


def mistakes_picture(x: Real[np.ndarray, "N n_0"], picture: tuple[int, int], captions: Sequence[tuple[str, str]]) -> Image.Image:
    """Pictures with two lines under each.

    Args:
        x: a picture a row, as it is stored.
        picture: (height, width).
        captions: what was said, and what is true, of each.
    """
    if not len(x):
        return _sheet(260, 30, [("no mistake among the test samples", (8, 8))])
    tiles = _enlarged(_inked(x, picture))
    height, width = tiles.shape[1:]
    step_x, step_y = max(width, _width(max((line for pair in captions for line in pair), key=len))) + 12, height + 40
    columns = min(8, len(tiles))
    sheet = _sheet(columns * step_x + 12, -(-len(tiles) // columns) * step_y + 12, [])
    draw = ImageDraw.Draw(sheet)
    for i, (tile, (said, true)) in enumerate(zip(tiles, captions, strict=True)):
        left, top = 12 + i % columns * step_x, 12 + i // columns * step_y
        sheet.paste(Image.fromarray(tile), (left, top))
        draw.text((left, top + height + 2), said, fill=RED, font=_font())
        draw.text((left, top + height + 16), true, fill=INK, font=_font())
    return sheet


def confusion_picture(counts: Int64[np.ndarray, "K K"], classes: Sequence[str]) -> Image.Image:
    """A table of counts: the true class down, what was said across; darker by the root of its share, so that one mistake shows.

    Args:
        counts: of samples.
        classes: their names; more than 24 are drawn without numbers, and at most 200.
    """
    counts = counts[:MOST_CLASSES, :MOST_CLASSES]
    K, labelled = len(counts), len(counts) <= LARGEST_TABLE
    names = [name if len(name) <= 12 else f"{name[:11]}…" for name in classes[:K]] if labelled else []
    left = 24 + max((_width(name) for name in names), default=0)
    cell, top = (max(40, 8 + max(map(_width, names), default=0)), 40) if labelled else (4, 24)
    share = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    sheet = _sheet(left + K * cell + 12, top + K * (28 if labelled else cell) + 12, [("true, down; said, across", (8, 6))])
    draw = ImageDraw.Draw(sheet)
    for i, j in np.ndindex(K, K):
        high = 28 if labelled else cell
        box = (left + j * cell, top + i * high, left + (j + 1) * cell - 1, top + (i + 1) * high - 1)
        draw.rectangle(box, fill=_shade(share[i, j], BLUE if i == j else RED))
        if labelled and counts[i, j]:
            middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
            draw.text(middle, f"{counts[i, j]}", fill=PAPER if share[i, j] > 0.6 else INK, font=_font(), anchor="mm")
    for i, name in enumerate(names):
        draw.text((left - 8, top + i * 28 + 14), name, fill=INK, font=_font(), anchor="rm")
        draw.text((left + i * cell + cell // 2, top - 4), name, fill=INK, font=_font(), anchor="mb")
    return sheet


def sprites(x: Real[np.ndarray, "N n_0"], picture: tuple[int, int]) -> Image.Image:
    """Pictures in a square sheet, row by row without gaps, as the projector cuts them."""
    tiles = _enlarged(_inked(x, picture), at_least=16)
    side = int(np.ceil(np.sqrt(len(tiles))))
    return Image.fromarray(_grid(tiles, paper=255, gap=0, columns=side, rows=side))


def png(image: Image.Image) -> bytes:
    """A picture as the content of a file."""
    content = BytesIO()
    image.save(content, "PNG", compress_level=1)  # it is drawn while training waits
    return content.getvalue()


def _inked(x: Real[np.ndarray, "N n_0"], picture: tuple[int, int]) -> UInt8[np.ndarray, "N h w"]:
    """Dark on light, from the smallest value to the largest."""
    low, high = float(x.min()), float(x.max())
    return np.round(255 - 255 * (x.astype(np.float64) - low) / (high - low or 1.0)).astype(np.uint8).reshape(-1, *picture)


def _enlarged(tiles: UInt8[np.ndarray, "N h w"], at_least: int = TILE) -> UInt8[np.ndarray, "N H W"]:
    """Every pixel repeated until the longer side has about as many as are asked for."""
    factor = max(1, at_least // max(tiles.shape[1:]))
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def _grid(
    tiles: UInt8[np.ndarray, "N h w"], paper: int, gap: int = 2, columns: int | None = None, rows: int | None = None
) -> UInt8[np.ndarray, "H W"]:
    """Tiles side by side, as many across as down unless told otherwise."""
    N, h, w = tiles.shape
    columns = columns or int(np.ceil(np.sqrt(N)))
    rows = rows or -(-N // columns)
    sheet = np.full((rows, h + gap, columns, w + gap), paper, dtype=np.uint8)
    for i, tile in enumerate(tiles):
        sheet[i // columns, :h, i % columns, :w] = tile
    return sheet.reshape(rows * (h + gap), columns * (w + gap))


@cache
def _diverging() -> UInt8[np.ndarray, "256 3"]:
    """Grey for what is between the tiles, then from blue at 1 over white at 128 to red at 255."""
    share = (np.arange(256)[:, None] - 128) / 127
    ends = np.where(share < 0, BLUE, RED)
    colours = np.round(255 + (ends - 255) * np.minimum(np.abs(share), 1)).astype(np.uint8)
    colours[0] = GREY
    return colours


def _shade(share: float, full: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (round(255 + (value - 255) * share) for value in full)
    return red, green, blue


def _sheet(width: int, height: int, lines: Sequence[tuple[str, tuple[int, int]]]) -> Image.Image:
    sheet = Image.new("RGB", (width, height), PAPER)
    for line, at in lines:
        ImageDraw.Draw(sheet).text(at, line, fill=INK, font=_font())
    return sheet


@cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The one that comes with Pillow."""
    return ImageFont.load_default(12)


def _width(line: str) -> int:
    return int(np.ceil(_font().getlength(line)))

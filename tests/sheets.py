"""Drawings made up for the tests: one 7, put on paper in every way that a file allows."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def seven(
    size: tuple[int, int] = (240, 300), pen: int = 24, dark: int = 0, light: int = 255
) -> Image.Image:
    """A 7 of (height, width), off-centre, whose centre of mass is far from the centre of its
    bounding box."""
    h, w = size
    sheet = Image.new("L", (w, h), light)
    points = [(0.15 * w, 0.2 * h), (0.5 * w, 0.2 * h), (0.3 * w, 0.8 * h)]
    ImageDraw.Draw(sheet).line(points, fill=dark, width=pen, joint="curve")
    return sheet


def inverted(sheet: Image.Image) -> Image.Image:
    return Image.eval(sheet, lambda value: 255 - value)


def saved(
    folder: Path, picture: Image.Image, name: str = "drawing.png", **settings: object
) -> Path:
    path = folder / name
    picture.save(path, **settings)
    return path


def alike(first: np.ndarray, second: np.ndarray) -> float:
    """How much of the ink of two inputs differs: 0 if none, 2 if they have no pixel in common."""
    first, second = first.astype(float), second.astype(float)
    return float(np.abs(first - second).sum() / max(first.sum(), second.sum()))


def _on_clear(lightness: int) -> Image.Image:
    """The strokes on a clear ground, as drawing programs export them."""
    return Image.merge("LA", (Image.new("L", (300, 240), lightness), inverted(seven())))


def _card() -> Image.Image:
    """A white card with the drawing, and nothing around it."""
    card = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    card.paste(seven().convert("RGBA"), (50, 80))
    return card


def _black_and_white_on_clear() -> Image.Image:
    """Strokes whose upper half is white and whose lower half is black."""
    colour = Image.new("L", (300, 240), 0)
    colour.paste(255, (0, 0, 300, 120))
    return Image.merge("LA", (colour, inverted(seven())))


def _red_on_green() -> Image.Image:
    """Both of nearly the same lightness: 0.299 * 255 = 76 and 0.587 * 130 = 76."""
    ink = inverted(seven())
    return Image.merge(
        "RGB", (ink, Image.eval(ink, lambda v: 130 - 130 * v // 255), Image.new("L", ink.size))
    )


def _under_a_lamp() -> Image.Image:
    """Paper twice as light on one side as on the other, with the grain of a camera."""
    y, x = np.mgrid[-1:1:240j, -1:1:300j]
    light = 0.7 - 0.23 * x - 0.06 * y * y + np.random.default_rng(0).normal(0, 0.01, x.shape)
    return Image.fromarray(np.uint8(np.clip(np.asarray(seven(dark=50)) * light, 0, 255)))


FILES = {  # what a file may be like -> the picture
    "1": lambda: seven().convert("1"),
    "L": seven,
    "L-inverted": lambda: seven(dark=255, light=0),
    "L-pale": lambda: seven(dark=120, light=160),
    "LA-dark-on-clear": lambda: _on_clear(0),
    "LA-light-on-clear": lambda: _on_clear(255),
    "LA-two-colours-on-clear": _black_and_white_on_clear,
    "P": lambda: seven().convert("P"),
    "P-inverted": lambda: seven(dark=255, light=0).convert("P"),
    "RGB": lambda: seven().convert("RGB"),
    "RGB-red-on-green": _red_on_green,
    "RGB-under-a-lamp": lambda: _under_a_lamp().convert("RGB"),
    "RGBA-opaque": lambda: seven().convert("RGBA"),
    "RGBA-dark-on-clear": lambda: _on_clear(0).convert("RGBA"),
    "RGBA-card-on-clear": _card,
    "I;16": lambda: Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257),
}

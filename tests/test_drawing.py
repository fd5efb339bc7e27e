"""A drawing becomes the same input whatever its file is like, and what is no drawing is refused in one line."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model import drawing
from model.command_line import BadInput


def seven(size=(240, 300), pen=24, dark=0, light=255):
    """A 7 drawn off-centre, dark on light, whose centre of mass is far from the centre of its bounding box."""
    picture = Image.new("L", (size[1], size[0]), light)
    h, w = size
    points = [(0.15 * w, 0.2 * h), (0.5 * w, 0.2 * h), (0.3 * w, 0.8 * h)]
    ImageDraw.Draw(picture).line(points, fill=dark, width=pen, joint="curve")
    return picture


def saved(folder, picture, name="drawing.png", **settings):
    path = folder / name
    picture.save(path, **settings)
    return path


def alike(first, second):
    """Mean difference between two inputs, as a share of the mean ink."""
    first, second = first.astype(float), second.astype(float)
    return np.abs(first - second).sum() / max(first.sum(), second.sum())


def cleared(picture, ink_lightness):
    """The strokes on a clear ground, as a drawing program exports them."""
    mask = Image.eval(picture, lambda value: 255 - value)
    return Image.merge("LA", (Image.new("L", picture.size, ink_lightness), mask))


def sticker():
    """A white card with a dark drawing, and nothing around it."""
    card = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    card.paste(seven().convert("RGBA"), (50, 80))
    return card


def shaded():
    """Paper under a lamp, in full colour, with the grain of a camera."""
    y, x = np.mgrid[-1:1:240j, -1:1:300j]
    light = 0.75 - 0.2 * x - 0.1 * y * y + np.random.default_rng(0).normal(0, 0.01, x.shape)
    return Image.fromarray(np.uint8(np.clip(np.asarray(seven(dark=50)) * light, 0, 255))).convert("RGB")


FILES = {
    "1": lambda: seven().convert("1"),
    "L": seven,
    "L-inverted": lambda: seven(dark=255, light=0),
    "L-grey-on-grey": lambda: seven(dark=120, light=160),
    "L-transparent-colour": lambda: seven(),
    "LA-dark-strokes": lambda: cleared(seven(), 0),
    "LA-light-strokes": lambda: cleared(seven(), 255),
    "P": lambda: seven().convert("P"),
    "RGB": lambda: seven().convert("RGB"),
    "RGB-red-on-green": lambda: Image.merge(
        "RGB", (Image.eval(seven(), lambda v: 255 - v), Image.eval(seven(), lambda v: v // 2), Image.new("L", (300, 240)))
    ),
    "RGBA-opaque": lambda: seven().convert("RGBA"),
    "RGBA-dark-strokes": lambda: cleared(seven(), 0).convert("RGBA"),
    "RGBA-card": sticker,
    "I;16": lambda: Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257),
    "shaded": shaded,
}


@pytest.mark.parametrize("kind", FILES)
def test_every_mode_polarity_and_transparency_gives_the_same_input(kind, tmp_path):
    settings = {"transparency": 255} if kind == "L-transparent-colour" else {}
    plain = drawing.as_mnist(drawing.read(saved(tmp_path, seven())))
    path = saved(tmp_path, FILES[kind](), "other.png", **settings)
    # 0.03: dithering, palettes and a camera's grain move the outline by a fraction of a pixel, 1/300 of the drawing
    assert alike(plain, drawing.as_mnist(drawing.read(path))) < 0.03


def test_the_centre_of_mass_lies_within_half_a_pixel_of_mnists(tmp_path):
    field = drawing.as_mnist(drawing.read(saved(tmp_path, seven()))).astype(float)
    index, mass = np.arange(28), field.sum()
    y, x = field.sum(axis=1) @ index / mass, field.sum(axis=0) @ index / mass
    # whole pixels are shifted, so 0.5 at most; rounding to 0..255 moves the mean by less than 0.5 * 400 pixels * 14 / mass
    allowed = 0.5 + 0.5 * 400 * 14 / mass
    assert (abs(y - 14) <= allowed, abs(x - 14) <= allowed) == (True, True)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    box_centre = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    assert max(abs(box_centre[0] - 14), abs(box_centre[1] - 14)) > 2  # so that centring the bounding box would fail above


def refusal(call):
    with pytest.raises(BadInput) as caught:
        call()
    return str(caught.value)


def test_a_blank_picture_is_refused(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (200, 200), (250, 250, 245)))
    assert refusal(lambda: drawing.read(path)) == (
        f"{path}: expected a drawing, got a blank picture. Draw with more contrast to the background."
    )

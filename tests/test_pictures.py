"""The PNG files are what Pillow reads, pixel by pixel; the pictures show what they should, and fit
where they are shown."""

import io

import numpy as np
import pytest
from PIL import Image

from backproof.model.tensorboard import lettering
from backproof.model.tensorboard.lettering import HIGH, LEVELS, width, written
from backproof.model.tensorboard.palettes import BLUE, INK, PAPER, RED
from backproof.model.tensorboard.picture import Picture
from backproof.model.tensorboard.pictures import (
    WIDE,
    confusion_picture,
    mistakes_picture,
    short,
    sprites,
    weights_picture,
)

DIGITS = tuple("0123456789")


def opened(picture):
    """The file as another program sees it: (height, width, 3)."""
    with Image.open(io.BytesIO(picture.png)) as image:
        image.load()
        assert image.size == picture.size
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (300, 5), (7, 1000)])
def test_a_png_is_read_pixel_by_pixel(shape):
    random = np.random.default_rng(shape[0])
    picture = Picture(
        random.integers(256, size=shape).astype(np.uint8),
        random.integers(256, size=(256, 3)).astype(np.uint8),
    )
    np.testing.assert_array_equal(opened(picture), picture.palette[picture.pixels])


def test_weights_are_red_where_positive_and_blue_where_negative():
    seen = opened(weights_picture(np.array([[1.0, -1.0, 0.0, 0.5]]), (2, 2)))
    assert seen.shape[1] == WIDE
    high, wide = (
        np.flatnonzero((seen[:, 0] != seen[0, 0]).any(axis=1))[0],
        np.flatnonzero((seen[0] != seen[0, 0]).any(axis=1))[0],
    )
    assert tuple(seen[0, 0]) == RED
    assert tuple(seen[0, wide]) == BLUE
    assert tuple(seen[high, 0]) == PAPER
    assert PAPER > tuple(seen[high, wide]) > RED


@pytest.mark.parametrize("units", [1, 5, 100, 300])
@pytest.mark.parametrize("picture", [(2, 2), (8, 8), (28, 28), (5, 40)])
def test_weights_of_any_layer_fit(units, picture):
    seen = weights_picture(
        np.random.default_rng(0).normal(size=(units, picture[0] * picture[1])), picture
    )
    assert seen.size[0] >= WIDE
    assert seen.size[0] == WIDE or picture == (5, 40)  # a hundred of those are wider than the page


def test_a_layer_without_weights_is_white():
    assert {
        tuple(colour) for colour in opened(weights_picture(np.zeros((1, 4)), (2, 2))).reshape(-1, 3)
    } >= {PAPER}


def test_confusions_are_darker_where_they_are_more():
    counts = np.diag(np.full(10, 100))
    counts[0, 1], counts[2, 3] = 4, 50
    picture = confusion_picture(counts, DIGITS)
    seen = opened(picture)
    # also with MNIST's 1,000 of each
    assert picture.size[0] == confusion_picture(10 * counts, DIGITS).size[0] == WIDE
    assert (seen == BLUE).all(axis=2).sum() > 10 * 300  # ten full cells, less their numbers
    shades = seen[(seen[:, :, 0] > seen[:, :, 2])]  # what is red, somewhat
    assert len(np.unique(shades, axis=0)) >= 2
    assert (seen == INK).all(axis=2).any()


def test_every_count_and_name_is_written_in_its_cell():
    counts = np.array([[7, 123], [0, 45]])
    seen = opened(confusion_picture(counts, ("a", "b")))
    # so little more that no shade differs
    other = opened(confusion_picture(np.where(counts == 123, 132, counts), ("a", "b")))
    rows, columns = np.nonzero((seen != other).any(axis=2))
    assert np.ptp(rows) < 24  # one cell
    assert columns.min() > WIDE // 2


@pytest.mark.parametrize("K", [2, 24, 25, 200, 250])
def test_confusions_of_many_classes_are_drawn(K):
    picture = confusion_picture(np.arange(K * K).reshape(K, K), [f"class {k}" for k in range(K)])
    assert picture.size[0] >= WIDE
    assert max(picture.size) < 2000


def test_mistakes_stand_beside_each_other_with_what_was_said():
    x = np.arange(6 * 16).reshape(6, 16)
    seen = opened(mistakes_picture(x, (4, 4), [("said 1 (90%)", "is 2 (5%)")] * 6))
    assert seen.shape[1] == WIDE
    assert (seen[:, :, 0] > seen[:, :, 1].astype(int) + 50).any()  # red letters
    assert (seen == 0).all(axis=2).any()  # the largest value is ink


def test_long_names_leave_fewer_beside_each_other_and_none_is_an_answer():
    x = np.zeros((4, 16))
    long = mistakes_picture(x, (4, 4), [("said versicolor it is (100%)", "is virginica (0%)")] * 4)
    assert long.size[0] >= WIDE
    assert mistakes_picture(x[:0], (4, 4), []).size[0] == WIDE


def test_sprites_are_square_and_each_is_where_the_projector_cuts():
    x = np.zeros((5, 4))
    x[3] = 1
    seen = opened(sprites(x, (2, 2)))
    assert seen.shape == (48, 48, 3)
    dark = (seen == 0).all(axis=2)
    assert dark[16:32, :16].all()
    assert dark.sum() == 16 * 16


@pytest.mark.parametrize("text", ["said 4 (99%)", "Größe", "漢字", "Ω", "", "a\u0301"])
def test_any_text_becomes_ink_of_its_width(text):
    ink = written(text)
    assert ink.shape == (HIGH, width(text))
    assert ink.max(initial=0) == (LEVELS if text else 0)


@pytest.mark.parametrize("text", ["Größe Łódź naïve", "ΑΩαω", "Привет", "ґєії"])
def test_european_letters_come_with_the_project(text):
    """What the fallback font has no sign for, it draws as one and the same box."""
    signs = [sign for sign in text if sign != " "]
    assert all(sign in lettering._known() for sign in signs)
    assert len({written(sign).tobytes() for sign in signs}) == len(set(signs))


def test_letters_differ_and_spaces_are_empty():
    assert not written(" ").any()
    assert len({written(sign).tobytes() for sign in "abcdefghij0123456789"}) == 20


def test_a_name_is_short_and_in_one_line():
    assert short("setosa") == "setosa"
    assert short("a\nb\tc") == "a b c"
    assert short("x" * 40) == "xxxxxxxxx..."

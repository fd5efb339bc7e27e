"""Ink is what differs from the paper, and the figures that the refusals rest on."""

import numpy as np
import pytest
from sheets import seven

from backproof.model import ink
from backproof.model.drawing import CROSSINGS, PIECES, UNEVEN

GREY = np.asarray(seven()) / 255


def test_ink_does_not_depend_on_polarity_or_contrast():
    for black, white in ((0, 1), (1, 0), (0.4, 0.6), (0.9, 0.3)):
        strokes, contrast, unevenness = ink.separate(black + (white - black) * GREY)
        # differences of numbers near 1, each rounded: a few times 1e-16 over 0.2
        assert np.abs(strokes - (1 - GREY)).max() < 1e-9
        assert contrast == pytest.approx(abs(white - black))
        assert unevenness == pytest.approx(0, abs=1e-9)


def test_paper_under_a_lamp_is_paper():
    y, x = np.mgrid[-1:1:240j, -1:1:300j]
    light = 0.7 - 0.2 * x + 0.05 * x * y - 0.08 * y * y
    strokes, _, unevenness = ink.separate(light * (0.2 + 0.8 * GREY))
    assert np.array_equal(strokes > 0.5, GREY < 0.5)
    assert unevenness < UNEVEN / 10
    # the wrong version: without a surface, half of the dark side would be ink
    constant = np.median(light)
    assert np.count_nonzero(light - constant < -0.1) > 0.2 * light.size


@pytest.mark.parametrize("pixels", [28, 150, 300, 1000])
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_noise_is_twice_as_uneven_as_allowed_at_any_resolution(distribution, pixels):
    random = np.random.default_rng(pixels)
    noise = (
        random.random((pixels, pixels))
        if distribution == "uniform"
        else random.normal(0.5, 0.1, (pixels, pixels))
    )
    _, _, unevenness = ink.separate(noise)
    # Seen from afar, fine noise is normal, and so is the first. Otsu divides distances from its
    # mean at about 1 deviation: below, their median is 0.43; above, their 9th decile is 2.14; 0.43
    # / 2.14 = 0.20. Of uniform noise between 0 and 1 they are, from the mean: division at 0.25,
    # median 0.125, 9th decile 0.475; 0.26. 4,096 blocks, or 784, and a fitted surface blur both.
    assert 0.17 < unevenness < 0.27
    assert unevenness > 1.7 * UNEVEN


def test_pieces_that_matter_are_kept_and_specks_are_dropped():
    strokes = np.zeros((200, 300))
    strokes[20:180, 40:60], strokes[20:40, 80:120] = 1, 1  # 3,200 and 800 pixels
    dirty = strokes.copy()
    dirty[190:194, 280:284] = 1  # 16
    cleaned, pieces = ink.clean(dirty)
    assert pieces == 2
    assert np.array_equal(cleaned, strokes)
    dirty[100:120, 200:220] = 1  # 400 of 3,200: an eighth, more than SPECK
    assert ink.clean(dirty)[1] == 3


def test_pieces_are_counted_by_corners_too_and_round_corners():
    spiral = np.zeros((9, 9), dtype=bool)
    spiral[1, 1:8] = spiral[1:8, 7] = spiral[7, 1:8] = spiral[3:8, 1] = spiral[3, 1:6] = spiral[
        3:6, 5
    ] = True
    assert ink._connected(spiral).max() == 1
    assert ink._connected(np.eye(7, dtype=bool)).max() == 1
    assert ink._connected(np.eye(7, dtype=bool)[:, ::2]).max() == 4
    assert not ink._connected(np.zeros((3, 4), dtype=bool)).any()


def test_crossings_are_strokes_that_a_line_crosses():
    square = np.zeros((100, 100))
    square[20:80, 30:70] = 1
    assert ink.crossings(square) == 1
    bars = np.zeros((50, 50))
    bars[:, ::10] = 1
    # each of 50 rows crosses five bars; of the 41 columns within the box, five cross one each
    rows, columns = (
        50 * 5,
        5,
    )
    assert ink.crossings(bars) == pytest.approx((rows + columns) / (50 + 41))


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("cell", [1, 2, 3, 5, 7, 10])
def test_black_and_white_noise_exceeds_a_limit(share, cell):
    cells = (
        np.random.default_rng([cell, int(100 * share)]).random((300 // cell, 300 // cell)) < share
    )
    strokes, _, unevenness = ink.separate(np.kron(cells, np.ones((cell, cell))))
    cleaned, pieces = ink.clean(strokes)
    assert unevenness > UNEVEN or pieces > PIECES or ink.crossings(cleaned) > CROSSINGS


def test_otsu_divides_two_levels_in_their_middle():
    levels = np.repeat([0.2, 0.8], [900, 100]).reshape(20, 50)
    assert ink._otsu(levels) == pytest.approx(0.5, abs=0.6 / 256)  # the width of a bin
    assert ink._otsu(np.full((3, 3), 0.7)) >= 0.7  # nothing is above


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (64, 64), (65, 3), (130, 47)])
def test_pooling_keeps_the_mean_and_the_maximum(shape):
    array = np.random.default_rng(0).random(shape)
    mean, maximum = ink.pooled(array, np.add), ink.pooled(array, np.maximum)
    assert mean.shape == maximum.shape
    assert max(mean.shape) <= ink.COARSE
    assert maximum.max() == array.max()
    sizes = [
        np.diff(np.arange(m) * n // m, append=n) for m, n in zip(mean.shape, shape, strict=True)
    ]
    assert (mean * np.outer(*sizes)).sum() == pytest.approx(array.sum())


def test_a_blot_that_covers_most_of_the_picture_is_ink_where_the_edge_is_paper():
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    blot = np.hypot(x, y) < 0.88  # 61% of the picture, and nothing of its edge
    for grey in (1 - 0.7 * blot, 0.3 + 0.7 * blot):
        assert np.array_equal(ink.separate(grey)[0] > 0.5, blot)

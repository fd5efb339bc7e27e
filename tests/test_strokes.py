"""The pen gets MNIST's width, slanted strokes stand up, and resampling keeps the ink."""

import numpy as np
import pytest
from sheets import seven

from backproof.model import strokes
from backproof.model.strokes import PEN, cropped, dilated, resized, upright


def pen(ink):
    """Width of the strokes in pixels of the 20x20 box: of a 7's two straight strokes, area over
    length."""
    crop = ink > 0.5
    height, width = crop.shape
    # the bar; then down, and left by 0.2 of 0.35: see seven()
    length = width + np.hypot(height, width * 0.57)
    return crop.sum() / length * 20 / max(crop.shape)


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 24, 40, 60, 80])
def test_any_pen_becomes_one_of_mnists(width):
    ink = 1 - np.asarray(seven((400, 500), width)) / 255
    # thickening by a pen's width makes the box a tenth larger, and so the pen that much thinner in
    # it; unchanged, 80 would be 4.3
    assert PEN[0] * 0.85 < pen(cropped(ink)) < PEN[1]


def test_a_pen_like_mnists_is_left_alone():
    ink = 1 - np.asarray(seven((400, 500), 32)) / 255
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert np.array_equal(cropped(ink), ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (300, 300)])
def test_dots_lines_and_blots_survive(shape):
    ink = np.zeros((500, 500))
    ink[50 : 50 + shape[0], 40 : 40 + shape[1]] = 1
    assert cropped(ink).max() > 0.5


def test_dilating_turns_on_the_four_neighbours():
    bitmap = np.zeros((4, 5), dtype=bool)
    bitmap[1, 2] = bitmap[3, 4] = True
    wanted = ["  #  ", " ### ", "  # #", "   ##"]
    assert ["".join(" #"[int(on)] for on in row) for row in dilated(bitmap)] == wanted


def test_a_slanted_bar_stands_upright_and_an_upright_one_stays():
    slanted = np.zeros((32, 32), dtype=bool)
    for row in range(32):
        slanted[row, 20 - row // 4 : 24 - row // 4] = True
    straight = upright(slanted)
    left = straight.argmax(axis=1)
    assert np.ptp(left) <= 1  # shifts are whole pixels
    assert np.count_nonzero(straight) == np.count_nonzero(slanted)
    bar = np.zeros((32, 32), dtype=bool)
    bar[:, 10:14] = True
    assert np.array_equal(upright(bar), bar)


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_very_flat_strokes_are_not_slanted(rows):
    flat = np.zeros((32, 32), dtype=bool)
    flat[10 : 10 + rows, 5:20] = True
    assert np.array_equal(upright(flat), flat)


def test_resampling_keeps_the_share_of_ink():
    ink = 1 - np.asarray(seven((400, 500), 30)) / 255
    for height, width in ((20, 25), (37, 91)):
        # the share of half a pixel's edge
        assert resized(ink, height, width).mean() == pytest.approx(ink.mean(), abs=0.002)
    assert strokes.FINE == 8

"""Any file -> lightness; anything else is refused in one line that says why."""

import random
import re
import zlib

import numpy as np
import pytest
from PIL import Image
from sheets import inverted, saved, seven

from backproof.model.command_line import BadInput
from backproof.model.files.picture_file import LARGEST, LONG_SIDE, lightness

EXPECTED = "expected a PNG, JPEG, BMP, GIF or WebP picture"
# three products of luma and their sum, each rounded, of numbers up to 1
ROUNDING = 4 * np.finfo(float).eps


def refusal(path):
    with pytest.raises(BadInput) as caught:
        lightness(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp"])
def test_formats_agree(suffix, tmp_path):
    settings = {"jpg": {"quality": 95}, "webp": {"lossless": True}}.get(suffix, {})
    path = saved(tmp_path, seven(), f"drawing.{suffix}", **settings)
    difference = np.abs(lightness(path) - np.asarray(seven()) / 255)
    # JPEG rings at the edges of strokes
    assert difference.max() <= (0.1 if suffix == "jpg" else ROUNDING)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_taken_sideways_is_turned_upright(orientation, tmp_path):
    """Each value says how the stored picture must be turned; here it is stored turned the other
    way."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = seven() if orientation == 1 else seven().transpose(turn[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, stored, "drawing.png", exif=exif)
    assert np.abs(lightness(path) - np.asarray(seven()) / 255).max() <= ROUNDING


def test_a_print_ready_jpeg_in_cmyk_keeps_its_polarity(tmp_path):
    path = saved(tmp_path, seven().convert("CMYK"), "drawing.jpg", quality=95)
    assert np.abs(lightness(path) - np.asarray(seven()) / 255).max() <= 0.1


def test_sixteen_bits_keep_black_and_white(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.array([[0, 65535], [257, 32896]], dtype=np.uint16)))
    assert np.abs(lightness(path) - np.array([[0, 255], [1, 128]]) / 255).max() <= ROUNDING


def test_a_colour_that_is_declared_clear_is_clear(tmp_path):
    """PNG can call one grey of an L picture clear; here that is the paper, and the strokes are
    light."""
    path = saved(tmp_path, seven(dark=200, light=10), transparency=10)
    grey = lightness(path)
    assert np.array_equal(grey == 1, np.asarray(seven()) == 255)


def test_strokes_on_a_clear_ground_are_dark_whatever_colour_hides_there(tmp_path):
    strokes = inverted(seven())
    for hidden in (0, 255):
        picture = Image.merge("LA", (Image.new("L", strokes.size, hidden), strokes))
        assert np.array_equal(lightness(saved(tmp_path, picture)), np.asarray(seven()) / 255)


def test_an_invisible_picture_is_blank_whatever_colours_it_hides(tmp_path):
    picture = seven().convert("RGBA")
    picture.putalpha(0)
    assert np.ptp(lightness(saved(tmp_path, picture))) == 0


def test_large_pictures_are_reduced(tmp_path):
    grey = lightness(saved(tmp_path, seven((2000, 3000), 200)))
    assert grey.shape == (667, 1000)
    assert max(grey.shape) <= LONG_SIDE


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = saved(tmp_path, Image.new("1", (8001, 8001)))
    assert (
        refusal(path)
        == f"{path}: {EXPECTED} of at most {LARGEST:,} pixels, got more. Make it smaller."
    )
    content = bytearray(path.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # 3.6 billion pixels: Pillow itself refuses
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    assert (
        refusal(path)
        == f"{path}: {EXPECTED} of at most {LARGEST:,} pixels, got more. Make it smaller."
    )


def test_a_missing_file_a_folder_and_a_text_are_refused(tmp_path):
    assert (
        refusal(tmp_path / "no.png")
        == f"{tmp_path / 'no.png'}: {EXPECTED}, got no such file. Check its name."
    )
    assert (
        refusal(tmp_path) == f"{tmp_path}: {EXPECTED}, got: Is a directory. Save it again as PNG."
    )
    text = tmp_path / "text.png"
    text.write_text("a drawing of a seven")
    assert refusal(text) == f"{text}: {EXPECTED}, got something else. Save it as PNG."


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp"])
def test_a_file_that_is_cut_short_or_garbled_is_read_or_refused_in_one_line(suffix, tmp_path):
    path = saved(tmp_path, seven((40, 50), 5), f"drawing.{suffix}")
    whole, generator, refusals = path.read_bytes(), random.Random(0), []
    for _ in range(60):
        content = bytearray(
            whole[: generator.randrange(len(whole))] if generator.random() < 0.5 else whole
        )
        for place in generator.choices(
            range(max(1, min(len(content), 200))), k=3 if content else 0
        ):
            content[place] = generator.randrange(256)
        path.write_bytes(content)
        try:
            lightness(path)
        except BadInput as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert all(
        re.fullmatch(f"{re.escape(str(path))}: {EXPECTED}.*\\.", refusal) for refusal in refusals
    )

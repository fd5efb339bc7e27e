"""A drawing becomes the same input whatever its file is like, made as the data set's were; what is
no drawing is refused."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sheets import FILES, alike, inverted, saved, seven

from backproof.model import drawing
from backproof.model.command_line import BadInput
from backproof.model.data import load

# of the ink: palettes, JPEG and a camera's grain move the outline by a fraction of a pixel of a
# drawing of 144
SAME = 0.03


def refusal(call, *arguments):
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    return str(caught.value)


def centre_of_mass(field):
    """(y, x), in pixels; the first pixel is 0."""
    field = field.astype(float)
    return tuple(
        field.sum(axis=1 - axis) @ np.arange(n) / field.sum() for axis, n in enumerate(field.shape)
    )


def is_centred(field):
    """Whether the centre of mass is where MNIST has it: at pixel 14, after a shift by whole pixels.

    Hence 0.5; and rounding each of the 400 pixels of the box by 0.5 at most, 14 pixels from the
    centre at most, moves it by less than 0.5 * 400 * 14 / mass, 0.2 here.
    """
    return all(
        abs(place - 14) <= 0.5 + 2800 / field.sum(dtype=float) for place in centre_of_mass(field)
    )


@pytest.fixture
def plain(tmp_path):
    """The input that dark strokes on a white PNG give."""
    return drawing.as_mnist(drawing.read(saved(tmp_path, seven(), "plain.png")))


@pytest.mark.parametrize("kind", FILES)
def test_every_mode_polarity_and_transparency_gives_the_same_input(kind, plain, tmp_path):
    path = saved(tmp_path, FILES[kind]())
    assert alike(plain, drawing.as_mnist(drawing.read(path))) < SAME


@pytest.mark.parametrize("quality", [20, 50, 80, 95])
def test_artefacts_of_jpeg_are_not_ink(quality, plain, tmp_path):
    path = saved(tmp_path, seven(), "drawing.jpg", quality=quality)
    assert alike(plain, drawing.as_mnist(drawing.read(path))) < SAME


@pytest.mark.parametrize("size", [(60, 75), (120, 150), (480, 600), (1200, 1500), (3000, 3750)])
def test_resolution_does_not_matter(size, plain, tmp_path):
    path = saved(tmp_path, seven(size, size[0] // 10))
    # the edge of a stroke of a tenth of the height is known to a pixel: 2 in `size[0] / 10`, both
    # scaled to 144 pixels or fewer
    assert alike(plain, drawing.as_mnist(drawing.read(path))) < SAME + 2 / (min(size[0], 1024) / 10)


@pytest.mark.parametrize("place", [(0, 0), (0, 400), (300, 0), (300, 400), (13, 211)])
def test_place_does_not_matter_even_at_the_edge(place, plain, tmp_path):
    box = Image.eval(inverted(seven()), lambda value: value).getbbox()
    sheet = Image.new("L", (400 + box[2] - box[0], 300 + box[3] - box[1]), 255)
    sheet.paste(seven().crop(box), place[::-1])
    assert alike(plain, drawing.as_mnist(drawing.read(saved(tmp_path, sheet)))) < SAME


def test_specks_of_dirt_do_not_matter(plain, tmp_path):
    sheet = seven()
    for place in ((5, 5), (290, 230), (200, 20)):
        sheet.paste(0, (place[0], place[1], place[0] + 3, place[1] + 3))
    assert alike(plain, drawing.as_mnist(drawing.read(saved(tmp_path, sheet)))) < SAME


def test_strokes_fill_the_box_of_20_pixels_and_are_centred_by_their_mass(plain):
    rows, columns = np.flatnonzero(plain.any(axis=1)), np.flatnonzero(plain.any(axis=0))
    assert np.ptp(rows) + 1 == 20
    # the shape of the strokes' box: see seven()
    assert abs((np.ptp(columns) + 1) / 20 - 117 / 156) < 1 / 20
    assert is_centred(plain)
    assert plain.dtype == np.uint8
    assert plain.max() == 255


def test_centring_the_bounding_box_would_not_pass_for_centring_the_mass(plain):
    rows, columns = np.flatnonzero(plain.any(axis=1)), np.flatnonzero(plain.any(axis=0))
    wrong = np.zeros((28, 28), dtype=np.uint8)
    crop = plain[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    top, left = (28 - crop.shape[0]) // 2, (28 - crop.shape[1]) // 2
    wrong[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    assert not is_centred(wrong)


@pytest.mark.parametrize("mutant", ["not inverted", "opacity ignored", "not cropped"])
def test_what_forgets_a_step_differs_by_more_than_is_the_same(mutant, plain, tmp_path, monkeypatch):
    """The wrong version of each step, on the file that needs the step: the tests above would see
    it."""
    sheet = {
        "not inverted": seven(dark=255, light=0),
        "opacity ignored": FILES["LA-light-on-clear"](),
        "not cropped": seven(),
    }[mutant]
    path = saved(tmp_path, sheet)
    if mutant == "not inverted":
        wrong = 1 - np.asarray(sheet) / 255
    elif mutant == "opacity ignored":
        wrong = 1 - np.asarray(sheet.convert("L")) / 255
        assert not wrong.any()  # nothing at all is seen
        return
    else:
        wrong = drawing.read(path)
        monkeypatch.setattr(
            "backproof.model.strokes.box", lambda strokes: (slice(None), slice(None))
        )
    assert alike(plain, drawing.as_mnist(wrong)) > 10 * SAME


@pytest.mark.parametrize("colour", ["white", "black", (250, 250, 245)])
def test_a_blank_picture_is_refused(colour, tmp_path):
    path = saved(tmp_path, Image.new("RGB", (200, 200), colour))
    wanted = (
        f"{path}: expected a drawing, got a blank picture. Draw with more contrast to the "
        "background."
    )
    assert refusal(drawing.read, path) == wanted
    assert refusal(drawing.for_network, path, (5, 5), "icons") == wanted


def test_empty_paper_under_a_lamp_is_blank(tmp_path):
    y, x = np.mgrid[-1:1:240j, -1:1:300j]
    light = 0.7 - 0.23 * x - 0.06 * y * y + np.random.default_rng(0).normal(0, 0.01, x.shape)
    path = saved(tmp_path, Image.fromarray(np.uint8(255 * light)), "drawing.jpg")
    assert "got a blank picture" in refusal(drawing.read, path)


def noise(kind):
    random = np.random.default_rng(0)
    if kind == "smooth":
        small = Image.fromarray(np.uint8(random.integers(0, 256, (16, 16))))
        return small.resize((300, 300), Image.Resampling.BICUBIC)
    # random phases under the spectrum that photographs have: amplitudes fall with frequency
    if kind == "like nature":
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(300), np.fft.fftfreq(300)))
        field = np.fft.ifft2(
            np.fft.fft2(random.normal(size=(300, 300))) / np.maximum(frequency, 1 / 300)
        ).real
        return Image.fromarray(np.uint8(255 * (field - field.min()) / np.ptp(field)))
    values = {
        "uniform": lambda: random.integers(0, 256, (300, 300, 3)),
        "normal": lambda: np.clip(random.normal(128, 40, (300, 300)), 0, 255),
        "black and white": lambda: 255 * random.integers(0, 2, (300, 300)),
        "coarse": lambda: np.kron(random.integers(0, 256, (30, 30)), np.ones((10, 10))),
    }
    return Image.fromarray(np.uint8(values[kind]()))


@pytest.mark.parametrize("file", ["noise.png", "noise.jpg"])
@pytest.mark.parametrize(
    "kind", ["uniform", "normal", "black and white", "coarse", "smooth", "like nature"]
)
def test_noise_is_refused(kind, file, tmp_path):
    path = saved(tmp_path, noise(kind), file)
    assert refusal(drawing.read, path) == (
        f"{path}: expected strokes on a plain background, got what looks like a photograph or "
        "noise. "
        "Crop it to one drawing, or draw it again."
    )


def test_digits_are_counted_in_blocks_of_a_bitmap():
    """A drawing that is already as NIST's programs would leave it: upright, 20x32, with 256 to 412
    pixels on."""
    bitmap = np.zeros((32, 20), dtype=bool)
    bitmap[:5], bitmap[:, :4], bitmap[27:], bitmap[12:16, 4:13] = True, True, True, True
    assert 256 <= bitmap.sum() <= 412
    field = np.zeros((32, 32), dtype=int)
    field[:, 6:26] = bitmap
    blocks = np.array(
        [[field[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].sum() for j in range(8)] for i in range(8)]
    )
    sheet = np.zeros((500, 400))
    sheet[60:380, 50:250] = np.kron(bitmap, np.ones((10, 10)))
    digits = drawing.as_digits(sheet)
    assert digits.dtype == np.uint8
    # the pen is about 4 of 32 pixels, inside PEN, so nothing was thinned or thickened: block by
    # block the same
    assert np.array_equal(digits, blocks)


def test_digits_have_the_data_sets_size_and_ink_whatever_the_pen():
    embedded = load("digits").x.astype(int)
    usual = np.percentile(embedded.sum(axis=1), [0.5, 99.5])  # pixels on in the data set itself
    for pen in (2, 8, 24, 40):
        digits = drawing.as_digits(1 - np.asarray(seven((400, 300), pen)) / 255).astype(int)
        assert usual[0] * 0.8 <= digits.sum() <= usual[1] * 1.2
        assert digits.any(axis=1).all()  # all 8 rows, as in every sample of the data set
        assert not digits[:, 0].any()
        assert digits.max() == 16


def test_a_bitmap_with_too_much_on_is_thinned_from_every_side():
    blot = np.zeros((500, 400))
    blot[60:380, 50:250] = 1  # all 20 x 32 pixels on, 640 > 560: two layers come off
    field = np.zeros((32, 32), dtype=int)
    field[2:30, 8:24] = 1
    assert np.array_equal(drawing.as_digits(blot), field.reshape(8, 4, 8, 4).sum(axis=(1, 3)))


def test_digits_stand_upright(monkeypatch):
    slanted = np.zeros((320, 320))
    for row in range(320):
        slanted[row, 200 - row // 4 : 240 - row // 4] = 1
    assert np.ptp(drawing.as_digits(slanted).argmax(axis=1)) == 0
    monkeypatch.setattr(drawing, "upright", lambda bitmap: bitmap)  # the wrong version
    assert np.ptp(drawing.as_digits(slanted).argmax(axis=1)) >= 2


@pytest.mark.parametrize(
    ("data", "picture"),
    [("mnist", (28, 28)), ("digits", (8, 8)), ("bars", (2, 2)), ("icons", (5, 9))],
)
def test_a_picture_becomes_a_raw_row_of_the_runs_data(data, picture, tmp_path):
    path = saved(tmp_path, seven())
    row = drawing.for_network(path, picture, data)
    assert row.shape == (picture[0] * picture[1],)
    assert row.dtype == np.float64
    full = {"mnist": 255, "digits": 16}.get(data, 1)
    assert 0 < row.max() <= full
    # one product, one quotient
    assert np.allclose(drawing.for_network(path, picture, data, 7.0), row * 7 / full, rtol=1e-15)


@pytest.mark.parametrize("dark", [0, 255])
def test_another_size_is_the_whole_picture_scaled(dark, tmp_path):
    """The four bars of 2x2 pixels, drawn with a margin's worth of nothing: half of each picture is
    inked."""
    for bar in ([1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]):
        ink = np.kron(np.reshape(bar, (2, 2)), np.ones((90, 90)))
        if dark == 255:  # light on a dark ground needs a ground that is larger than the ink
            ink[ink.shape[0] // 2 - 90 :][:1] = 0
            ink[:, :1] = ink[:, -1:] = ink[:1] = ink[-1:] = 0
        path = saved(tmp_path, Image.fromarray(np.uint8(abs(255 * (1 - ink) - dark))))
        row = drawing.for_network(path, (2, 2), "bars")
        assert np.abs(row - bar).max() < 0.05  # a line of 1 in 90 pixels at either side


def test_a_network_for_tables_refuses_pictures(tmp_path):
    path = saved(tmp_path, seven())
    assert refusal(drawing.for_network, path, None, "iris") == (
        f"{path}: expected numbers for a network that was trained on iris, which has no pictures, "
        "got a picture. "
        "Give a row of numbers, or choose another run with --run."
    )


def test_show_draws_the_row_within_80_columns():
    row = np.array([0, 255, 128, 0, 64, 192])
    assert drawing.as_text(row, (2, 3)) == ["  ██▒▒", "  ░░▓▓"]
    assert drawing.as_text(row, (2, 3), "ascii") == ["  ##::", "  ..++"]
    assert drawing.as_text(np.zeros(6), (2, 3)) == ["", ""]
    for picture in ((28, 28), (3, 40), (3, 41), (3, 80), (200, 300)):
        lines = drawing.as_text(np.ones(picture[0] * picture[1]), picture)
        assert 60 < max(map(len, lines)) + 24 <= 104
        assert max(map(len, lines)) <= 80


def test_nothing_heavy_is_imported_before_a_picture_is_opened():
    code = (
        "import sys, backproof.model.drawing; print([name for name in ('torch', 'PIL', "
        "'jaxtyping', 'matplotlib') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


@pytest.mark.mnist
def test_mnists_own_digits_come_back(mnist_folder, tmp_path):
    """Saved as they are, or enlarged and inverted: what is read resembles no other of 100 digits
    more than the one it was.

    Each is compared in nine places, because centring shifts by whole pixels.
    """
    mnist = load("mnist", mnist_folder)
    digits = mnist.x[mnist.test[:100]].reshape(-1, 28, 28)
    for index, digit in enumerate(digits[:25]):
        large = inverted(Image.fromarray(digit)).resize((280, 280), Image.Resampling.BICUBIC)
        for path in (saved(tmp_path, Image.fromarray(digit)), saved(tmp_path, large, "large.jpg")):
            read = drawing.as_mnist(drawing.read(path))
            assert is_centred(read)
            shifted = [
                np.roll(read, (y, x), axis=(0, 1)).astype(float)
                for y in (-1, 0, 1)
                for x in (-1, 0, 1)
            ]
            differences = np.min(
                [np.abs(digits - other).sum(axis=(1, 2)) for other in shifted], axis=0
            )
            assert differences.argmin() == index

"""Numbers, tables, pictures, folders and patterns become rows in the order given, or one clear
line."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from backproof import label
from backproof.model.checkpoint import save_model
from backproof.model.command_line import BadInput
from backproof.model.inputs import read_inputs
from backproof.model.preprocessing import Preprocessing
from backproof.model.saved_model import SavedModel


def model(picture=(8, 8), n_0=64, mean=8.0, scale=8.0):
    W = {1: np.random.default_rng(0).normal(size=(10, n_0)).astype(np.float32)}
    preprocessing = Preprocessing(np.full(n_0, mean), np.full(n_0, scale))
    return SavedModel(
        W,
        {1: np.zeros(10, np.float32)},
        preprocessing,
        tuple("0123456789"),
        "digits",
        "softmax",
        "cross-entropy",
        picture,
    )


def draw_seven(path):
    picture = Image.new("L", (120, 150), 255)
    ImageDraw.Draw(picture).line([(30, 30), (90, 30), (50, 120)], fill=0, width=12)
    picture.save(path)
    return str(path)


def test_pictures_and_tables_mix_in_the_order_given(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("\n".join([",".join(["3"] * 64)] * 2))
    rows = read_inputs([str(table), draw_seven(tmp_path / "seven.png")], model(), tmp_path)
    assert rows.names == ["rows.csv:1", "rows.csv:2", "seven.png"]
    assert rows.x.shape == (3, 64)
    assert (rows.x[:2] == 3).all()
    assert rows.x[2].max() == 16  # full ink, in the raw numbers of the data set


def test_full_ink_is_the_largest_raw_value_of_the_data_set(tmp_path):
    file = draw_seven(tmp_path / "seven.png")
    assert read_inputs([file], model((28, 28), 784, 0.0, 255.0), tmp_path).x.max() == 255
    assert read_inputs([file], model((28, 28), 784, 0.0, 1.0), tmp_path).x.max() == 1


def test_a_folder_and_a_pattern_are_the_files_in_them(tmp_path):
    (tmp_path / "drawings").mkdir()
    for name in ("b.png", "a.png", "notes.txt"):
        draw_seven(tmp_path / "drawings" / name) if name.endswith("png") else (
            tmp_path / "drawings" / name
        ).write_text("x")
    for given in ("drawings", "drawings/*.png"):
        assert read_inputs([str(tmp_path / given)], model(), tmp_path).names == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("empty", "expected a folder with pictures or tables, got none in it"),
        ("*.jpg", "expected files that match"),
        ("absent.png", "absent.png"),
    ],
)
def test_nothing_to_label_is_one_clear_line(tmp_path, given, line):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=line):
        read_inputs([str(tmp_path / given)], model(), tmp_path)


def test_a_picture_for_a_network_of_numbers_is_refused(tmp_path):
    with pytest.raises(BadInput, match="which has no pictures, got a picture"):
        read_inputs([draw_seven(tmp_path / "seven.png")], model(picture=None), tmp_path)


@pytest.fixture
def run(tmp_path):
    save_model(tmp_path, model())
    return str(tmp_path)


def test_show_draws_what_the_network_sees_above_the_label(run, tmp_path, capsys):
    assert label.main(["--run", run, "--show", draw_seven(tmp_path / "seven.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert max(map(len, lines[:8])) <= 16
    assert any("█" in line for line in lines[:8])
    assert lines[8].split()[0] in "0123456789"


def test_show_without_pictures_is_refused(tmp_path, capsys):
    save_model(tmp_path, model(picture=None))
    assert label.main(["--run", str(tmp_path), "--show", *["1"] * 64]) == 2
    assert capsys.readouterr().err == (
        "label.py: --show: expected a network that was trained on pictures, got one of digits. "
        "Leave --show out.\n"
    )


def test_show_beside_json_is_refused(run, capsys):
    with pytest.raises(SystemExit) as stopped:
        label.main(["--run", run, "--show", "--json", "1"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("label.py: --show: expected no --json beside it")


def test_one_bad_file_costs_no_other_and_is_told(tmp_path, capsys):
    save_model(tmp_path, model())
    drawings = tmp_path / "drawings"
    drawings.mkdir()
    draw_seven(drawings / "a.png")
    (drawings / "b.png").write_bytes(b"no picture")
    (drawings / "c.csv").write_text("1,2\n")
    draw_seven(drawings / "d.png")
    assert label.main(["--run", str(tmp_path), str(drawings)]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[-1] for line in out.splitlines()] == ["a.png", "d.png"]
    assert len(err.splitlines()) == 2
    assert "b.png: expected a PNG" in err
    assert "c.csv:1: expected " in err

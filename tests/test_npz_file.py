"""NPZ files: what is read, and the line that each bad one earns."""

import numpy as np
import pytest

from backproof.model.command_line import BadInput
from backproof.model.files.npz_file import read_npz

X, Y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])


def saved(folder, **arrays):
    path = folder / "t.npz"
    np.savez(path, **arrays)
    return path


def refusal(path):
    """What read_npz says about the file, after its name."""
    with pytest.raises(BadInput) as error:
        read_npz(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def test_rows_and_whole_labels_are_read(tmp_path):
    table = read_npz(saved(tmp_path, x=X, y=Y))
    assert np.array_equal(table.x, X)
    assert (table.y.tolist(), table.classes, table.picture) == ([0, 1, 0, 1], ("0", "1"), None)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (np.uint8, np.uint8),
        (bool, np.uint8),
        (np.int64, np.float64),
        (np.float32, np.float64),
        (np.float64, np.float64),
    ],
)
def test_features_are_kept_as_uint8_or_become_float64(tmp_path, dtype, stored):
    table = read_npz(saved(tmp_path, x=X.astype(dtype), y=Y))
    assert table.x.dtype == stored
    assert np.array_equal(table.x, X.astype(dtype))


def test_pictures_become_rows(tmp_path):
    table = read_npz(saved(tmp_path, x=np.arange(24.0).reshape(4, 2, 3), y=Y))
    assert table.picture == (2, 3)
    assert table.x[1].tolist() == [6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("y", "classes", "numbers", "names"),
    [
        (Y.astype(float), None, [0, 1, 0, 1], ("0", "1")),
        (Y.astype(bool), None, [0, 1, 0, 1], ("0", "1")),
        (10 - Y, None, [1, 0, 1, 0], ("9", "10")),
        (np.array(["b", "a", "b", "a"]), None, [1, 0, 1, 0], ("a", "b")),
        (np.array([b"b", b"a", b"b", b"a"]), None, [1, 0, 1, 0], ("a", "b")),
        (Y, np.array(["no", "yes"]), [0, 1, 0, 1], ("no", "yes")),
        (Y, np.array(["yes", "no", "never"]), [0, 1, 0, 1], ("yes", "no", "never")),
        (np.array(["b", "a", "b", "a"]), np.array(["b", "a"]), [0, 1, 0, 1], ("b", "a")),
        (Y, np.array([5, 7]), [0, 1, 0, 1], ("5", "7")),
    ],
    ids=[
        "floats",
        "booleans",
        "not from 0",
        "text",
        "bytes",
        "named",
        "unused name",
        "text in the order of classes",
        "numbers",
    ],
)
def test_labels_and_classes(tmp_path, y, classes, numbers, names):
    table = read_npz(saved(tmp_path, x=X, y=y, **({} if classes is None else {"classes": classes})))
    assert (table.y.tolist(), table.classes) == (numbers, names)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": X}, "expected arrays x and y, got x. Save them with numpy.savez(file, x=x, y=y)."),
        (
            {"data": X},
            "expected arrays x and y, got neither. Save them with numpy.savez(file, x=x, y=y).",
        ),
        (
            {"x": X.astype(complex), "y": Y},
            "expected real numbers in x, got dtype complex128. Convert them, x.astype(float).",
        ),
        (
            {"x": X[:, 0], "y": Y},
            "expected x of shape (N, n_0) or (N, height, width), none of them 0, got (4,). "
            "Reshape it.",
        ),
        (
            {"x": X[:0], "y": Y[:0]},
            "expected x of shape (N, n_0) or (N, height, width), none of them 0, got (0, 2). "
            "Reshape it.",
        ),
        (
            {"x": np.where(X == 5, np.nan, X), "y": Y},
            "expected finite numbers of at most 1e+30 in x, got nan in row 2. Correct it, or "
            "remove the row.",
        ),
        (
            {"x": np.where(X == 5, -np.inf, X), "y": Y},
            "expected finite numbers of at most 1e+30 in x, got -inf in row 2. Correct it, or "
            "remove the row.",
        ),
        (
            {"x": X, "y": Y[:3]},
            "expected y of shape (4,), one label for each row of x, got (3,). "
            "Give class numbers or names, y.argmax(axis=1) where y is one-hot.",
        ),
        (
            {"x": X, "y": np.eye(2)[Y]},
            "expected y of shape (4,), one label for each row of x, got (4, 2). "
            "Give class numbers or names, y.argmax(axis=1) where y is one-hot.",
        ),
        (
            {"x": X, "y": Y - 1},
            "expected whole numbers of at least 0 in y, got -1. Number the classes from 0, or "
            "name them with text.",
        ),
        (
            {"x": X, "y": Y + 0.5},
            "expected whole numbers of at least 0 in y, got 0.5. Number the classes from 0, or "
            "name them with text.",
        ),
        (
            {"x": X, "y": np.where(Y, np.nan, 0)},
            "expected whole numbers of at least 0 in y, got nan. Number the classes from 0, or "
            "name them with text.",
        ),
        (
            {"x": X, "y": np.where(Y, np.inf, 0)},
            "expected whole numbers of at least 0 in y, got inf. Number the classes from 0, or "
            "name them with text.",
        ),
        (
            {"x": X, "y": Y.astype("M8[D]")},
            "expected whole numbers or text in y, got dtype datetime64[D]. Convert the labels.",
        ),
        (
            {"x": X, "y": Y * 0},
            "expected labels of at least 2 classes, got one class in 4 rows, '0'. Add rows of "
            "another class.",
        ),
        (
            {"x": X, "y": Y * 0, "classes": np.array(["a", "b"])},
            "expected labels of at least 2 classes, got one class in 4 rows, '0'. Add rows of "
            "another class.",
        ),
        (
            {"x": X, "y": Y * 2, "classes": np.array(["a", "b"])},
            "expected labels 0 to 1 in y, one for each of the 2 classes, got '2'. Correct y, or "
            "add the class.",
        ),
        (
            {"x": X, "y": np.array(["a", "c", "a", "c"]), "classes": np.array(["a", "b"])},
            "expected labels a to b in y, one for each of the 2 classes, got 'c'. Correct y, or "
            "add the class.",
        ),
        (
            {"x": X, "y": Y, "classes": np.array(["a", "a"])},
            "expected at least 2 different names in classes, got ['a', 'a']. Correct them.",
        ),
        (
            {"x": X, "y": np.array([b"\xff", b"a"] * 2)},
            "expected names in UTF-8, got other bytes. Save them as text, not bytes.",
        ),
        (
            {"x": X, "y": np.array(["a", 1, "a", 1], dtype=object)},
            "expected arrays of numbers or text, got: Object arrays cannot be loaded when "
            "allow_pickle=False. "
            "Save them anew with numpy.savez.",
        ),
    ],
    ids=[
        "no y",
        "neither",
        "complex",
        "x of 1 dimension",
        "no rows",
        "NaN",
        "infinity",
        "y too short",
        "one-hot",
        "negative",
        "fractional",
        "NaN label",
        "infinite label",
        "dates",
        "one class",
        "one class of two",
        "label beyond classes",
        "name beyond classes",
        "equal names",
        "names in other bytes",
        "objects",
    ],
)
def test_refusal(tmp_path, arrays, expected):
    assert refusal(saved(tmp_path, **arrays)) == expected


@pytest.mark.parametrize(
    "content", [b"", b"x,y\n1,2\n", b"\x93NUMPY"], ids=["empty", "text", "npy"]
)
def test_another_kind_of_file_is_refused(tmp_path, content):
    (tmp_path / "t.npz").write_bytes(content)
    expected = (
        "expected an .npz file, got another kind of file. Check the path, or save x and y "
        "with numpy.savez."
    )
    assert refusal(tmp_path / "t.npz") == expected


def test_a_missing_file_is_refused(tmp_path):
    expected = (
        "expected an .npz file, got nothing under that name. Check the path, or save x and "
        "y with numpy.savez."
    )
    assert refusal(tmp_path / "t.npz") == expected


def test_a_damaged_file_is_refused(tmp_path):
    path = saved(tmp_path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[150:160] = b"damaged!!!"
    path.write_bytes(content)
    assert refusal(path).startswith(
        "expected arrays of numbers or text, got: Bad CRC-32 for file 'x.npy'"
    )

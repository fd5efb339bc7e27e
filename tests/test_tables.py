"""Which labels can be classes, and what the classes are called."""

import pytest

from backproof.model.command_line import BadInput
from backproof.model.files.tables import encode, shown


@pytest.mark.parametrize(
    ("labels", "y", "classes"),
    [
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        (["10", "9", "10"], [1, 0, 1], ("9", "10")),
        (["-1", "1", "1"], [0, 1, 1], ("-1", "1")),
        (["1.0", "1", "2"], [0, 0, 1], ("1", "2")),
        (["1.0", "1", "x"], [1, 0, 2], ("1", "1.0", "x")),
        (["0.5", "1.5", "0.5", "1.5"], [0, 1, 0, 1], ("0.5", "1.5")),
        (["1.000000000000000000e+00", "0.000000000000000000e+00"], [1, 0], ("0", "1")),
        (
            ["9007199254740993", "9007199254740992"],
            [1, 0],
            ("9007199254740992", "9007199254740993"),
        ),
        (["1_0", "10"], [1, 0], ("10", "1_0")),
        (["1" + "0" * 400, "1"], [1, 0], ("1", "1" + "0" * 400)),
    ],
    ids=[
        "text alphabetically",
        "numbers numerically",
        "negative numbers",
        "one number, two spellings",
        "two texts",
        "fractions that repeat",
        "savetxt",
        "beyond float64",
        "underscore",
        "too large for a float",
    ],
)
def test_encode_orders(labels, y, classes):
    got, names = encode(labels, "f.csv")
    assert (got.tolist(), names) == (y, classes)


def test_encode_refuses_one_class():
    with pytest.raises(BadInput) as error:
        encode(["a", "a"], "f.csv")
    assert str(error.value) == (
        "f.csv: expected labels of at least 2 classes, got one class in 2 rows, 'a'. Add rows of "
        "another class."
    )


def test_encode_refuses_a_quantity_to_predict():
    with pytest.raises(BadInput) as error:
        encode(["1.5", "2.5", "3.5"], "f.csv")
    assert str(error.value) == (
        "f.csv: expected classes that repeat, at most one for every two rows, got fractional "
        "numbers, as in regression: "
        "3 different ones in 3 rows, such as '1.5' and '2.5'. Give classes as labels, such as "
        "ranges of the value, or add --output linear to predict numbers."
    )


def test_encode_refuses_labels_that_hardly_repeat():
    with pytest.raises(
        BadInput,
        match="got labels that hardly repeat: 30 different ones in 30 rows, such as '0' and '1'",
    ):
        encode([str(price) for price in range(30)], "f.csv")


def test_encode_accepts_a_toy_with_one_row_for_each_class():
    assert encode(["cat", "dog", "owl"], "f.csv")[1] == ("cat", "dog", "owl")


def test_encode_accepts_one_class_for_every_two_rows():
    assert len(encode([str(i // 2) for i in range(30)], "f.csv")[1]) == 15


def test_shown_is_short_and_on_one_line():
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("x" * 1000)) == 40

"""What people give to label.py -> rows of numbers; what cannot be rows earns one line."""

import io
from pathlib import Path

import numpy as np
import pytest

from backproof.model.command_line import BadInput
from backproof.model.rows import Expected, read_rows

RUN = Path("runs/r")
TABLE = [[1, 2, 3, 4], [5, 6, 7, 8]]
WRONG_COUNT = "for the network in runs/r, got {}. Give 4, or choose another run with --run."


def read(*inputs):
    return read_rows(inputs, Expected(4, RUN))


def refusal(*inputs):
    with pytest.raises(BadInput) as error:
        read(*inputs)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("typed", [("1", "-2", "3e-2", "+.5"), ("1.0", " -2", "0.03", "5E-1")])
def test_typed_numbers_are_one_row(typed):
    rows = read(*typed)
    assert rows.x.tolist() == [[1, -2, 0.03, 0.5]]
    assert rows.names == [" ".join(typed).replace("  ", " ")]


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3,4\n5,6,7,8\n",
        "1,2,3,4\n5,6,7,8",
        "1,2,3,4\r\n5,6,7,8\r\n",
        "\ufeff1,2,3,4\n5,6,7,8\n",
        "1;2;3;4\n5;6;7;8\n",
        "1\t2\t3\t4\n5\t6\t7\t8\n",
        "1 2 3 4\n5 6  7 8\n",
        " 1, 2, 3, 4\n\n5, 6, 7, 8\n\n",
        "a,b,c,d\n1,2,3,4\n5,6,7,8\n",
    ],
    ids=[
        "plain",
        "no newline at the end",
        "Windows",
        "byte order mark",
        "semicolons",
        "tabs",
        "spaces",
        "blank lines",
        "header",
    ],
)
def test_the_same_rows_are_read_from_a_file_and_from_standard_input(monkeypatch, content):
    Path("t.csv").write_bytes(content.encode())
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode()), encoding="utf-8")
    )
    for name, called in (("t.csv", "t.csv"), ("-", "-")):
        rows = read(name)
        assert rows.x.dtype == np.float64
        assert rows.x.tolist() == TABLE
        lines = [
            number
            for number, line in enumerate(content.splitlines(), 1)
            if "1" in line or "5" in line
        ]
        assert rows.names == [f"{called}:{line}" for line in lines]


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint8, np.int64])
def test_npy_files_of_any_kind_of_number_are_read(kind):
    np.save("t.npy", np.array(TABLE, kind))
    rows = read("t.npy")
    assert (rows.x.tolist(), rows.x.dtype) == (TABLE, np.float64)
    assert rows.names == ["t.npy:1", "t.npy:2"]


def test_an_npy_vector_is_one_row_and_a_stack_of_pictures_one_row_each():
    np.save("v.npy", np.array(TABLE[0]))
    np.save("p.npy", np.array(TABLE).reshape(2, 2, 2))
    assert read("v.npy").x.tolist() == TABLE[:1]
    assert read("p.npy").x.tolist() == TABLE


def test_several_inputs_follow_each_other():
    Path("a.csv").write_text("1,2,3,4\n")
    np.save("b.npy", np.array(TABLE[1:]))
    rows = read("a.csv", "b.npy", "a.csv")
    assert rows.x.tolist() == [TABLE[0], TABLE[1], TABLE[0]]
    assert rows.names == ["a.csv:1", "b.npy:1", "a.csv:1"]


@pytest.mark.parametrize("typed", [["1", "2", "3"], ["1", "2", "3", "4", "5"]])
def test_another_number_of_numbers_is_refused(typed):
    assert (
        refusal(*typed) == f"the command line: expected 4 numbers {WRONG_COUNT.format(len(typed))}"
    )


@pytest.mark.parametrize(
    ("typed", "shown"), [("nan", "nan"), ("inf", "inf"), ("-1e999", "-inf"), ("1e31", "1e+31")]
)
def test_numbers_that_are_not_finite_are_refused(typed, shown):
    expected = (
        f"the command line: expected finite numbers of at most 1e+30, got {shown} in place "
        "3. Correct it."
    )
    assert refusal("1", "2", typed, "4") == expected


@pytest.mark.parametrize(
    "text", ["hello", "", " ", "1,2,3,4", "0x10", "1_0", "rows.txt", "pic.gif"]
)
def test_text_is_refused(text):
    assert refusal(text).startswith("expected 4 numbers, a .csv or .npy file")
    assert f"got {text!r}" in refusal(text)


@pytest.mark.parametrize("typed", [["1", "x", "3", "4"], ["x", "2", "3", "4"], ["1", "2", "x"]])
def test_the_one_word_among_numbers_is_named(typed):
    assert (
        refusal(*typed)
        == "expected 4 numbers, or files alone, got 'x' among numbers. Correct it, or leave it out."
    )


ROW_ERRORS = {
    "1,2,3,4\n5,6,7\n": f"line 2: expected 4 numbers {WRONG_COUNT.format(3)}",
    "1,2,3,4\n5,x,7,8\n": "line 2: expected numbers alone, got 'x'. Correct it, or remove the "
    "column.",
    "1,x,3,4\n5,6,7,8\n": "line 1: expected numbers alone, got 'x'. Correct it, or remove the "
    "column.",
    "1,2,3,4,a\n5,6,7,8,b\n": "line 1: expected numbers alone, got 'a'. Correct it, or remove the "
    "column.",
    "1,2,3,4\n5,,7,8\n": "line 2: expected numbers alone, got ''. Correct it, or remove the "
    "column.",
    "1,2,3,4\n5,6,7,nan\n": ":2: expected finite numbers of at most 1e+30, got nan in place 4. "
    "Correct it.",
    "1,2,3\n": f":1: expected 4 numbers {WRONG_COUNT.format(3)}",
    "a,b,c,d\n": ": expected rows of 4 numbers below the header, got none. Put one input on a "
    "line.",
}


@pytest.mark.parametrize("content", ROW_ERRORS)
def test_a_bad_line_is_named_and_no_row_is_taken_for_a_header(monkeypatch, content):
    Path("t.csv").write_text(content)
    assert refusal("t.csv").startswith("t.csv")
    assert refusal("t.csv").endswith(ROW_ERRORS[content])
    monkeypatch.setattr("sys.stdin", io.StringIO(content))
    assert refusal("-").endswith(ROW_ERRORS[content])


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_and_empty_standard_input_are_refused(monkeypatch, content):
    Path("t.csv").write_text(content)
    assert refusal("t.csv") == "t.csv: expected rows of numbers, got an empty file. Check the path."
    monkeypatch.setattr("sys.stdin", io.StringIO(content))
    assert (
        refusal("-")
        == "standard input: expected rows of 4 numbers, got an empty file. Put one input on a line."
    )


def test_bytes_that_are_no_text_are_refused(monkeypatch):
    Path("t.csv").write_bytes(b"1,2,3,4\n\xff\xfe")
    assert (
        refusal("t.csv")
        == "t.csv, line 2: expected UTF-8 text, got byte 0xff. Save the file as UTF-8."
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    assert refusal("-") == "standard input: expected UTF-8 text, got byte 0xff. Save it as UTF-8."


def test_a_missing_file_and_a_directory_are_refused():
    assert refusal("none.csv").startswith(
        "none.csv: expected a CSV file, got: No such file or directory."
    )
    assert (
        refusal("none.npy")
        == "none.npy: expected an .npy file of numbers, got no such file. Write it with numpy.save."
    )
    Path("d.csv").mkdir()
    Path("d.npy").mkdir()
    assert "Is a directory" in refusal("d.csv")
    assert "Is a directory" in refusal("d.npy")


def npy(text):
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line


BROKEN = {
    "empty": b"",
    "garbage": bytes(range(200)),
    "half a header": npy("{'descr': '<f8'")[:40],
    "header that never closes": npy("{" * 80),
    "more than memory": npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 4), }"
    ),
    "no data": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4), }"),
    "negative shape": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 4), }"),
    "code": npy(
        "{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,), }"
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_npy_file_is_refused(broken):
    Path("t.npy").write_bytes(BROKEN[broken])
    assert refusal("t.npy").startswith("t.npy: expected an ")


@pytest.mark.parametrize(
    "array",
    [
        np.float64(3),
        np.zeros((0, 4)),
        np.zeros((2, 0)),
        np.array(["a"]),
        np.zeros((1, 4), complex),
        np.zeros(4, "M8[s]"),
    ],
    ids=["a number", "no rows", "no columns", "text", "complex", "dates"],
)
def test_arrays_that_are_no_rows_are_refused(array):
    np.save("t.npy", array)
    assert refusal("t.npy").startswith(
        "t.npy: expected an array of numbers, one row an input, got "
    )


def test_pickled_objects_are_refused_unread():
    np.save("t.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "Object arrays cannot be loaded" in refusal("t.npy")


def test_an_archive_under_another_name_is_refused():
    np.savez("t.npz", x=np.zeros(4))
    Path("t.npz").rename("t.npy")
    assert refusal("t.npy").endswith("got NpzFile. Write it with numpy.save.")


NAMES = ("height", "width", "a b", "0")
NAMED = Expected(4, RUN, NAMES)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_put_into_the_order_of_their_names(tmp_path, separator):
    table = tmp_path / "t.csv"
    table.write_text(
        separator.join(['"a b"', "height", "0", "width"]) + "\n" + separator.join("1234")
    )
    assert read_rows([str(table)], NAMED).x.tolist() == [[2, 4, 1, 3]]
    table.write_text(separator.join("1234"))  # no header: by position
    assert read_rows([str(table)], NAMED).x.tolist() == [[1, 2, 3, 4]]


def test_names_that_are_numbers_are_known(tmp_path):
    (tmp_path / "t.csv").write_text("1,0\n5,6\n")
    expected = Expected(2, RUN, ("0", "1"))
    rows = read_rows([str(tmp_path / "t.csv")], expected)
    assert (rows.names, rows.x.tolist()) == (["t.csv:2"], [[6, 5]])


COLUMNS = {
    "a missing one": ("height,width,a b,depth", "expected one column called '0', got none. Name"),
    "one twice": ("height,width,a b,height", "expected one column called 'height', got two. Name"),
    "too few": ("height,width,a b", "expected one column called '0', got none. Name"),
    "one more": ("height,width,a b,0,label", "got one more, 'label'. Remove it."),
}


@pytest.mark.parametrize("wrong", COLUMNS)
def test_wrong_columns_are_refused(tmp_path, wrong):
    header, message = COLUMNS[wrong]
    (tmp_path / "t.csv").write_text(f"{header}\n{','.join('1' * len(header.split(',')))}\n")
    with pytest.raises(BadInput) as error:
        read_rows([str(tmp_path / "t.csv")], NAMED)
    assert message in str(error.value)

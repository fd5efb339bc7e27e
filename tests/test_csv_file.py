"""CSV files: every way to write one that is read, and the line that each bad one earns."""

import numpy as np
import pytest

from backproof.model.command_line import BadInput
from backproof.model.files import csv_file
from backproof.model.files.csv_file import read_csv

ROWS = "1,2.5,a\n3,4,b\n5,6,a\n"


def written(folder, content):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path):
    """What read_csv says, from the file's name on."""
    with pytest.raises(BadInput) as error:
        read_csv(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path.parent}/")


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.rstrip("\n"),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\r"),
        "\ufeff" + ROWS,
        "\n" + ROWS.replace("\n", "\n\n \n"),
        ROWS + ",,\n",
        ROWS.replace(",", ";"),
        ROWS.replace(",", "\t"),
        ROWS.replace(",", " , "),
        '"1","2.5","a"\n"3","4","b"\n"5","6","a"\n',
        ROWS.replace("3,", '"3", '),
        ROWS.replace("1,", "+1e0,"),
        "p,q,label\n" + ROWS,
        '"p";"q";"label"\n' + ROWS.replace(",", ";"),
        '"p, or\nnot","q","label"\n' + ROWS,
        "0,1,label\n" + ROWS.replace("a", "7").replace("b", "8"),
    ],
    ids=[
        "plain",
        "no newline at the end",
        "Windows",
        "old Mac",
        "byte order mark",
        "blank lines",
        "blank fields at the end",
        "semicolons",
        "tabs",
        "spaces",
        "quotes",
        "one quote",
        "exponent",
        "header",
        "quoted header",
        "header of two lines",
        "header of numbers",
    ],
)
def test_the_same_table_is_read_from(tmp_path, content):
    table = read_csv(written(tmp_path, content))
    assert table.x.dtype == np.float64
    assert table.x.tolist() == [[1, 2.5], [3, 4], [5, 6]]
    assert table.y.tolist() == [0, 1, 0]
    assert table.classes == (("7", "8") if content.startswith("0,1") else ("a", "b"))
    assert table.picture is None


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (ROWS, ()),
        ("p,q,label\n" + ROWS, ("p", "q")),
        (",q,label\n" + ROWS, ("", "q")),
        ("0,1,label\n" + ROWS.replace("a", "7").replace("b", "8"), ("0", "1")),
        ("0,1,label\n" + ROWS, ()),
        ("1,2,label\n" + ROWS.replace("a", "7").replace("b", "8"), ()),
    ],
    ids=[
        "no header",
        "header",
        "unnamed index",
        "header of numbers",
        "a class called label",
        "a row of numbers",
    ],
)
def test_columns_are_the_names_of_the_features(tmp_path, content, columns):
    assert read_csv(written(tmp_path, content)).columns == columns


def test_quoted_labels_may_hold_the_separator_quotes_and_line_breaks(tmp_path):
    table = read_csv(written(tmp_path, '1,"a, b"\n2,"say ""c"""\n3,"d\ne"\n4,"a, b"\n'))
    assert table.classes == ("a, b", "d\ne", 'say "c"')


def test_labels_may_be_in_any_script(tmp_path):
    assert read_csv(written(tmp_path, "1,ägypten\n2,日本\n")).classes == ("ägypten", "日本")


def test_nan_is_a_name_among_names(tmp_path):
    assert read_csv(written(tmp_path, "1,nan\n2,pita\n3,nan\n")).classes == ("nan", "pita")


@pytest.mark.parametrize("kind", ["whole", "decimal", "exponent", "huge"])
def test_the_quick_and_the_careful_reader_agree(tmp_path, monkeypatch, kind):
    generator = np.random.default_rng(3)
    cells = {
        "whole": generator.integers(-999, 999, (40, 3)).tolist(),
        "decimal": generator.normal(size=(40, 3)).tolist(),
        "exponent": (generator.normal(size=(40, 3)) * 1e-20).tolist(),
        "huge": [[10**19 + i, i, 2] for i in range(40)],  # beyond int64
    }[kind]
    path = written(tmp_path, "".join(f"{a},{b},{c},{i % 2}\n" for i, (a, b, c) in enumerate(cells)))
    quick = read_csv(path)
    monkeypatch.setattr(csv_file, "_quick", lambda *_: None)
    careful = read_csv(path)
    assert np.array_equal(quick.x, np.array(cells, dtype=np.float64))
    assert np.array_equal(careful.x, quick.x)
    assert np.array_equal(careful.y, quick.y)


def test_the_quick_reader_is_the_one_that_reads_plain_files(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "_careful", None)
    assert len(read_csv(written(tmp_path, '"p","q","label"\n' + ROWS)).x) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "t.csv: expected rows of numbers, got an empty file. Check the path."),
        ("\ufeff \n\r\n", "t.csv: expected rows of numbers, got an empty file. Check the path."),
        (',,\n""', "t.csv: expected rows of numbers and a label, got empty fields. Fill them in."),
        (
            "0,1,\n3,4,0\n5,6,1\n",
            "t.csv, line 1: expected a label in the last column, got an empty field. Fill it in, "
            "or remove the row.",
        ),
        (
            "p,q,label\n",
            "t.csv: expected rows below the header, got none. Add rows of numbers, each with its "
            "label.",
        ),
        (
            "1\n2\n",
            "t.csv, line 1: expected at least 2 columns, numbers and then a label, got 1: '1'. "
            "Separate the columns with commas, semicolons or tabs.",
        ),
        (
            "\n1 2 a\n",
            "t.csv, line 2: expected at least 2 columns, numbers and then a label, got 1: '1 2 a'. "
            "Separate the columns with commas, semicolons or tabs.",
        ),
        (
            "1,2,a\n\n3,4,5,b\n",
            "t.csv, line 3: expected 3 fields, as in the first line, got 4. "
            "Add what is missing, quote a field that holds the separator, or remove the line.",
        ),
        (
            "p,q,label\n1,2,a\n3,b\n",
            "t.csv, line 3: expected 3 fields, as in the first line, got 2. "
            "Add what is missing, quote a field that holds the separator, or remove the line.",
        ),
        (
            '"p\nq",r,label\n1,2,a\n3,oops,b\n',
            "t.csv, line 4, column 2 (r): expected a number, got 'oops'. Correct it, or remove "
            "the row.",
        ),
        (
            "1,2,a\n3,x4,b\n",
            "t.csv, line 2, column 2: expected a number, got 'x4'. Correct it, or remove the row.",
        ),
        (
            "1,2,a\n1_0,4,b\n",
            "t.csv, line 2, column 1: expected a number, got '1_0'. Correct it, or remove the row.",
        ),
        (
            "1;2;a\n1,5;4;b\n",
            "t.csv, line 2, column 1: expected a number, got '1,5'. Write decimals with a point.",
        ),
        (
            "1,2,a\n,4,b\n",
            "t.csv, line 2, column 1: expected a number, got an empty field. Correct it, or "
            "remove the row.",
        ),
        (
            "1,a\n,b\n",
            "t.csv, line 2, column 1: expected a number, got an empty field. Correct it, or "
            "remove the row.",
        ),
        (
            "p,label\n,a\n ,b\n",
            "t.csv, line 2, column 1 (p): expected a number, got an empty field. Correct it, or "
            "remove the row.",
        ),
        (
            "p,q,label\n1,2,a\nnan,4,b\n",
            "t.csv, line 3, column 1 (p): expected a finite number of at most 1e+30, got nan. "
            "Correct it, or remove the row.",
        ),
        (
            "nan,2,a\n3,4,b\n",
            "t.csv, line 1, column 1: expected a finite number of at most 1e+30, got nan. Correct "
            "it, or remove the row.",
        ),
        (
            '1,2,a\n\n3,"-Infinity",b\n',
            "t.csv, line 3, column 2: expected a finite number of at most 1e+30, got -inf. "
            "Correct it, or remove the row.",
        ),
        (
            "1,2,a\n3,1e31,b\n",
            "t.csv, line 2, column 2: expected a finite number of at most 1e+30, got 1e+31. "
            "Correct it, or remove the row.",
        ),
        (
            "5.1,,1.4,a\n4.9,3,1.4,b\n",
            "t.csv, line 1: expected numbers, or a header of names, got '' and '5.1'. "
            "Correct the number, or give every column a name.",
        ),
        (
            "1,2,a\n3,4,\n",
            "t.csv, line 2: expected a label in the last column, got an empty field. Fill it in, "
            "or remove the row.",
        ),
        (
            "p,q,label\n1,2,0\n3,4,nan\n5,6,1\n",
            "t.csv, line 3: expected a label in the last column, got 'nan'. Fill it in, or remove "
            "the row.",
        ),
        (
            "1,2,a\n3,4,a\n",
            "t.csv: expected labels of at least 2 classes, got one class in 2 rows, 'a'. Add rows "
            "of another class.",
        ),
        (
            b"1,2,a\n3,4,caf\xe9\n",
            "t.csv, line 2: expected UTF-8 text, got byte 0xe9. Save the file as UTF-8.",
        ),
        (
            "1,2,a\n3,4,b\n".encode("utf-16"),
            "t.csv, line 1: expected UTF-8 text, got byte 0xff. Save the file as UTF-8.",
        ),
        (
            '1,2,a\n3,4,"b\n5,6,a\n',
            "t.csv, line 2: expected fields, quoted or not, got: unexpected end of data. "
            "Close the quote, and write a quote inside of quotes twice.",
        ),
    ],
    ids=[
        "empty",
        "blank",
        "empty fields",
        "empty label in the first line",
        "header only",
        "one column",
        "one column of spaces",
        "too many fields",
        "too few fields",
        "text below a header",
        "text",
        "underscore",
        "decimal comma",
        "empty field",
        "empty only feature",
        "no feature at all",
        "NaN",
        "NaN in the first line",
        "infinity",
        "too large",
        "half a header",
        "empty label",
        "NaN among numeric labels",
        "one class",
        "Latin-1",
        "UTF-16",
        "open quote",
    ],
)
def test_refusal(tmp_path, content, expected):
    assert refusal(written(tmp_path, content)) == expected


def test_a_missing_file_is_refused(tmp_path):
    assert (
        refusal(tmp_path / "t.csv")
        == "t.csv: expected a CSV file, got: No such file or directory. Check the path."
    )


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "t.csv").mkdir()
    assert (
        refusal(tmp_path / "t.csv")
        == "t.csv: expected a CSV file, got: Is a directory. Check the path."
    )


def test_a_target_that_looks_like_regression_is_refused(tmp_path):
    content = "".join(f"{i},{i + 0.25}\n" for i in range(30))
    assert refusal(written(tmp_path, content)).startswith(
        "t.csv: expected classes that repeat, at most one for every two rows, got fractional "
        "numbers, as in regression: 30"
    )

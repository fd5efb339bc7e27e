"""Text, separators and records; test_csv_file.py has the whole tables, and every refusal."""

from pathlib import Path

import pytest

from backproof.model.command_line import BadInput
from backproof.model.files.csv_text import read_text, records_of, separator_of


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        ("1,2,a", ","),
        ("1;2;a", ";"),
        ("1,5;2,5;a", ";"),
        ("1\t2;3\ta", "\t"),
        ('"a;b",c', ","),
        ('"a\tb";c', ";"),
        ("alone", ","),
    ],
)
def test_separator_is_a_tab_else_a_semicolon_else_a_comma_outside_quotes(first, separator):
    assert separator_of(f"\n{first}\n1;2\t3\n") == separator


def test_text_loses_the_byte_order_mark_and_other_line_ends(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "t.csv") == "a\nb\nc\n"


def test_records_carry_the_number_of_their_first_line():
    text = 'a, b \n\n"two\nlines",c\n , \nd,"say ""e"""'
    assert list(records_of(Path("t.csv"), text, ",")) == [
        (1, ["a", "b"]),
        (3, ["two\nlines", "c"]),
        (6, ["d", 'say "e"']),
    ]


def test_records_refuse_a_field_larger_than_any_number():
    with pytest.raises(
        BadInput, match=r"^t.csv, line 2: expected fields, quoted or not, got: field larger than"
    ):
        list(records_of(Path("t.csv"), "a,b\n" + "x" * 200_000 + ",b\n", ","))

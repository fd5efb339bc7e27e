"""What GitHub Actions marks in a pull request: the line, or the file, and nothing where it is
right."""

from __future__ import annotations

from test_html import WRONG, found

from backproof.checks.report.annotations import annotation


def test_a_wrong_line_is_marked() -> None:
    assert annotation(WRONG) == "::error file=ada.py,line=12::The derivative is taken twice."


def test_a_notebook_s_line_and_an_unknown_one_mark_the_file() -> None:
    line = {"file": "a.ipynb", "cell": 2, "number": 3, "text": ""}
    assert annotation(found("fail", "a.ipynb", line=line)) == "::error file=a.ipynb::not right"
    assert annotation(found("untested", statement="no")) == "::warning file=ada.py::no"


def test_what_is_right_is_not_marked() -> None:
    assert annotation(found("pass")) is None


def test_no_text_can_break_out_of_the_command() -> None:
    marked = annotation(found("fail", "a:b,c\n.py", statement="100%\n::error::no"))
    assert marked == "::error file=a%3Ab%2Cc%0A.py::100%25%0A::error::no"

"""Refusals are one line that says what was expected, what came and what to do; exit code 2."""

import argparse
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from backproof.model.command_line import (
    BAD_INPUT,
    INTERRUPTED,
    Parser,
    complain,
    finite,
    folder,
    importing,
    one_of,
    unwritable,
    whole_number,
)
from backproof.model.pasted import python

ROOT = Path(__file__).parents[1]


def refusal(convert, text):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        convert(text)
    return str(error.value)


@pytest.mark.parametrize(("text", "number"), [("1", 1), (" 7 ", 7), ("4294967295", 2**32 - 1)])
def test_whole_number_accepts(text, number):
    assert whole_number(1)(text) == number


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "x", "", "nan", "1e3"])
def test_whole_number_refuses_too_small_and_what_is_none(text):
    assert refusal(whole_number(1), text) == f"expected a whole number of at least 1, got {text!r}."


@pytest.mark.parametrize("text", ["4294967296", "99999999999999999999"])
def test_whole_number_says_what_is_too_large(text):
    assert (
        refusal(whole_number(0), text)
        == f"expected a whole number of at most 4294967295, got {text!r}."
    )


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 0.001), ("0", 0.0), ("1e30", 1e30), (".5", 0.5)]
)
def test_finite_accepts(text, number):
    assert finite(at_least=0.0)(text) == number


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "x", "", "0", "-1", "1e-400"])
def test_finite_above_zero_refuses(text):
    assert refusal(finite(above=0.0), text) == f"expected a finite number above 0, got {text!r}."


@pytest.mark.parametrize("text", ["-0.1", "nan"])
def test_finite_at_least_zero_refuses(text):
    assert (
        refusal(finite(at_least=0.0), text)
        == f"expected a finite number of at least 0, got {text!r}."
    )


@pytest.mark.parametrize("text", ["1e31", "-1e300"])
def test_finite_refuses_what_float32_arithmetic_would_overflow(text):
    assert refusal(finite(), text) == f"expected a number of at most 1e+30, got {text!r}."


def test_one_of_names_the_choices():
    assert one_of("a", "b")("b") == "b"
    assert refusal(one_of("a", "b"), "c") == "expected one of a, b, got 'c'."


@pytest.mark.parametrize("text", ["", "  "])
def test_folder_refuses_the_empty_name_of_an_unset_variable(text):
    assert folder("a b") == Path("a b")
    assert refusal(folder, text) == f"expected the name of a folder, got {text!r}."


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--nope", "x"], "expected the flags of --help, got --nope."),
        (["--n"], "--n: expected one value, got none."),
        (["--n", "0", "x"], "--n: expected a whole number of at least 1, got '0'."),
        ([], "expected x, got nothing."),
        (
            ["--numb", "1", "x"],
            "expected the flags of --help, got --numb x.",
        ),  # the 1 is taken for x
    ],
    ids=["unknown flag", "no value", "bad value", "nothing", "abbreviation"],
)
def test_the_parser_refuses_in_one_line(capsys, argv, line):
    parser = Parser(prog="p.py")
    parser.add_argument("--n", type=whole_number(1))
    parser.add_argument("--number")
    parser.add_argument("x")
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(argv)
    assert exit_.value.code == BAD_INPUT
    assert capsys.readouterr() == ("", f"p.py: {line} See {python()} p.py --help.\n")


def test_complain_makes_one_line_of_any_message(capsys):
    complain("p.py", "two\nlines\r\n  and\tmore ")
    assert capsys.readouterr().err == "p.py: two lines and more\n"


def test_unwritable_names_the_file_that_was_meant_not_the_temporary(capsys):
    assert unwritable("p.py", OSError(21, "Is a directory", ".f.tmp", None, "f")) == BAD_INPUT
    assert (
        capsys.readouterr().err
        == "p.py: f: expected a file or folder that can be written, got: Is a directory. Free or "
        "rename it.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_standard_output_is_one_line():
    done = _print_into("open('/dev/full', 'w')")
    assert done.returncode == BAD_INPUT
    assert done.stderr.decode() == (
        "p.py: the output: expected a file or folder that can be written, got: No space left on "
        "device. Free or rename it.\n"
    )


def test_a_reader_who_has_gone_is_no_error():
    done = _print_into("os.fdopen(write, 'w')")
    assert (done.returncode, done.stderr) == (INTERRUPTED, b"")


def _print_into(target):
    program = (
        "import os, sys; from backproof.model.command_line import unwritable\n"
        f"read, write = os.pipe(); os.close(read); target = {target}; os.dup2(target.fileno(), 1)\n"
        "try: print('x', flush=True)\n"
        "except OSError as error: sys.exit(unwritable('p.py', error))"
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=ROOT, check=False
    )


def test_nothing_is_collected_while_something_is_imported_and_everything_afterwards():
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen  # nothing was imported


def test_what_was_imported_is_not_looked_through_again():
    program = (
        "import gc; from backproof.model.command_line import importing\nwith importing(): "
        "import wave\nprint(gc.get_freeze_count() > 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"

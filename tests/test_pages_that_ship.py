"""backproof equation and backproof examples: what ships with the package, in any folder."""

from __future__ import annotations

import re

import pytest
from command import ROOT

from backproof.checks.pages import equations, examples
from backproof.checks.pages.tex import as_unicode

PAGE = (ROOT / "checks/EQUATIONS.md").read_text("utf-8")
TAGS = re.findall(r"^### \((\w\d+)\)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("tag", TAGS)
def test_every_equation_of_the_page_is_told(tag, capsys):
    assert equations.main([tag]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"({tag}) ")
    assert f"# ({tag})" in told  # the line of code that carries it
    assert "$" not in told
    assert "\\" not in told


@pytest.mark.parametrize("word", ["B5", "b5", "(B5)", " (b5)"])
def test_a_tag_may_be_typed_as_it_is_read(word, capsys):
    assert equations.main([word]) == 0
    assert "dz[layer - 1] = " in capsys.readouterr().out


def test_without_a_tag_all_are_listed(capsys):
    assert equations.main([]) == 0
    assert [line[1:].split(")")[0] for line in capsys.readouterr().out.splitlines()] == TAGS


def test_an_unknown_tag_is_one_line(capsys):
    assert equations.main(["B99"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"backproof equation: expected one of F1, .*, got 'B99'\.\n", said.err)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r"\frac{\partial \mathcal{L}}{\partial z_j}", "∂L/∂z_j"),
        (r"\frac{p_j - Y_j}{N}", "(p_j - Y_j)/N"),
        (r"-\frac{Y_i}{N p_i}", "-Y_i/(N p_i)"),
        (r"\frac{1}{1 + e^{-z}}", "1/(1 + e^(-z))"),
        (r"\frac{1}{N} \sum_n \ell_n", "1/N Σ_n ℓ_n"),
        (r"W^{(l)}_{jk}", "W[l]_jk"),
        (r"\ln e^{z_{n y_n}}", "ln e^(z_(n y_n))"),
        (r"\sum_i e^{z_{ni}}", "Σ_i e^(z_ni)"),
        (r"a_0 \cdot a_1", "a₀ · a₁"),
        (r"\frac{a}{\frac{b}{c}}", "a/(b/c)"),
    ],
)
def test_formulas_keep_their_meaning_in_one_line(formula, text):
    assert as_unicode(formula) == text


def test_examples_are_listed_and_copied_whole(tmp_path, capsys):
    assert examples.main([]) == 0
    listed = capsys.readouterr().out
    names = [path.name for path in sorted((ROOT / "examples").glob("*.py"))]
    assert all(f"{name}: " in listed for name in names)
    target = tmp_path / "mine"
    assert examples.main(["--copy", str(target)]) == 0
    for name in names:
        assert (target / name).read_bytes() == (ROOT / "examples" / name).read_bytes()


def test_nothing_that_is_there_is_replaced(tmp_path, capsys):
    (tmp_path / "one_sample.py").write_text("mine")
    assert examples.main(["--copy", str(tmp_path)]) == 2
    assert "expected no one_sample.py, got one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["one_sample.py"]
    assert (tmp_path / "one_sample.py").read_text() == "mine"

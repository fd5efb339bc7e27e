"""The page of --explain: its numbers are those of the witnesses, in every notation, and it fits a
screen."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from backproof.checks import by_hand
from backproof.checks.__main__ import main
from backproof.checks.activations import NAMES, named
from backproof.checks.by_hand import Backward
from backproof.checks.heads import CLASSIC, Head
from backproof.checks.heads import HEADS as HEADS_ALL
from backproof.checks.problem import draw, standard
from backproof.checks.walkthrough.code import lines_that_compute
from backproof.checks.walkthrough.command import main as explain
from backproof.checks.walkthrough.command import parse_args
from backproof.checks.walkthrough.notation import BACKPROOF, NOTATIONS
from backproof.checks.walkthrough.text import (
    COLUMNS,
    MOST_SHOWN,
    nudged,
    number,
    walkthrough,
)
from backproof.checks.witnesses import by_autograd

HEADS = [(head.output, head.cost) for head in CLASSIC]

NUMBER = r"-?\d+\.\d+(?:e[+-]\d+)?"


def head_id(head: tuple[str, str]) -> str:
    return "+".join(head)


def numbers(lines: list[str]) -> list[str]:
    """Every number with decimals, in order; symbols have none, and where a line breaks does not
    matter."""
    return re.findall(NUMBER, " ".join(lines))


@pytest.mark.parametrize("head", HEADS, ids=head_id)
@pytest.mark.parametrize(
    "sizes", [(2, 3, 2), (3, 2), (4, 5, 3, 5)], ids=lambda sizes: "-".join(map(str, sizes))
)
def test_each_array_on_the_page_is_what_autograd_computes(
    sizes: tuple[int, ...], head: tuple[str, str]
) -> None:
    problem = draw(sizes, 1, seed=5, head=Head(head[0], head[1]))
    witness, page = by_autograd.witness(problem), "\n".join(walkthrough(problem, BACKPROOF))
    compared = 0
    for name, values in witness.items():
        if name.startswith("z[") or name == "losses":
            continue  # written as sums; they have tests of their own
        rows = np.atleast_2d(values.squeeze(0) if name == "J" else values)
        expected = [[number(float(value)).strip() for value in row] for row in rows]
        block = re.search(rf"^    {re.escape(name)} .*(?:\n {{16,}}.*)*", page, re.MULTILINE)
        assert block, name
        assert [
            re.findall(NUMBER, line.removeprefix(f"    {name}")) for line in block[0].splitlines()
        ] == expected, name
        compared += len(expected)
    assert compared >= 4


def test_each_sum_and_the_loss_end_in_what_autograd_computes() -> None:
    problem = draw((2, 3, 2), 1, seed=2)
    witness, page = (
        by_autograd.witness(problem),
        " ".join(" ".join(walkthrough(problem, BACKPROOF)).split()),
    )
    for layer in problem.W:
        for j, z in enumerate(witness[f"z[{layer}]"][0]):
            assert re.search(
                rf"z\[{layer}\]\[{j}\] = [^=]* = {re.escape(number(float(z)).strip())} ", page
            )
    assert f" loss = {number(float(witness['losses'][0])).strip()} " in page


@pytest.mark.parametrize("head", HEADS, ids=head_id)
def test_every_notation_has_the_same_numbers(head: tuple[str, str]) -> None:
    problem = draw((3, 4, 2), 1, seed=7, head=Head(head[0], head[1]))
    pages = [numbers(walkthrough(problem, notation)) for notation in NOTATIONS.values()]
    assert len(pages[0]) > 50
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize("notation", NOTATIONS.values(), ids=NOTATIONS)
@pytest.mark.parametrize(
    "sizes", [(2, 3, 2), (1, 2), (5, 5, 5), (784, 30, 20, 10), (2, 1, 1, 1, 1, 12)], ids=str
)
def test_no_line_is_longer_than_a_screen_is_wide(sizes: tuple[int, ...], notation: object) -> None:
    for head in HEADS:
        for line in walkthrough(draw(sizes, 1, seed=1, head=Head(head[0], head[1])), notation):  # type: ignore[arg-type]
            assert len(line) <= COLUMNS


def test_a_wide_layer_says_which_part_is_shown() -> None:
    page = "\n".join(walkthrough(draw((64, 7, 10), 1, seed=0), BACKPROOF))
    assert "Layer 0 has 64 units; shown are the largest inputs: 33, 36, 42, 44, 54." in page
    assert page.count(" ...") > MOST_SHOWN


def test_the_class_is_shown_even_where_it_is_not_among_the_first() -> None:
    problem = replace(draw((3, 12), 1, seed=0), y=np.array([11]))
    assert "Layer 1 has 12 units; shown are units: 0, 1, 2, 3, 11." in walkthrough(
        problem, BACKPROOF
    )


def test_nudges_agree_with_the_gradient_as_far_as_the_loss_is_straight() -> None:
    problem = draw((2, 3, 2), 1, seed=4)
    gradient = by_autograd.witness(problem)
    for layer, W in problem.W.items():
        for index in np.ndindex(W.shape):
            # The loss is smooth: raising by h changes it by h g + h^2 f''/2, and here |f''| is
            # below 1, so h^2 / 2 = 5e-7.
            assert (
                abs(nudged(problem, "W", layer, index) - 1e-3 * gradient[f"dW[{layer}]"][index])
                < 5e-7
            )


def test_a_wrong_gradient_is_seen_beside_its_nudge(monkeypatch: pytest.MonkeyPatch) -> None:
    right = by_hand.backward

    def without_the_derivative(*args: object, **settings: object) -> Backward:
        back = right(*args, **settings)  # type: ignore[arg-type]
        return replace(back, dW=back.dW | {1: back.da[1].T @ args[0].a[0]})  # type: ignore[attr-defined]

    problem = draw((2, 3, 2), 1, seed=4)
    table = re.compile(rf"^    W\[1\]\S+ +0\.001 +({NUMBER}) +({NUMBER})$", re.MULTILINE)
    before = table.findall("\n".join(walkthrough(problem, BACKPROOF)))
    monkeypatch.setattr(by_hand, "backward", without_the_derivative)
    after = table.findall("\n".join(walkthrough(problem, BACKPROOF)))
    assert all(abs(float(change) - float(says)) < 1e-6 for change, says in before)
    assert all(abs(float(says)) > 2 * abs(float(change)) for change, says in after)
    assert len(before) > 1
    assert len(after) > 1


@pytest.mark.parametrize("head", HEADS_ALL, ids=str)
def test_every_tag_on_the_page_quotes_a_line_that_computes_it(head: Head) -> None:
    problem = draw((2, 3, 2), 1, seed=0, head=head)
    lines = lines_that_compute(problem)
    page = walkthrough(problem, BACKPROOF)
    tags = 0
    for at, line in enumerate(page):
        if tag := re.match(r"\([FB]\d+\)", line):
            tags += 1
            quoted = " ".join(page[at + 1 : at + 3]).replace("code: ", "").split()
            of_tag = [line.text.split() for line in lines if line.tag == tag[0]]
            assert any(quoted[: len(code)] == code for code in of_tag), line
    assert tags >= 10


def test_the_lines_are_those_that_run_and_no_others() -> None:
    relu = lines_that_compute(draw((2, 3, 2), 1, seed=0, hidden=named("relu")))
    assert {line.tag for line in relu} >= {"(F1)", "(F2)", "(A3)", "(B1)", "(B5)"}
    assert not {line.tag for line in relu} & {"(A1)", "(B7)", "(B8)", "(B9)", "(B10)"}
    assert [line.function for line in relu if line.tag == "(A3)"] == ["h", "h_prime"]


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_is_explained_in_every_notation(name: str) -> None:
    problem = draw((3, 4, 4, 2), 1, seed=7, hidden=named(name))
    pages = [walkthrough(problem, notation) for notation in NOTATIONS.values()]
    assert numbers(pages[0]) == numbers(pages[1]) == numbers(pages[2])
    assert all(len(line) <= COLUMNS for page in pages for line in page)
    assert sum(line.startswith("(B5)") for line in pages[0]) == 2


def test_a_relu_network_shows_its_kink_and_what_is_dead() -> None:
    problem = draw((2, 4, 2), 1, seed=1, hidden=named("relu"))
    page = " ".join(" ".join(walkthrough(problem, BACKPROOF)).split())
    z = problem.forward().z[1][0]
    nearest = int(np.abs(z).argmin())
    assert "(B5) dz[1] = da[1] h'(z[1]), h' = 1 if z[1] > 0 else 0" in page
    assert f"nearest to it is z[1][{nearest}] = {number(float(z[nearest])).strip()}." in page
    off = [f"z[1][{j}]" for j in np.flatnonzero(z < 0)]
    assert off
    assert f"Nothing goes back through {', '.join(off)}, which" in page


def test_values_in_place_of_a_class_are_shown_as_they_are() -> None:
    head = Head("linear", "quadratic")
    problem = draw((2, 3, 2), 1, seed=1, head=head, labels="values")
    page = "\n".join(walkthrough(problem, BACKPROOF))
    assert "the class is" not in page
    assert f"    Y            {number(float(problem.Y[0, 0]))}" in page


def test_explain_walks_through_the_problem_that_the_same_flags_verify(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--explain", "--seed", "3", "--sizes", "3", "4", "2"]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == f"Problem {next(standard(1, 3, (3, 4, 2), 1)).id}"


def test_an_unknown_notation_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--explain", "--notation", "sadowski"])
    error = capsys.readouterr().err
    assert error.startswith(
        "python -m checks: --notation: expected one of backproof, 3blue1brown, nielsen, got "
        "'sadowski'."
    )


def test_explain_takes_activations_an_output_and_a_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = ["--activation", "relu", "--output", "linear", "--cost", "half-quadratic"]
    assert main(["--explain", "--sizes", "2", "4", "3", "2", *chosen]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Problem 2-4-3-2 N=1 linear+half-quadratic relu fresh values seed=0")
    assert "at the kink, z = 0; nearest to it is" in out
    assert main(["--explain", "--activation", "swish"]) == 2
    assert "--cost: expected an activation of sigmoid, tanh, " in capsys.readouterr().err
    assert main(["--explain", "--sizes", "2", "3", "2", "--activation", "relu", "tanh"]) == 2
    assert "got 2. Choose" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--activation", "relu"])
    assert "expected --explain beside them" in capsys.readouterr().err


SAID_IN_HELP = re.compile(r"--[a-z-]+")


def test_the_help_of_explain_has_its_own_flags_and_ends_with_examples(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        explain(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    flags = {"--activation", "--cost", "--help", "--html", "--notation", "--output", "--run"}
    assert set(SAID_IN_HELP.findall(said)) == flags | {"--seed", "--sizes"}
    assert "CANDIDATE" not in said
    examples = said.partition("examples:\n")[2].splitlines()
    assert len(examples) > 3
    for example in examples:
        parse_args(example.split()[2:])


@pytest.mark.parametrize("argv", [["mine.py"], ["--json"], ["--run", "r", "--cost", "quadratic"]])
def test_explain_refuses_what_it_does_not_take(argv: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as left:
        explain(argv)
    assert left.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_flag_of_check_prints_the_same_page(capsys) -> None:
    flags = ["--sizes", "3", "4", "2", "--activation", "relu", "--notation", "nielsen"]
    assert explain(flags) == 0
    said = capsys.readouterr().out
    assert main(["--explain", *flags]) == 0
    assert capsys.readouterr().out == said


def test_the_page_of_one_file_has_every_line_of_the_text(tmp_path: Path, capsys) -> None:
    assert explain(["--html", str(tmp_path / "one.html")]) == 0
    assert capsys.readouterr().out == ""
    page = (tmp_path / "one.html").read_text("utf-8")
    assert explain([]) == 0
    text = capsys.readouterr().out.splitlines()
    shown = unescape(re.sub(r"<[^>]*>", "\n", page.partition("</style>")[2])).splitlines()
    ruled = [line for line in text if line.strip("-")]
    assert [line for line in shown if line][1:] == ruled[1:]
    titles = [text[at - 1] for at, line in enumerate(text) if line and not line.strip("-")]
    assert re.findall(r"<h2>(.*?)</h2>", page) == titles
    assert "Backward" in titles
    assert "http" not in page


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, capsys) -> None:
    assert explain(["--html", str(tmp_path / "none" / "one.html")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

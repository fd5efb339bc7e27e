"""Every line of by_hand.py, wrong on purpose, in every way that these rules know: each must be
caught, and named.

A rule is a small edit that somebody could make by mistake. It is applied to every place of every
line of code in the passes.
"""

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backproof.checks import by_hand
from backproof.checks.heads import HEADS, Head
from backproof.checks.problem import HARD_KINDS, draw, every_kind, standard
from backproof.checks.witnesses.verify import verify, verify_quickly

ROOT = Path(__file__).parents[1]
SOURCE = (ROOT / "checks/by_hand.py").read_text().splitlines()
RULES = {
    "sign": [(r" - ", " + "), (r" \+ ", " - "), (r"\(-", "("), (r", -z", ", z")],
    "factor": [
        (r" / N", ""),
        (r"\b2 \* ", "3 * "),
        (r"\*\* 2", "** 3"),
        (r" \* ", " / "),
        (r"/ e\.sum", "* e.sum"),
        (r"= 1$", "= 2"),
        (r"/ 2 ", "/ 3 "),
        (r"\b1 if", "1.5 if"),
        (r"else 2\b", "else 2.5"),
    ],
    "transpose": [(r"\.T\b", ""), (r"(W\[layer\])$", r"\1.T")],
    "index": [
        (r"\[layer - 1\]", "[layer]"),
        (r"\[layer\]", "[layer - 1]"),
        (r"axis=0", "axis=1"),
        (r"axis=1", "axis=0"),
    ],
    "missing": [
        (r" \+ b\[layer\]", ""),
        (r" \* a\[layer - 1\] ", " "),
        (r" \* p ", " "),
        (r" - Y\b", ""),
        (r">= 0", "< 0"),
    ],
}
# the head with the most exponentials
HARDEST = draw(
    (5, 4, 3), 6, 0, regime="extreme-logits", head=Head("softmax", "binary-cross-entropy")
)
FUNCTIONS = (
    "forward",
    "through_layers",
    "losses",
    "backward",
    "output_of",
    "softmax",
    "softmax_jacobian",
    "log_sum_exp",
    "log_sum_exp_of_rest",
    "softmax_of_rest",
    "_without_own",
    "log_one_plus_exp",
    "targets",
    "one_hot",
)


def lines_of_code():
    """Line numbers (from 0) of the functions' bodies, without docstrings and signatures."""
    for name in FUNCTIONS:
        function = getattr(by_hand, name)
        source, first = inspect.getsourcelines(inspect.unwrap(function))
        inside = False
        for offset, line in enumerate(source):
            quotes = line.count('"""')
            if (
                quotes == 0
                and not inside
                and not line.lstrip().startswith(("def ", "@", "#", ")", "x:", "z_L:", "passed:"))
            ):
                yield first - 1 + offset
            inside ^= quotes == 1


def mutants():
    """(line number, rule, the wrong line), each different from the right one and from each
    other."""
    for number in lines_of_code():
        code, mark, comment = SOURCE[number].partition("  # ")
        if " = " not in code and "return" not in code:
            continue
        seen = {code}
        for rule, edits in RULES.items():
            for pattern, replacement in edits:
                for place in re.finditer(pattern, code):
                    wrong = code[: place.start()] + place.expand(replacement) + code[place.end() :]
                    if wrong not in seen:
                        seen.add(wrong)
                        yield pytest.param(
                            number, wrong + mark + comment, id=f"{number + 1}-{rule}-{len(seen)}"
                        )


@pytest.fixture
def by_hand_with(monkeypatch, tmp_path):
    """Replace one line of by_hand.py for as long as a test runs."""

    def replace(number, line):
        path = tmp_path / "by_hand.py"
        path.write_text("\n".join([*SOURCE[:number], line, *SOURCE[number + 1 :]]) + "\n")
        spec = importlib.util.spec_from_file_location("wrong_by_hand", path)
        wrong = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "wrong_by_hand", wrong)
        spec.loader.exec_module(wrong)
        monkeypatch.setattr(by_hand, "__file__", str(path))
        wrong.Forward, wrong.Backward = by_hand.Forward, by_hand.Backward
        for name in FUNCTIONS:
            monkeypatch.setattr(by_hand, name, getattr(wrong, name))

    return replace


def everything(problem):
    return verify(problem, differences=False)


def first_failure(check=everything):
    """The first comparison that fails, on the first of the standard problems that has one."""
    for problem in [*standard(len(HARD_KINDS)), *every_kind(len(HEADS)), HARDEST]:
        for verdict in check(problem):
            if verdict.outcome == "fail":
                return verdict
    return None


def test_right_lines_pass():
    assert first_failure() is None


@pytest.mark.parametrize(("number", "line"), list(mutants()))
def test_wrong_line_is_caught_and_its_equation_named(by_hand_with, number, line):
    by_hand_with(number, line)
    failure = first_failure()
    assert failure is not None, line
    tags = set(re.findall(r"\([FB]\d+\)", line))
    assert not tags or failure.equation in tags, (
        line,
        failure.quantity,
        failure.equation,
        failure.reason,
    )
    assert first_failure(verify_quickly) is not None, f"training would not see {line}"


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        (
            "da[layer - 1] = dz[layer] @ W[layer]  #",
            "da[layer - 1] = dz[layer] @ W[layer].T  #",
            ("da", "(B4)"),
        ),
        ("dz[L] = (p - Y) / N  # (B1)", "dz[L] = p - Y  # (B1)", ("dz[3]", "(B1)")),
    ],
)
def test_the_command_exits_with_one_and_names_quantity_and_equation(tmp_path, right, wrong, named):
    for package in ("backproof", "checks", "model"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    path = tmp_path / "checks/by_hand.py"
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    done = subprocess.run(
        [sys.executable, "-m", "checks"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert all(word in done.stdout.splitlines()[-1] for word in named)

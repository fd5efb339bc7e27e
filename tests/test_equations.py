"""Equation, code and test carry the same tag: EQUATIONS.md, by_hand.py, activations.py and the
markers on tests have one set of them."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from backproof.checks.activations import ACTIVATIONS
from backproof.checks.heads import CLASSIC, HEADS
from backproof.checks.problem import Problem
from backproof.checks.quantities import equation, names
from backproof.checks.witnesses.verify import hand

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "checks/EQUATIONS.md").read_text()
CODE = "\n".join((ROOT / "checks" / name).read_text() for name in ("by_hand.py", "activations.py"))
ALL = {"F1", "F2", "F3", "F4", *(f"B{number}" for number in range(1, 11))}
ALL |= {activation.tag.strip("()") for activation in ACTIVATIONS.values()}


def markers():
    """Tags in @pytest.mark.equation(...) on every test, read from the source so that no test needs
    to run."""
    found = set()
    for path in (ROOT / "tests").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.equation":
                found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def tags(text):
    return set(re.findall(r"\(([FBA]\d+)\)", text))


def test_page_code_and_tests_have_the_same_tags():
    headings = tags("\n".join(line for line in PAGE.splitlines() if line.startswith("#")))
    comments = tags("\n".join(line.partition("#")[2] for line in CODE.splitlines()))
    assert headings == comments == markers() == ALL


def test_every_quantity_points_to_an_equation_of_the_page():
    for head in HEADS:
        assert {equation(name, 3, head)[1:-1] for name in names(3, head)} <= ALL


def test_code_on_the_page_is_the_code():
    lines = {line.strip() for line in CODE.splitlines()}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shown = {
        line.strip()
        for block in blocks
        for line in block.splitlines()
        if re.search(r"# \([FBA]\d+\)", line)
    }
    assert len(shown) >= len(ALL)
    assert shown <= lines


def tables():
    """The four worked examples: head -> quantity -> numbers."""
    found = {}
    for title, body in re.findall(
        r"^### Numbers: (.*?)\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE
    ):
        rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", body, re.MULTILINE)
        found[tuple(title.split(", "))] = {
            name: np.array(ast.literal_eval(value)) for name, value in rows
        }
    return found


@pytest.mark.parametrize("head", CLASSIC, ids=str)
def test_numbers_on_the_page_are_those_of_the_code(head):
    found = {tuple(word.split(" ")[0] for word in key): value for key, value in tables().items()}
    shared, mine = found["softmax", "cross-entropy"], found[head.output, head.cost]
    W, b = (
        {layer: shared[f"{name}[{layer}]"].astype(float) for layer in (1, 2)} for name in ("W", "b")
    )
    problem = Problem(
        np.atleast_2d(shared["x"]).astype(float), np.atleast_1d(shared["y"]), W, b, head
    )
    computed = {name: value for name, value in hand(problem).items() if name in mine}
    assert {"p", "dz[2]", "dW[1]", "dW[2]", "db[1]", "da[1]"} <= set(computed)
    for name, value in computed.items():
        # six decimals are printed
        assert np.abs(np.squeeze(value) - np.squeeze(mine[name])).max() <= 5e-7, name

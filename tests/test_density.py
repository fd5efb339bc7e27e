"""No page is so dense that it hides a thought: one statement a line, a name for each step."""

from __future__ import annotations

import ast

import pytest
from test_house import modules

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def density(source: str) -> dict[str, int]:
    """How often a text says two things at once: assigns tuples of unrelated values, chooses within
    an expression, nests comprehensions; and how many of its lines are long."""
    nodes = list(ast.walk(ast.parse(source)))
    nested = 0
    for node in nodes:
        if isinstance(node, COMPREHENSIONS):
            inner = any(
                isinstance(part, COMPREHENSIONS) for part in ast.walk(node) if part is not node
            )
            nested += inner or len(node.generators) > 1
    return {
        "lines": len(source.splitlines()),
        "tuples": sum(
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
            for node in nodes
        ),
        "ternaries": sum(isinstance(node, ast.IfExp) for node in nodes),
        "nested": nested,
        "long": sum(len(line) > 100 for line in source.splitlines()),
    }


MOST_PER_100_LINES = {"tuples": 0.6, "ternaries": 1.5, "nested": 0.1, "long": 2.0}


@pytest.mark.parametrize("folder", ["checks", "model"])
def test_no_folder_is_dense(folder):
    total = dict.fromkeys(("lines", *MOST_PER_100_LINES), 0)
    for _, path in modules(folder):
        for what, count in density(path.read_text("utf-8")).items():
            total[what] += count
    shares = {what: 100 * total[what] / total["lines"] for what in MOST_PER_100_LINES}
    assert all(shares[what] <= most for what, most in MOST_PER_100_LINES.items()), shares


def test_density_counts_each_kind():
    """Meta-test."""
    counted = density(
        "a, b = 1, 2\nc = 1 if a else 2\nd = [[x for x in y] for y in c]\n" + "#" * 101
    )
    assert counted == {"lines": 4, "tuples": 1, "ternaries": 1, "nested": 1, "long": 1}

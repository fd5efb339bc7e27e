"""What a statement gives to what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Given:
    """One part of an assignment, or what is returned.

    Attributes:
        target: what gets the value, as it is written; "" of what is returned.
        value: the expression.
        line: of the statement.
    """

    target: str
    value: ast.expr
    line: int


def given(node: ast.AST) -> Iterator[Given]:
    """All that a statement gives, one after the other; `w -= d` gives w - d."""
    if isinstance(node, ast.AugAssign):
        value = ast.BinOp(node.target, node.op, node.value)
        yield Given(ast.unparse(node.target), value, node.lineno)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield Given(ast.unparse(node.target), node.value, node.lineno)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _parts(target, node.value, node.lineno)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield Given("", node.value, node.lineno)


def _parts(target: ast.expr, value: ast.expr, line: int) -> Iterator[Given]:
    if isinstance(target, ast.Tuple | ast.List):
        parts = [value] * len(target.elts)
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts):
            parts = value.elts
        for one, part in zip(target.elts, parts, strict=True):
            yield from _parts(one, part, line)
    else:
        yield Given(ast.unparse(target), value, line)

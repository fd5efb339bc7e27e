"""The weight decay in somebody's line: a multiple of their W that is added or taken off, written
with the other sign, or as the multiple that is due."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from typing import TypeGuard


def decays_in(value: ast.expr, weights: str, due: str) -> Iterator[str]:
    """The ways in which an expression may read whose decay is wrong.

    Args:
        value: the expression.
        weights: what it calls W.
        due: the term that is right, "0.01 * W".
    """
    for index, node in enumerate(ast.walk(value)):
        if not _adds_decay(node, weights):
            continue
        if isinstance(node.op, ast.Sub):
            yield _with(value, index, None)
        yield _with(value, index, due)


def _adds_decay(node: ast.AST, weights: str) -> TypeGuard[ast.BinOp]:
    """Whether a node adds, or takes off, a number times W."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return False
    factors = list(_factors(node.right))
    return len(factors) > 1 and weights in map(ast.unparse, factors)


def _factors(value: ast.expr) -> Iterator[ast.expr]:
    """Of a product of numbers, and what it is divided by."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div):
        yield from _factors(value.left)
        yield from _factors(value.right)
    else:
        yield value


def _with(value: ast.expr, index: int, due: str | None) -> str:
    """The expression with a plus at one node, and another term behind it."""
    copied = deepcopy(value)
    node = list(ast.walk(copied))[index]
    if isinstance(node, ast.BinOp):
        node.op = ast.Add()
        if due is not None:
            node.right = ast.parse(due, mode="eval").body
    return ast.unparse(copied)

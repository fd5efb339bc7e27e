"""What an expression of single numbers comes to, as it depends on one of them that is not known."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DEEPEST = 8  # calls within each other
FUNCTIONS: dict[str, Callable[[float], np.floating]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "abs": np.abs,
    "float": np.float64,
}


class Unknown(Exception):
    """Something of it is not known, or it is no straight line in what is looked for."""


@dataclass(frozen=True)
class Line:
    """A straight line: `at_zero` where the unknown is 0, and its slope."""

    at_zero: float
    slope: float = 0.0

    @property
    def number(self) -> float:
        """Of what does not depend on the unknown.

        Raises: Unknown where it does.
        """
        if self.slope:
            raise Unknown
        return self.at_zero

    def plus(self, other: Line, sign: float = 1.0) -> Line:
        """The sum, or with a sign of -1 the difference."""
        return Line(self.at_zero + sign * other.at_zero, self.slope + sign * other.slope)

    def times(self, factor: float) -> Line:
        """A multiple."""
        return Line(self.at_zero * factor, self.slope * factor)


class Arithmetic:
    """Evaluates expressions.

    Args:
        held: what a place holds; None where that is not known.
        functions: the person's own, by name.
        wanted: how the unknown is written.
    """

    def __init__(
        self,
        held: Callable[[ast.expr], float | None],
        functions: Mapping[str, ast.FunctionDef],
        wanted: str,
    ) -> None:
        self.held = held
        self.functions = functions
        self.wanted = wanted

    def line(self, expression: ast.expr) -> Line:
        """An expression as a straight line in the unknown.

        Raises: Unknown where it is none, or something of it is not known.
        """
        try:
            with np.errstate(all="raise"):
                return self._of(expression, None, 0)
        except (ArithmeticError, ValueError) as error:
            raise Unknown from error

    def _of(self, node: ast.expr, local: Mapping[str, Line] | None, depth: int) -> Line:
        if local is None and ast.unparse(node) == self.wanted:
            return Line(0.0, 1.0)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return Line(float(node.value))
        if isinstance(node, ast.BinOp):
            left = self._of(node.left, local, depth)
            right = self._of(node.right, local, depth)
            return _combined(node.op, left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._of(node.operand, local, depth).times(-1)
        if isinstance(node, ast.Call) and not node.keywords:
            return self._called(node, [self._of(one, local, depth) for one in node.args], depth)
        if local is not None:
            if isinstance(node, ast.Name) and node.id in local:
                return local[node.id]
            raise Unknown
        number = (
            self.held(node) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else None
        )
        if number is None:
            raise Unknown
        return Line(number)

    def _called(self, node: ast.Call, arguments: Sequence[Line], depth: int) -> Line:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        own = self.functions.get(name)
        if own is None and name in FUNCTIONS and len(arguments) == 1:
            return Line(float(FUNCTIONS[name](arguments[0].number)))
        if own is None or depth == DEEPEST:
            raise Unknown
        names = [one.arg for one in own.args.args if one.arg != "self"]
        if len(names) != len(arguments):
            raise Unknown
        local = dict(zip(names, arguments, strict=True))
        for statement in own.body:
            if isinstance(statement, ast.Return) and statement.value is not None:
                return self._of(statement.value, local, depth + 1)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                local[statement.targets[0].id] = self._of(statement.value, local, depth + 1)
            elif not isinstance(statement, ast.Expr) or not isinstance(
                statement.value, ast.Constant
            ):
                raise Unknown
        raise Unknown


def _combined(op: ast.operator, left: Line, right: Line) -> Line:
    if isinstance(op, ast.Add):
        return left.plus(right)
    if isinstance(op, ast.Sub):
        return left.plus(right, -1)
    if isinstance(op, ast.Mult):
        return right.times(left.number) if not left.slope else left.times(right.number)
    if isinstance(op, ast.Div):
        return left.times(1 / right.number)
    if isinstance(op, ast.Pow):
        return Line(float(left.number**right.number))
    raise Unknown

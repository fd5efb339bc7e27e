"""Somebody's file as a syntax tree: the statement on a line, and whether it computes anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

# built-in names that hand on what they are given
PASSING = frozenset(
    "list tuple dict zip reversed enumerate range len iter next set sorted map filter print "
    "isinstance copy append insert extend items values keys pop".split()
)
CELL = ", cell "  # between a notebook's path and the number of one of its code cells
COMPUTING = (ast.BinOp, ast.AugAssign, ast.UnaryOp)


@dataclass(frozen=True)
class Source:
    """The text of one file.

    Attributes:
        path: of the file.
        text: of it, "" where it cannot be read.
    """

    path: str
    text: str

    @property
    def file(self) -> str:
        """The path of the file; of a notebook's cell, that of the notebook."""
        return self.path.partition(CELL)[0]

    @property
    def cell(self) -> int | None:
        """Of a notebook, counted from 1; None in a file."""
        number = self.path.partition(CELL)[2]
        return int(number) if number.isdigit() else None

    @cached_property
    def lines(self) -> list[str]:
        """Line by line."""
        return self.text.splitlines()

    def line(self, number: int) -> str:
        """One line, counted from 1, without its indent; "" where there is none."""
        if 1 <= number <= len(self.lines):
            return self.lines[number - 1].strip()
        return ""

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError):
            return None

    def statement(self, number: int) -> ast.stmt | None:
        """The innermost statement that covers a line; None where the file cannot be parsed."""
        found: ast.stmt | None = None
        for node in self._statements:
            covers = node.lineno <= number <= (node.end_lineno or 0)
            if covers and (found is None or node.lineno >= found.lineno):
                found = node
        return found

    def statements(self, number: int) -> list[ast.stmt]:
        """The innermost statements on a line: several where they are parted by semicolons."""
        last = self.statement(number)
        covering = [
            node for node in self._statements if node.lineno <= number <= (node.end_lineno or 0)
        ]
        return [node for node in covering if last is not None and node.lineno == last.lineno]

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        nodes = ast.walk(self._tree) if self._tree is not None else ()
        return [node for node in nodes if isinstance(node, ast.stmt)]

    def function(self, number: int) -> str:
        """The function or class that a line stands in, or "" at the top level."""
        found = ""
        start = 0
        for node in ast.walk(self._tree) if self._tree is not None else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                covers = node.lineno <= number <= (node.end_lineno or 0)
                if covers and node.lineno >= start:
                    found = node.name
                    start = node.lineno
        return found

    def around(self, number: int) -> ast.AST | None:
        """The innermost function that a line stands in, else the whole file; None where the file
        cannot be parsed."""
        found: ast.AST | None = self._tree
        start = 0
        for node in self.nodes():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                covers = node.lineno <= number <= (node.end_lineno or 0)
                if covers and node.lineno >= start:
                    found = node
                    start = node.lineno
        return found

    def nodes(self) -> list[ast.AST]:
        """All that the file consists of; [] where it cannot be parsed."""
        if self._tree is None:
            return []
        return list(ast.walk(self._tree))

    def written(self, node: ast.expr) -> str:
        """An expression as it stands in the file, if it stands on one line; else in one line."""
        if node.lineno == node.end_lineno and node.lineno <= len(self.lines):
            line = self.lines[node.lineno - 1].encode()
            return line[node.col_offset : node.end_col_offset].decode(errors="replace")
        return ast.unparse(node)

    def has_alone(self, statement: ast.stmt) -> bool:
        """Whether no other statement begins or ends on a simple statement's lines."""
        first = self.lines[statement.lineno - 1]
        last = self.lines[(statement.end_lineno or statement.lineno) - 1]
        before = first.encode()[: statement.col_offset]
        behind = last.encode()[statement.end_col_offset :].decode(errors="replace").strip()
        return not before.strip() and (not behind or behind.startswith("#"))

    def loop(self, number: int) -> int | None:
        """The outermost loop of its function that a line stands in; None outside of loops."""
        function = 0
        loops = []
        for node in ast.walk(self._tree) if self._tree is not None else ():
            if not isinstance(node, ast.stmt) or not node.lineno <= number <= (
                node.end_lineno or 0
            ):
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                function = max(function, node.lineno)
            elif isinstance(node, ast.For | ast.While):
                loops.append(node.lineno)
        inside = [line for line in loops if function < line < number]
        return min(inside, default=None)

    def updates(self, number: int, name: str) -> bool:
        """Whether a statement on a line takes off or adds to a name, or binds it to something that
        mentions it, or an element of it."""
        some = self.statements(number)
        if len(some) == 1 and isinstance(some[0], ast.AugAssign):
            return True  # of whatever the line changes
        return any(_updates(statement, name) for statement in some)

    def computes(self, number: int) -> bool:
        """Whether a statement on a line can make new numbers, rather than hand them on; a line that
        cannot be read might."""
        some = self.statements(number)
        puts = any(_puts(statement) for statement in some)
        return not some or puts or any(_computes(node) for node in self._nodes(number))

    def adds(self, number: int, name: str) -> bool:
        """Whether a statement on a line adds what a name holds, or an element of it, to
        something."""
        for node in self._nodes(number):
            sides: list[ast.expr] = []
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                sides = [node.left, node.right]
            elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
                sides = [node.value]
            places = [place for side in sides for place in _places(side)]
            if any(_may_be(place, name) for place in places):
                return True
        return False

    def multiplies(self, number: int) -> bool:
        """Whether a statement on a line has a product, entry by entry, in it."""
        return any(
            isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Mult)
            for node in self._nodes(number)
        )

    def hands_on(self, number: int) -> bool:
        """Whether a statement on a line gives what one name holds to another, or to a list."""
        for statement in self.statements(number):
            value = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
            if isinstance(value, ast.Call) and _is_append(value.func) and len(value.args) == 1:
                value = value.args[0]
            elif isinstance(statement, ast.Expr):
                continue
            if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
                return True
        return False

    def _nodes(self, number: int) -> Iterator[ast.AST]:
        """Every node of the statements on a line, but for the statements in them."""
        for statement in self.statements(number):
            for part in _own_parts(statement):
                yield from ast.walk(part)


class Sources:
    """The files that were recorded."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._known = {path: Source(path, text) for path, text in texts.items()}

    def of(self, path: str) -> Source:
        """One file; of one that nobody has read, no text."""
        return self._known.setdefault(path, Source(path, ""))

    def computes(self, path: str, number: int) -> bool:
        """Whether a line of a file can make new numbers."""
        return self.of(path).computes(number)

    def multiplies(self, path: str, number: int) -> bool:
        """Whether a line of a file has a product, entry by entry, in it."""
        return self.of(path).multiplies(number)

    def hands_on(self, path: str, number: int) -> bool:
        """Whether a line of a file gives what one name holds to another, or to a list."""
        return self.of(path).hands_on(number)


def _is_append(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "append"


def _updates(statement: ast.stmt, name: str) -> bool:
    """Whether a statement mentions a name, or an element of it, on both sides."""
    places = [place for part in _own_parts(statement) for place in _places(part)]
    named = sum(_may_be(place, name) for place in places)
    return named > 1 or (isinstance(statement, ast.AugAssign) and named > 0)


def _own_parts(statement: ast.stmt) -> list[ast.AST]:
    """A statement without the statements in it."""
    if isinstance(statement, ast.For | ast.AsyncFor):
        return [statement.iter]
    if isinstance(statement, ast.While | ast.If):
        return [statement.test]
    if isinstance(statement, ast.With | ast.AsyncWith):
        return [item.context_expr for item in statement.items]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Try):
        return []
    return [statement]


def _puts(statement: ast.stmt) -> bool:
    """Whether a number is put into some entries of an array."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
        return False
    return any(isinstance(target, ast.Subscript) for target in statement.targets)


def _computes(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ""
        name = function.id if isinstance(function, ast.Name) else name
        return name not in PASSING
    return isinstance(node, COMPUTING)


def _places(node: ast.AST) -> Iterator[ast.expr]:
    """The names, attributes and elements that an expression mentions, each as far as it goes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from _places(node.func.value)
        for argument in [*node.args, *node.keywords]:
            yield from _places(argument)
        return
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        yield node
        if isinstance(node, ast.Subscript):
            yield from _places(node.slice)
        return
    for child in ast.iter_child_nodes(node):
        yield from _places(child)


def _may_be(place: ast.expr, name: str) -> bool:
    """Whether an expression is a place of some name, all of it, or any element of that."""
    text = ast.unparse(place)
    if _begins(name, text):
        return text != "self"
    if not isinstance(place, ast.Subscript) or isinstance(place.slice, ast.Constant):
        return False
    return _begins(name, ast.unparse(place.value))


def _begins(name: str, text: str) -> bool:
    """Whether a name is that of an expression, or of a part of what it holds."""
    return name == text or name.startswith((f"{text}[", f"{text}."))

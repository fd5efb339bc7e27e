"""What a person's own expressions hold, as far as one recorded call shows it: which of them is
which step, of which layer, and how it lies."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Own
from backproof.checks.recording.page import Match
from backproof.checks.recording.source import Source

LAST_INDEX = re.compile(r"\[[^\[\]]*\]$")
HOLDS = (ast.Name, ast.Attribute, ast.Subscript)
UNSEEN = ("W", "Y", "x")  # what a call is given, which no line makes


@dataclass(frozen=True)
class Held:
    """What was seen under one name.

    Attributes:
        match: which quantity, and in which form.
        made: when, where, and the array as it came.
    """

    match: Match
    made: Made

    @property
    def quantity(self) -> Quantity:
        """Which it is."""
        return self.match.quantity


@dataclass(frozen=True)
class Operand:
    """One expression of a person's program that may stand for a quantity.

    Attributes:
        text: as it is written there.
        held: what was seen in it, or in another element of the same list; () of what the call is
            given and no line makes.
    """

    text: str
    held: tuple[Held, ...] = ()

    @property
    def axes(self) -> str:
        """ "rows" or "columns" of samples, "none" of a plain vector, "" where that is not known."""
        for one in self.held:
            if one.made.value.ndim < 2:
                return "none"
            lies_down = one.made.value.shape[-1] == 1
            return "columns" if one.match.transposed or lies_down else "rows"
        return ""

    @property
    def layout(self) -> str:
        """Of weights, "out,in" or "in,out"; "" where that is not known."""
        for one in self.held:
            return "in,out" if one.match.transposed else "out,in"
        return ""


class Operands:
    """The expressions of one function, the nearest to a line first.

    Args:
        own: the recorded call.
        source: the file.
        number: of the line whose operands are looked for.
    """

    def __init__(self, own: Own, source: Source, number: int) -> None:
        self.own = own
        self.source = source
        self.number = number

    @cached_property
    def _last(self) -> float:
        """When the line was executed for the last time, as far as that was recorded."""
        times = [one.time for one in self.own.recording.made if one.site.line == self.number]
        return max(times, default=math.inf)

    @cached_property
    def _seen(self) -> dict[str, list[Held]]:
        """What each name held before that, whole, and each list, element by element."""
        found: dict[str, list[Held]] = {}
        for made in self.own.recording.made:
            if made.time > self._last or made.site.file != self.source.path:
                continue
            if made.site.kind not in ("value", "argument"):
                continue
            for match in self.own.page.matches(made.value, made.eps):
                found.setdefault(made.site.name, []).append(Held(match, made))
        return found

    @cached_property
    def names(self) -> set[str]:
        """Every name under which anything was recorded, right or wrong."""
        return {made.site.name for made in self.own.recording.made}

    @cached_property
    def _written(self) -> dict[str, str]:
        """The expressions, each once, as they are written: those of the line itself, then those of
        its function; by their form without regard to quotes and blanks."""
        statement = self.source.statement(self.number)
        function = self.source.around(self.number)
        texts: dict[str, str] = {}
        for node in (statement, function):
            for one in _expressions(node) if node is not None else ():
                texts.setdefault(ast.unparse(one), self.source.written(one))
        return texts

    @cached_property
    def _given(self) -> set[str]:
        """Parameters of the function, and attributes: what may hold an array that it was given."""
        function = self.source.around(self.number)
        found: set[str] = set()
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            found = {argument.arg for argument in function.args.args}
        return found

    def of(self, quantity: Quantity) -> list[Operand]:
        """The expressions that may hold a quantity: those that were seen to; then, for what the
        call is given, those in which nothing was seen."""
        found = []
        unseen = []
        for text, written in self._written.items():
            held = self._held(text, quantity)
            if held:
                found.append(Operand(written, held))
            elif quantity.kind in UNSEEN and self._may_be_given(text, quantity):
                unseen.append(Operand(written))
        return [*found, *unseen]

    def _held(self, text: str, quantity: Quantity) -> tuple[Held, ...]:
        """What an expression was seen to hold: of a name, the quantity itself; of an element whose
        index is computed, any element of its list, the same kind in any layer."""
        exact = self._seen.get(text, [])
        if text in self._seen or not _is_indexed(text):
            return tuple(one for one in exact if one.quantity == quantity)
        base = LAST_INDEX.sub("", text)
        return tuple(
            one
            for name, several in self._seen.items()
            for one in several
            if LAST_INDEX.sub("", name) == base and one.quantity.kind == quantity.kind
        )

    def _may_be_given(self, text: str, quantity: Quantity) -> bool:
        """Whether nothing was seen in an expression that may hold what was given."""
        base = LAST_INDEX.sub("", text)
        if text in self.names or any(LAST_INDEX.sub("", name) == base for name in self.names):
            return False
        root = re.split(r"[.\[]", text)[0]
        of_layers = quantity.kind == "W"
        return root in self._given and (not of_layers or _is_indexed(text) or "." in text)


def _is_indexed(text: str) -> bool:
    return text.endswith("]")


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Names, attributes and elements, of arrays or not, that are read or written below a node, but
    for functions that are called and for what only an index mentions."""
    called = {id(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)}
    for one in ast.walk(node):
        if isinstance(one, HOLDS) and id(one) not in called and _is_plain(one):
            yield one


def _is_plain(node: ast.AST) -> bool:
    """Whether an expression is a name with attributes and one index, and no transpose."""
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Attribute):
        return node.attr not in ("T", "shape", "size") and _is_plain(node.value)
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Slice | ast.Tuple) and _is_plain(node.value)
    return False

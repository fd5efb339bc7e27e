"""What the places of a script held at a time: names, attributes and elements, by how they are
written, each in the function to which it belongs."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, TypeGuard

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.recording.script.assigned import given
from backproof.checks.recording.source import Sources

SHOWN = ("value", "edit", "argument", "return")  # kinds of what a line makes
EPS = 2.0**-52
BASE = re.compile(r"\w*")  # of a place: the name with which it begins

Key = tuple[str, str]  # the function to which a place belongs, "" for all; and how it is written


@dataclass(frozen=True)
class Value:
    """What a place held, and since when; 0 for what stands in the text.

    Attributes:
        numbers: a single number, or an array.
        made: the recorded array, of which it may be an element; None of a single number.
        index: which element; None for all of it.
    """

    numbers: np.ndarray
    time: int
    made: Made | None = None
    index: int | None = None


class Held:
    """Everything that was recorded, by its place.

    Args:
        recording: of the run.
        sources: of its files.
    """

    def __init__(self, recording: Recording, sources: Sources) -> None:
        self.sources = sources
        self._local: dict[tuple[str, int], tuple[str, set[str]]] = {}
        self._literals: dict[str, dict[str, list[tuple[float, int]]]] = {}
        self.by_key: dict[Key, list[Made]] = {}
        self.by_line: dict[tuple[str, int], list[Made]] = {}
        self.all = sorted((*_numbers(recording), *recording.made), key=lambda made: made.time)
        keys: dict[Site, Key] = {}
        for made in self.all:
            site = made.site
            if site.kind not in SHOWN:
                continue
            self.by_line.setdefault((site.file, site.line), []).append(made)
            if site.kind != "return":
                if site not in keys:
                    keys[site] = self.key_of(site)
                self.by_key.setdefault(keys[site], []).append(made)
        self._times = {key: [made.time for made in some] for key, some in self.by_key.items()}

    @cached_property
    def numbers(self) -> tuple[np.ndarray, list[Made]]:
        """When each single number was made, and all of them."""
        some = [made for made in self.all if made.value.size == 1]
        return np.array([made.time for made in some]), some

    def between(self, since: int, until: float) -> list[Made]:
        """The single numbers that were made in some time, without its end."""
        times, some = self.numbers
        begin, end = np.searchsorted(times, [since, until])
        return some[begin:end]

    def key(self, expression: ast.expr, file: str, line: int) -> Key:
        """The place that an expression on a line is."""
        return self._key(ast.unparse(expression), file, line)

    def last(self, key: Key, before: int) -> Made | None:
        """What a place held before a time; None where nothing was seen."""
        index = bisect_left(self._times.get(key, []), before)
        return self.by_key[key][index - 1] if index else None

    def values(self, made: Made) -> list[ast.expr]:
        """Of the line that made something, the expressions that it was given."""
        source = self.sources.of(made.site.file)
        some = list(chain.from_iterable(map(given, source.statements(made.site.line))))
        own = [one.value for one in some if one.target in ("", made.site.name)]
        return own or [one.value for one in some]

    def taken(self, made: Made) -> list[Key]:
        """The places that go into something, as they were before that."""
        nodes = chain.from_iterable(map(ast.walk, self.values(made)))
        places = [node for node in nodes if is_place(node)]
        return [self.key(place, made.site.file, made.site.line) for place in places]

    def number(self, key: Key, file: str, before: int) -> Made | None:
        """The single number that a place held before a time, as it was seen or as it stands in the
        text; None where that is not known."""
        made = self.last(key, before) or self.written(key[1], file)
        return made if made is not None and made.value.size == 1 else None

    def value(self, expression: ast.expr, file: str, line: int, before: int) -> Value | None:
        """What an expression on a line was before a time; None where that was not seen."""
        if isinstance(expression, ast.Constant):
            literal = _number(expression)
            return None if literal is None else Value(np.asarray(literal), 0)
        made = self.last(self.key(expression, file, line), before)
        if made is not None:
            return Value(made.value, made.time, made)
        if isinstance(expression, ast.Subscript):
            whole = self.value(expression.value, file, line, before)
            return None if whole is None else _element(whole, expression.slice)
        made = self.written(ast.unparse(expression), file)
        return None if made is None else Value(made.value, 0)

    def key_of(self, site: Site) -> Key:
        """The place that was recorded under a name."""
        if site.kind == "argument":
            return site.callee.rpartition(".")[2], site.name
        return self._key(site.name, site.file, site.line)

    def _key(self, text: str, file: str, line: int) -> Key:
        if (file, line) not in self._local:
            source = self.sources.of(file)
            self._local[file, line] = source.function(line), _local_names(source.around(line))
        function, names = self._local[file, line]
        base = BASE.match(text)
        is_local = base is not None and base[0] != "self" and base[0] in names
        return (function if is_local else ""), text

    def written(self, text: str, file: str) -> Made | None:
        """A number that stands in the text, which a place is given there alone: whole numbers are
        not recorded; None where it is given several, or none."""
        if file not in self._literals:
            found: dict[str, list[tuple[float, int]]] = {}
            for place, number, line in _literals(self.sources.of(file).nodes()):
                found.setdefault(place, []).append((number, line))
            self._literals[file] = found
        given = self._literals[file].get(text, [])
        if len(given) != 1:
            return None
        number, line = given[0]
        site = Site(file, line, "", text, "value")
        return Made(0, site, np.asarray(number), EPS, None)


def _numbers(recording: Recording) -> Iterator[Made]:
    """Single numbers as arrays."""
    for series in recording.series:
        for time, value in zip(series.times.tolist(), series.values, strict=True):
            yield Made(time, series.site, np.asarray(value), EPS, series.caller)


def is_place(node: ast.AST) -> TypeGuard[ast.expr]:
    """Whether an expression is a name, an attribute or an element."""
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def _number(node: ast.AST | None) -> float | None:
    """The number that an expression is, if it stands there as one."""
    value = node.value if isinstance(node, ast.Constant) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _element(whole: Value, index: ast.expr) -> Value | None:
    """An element of an array, or a part, where the text says which."""
    try:
        at = _index(index)
        part = whole.numbers[at]
    except (ValueError, IndexError, TypeError):
        return None
    is_one = whole.index is None and whole.numbers.ndim == 1 and isinstance(at, int)
    return Value(np.asarray(part), whole.time, whole.made, at if is_one else -1)


def _index(node: ast.expr) -> Any:
    """What stands between brackets, of numbers alone.

    Raises: ValueError for anything else.
    """
    if isinstance(node, ast.Slice):
        parts = [node.lower, node.upper, node.step]
        return slice(*(None if part is None else _index(part) for part in parts))
    if isinstance(node, ast.Tuple):
        return tuple(map(_index, node.elts))
    found = ast.literal_eval(node)
    if not isinstance(found, int):
        raise ValueError(found)
    return found


def _local_names(around: ast.AST | None) -> set[str]:
    """The names that belong to a function alone."""
    if not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    taken = around.args
    found = {one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)}
    shared: set[str] = set()
    for node in ast.walk(around):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            shared |= set(node.names)
    return found - shared


def _literals(nodes: list[ast.AST]) -> Iterator[tuple[str, float, int]]:
    """Every place that an assignment gives a number which stands there, and the line."""
    for one in chain.from_iterable(map(given, nodes)):
        parts: list[tuple[str, ast.expr]] = [(one.target, one.value)]
        if isinstance(one.value, ast.Dict):
            parts = [
                (f"{one.target}[{ast.unparse(key)}]", part)
                for key, part in zip(one.value.keys, one.value.values, strict=True)
                if key is not None
            ]
        for name, part in parts:
            number = _number(part)
            if number is not None:
                yield name, number, part.lineno

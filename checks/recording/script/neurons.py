"""Neurons that are written with one variable for each weight: a line that sums products of numbers
which update themselves with what goes in, and at most one such number alone, the bias.

A line is believed to be one where its syntax and its numbers agree: the sum of the products, as its
places held them, is what the line was seen to make, or what an activation makes of it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeGuard

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.assigned import given
from backproof.checks.recording.script.functions import OUTPUTS, functions
from backproof.checks.recording.script.held_numbers import Held, Key, Value, is_place

CLOSE = 1e-9  # relative to the largest term
MOST_EVENTS = 6_000  # of one line
MOST_ROWS = 300  # of all data, tried where what goes in was not seen by itself


@dataclass(frozen=True)
class Term:
    """A weight and what it is multiplied by.

    Attributes:
        weight: the place that holds the weight.
        input: what it is multiplied by, as it is written.
    """

    weight: Key
    input: ast.expr

    @property
    def text(self) -> str:
        """How the input is written."""
        return ast.unparse(self.input)


@dataclass(frozen=True, eq=False)
class Sum:
    """A weighted sum, as a line makes it; no two are equal.

    Attributes:
        file, first, last: its lines.
        column: where it begins.
        function: in which it stands.
        terms: its products.
        bias: the place that holds what is added; None for nothing.
    """

    file: str
    first: int
    last: int
    column: int
    function: str
    terms: tuple[Term, ...]
    bias: Key | None

    @property
    def weights(self) -> frozenset[Key]:
        """The places of its weights."""
        return frozenset(term.weight for term in self.terms)

    @property
    def inputs(self) -> tuple[str, frozenset[str]]:
        """What goes in, and where that is so called."""
        return self.function, frozenset(term.text for term in self.terms)


@dataclass(frozen=True)
class Event:
    """What a sum was at one time.

    Attributes:
        made: z, or what an activation makes of it, as it was recorded.
        z: the number itself, or one of each sample.
        x: what went in, in the order of the terms; None where that was not seen by itself.
        rows: then, which rows of the script's data may have gone in.
        since: when the last of the inputs was there.
        is_z: whether z itself was recorded, rather than an activation of it.
    """

    made: Made
    z: np.ndarray
    x: tuple[Value, ...] | None
    rows: frozenset[int]
    since: int
    is_z: bool

    @property
    def time(self) -> int:
        """When it was recorded."""
        return self.made.time


def sums(held: Held, own: frozenset[Key], files: Sequence[str]) -> list[Sum] | None:
    """The weighted sums of numbers that update themselves; None where one of them is written in a
    way that is not understood."""
    found: list[Sum] = []
    for file in files:
        for statement, node in _added(held.sources.of(file).nodes()):
            one = _Parts(held, own, file, node).read()
            if one is None:
                continue
            targets = [each.target for each in given(statement)]
            if any(key[1] in targets for key in one.own):
                continue  # an update
            if len(set(one.places)) < len(one.places):
                return None
            last = node.end_lineno or node.lineno
            where = held.sources.of(file).function(node.lineno)
            sure = Sum(file, node.lineno, last, node.col_offset, where, one.terms, one.bias)
            found.append(replace(sure, terms=(*sure.terms, *one.open)))
    return _decided(found, own)


@dataclass
class _Read:
    """A sum whose terms were told apart, as far as that is known.

    Attributes:
        own: the numbers in it that update themselves.
        terms: products of one of those.
        open: products of two places of which none does: the first taken for the weight.
        bias: what is added.
    """

    own: set[Key]
    terms: tuple[Term, ...]
    open: tuple[Term, ...]
    bias: Key | None

    @property
    def places(self) -> list[Key]:
        """The weights and the bias, each as often as it stands there."""
        some = [term.weight for term in self.terms]
        return [*some, *([] if self.bias is None else [self.bias])]


class _Parts:
    """Reads the terms of one sum."""

    def __init__(self, held: Held, own: frozenset[Key], file: str, node: ast.BinOp) -> None:
        self.held = held
        self.own = own
        self.file = file
        self.node = node

    def read(self) -> _Read | None:
        """The terms; None where it is no weighted sum of numbers that update themselves."""
        terms: list[Term] = []
        unsure: list[Term] = []
        biases: list[Key] = []
        for part in _terms(self.node):
            factors = _factors(part)
            if len(factors) == 1 and is_place(factors[0]):
                biases.append(self._key(factors[0]))
                continue
            if len(factors) != 2 or not all(map(is_place, factors)):
                return None
            keys = [self._key(factor) for factor in factors]
            mine = [key in self.own for key in keys]
            if all(mine):
                return None
            index = 1 if mine[1] else 0
            term = Term(keys[index], factors[1 - index])
            (terms if any(mine) else unsure).append(term)
        if len(biases) > 1 or not terms:
            return None
        bias = biases[0] if biases else None
        own = {term.weight for term in terms}
        own |= {bias} & self.own if bias is not None else set()
        return _Read(own, tuple(terms), tuple(unsure), bias)

    def _key(self, place: ast.expr) -> Key:
        return self.held.key(place, self.file, self.node.lineno)


def _added(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.stmt, ast.BinOp]]:
    """Every sum that is not a part of another one, and the statement in which it stands."""
    for statement in nodes:
        if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr):
            continue
        inside = list(ast.walk(statement))
        some = [node for node in inside if _is_sum(node)]
        parts = {id(node.left) for node in some} | {id(node.right) for node in some}
        for node in some:
            if id(node) not in parts:
                yield statement, node


def _is_sum(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def _factors(node: ast.expr) -> list[ast.expr]:
    """The factors of a product, without those that are 1."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        some = [*_factors(node.left), *_factors(node.right)]
        return [one for one in some if not (isinstance(one, ast.Constant) and one.value == 1)]
    return [node]


def _decided(found: list[Sum], own: frozenset[Key]) -> list[Sum] | None:
    """The sums, with what multiplies the inputs of others taken for a weight, too; None where that
    does not tell which of two factors is the weight."""
    done = []
    for one in found:
        known: set[str] = set()
        for other in found:
            if other is not one and other.function == one.function:
                known |= {term.text for term in other.terms if term.weight in own}
        terms = []
        for term in one.terms:
            if term.weight in own:
                terms.append(term)
                continue
            turned = Term((term.weight[0], term.text), _parsed(term.weight[1]))
            fitting = [each for each in (term, turned) if each.text in known]
            if len(fitting) != 1:
                return None
            terms += fitting
        done.append(replace(one, terms=tuple(terms)))
    return done


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class Rows:
    """The rows of all data that may go in, where it was not seen by itself."""

    def __init__(self, held: Held) -> None:
        self.of: list[np.ndarray] = []
        self.sources: list[tuple[Made, int]] = []
        known: set[bytes] = set()
        for made in held.all:
            value = made.value
            if value.ndim != 2 or value.tobytes() in known:
                continue
            known.add(value.tobytes())
            for index, row in enumerate(value[: MOST_ROWS - len(self.of)]):
                self.of.append(row)
                self.sources.append((made, index))

    def first(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The first n entries of each that has as many, and which those are."""
        some = [index for index, row in enumerate(self.of) if len(row) >= n]
        return np.array([self.of[index][:n] for index in some]).reshape(-1, n), np.array(some, int)


def events(one: Sum, held: Held, rows: Rows) -> list[Event] | None:
    """When its line was seen to make it; None where what that makes is another number."""
    recorded = [held.by_line.get((one.file, line), ()) for line in range(one.first, one.last + 1)]
    finite = [made for made in chain.from_iterable(recorded) if np.isfinite(made.value).all()]
    some = sorted(finite, key=lambda made: made.time)[:MOST_EVENTS]
    found: list[Event] = []
    count = len(one.terms) + (one.bias is not None)
    unseen = set()
    for made in some:
        numbers = _numbers(one, held, made.time)
        if len(numbers) < count:
            unseen.add(made.time)
            continue
        event = _event(one, held, rows, made, numbers)
        if event is not None:
            found.append(event)
    times = unseen | {event.time for event in found}
    unmatched = [made for made in some if made.site.kind == "value" and made.time not in times]
    if not found or (unmatched and not _has_others(one, held)):
        return None
    return _without_repeated(found)


def _numbers(one: Sum, held: Held, before: int) -> list[float]:
    """Its weights, and its bias, before a time, as far as they are known."""
    places = [term.weight for term in one.terms]
    places += [] if one.bias is None else [one.bias]
    some = [held.number(place, one.file, before) for place in places]
    return [float(number.value.reshape(-1)[0]) for number in some if number is not None]


def _has_others(one: Sum, held: Held) -> bool:
    """Whether its line may make something else, too."""
    statements = held.sources.of(one.file).statements(one.first)
    return len(statements) > 1 or any(
        isinstance(target, ast.Tuple | ast.List)
        for statement in statements
        for target in getattr(statement, "targets", ())
    )


def _event(one: Sum, held: Held, rows: Rows, made: Made, known: list[float]) -> Event | None:
    """What it was when its line made something; None where that is another number."""
    w = np.array(known[: len(one.terms)])
    b = 0.0 if one.bias is None else known[-1]
    x = [held.value(term.input, one.file, one.first, made.time) for term in one.terms]
    seen = tuple(value for value in x if value is not None)
    if len(seen) == len(x):
        products = [weight * value.numbers for weight, value in zip(w, seen, strict=True)]
        z = np.asarray(np.squeeze(sum(products) + b))
        size = max(float(np.abs(product).max(initial=0)) for product in (*products, b))
        kind = _fits(made.value, z, size)
        if kind is not None:
            since = max(value.time for value in seen)
            return Event(made, z, seen, frozenset(), since, kind)
    table, index = rows.first(len(w))
    zs = table @ w + b
    some = [
        at
        for at in range(len(zs))
        if _fits(made.value, np.asarray(zs[at]), float(np.abs(w).max())) is not None
    ]
    if not some:
        return None
    is_z = bool(_fits(made.value, np.asarray(zs[some[0]]), float(np.abs(w).max())))
    return Event(made, np.asarray(zs[some[0]]), None, frozenset(index[some].tolist()), 0, is_z)


def _fits(value: np.ndarray, z: np.ndarray, size: float) -> bool | None:
    """Whether a value is z, or what an activation makes of it (False); None for neither."""
    array = np.squeeze(value)
    if array.shape != z.shape or not np.isfinite(z).all():
        return None
    if np.abs(array - z).max(initial=0) <= CLOSE * max(size, float(np.abs(z).max(initial=0))):
        return True
    with np.errstate(all="ignore"):
        for name, make in functions(1).items():
            made = make(z)
            if name in OUTPUTS and np.abs(array - made).max() <= CLOSE * np.abs(made).max():
                return False
    return None


def _without_repeated(found: list[Event]) -> list[Event]:
    """One event each time: where z and its activation are made on one line, z alone."""
    if not any(event.is_z for event in found):
        return found
    kept: list[Event] = []
    for event in found:
        is_again = kept and np.array_equal(kept[-1].z, event.z)
        if event.is_z or not is_again:
            kept.append(event)
    return kept


def are_apart(found: Sequence[Sum], own: frozenset[Key]) -> bool:
    """Whether no weight, and no bias that is updated, belongs to two neurons."""
    counts = Counter(chain.from_iterable(one.weights for one in found))
    counts.update(one.bias for one in found if one.bias is not None and one.bias in own)
    return all(count == 1 for count in counts.values())

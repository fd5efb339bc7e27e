"""What comes out of a network whose outputs are single numbers, and what a script subtracts from
it, or it from, which is what it is compared with.

Whole numbers, as labels are, are not recorded: one that a line takes is what makes the line's value
of all else that it takes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.arithmetic import Arithmetic, Unknown
from backproof.checks.recording.script.assigned import Given, given
from backproof.checks.recording.script.functions import OUTPUTS, functions
from backproof.checks.recording.script.held_numbers import Held, Key, Value

CLOSE = 1e-9  # relative
WHOLE = 1e-6  # of a number that is found by a division


@dataclass(frozen=True)
class Compared:
    """What the outputs of a pass are compared with.

    Attributes:
        began, until: from the first neuron of the last layer on, as long as no other pass begins.
        ended: when all that came out was there.
        name: how the targets are written.
        Y: one a unit.
    """

    began: int
    until: int
    ended: int
    name: str
    Y: np.ndarray


@dataclass(frozen=True)
class _Difference:
    """A subtraction, and what a statement makes of it.

    Attributes:
        sides: of the subtraction.
        given: the whole expression, and what it is given to.
        file: in which it stands.
    """

    sides: tuple[ast.expr, ast.expr]
    given: Given
    file: str

    @property
    def line(self) -> int:
        """Of the statement."""
        return self.given.line


class Outcomes:
    """Looks for what came out of passes.

    Args:
        held: all that was recorded.
    """

    def __init__(self, held: Held) -> None:
        self.held = held
        files = {made.site.file for made in held.all}
        self._differences: list[_Difference] = []
        self._functions: dict[str, ast.FunctionDef] = {}
        for file in sorted(files):
            for node in held.sources.of(file).nodes():
                self._differences += _differences(node, file)
                if isinstance(node, ast.FunctionDef):
                    self._functions[node.name] = node

    def outputs(self, z: np.ndarray, since: int, until: int) -> list[Made]:
        """The numbers that an activation makes of all logits, each the first that a name held; []
        where none was seen."""
        for places in self._places(z, since, until):
            if all(places):
                return [some[0] for some in places]
        return []

    def compared(self, z: np.ndarray, since: int, until: int, last: int) -> Compared | None:
        """What the outputs of some logits are compared with; None where one was not seen to be
        compared, or with several numbers.

        Args:
            z: the logits.
            since, until: from then on, as long as no other pass begins.
            last: when the pass before was over.
        """
        for places in self._places(z, since, until):
            found: list[tuple[str, float]] = []
            for some in places:
                keys = {self.held.key_of(made.site) for made in some}
                partners = list(self._partners(keys, since, until, last))
                is_one = all(abs(one[1] - partners[0][1]) <= WHOLE for one in partners)
                found += partners[:1] if is_one else []
            names = list(dict.fromkeys(name for name, _ in found))
            if len(names) == len(places):  # no two outputs are to be one
                Y = np.array([value for _, value in found])
                ended = max(some[0].time for some in places)
                return Compared(since, until, ended, ", ".join(names), Y)
        return None

    def _places(self, z: np.ndarray, since: int, until: int) -> Iterator[list[list[Made]]]:
        """For each activation, which single numbers are what it makes of each logit; the logits
        themselves last."""
        some = [made for made in self.held.between(since, until) if made.site.kind != "return"]
        values = np.array([float(made.value.reshape(-1)[0]) for made in some])
        for name in (*OUTPUTS, "identity"):
            if name in functions(z.size):
                with np.errstate(all="ignore"):
                    p = functions(z.size)[name](z[None])[0]
                places = []
                for each in p:
                    near = np.abs(values - each) <= CLOSE * abs(each)
                    places.append([some[index] for index in np.flatnonzero(near)])
                yield places

    def _partners(
        self, keys: set[Key], since: int, until: int, last: int
    ) -> Iterator[tuple[str, float]]:
        """What is subtracted from some places, or these from it, and its number; 1 - p, of
        constants, belongs to a derivative."""
        for one in self._differences:
            for side, other in (one.sides, one.sides[::-1]):
                is_place = self.held.key(side, one.file, one.line) in keys
                if is_place and not isinstance(other, ast.Constant):
                    value = self._number(other, one, since, until, last)
                    if value is not None:
                        yield ast.unparse(other), value

    def _number(
        self, wanted: ast.expr, one: _Difference, since: int, until: int, last: int
    ) -> float | None:
        """What a part of a statement was when that was executed: what it was seen to be, or an
        element of that, or a whole number; whichever makes the statement's value, where all else
        of it is known."""
        made = self._executed(one, since, until)
        if made is None:
            return None
        held = self.held.value(wanted, one.file, one.line, made.time)
        shown = None if held is None or held.numbers.size != 1 else float(held.numbers)
        rule = Arithmetic(
            lambda place: self._known(place, one, made.time), self._functions, ast.unparse(wanted)
        )
        try:
            line = rule.line(one.given.value)
        except Unknown:
            return shown if held is not None and _is_current(held, last) else None
        if line.slope == 0:
            return None
        solved = (float(made.value.reshape(-1)[0]) - line.at_zero) / line.slope
        some = self._likely(wanted, one, made.time, solved)
        some += [] if shown is None else [shown]
        near = WHOLE * max(1.0, abs(solved))
        return next((number for number in some if abs(number - solved) <= near), None)

    def _likely(self, wanted: ast.expr, one: _Difference, time: int, solved: float) -> list[float]:
        """The nearest whole number, and the nearest element where an array's is wanted."""
        some = [float(round(solved))]
        if isinstance(wanted, ast.Subscript):
            whole = self.held.value(wanted.value, one.file, one.line, time)
            numbers = np.zeros(0) if whole is None else whole.numbers.reshape(-1)
            if numbers.size:
                some.append(float(numbers[np.abs(numbers - solved).argmin()]))
        return some[::-1]

    def _executed(self, one: _Difference, since: int, until: int) -> Made | None:
        """What a statement was seen to make first in some time."""
        for made in self.held.by_line.get((one.file, one.line), ()):
            name = made.site.name if made.site.kind == "value" else made.site.kind
            is_value = name == (one.given.target or "return")
            if since <= made.time < until and is_value and made.value.size == 1:
                return made
        return None

    def _known(self, place: ast.expr, one: _Difference, time: int) -> float | None:
        held = self.held.value(place, one.file, one.line, time)
        return None if held is None or held.numbers.size != 1 else float(held.numbers)


def _is_current(held: Value, last: int) -> bool:
    """Whether a place still holds what it was last seen to: of a single number, which may have
    become a whole one, whether that was since a time."""
    return held.time >= last or (held.made is not None and held.made.value.size > 1)


def _differences(node: ast.AST, file: str) -> Iterator[_Difference]:
    """The subtractions of a statement."""
    for one in given(node):
        for part in ast.walk(one.value):
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub):
                yield _Difference((part.left, part.right), one, file)

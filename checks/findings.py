"""What a diagnosis says, as plain data: facts as fields, sentences where they are printed.

This is at the bottom of the house, beside verdicts and quantities, so that any report can show what
higher rooms conclude.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from backproof.checks.quantities import Quantity
from backproof.checks.verdict import Verdict


@dataclass(frozen=True)
class Place:
    """Where in a network something is wrong.

    Attributes:
        layers: in ascending order; () where it is no matter of layers.
        L: how many layers the network has; its last one is called the output layer.
        kinds: "dW", "db", or both; () for everything that belongs to the layers.
        and_output: whether the output layer is named beside the layers, for a bug that is written
            there in another form.
        everywhere: whether all layers are named in one word.
        words: what it is called where it is neither a layer nor a gradient: "its arguments".
    """

    layers: tuple[int, ...] = ()
    L: int = 0
    kinds: tuple[str, ...] = ()
    and_output: bool = False
    everywhere: bool = False
    words: str = ""

    @staticmethod
    def of(layers: Iterable[int], L: int, **more: Any) -> Place:
        """In some layers, which may come in any order."""
        return Place(tuple(sorted(layers)), L, **more)

    @property
    def only_layer(self) -> int | None:
        """The one hidden layer that it is about, so that a line can be written with its number."""
        if len(self.layers) == 1 and self.layers != (self.L,) and not self.and_output:
            return self.layers[0]
        return None

    @property
    def is_whole_network(self) -> bool:
        """Whether it is everything: all layers, weights and biases."""
        return self.everywhere and not self.kinds

    def __str__(self) -> str:
        """ "layer 1", "layers 1, 2", "the output layer", "db of layer 1", "all layers"."""
        if self.words:
            return self.words
        where = self._in_layers()
        kinds = " and ".join(self.kinds)
        if kinds and where:
            return f"{kinds} of {where}"
        return kinds or where

    def _in_layers(self) -> str:
        if self.everywhere:
            return "all layers"
        if not self.layers:
            return ""
        if self.layers == (self.L,):
            return "the output layer"
        numbers = ", ".join(map(str, self.layers))
        where = f"layer {numbers}" if len(self.layers) == 1 else f"layers {numbers}"
        return f"{where} and the output layer" if self.and_output else where


@dataclass(frozen=True)
class Fix:
    """The code that repairs a bug, and what is to be said about it.

    Attributes:
        line: the code; with the name of a step in braces, the correct line of that step as the
            candidate would write it.
        comment: what goes behind it, or "".
        steps: whose correct lines it consists of; () for other code.
        above: how many layers above the place of the bug its line is written: the line of da[l] is
            that of layer l + 1.
        tried: what came of it, where it is the person's own line in their names: shown only after
            it was tried.
    """

    line: str
    comment: str = ""
    steps: tuple[str, ...] = ()
    above: int = 0
    tried: str = ""

    @staticmethod
    def of_steps(*steps: str, comment: str = "", above: int = 0) -> Fix:
        """The correct lines of some steps: see checks/candidates/right_lines.py for their names."""
        return Fix("; ".join(f"{{{step}}}" for step in steps), comment, steps, above)

    def __str__(self) -> str:
        """As one line of a program, the comment behind it."""
        if self.comment:
            return f"{self.line}   # {self.comment}"
        return self.line


@dataclass(frozen=True)
class Step:
    """One step of the passes: its equation, and what that computes.

    Attributes:
        tag, quantity: of the step.
        instead: the neighbouring step to which the numbers may be put down as well; None where they
            tell which it is.
    """

    tag: str
    quantity: Quantity
    instead: Step | None = None

    def __str__(self) -> str:
        """ "(B4) da[1]"."""
        return f"{self.tag} {self.quantity}"

    @property
    def or_instead(self) -> str:
        """ "(B4) da[1] or (B5) dz[1]" where the numbers do not tell which."""
        if self.instead is None:
            return str(self)
        return f"{self} or {self.instead}"


@dataclass(frozen=True)
class Line:
    """One line of somebody's own program, found by what it computes.

    Attributes:
        file: its path, as it was given.
        cell: of a notebook, counted from 1; None in a file.
        number: counted from 1.
        text: the line itself.
        function: in which it stands, or "" at the top level.
        quantity: what it computes, such as "da[1]".
        name: what the program calls that.
    """

    file: str
    cell: int | None
    number: int
    text: str
    function: str
    quantity: str
    name: str

    def as_json(self) -> dict[str, Any]:
        """The object under "line"."""
        return dict(vars(self))

    @property
    def place(self) -> str:
        """ "line 18", "cell 3, line 18", of a file that is known."""
        if self.cell is None:
            return f"line {self.number}"
        return f"cell {self.cell}, line {self.number}"

    @property
    def sentence(self) -> str:
        """What a report says of it."""
        held = f", your {self.name}" if self.name else ""
        return (
            f"{self.place[0].upper()}{self.place[1:]} is the first that makes a wrong number "
            f"({self.quantity}{held}): {self.text}"
        )


@dataclass(frozen=True)
class Listed:
    """One line of a listing.

    Attributes:
        number: counted from 1.
        text: the line as it stands in the file.
        remark: what it computes, "" where nothing was recognised.
        outcome: "pass" of what is right, "fail" of the first line that makes a wrong number, "" of
            all else.
        cell: of a notebook, counted from 1; None in a file.
    """

    number: int
    text: str
    remark: str = ""
    outcome: str = ""
    cell: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The object in "listing"."""
        return dict(vars(self))


@dataclass(frozen=True)
class Bug:
    """One known bug, in words that somebody can act on.

    Attributes:
        id: its name in the catalogue.
        place: where it is.
        statement: what the code does, in a sentence.
        evidence: how well its prediction fits the answers, and how badly the right gradients do.
        residual: the largest relative difference between prediction and answers.
        fix: the code that repairs it.
        see: the equation in checks/EQUATIONS.md.
        alternative: whether it stands for others before it, from which no question can tell it
            apart here.
    """

    id: str
    place: Place
    statement: str
    evidence: str
    residual: float
    fix: Fix
    see: str
    alternative: bool = False

    @property
    def where(self) -> str:
        """The place in words, such as "layer 1"."""
        return str(self.place)


@dataclass
class Diagnosis:
    """Everything that is to be said about a candidate.

    Attributes:
        outcome: "pass" if every answer is right, under the declared conventions or under those of
            `conventions`.
        statement: the whole in a sentence.
        correct, wrong: quantities by name, over all problems.
        first_step: the first wrong one.
        line: the line of the program that computes the first wrong step; None where it is not
            known.
        line_reason: why it is that line, or why none is known.
        bugs: what explains the numbers, the likeliest first; empty when nothing known does.
        conventions: constants that the file should declare, such as `REDUCTION = "sum"`.
        verdicts: every answered gradient against the right one.
        complaints: what kept questions from being answered, each once.
        asked: the conventions under which its answers were judged.
        unsteady: whether the same call twice gave two answers.
        hints: sentences on what else the numbers show.
        problems, gradients: how many were asked and answered, and how many entries of dW and db
            they have.
        listing: the file line by line, where that was asked for.
        telling: the questions whose answers show what is wrong, for whoever asks them again.
        names: what the person's program calls each right quantity, by the quantity.
        ways: in which the wrong line may have to read, in their names: none is tried yet.
        by_own_loss: whether the gradients were held against the candidate's own loss, and no
            network.
    """

    outcome: str
    statement: str
    correct: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    first_step: Step | None = None
    line: Line | None = None
    line_reason: str | None = None
    bugs: list[Bug] = field(default_factory=list)
    conventions: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asked: Any = None
    unsteady: bool = False
    hints: list[str] = field(default_factory=list)
    problems: int = 0
    gradients: int = 0
    listing: list[Listed] = field(default_factory=list)
    telling: list[Any] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    ways: list[str] = field(default_factory=list)
    by_own_loss: bool = False

    @property
    def first_wrong(self) -> str | None:
        """The first wrong step by tag and name, such as "(B4) da[1]"."""
        if self.first_step is None:
            return None
        return str(self.first_step)

    @property
    def first_wrong_or(self) -> str | None:
        """The other step that it may be as well, such as "(B5) dz[1]"; None where it is known."""
        if self.first_step is None or self.first_step.instead is None:
            return None
        return str(self.first_step.instead)

"""One case of a measurement: what is wrong with a candidate, and what the diagnosis says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from backproof.checks.diagnosis.diagnose import Diagnosis


@dataclass(frozen=True)
class Case:
    """A candidate whose truth is known.

    Attributes:
        kind: "single", "pair", "beside", "correct", "convention" or "unknown".
        names: its bugs; or the constants that it should declare; or the first wrong step (several
            where they are one to whoever sees gradients alone, with | between); none where it is
            right.
        also: what else the bugs may rightly be called.
        words: for whoever looks at a miss.
        run: the diagnosis.
        constants: that it should be told to declare beside a bug.
    """

    kind: str
    names: tuple[str, ...]
    also: frozenset[str]
    words: str
    run: Callable[[], Diagnosis]
    # of its file, those that were spoiled; none where they are not known
    lines: frozenset[int] = frozenset()
    constants: tuple[str, ...] = ()

    @cached_property
    def found(self) -> Diagnosis:
        """What the diagnosis says."""
        return self.run()

    @property
    def named(self) -> list[str]:
        return [bug.id for bug in self.found.bugs]

    @property
    def caught(self) -> bool:
        return self.found.outcome == "fail"

    @property
    def good(self) -> bool:
        """Whether it got what it should."""
        match self.kind:
            case "single":
                return self.caught and self.first
            case "pair":
                return self.caught and set(self.names) <= {*self.named, *self.also}
            case "beside":
                return self.caught and self.first and self.declared == set(self.constants)
            case "unknown":
                return self.caught and not self.named and self.step
            case _:  # "correct" and "convention"
                return not self.caught and not self.named and self.declared == set(self.names)

    @property
    def first(self) -> bool:
        """Whether the bug, or another name of it, is named before all others."""
        return bool(self.named) and self.named[0] in {self.names[0], *self.also}

    @property
    def declared(self) -> set[str]:
        """The constants that it is told to declare."""
        return {line.split(" ")[0] for line in self.found.conventions}

    @property
    def line_is_right(self) -> bool:
        """Whether the line that is named is one that was spoiled."""
        return self.found.line is not None and self.found.line.number in self.lines

    @property
    def line_is_another(self) -> bool:
        """Whether a line is named that is as it should be."""
        return self.found.line is not None and not self.line_is_right

    @property
    def step(self) -> bool:
        """Whether the first wrong step is right, or one of two that the numbers do not tell
        apart."""
        told = self.found.first_step
        steps = [one for one in (told, told and told.instead) if one is not None]
        return any(str(one.quantity) in self.names[0].split("|") for one in steps)

"""How much of a campaign is run, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.reliability.trials import HUNG, Done

CODES = (0, 1, 2, 130)


@dataclass(frozen=True)
class Extent:
    """How much of a campaign is run.

    Attributes:
        share: of all trials.
        quick: whether one configuration and one error stand for all.
    """

    share: float = 1.0
    quick: bool = False

    def of(self, trials: int) -> int:
        """As many of a campaign's trials."""
        return round(self.share * trials)

    def some(self, several: Sequence[Any]) -> Sequence[Any]:
        """All, or the first one."""
        return several[:1] if self.quick else several


@dataclass
class Count:
    """What came of one campaign.

    Attributes:
        name: what was done.
        tried: how often.
        came: what followed, and how often.
        short: what fell short, one text a trial.
    """

    name: str
    tried: int = 0
    came: Counter[str] = field(default_factory=Counter)
    short: list[str] = field(default_factory=list)

    def add(self, what: str, problem: str = "") -> None:
        """One trial."""
        self.tried += 1
        self.came[what] += 1
        if problem:
            self.short.append(problem)

    @property
    def row(self) -> str:
        """Of the page's table."""
        came = ", ".join(f"{count:,} {what}" for what, count in self.came.most_common())
        return f"| {self.name} | {self.tried:,} | {came} | {len(self.short)} |"


def judged(done: Done, where: str) -> tuple[str, str]:
    """What came of a command that may refuse."""
    if done.code == HUNG:
        return "hung", where
    if done.traceback or done.code not in CODES:
        return "traceback", f"{where}: {done.code} {done.err[-400:]}"
    if done.code == 2 and not done.err.strip():
        return "refused without a word", where
    return f"exit code {done.code}", ""

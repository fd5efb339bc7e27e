"""Each known bug, as the step of the backward pass that it gets wrong: what it predicts follows
from wrong_pass.py.

A suspect is a function from a setting (sizes, head, what is known of the call) to its variants:
where it may sit, and which step it replaces by what. Adding one is adding one function under
`@suspect`, in one of the files that do: backward.py, layers.py (an index that is off), output.py,
forward.py and state.py (what is kept between samples and calls). Those that merely multiply a
gradient, or add a multiple of W to it, are read off in checks/diagnosis/factors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from backproof.checks.bugs.wrong_pass import Hook, Hooks, Pass, Setting


@dataclass(frozen=True)
class Variant:
    """One way in which a bug may have been written, at one place.

    Attributes:
        id: of the bug.
        where: "layer 1", "layers 1, 2", "the output layer".
        hooks: the steps that it replaces.
        note: which of the bug's forms, in the notation of EQUATIONS.md; ends the statement.
        rate_from: the layer whose dW tells at which rate W was changed, for the suspect that has an
            unknown rate.
        alone: a rare form, tried as the only bug and with a factor, but not in pairs.
        in_sequence: it shows only in a sequence of calls, and is held against the first calls of a
            process alone.
        moved: it puts entries where others belong, so that each may carry the rounding of any.
        short: the number format in which db may have been summed, too.
        fix: the line that repairs this form, where that is not the one that repairs every form.
    """

    id: str
    where: str
    hooks: Hooks
    note: str
    rate_from: int | None = None
    in_sequence: bool = False
    alone: bool = False
    moved: bool = False
    short: str = ""
    fix: str = ""

    def beside(self, other: Variant) -> Variant:
        """The two together, this one's hooks first."""
        return replace(
            self,
            hooks=self.hooks + other.hooks,
            rate_from=self.rate_from or other.rate_from,
            in_sequence=self.in_sequence or other.in_sequence,
            moved=self.moved or other.moved,
            short=self.short or other.short,
        )


Variants = Callable[[Setting], Iterator[Variant]]


@dataclass(frozen=True)
class Suspect:
    """A bug of the catalogue in words: one sentence on what the code does, the line that repairs
    it, and where to read.

    The line may name those of checks/candidates/lines.py in braces, so that it comes out as the
    candidate would write it.
    """

    id: str
    statement: str
    fix: str
    see: str
    variants: Variants | None = None


SUSPECTS: dict[str, Suspect] = {}


def suspect(id: str, statement: str, fix: str, see: str) -> Callable[[Variants], Variants]:
    """Enter a function in the register, under its id and with its words."""

    def enter(variants: Variants) -> Variants:
        SUSPECTS[id] = Suspect(id, statement, fix, see, variants)
        return variants

    return enter


def all_variants(setting: Setting) -> list[Variant]:
    """Every variant of every suspect that can exist in a setting; they are the same for all
    settings alike in what is read here."""
    problem = setting.problem
    alike = (
        problem.L,
        problem.output,
        problem.cost,
        setting.K > 1,
        setting.bias,
        setting.calls > 1,
        setting.in_call > 1,
    )
    if alike not in _made:
        _made[alike] = [
            variant
            for entry in SUSPECTS.values()
            if entry.variants is not None
            for variant in entry.variants(setting)
        ]
    return _made[alike]


_made: dict[tuple[int, str, str, bool, bool, bool, bool], list[Variant]] = {}


def places(layers: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """All layers together, each alone, and for up to five of them every set in between."""
    every = tuple(layers)
    if every:
        yield every
    for size in range(1, len(every)) if len(every) <= 5 else (1, len(every) - 1):
        yield from combinations(every, size)


def at(layers: Iterable[int], change: Callable[..., np.ndarray], *given: Any) -> Hook:
    """A hook that acts in some layers alone: change(run, layer, value, *given)."""
    chosen = frozenset(layers)

    def hook(run: Pass, layer: int, value: np.ndarray) -> np.ndarray:
        if layer in chosen:
            return change(run, layer, value, *given)
        return value

    hook.top = max(chosen, default=0)  # type: ignore[attr-defined]
    return hook


def named(layers: Iterable[int], L: int) -> str:
    """ "layer 1", "layers 1, 2", "the output layer"."""
    chosen = sorted(layers)
    if chosen == [L]:
        return "the output layer"
    if len(chosen) == 1:
        return f"layer {chosen[0]}"
    return f"layers {', '.join(map(str, chosen))}"

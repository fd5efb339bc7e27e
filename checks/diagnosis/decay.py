"""Multiples of the weights that are added to gradients: whether they are one weight decay, and what
it is called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.setting import Setting
from backproof.checks.diagnosis.factor import Fit
from backproof.checks.findings import Place
from backproof.checks.quantities import kind_of


@dataclass(frozen=True)
class Fits:
    """How the gradients of one answer compare with a prediction, by name."""

    setting: Setting
    of: dict[str, Fit]

    @property
    def factors(self) -> dict[str, float | None]:
        """What each gradient is multiplied by; None where any factor would do."""
        return {name: fit.factor for name, fit in self.of.items()}

    @property
    def decays(self) -> dict[str, float]:
        """What multiple of W is added, where any is."""
        return {name: fit.decay for name, fit in self.of.items() if fit.decay}


def decays_alike(found: list[Fits], close: float) -> bool:
    """Whether every question shows one multiple of W, or one multiple of W before each gradient got
    its factor."""
    if not all(fits.decays for fits in found):
        return False
    plain = [list(fits.decays.values()) for fits in found]
    before = [_before_factors(fits) for fits in found]
    return _one_decay(plain, close) or _one_decay(before, close)


def _before_factors(fits: Fits) -> list[float]:
    """The multiples of W as they were before each gradient got its factor."""
    return [fit.decay / (fit.factor or 1.0) for fit in fits.of.values() if fit.decay]


def _one_decay(by_question: list[list[float]], close: float) -> bool:
    """Whether each question shows one number, of one sign everywhere."""
    signs = {float(np.sign(values[0])) for values in by_question}
    return len(signs) == 1 and all(_alike(values, close) for values in by_question)


def _alike(values: list[float], close: float) -> bool:
    return max(values) - min(values) <= close * max(map(abs, values))


def decay_place(found: list[Fits]) -> Place:
    """Which kinds of gradients hold a multiple of W: "dW"."""
    kinds = sorted({kind_of(name) for name in found[0].decays})
    return Place(L=found[0].setting.problem.L, kinds=tuple(kinds))


def decay_note(found: list[Fits]) -> str:
    """Which multiple: "g - 0.01 W"."""
    return note_of(next(iter(found[0].decays.values())))


def note_of(decay: float) -> str:
    """A multiple of W beside a gradient: "g - 0.01 W"."""
    return f"g {'-' if decay < 0 else '+'} {abs(decay):.6g} W"

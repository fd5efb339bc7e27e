"""What a candidate answered to one question, beside what is correct.

rounding.py says how far off each number may be; closeness.py how close a suspect's prediction is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks
from backproof.checks.bugs.setting import Setting
from backproof.checks.candidates.candidate import Answer
from backproof.checks.diagnosis.probes import Probe
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.rounding import Rounding
from backproof.checks.quantities import Quantities, layer_of


@dataclass
class Evidence:
    """One answered question.

    Attributes:
        probe: what was asked.
        answer: what came.
        whole: whether every entry of a large gradient is looked at.
        hooks: steps that are meant to be others than those of the page, such as a guard in a
            logarithm.
        given: dW and db by name, as they came; None where the whole answer is a complaint.
    """

    probe: Probe
    answer: Answer
    whole: bool = False
    hooks: Hooks = ()

    def __post_init__(self) -> None:
        self.given: Quantities | None = None
        if self.answer.dW is not None:
            self.given = {f"dW[{layer}]": value for layer, value in self.answer.dW.items()}
            self.given |= {f"db[{layer}]": value for layer, value in (self.answer.db or {}).items()}

    @property
    def setting(self) -> Setting:
        """The question in the terms of the mathematics."""
        return self.probe.setting

    @property
    def gradients(self) -> Quantities:
        """dW and db by name, as they came; none where the whole answer is a complaint."""
        return self.given or {}

    @property
    def says_something(self) -> bool:
        """Whether any gradient came that is not zero throughout."""
        return any(array.any() for array in self.gradients.values())

    @cached_property
    def rounding(self) -> Rounding:
        """What rounding allows."""
        return Rounding(self.setting, self.answer)

    @cached_property
    def correct(self) -> HookedPass:
        """The pass without any bug."""
        return HookedPass(self.setting, self.hooks)

    @property
    def is_of_gradients(self) -> bool:
        """Whether dW and db were asked for, rather than the output or the intermediates."""
        return self.probe.role not in (Role.FORWARD, Role.INTERMEDIATES)

    @property
    def compared(self) -> dict[str, np.ndarray | None]:
        """What came, by the names of what was expected; None for what is missing. Nothing where all
        is a complaint."""
        if self.is_of_gradients:
            if self.given is None:
                return {}
            return {name: self.given.get(name) for name in self.setting.gradients}
        if self.probe.role == Role.FORWARD:
            if self.answer.p is None:
                return {}
            return {"p": self.answer.p}
        steps = self.answer.steps or {}
        return {name: value for name, value in steps.items() if name in self.rounding.bounds}

    @cached_property
    def is_wrong(self) -> bool:
        """Whether anything that came is out of bounds, of another shape, or missing."""
        return any(not self._is_correct(name, given) for name, given in self.compared.items())

    def _is_correct(self, name: str, given: np.ndarray | None) -> bool:
        return given is not None and self.within(name, given, self.correct.value(name))

    @cached_property
    def is_whole(self) -> bool:
        """Whether every gradient came, in its shape and finite."""
        for name in self.setting.gradients:
            given = self.gradients.get(name)
            if given is None or given.shape != self.correct.value(name).shape:
                return False
            if not np.isfinite(given).all():
                return False
        return True

    def within(self, name: str, given: np.ndarray, expected: np.ndarray) -> bool:
        """Whether two arrays are as near to each other as rounding in the correct pass leaves an
        answer to the correct one."""
        limit = self.rounding.bounds[name]
        if not given.shape == expected.shape == limit.shape:
            return False
        return bool((np.abs(given - expected) <= limit).all())

    def as_if_in(self, precision: str) -> Evidence:
        """The same answer, with all the rounding of a coarser format."""
        return Evidence(self.probe, replace(self.answer, precision=precision, shorter={}))

    @cached_property
    def wrongs(self) -> frozenset[str]:
        """Every gradient that is out of bounds, of another shape, or absent."""
        if self.given is None or not self.is_of_gradients:
            return frozenset()
        return frozenset(
            name
            for name in self.setting.gradients
            if not self._is_correct(name, self.given.get(name))
        )

    @property
    def is_wrong_at_output(self) -> bool:
        """Whether a gradient of the output layer is wrong: what is made of dz[L] alone."""
        return any(layer_of(name) == self.setting.problem.L for name in self.wrongs)

    @cached_property
    def telling_first(self) -> list[str]:
        """Every gradient, the wrong ones first: a prediction that has those right is likely to have
        all."""
        return sorted(self.setting.gradients, key=lambda name: name not in self.wrongs)

    def came(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """What was given; a single number as often as a prediction repeats it, a column or a row as
        the line that it is."""
        given = self.gradients.get(name)
        if given is not None and given.size == 1:
            return np.full(shape, given.reshape(-1)[0])
        if given is not None and max(given.shape, default=0) == given.size == np.prod(shape):
            return given.reshape(shape)
        return given


def differs_from_call_to_call(evidence: Sequence[Evidence]) -> bool:
    """Whether the first question, asked again, was answered with other numbers."""
    same = [item.given for item in evidence if item.probe.role in (Role.FIRST, Role.AGAIN)]
    answers = [given for given in same if given is not None]
    if len(same) < 2 or len(answers) < len(same):
        return False
    first, again = answers
    if first.keys() != again.keys():
        return True
    return any(not np.array_equal(first[name], again[name], equal_nan=True) for name in first)

"""A network that a script trains, as it was recognised; or why none was."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.archive import Archive
from backproof.checks.recording.script.inputs import Inputs
from backproof.checks.recording.script.layers import Layer
from backproof.checks.recording.script.passes import Network, Step
from backproof.checks.recording.script.scalars import Gathered


@dataclass
class NotRecognised(Exception):
    """Why no network was recognised, in one sentence."""

    missing: str
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.missing


class NoLayers(NotRecognised):
    """Nothing was seen to be a layer."""


@dataclass(frozen=True)
class Held:
    """Arrays of one shape that one name held, in the order of time."""

    made: list[Made]

    @cached_property
    def _times(self) -> list[int]:
        return [one.time for one in self.made]

    def was_given(self, since: int, until: int) -> bool:
        """Whether it was bound to something in some time."""
        return bisect_right(self._times, until) > bisect_right(self._times, since)

    def last(self, since: int, until: int) -> np.ndarray | None:
        """What it held at a time, or else what it held first until another time."""
        index = bisect_right(self._times, since)
        if index:
            return self.made[index - 1].value
        if self.made and self.made[0].time < until:
            return self.made[0].value
        return None


@dataclass(frozen=True)
class Recognised:
    """A network at work.

    Attributes:
        network: its layers.
        steps: its first updates.
        columns: whether samples are columns in the script.
        archive: all that was recorded.
        inputs: what of it may go into a layer.
        gathered: what its matrices are made of, where they are single numbers in the script.
    """

    network: Network
    steps: tuple[Step, ...]
    columns: bool
    archive: Archive
    inputs: Inputs
    gathered: Gathered | None = None

    @cached_property
    def _held(self) -> list[Held]:
        found: dict[tuple[str, str, tuple[int, ...]], list[Made]] = {}
        for made in self.archive.made:
            shape = np.squeeze(made.value).shape  # two functions may give one name to two things
            key = made.site.name, made.site.callee, shape
            found.setdefault(key, []).append(made)
        return [Held(some) for some in found.values()]

    def held_between(self, since: int, until: int) -> list[Held]:
        """What every name held that was given something new in some time."""
        return [held for held in self._held if held.was_given(since, until)]

    def with_output(self, output: str) -> Recognised:
        """The same with another output, which no line was seen to hold."""
        some = tuple(
            replace(step, passes=tuple(one.with_output(output) for one in step.passes))
            for step in self.steps
        )
        return replace(self, network=replace(self.network, output=output), steps=some)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The first first."""
        return self.network.layers

    @property
    def layout(self) -> str:
        """How its weights lie."""
        return "in,out" if self.layers[0].turned else "out,in"

    @property
    def names(self) -> list[str]:
        """What the script calls its weights."""
        return [layer.W.name for layer in self.layers]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the input and of each layer."""
        Ms = [layer.numbers(self.steps[0].since)[0] for layer in self.layers]
        return (Ms[0].shape[1], *(len(M) for M in Ms))

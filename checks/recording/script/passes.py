"""Forward passes of a recognised network, and the steps in between which change its weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from backproof.checks.activations import Activation, named
from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.archive import Archive
from backproof.checks.recording.script.functions import functions
from backproof.checks.recording.script.inputs import Input, Inputs
from backproof.checks.recording.script.layers import Layer

MOST_WINDOWS = 600  # times between two changes of any parameter that are looked at
MOST_STEPS = 4
MOST_INPUTS = 300


@dataclass(frozen=True)
class Pass:
    """One input on its way through the network.

    Attributes:
        input: what went in.
        z, a: of each layer, the first first; the last a is p. One sample a row.
        made: z or a of each layer, as it was recorded.
    """

    input: Input
    z: tuple[np.ndarray, ...]
    a: tuple[np.ndarray, ...]
    made: tuple[Made, ...]

    @property
    def began(self) -> int:
        """When the first layer was done."""
        return self.made[0].time

    @property
    def ended(self) -> int:
        """When the last one was."""
        return self.made[-1].time

    def with_output(self, output: str) -> Pass:
        """The same with another output."""
        return replace(self, a=(*self.a[:-1], output_of(output, self.z[-1])))

    @property
    def p(self) -> np.ndarray:
        """What came out."""
        return self.a[-1]


@dataclass(frozen=True)
class Step:
    """An update of the weights, and the passes before it.

    Attributes:
        since: when the weights had become what they are.
        until: when the first of them changed.
        after: when all had changed, and were used again.
        passes: in between, in the order in which they ended.
    """

    since: int
    until: int
    after: int
    passes: tuple[Pass, ...]


@dataclass(frozen=True)
class Network:
    """Layers, and what stands between them.

    Attributes:
        layers: the first first.
        hidden: the activation of each hidden layer.
        output: what makes p of the logits.
    """

    layers: tuple[Layer, ...]
    hidden: tuple[Activation, ...]
    output: str

    @cached_property
    def parameters(self) -> frozenset[int]:
        """Which arrays its parameters were, by their identity."""
        found: frozenset[int] = frozenset()
        for layer in self.layers:
            found |= layer.W.values
            if layer.b is not None:
                found |= layer.b.values
        return found

    def change_times(self) -> list[int]:
        """When any of its parameters changed."""
        found: set[int] = set()
        for layer in self.layers:
            for variable in (layer.W, layer.b):
                found |= set() if variable is None else set(variable.times[1:])
        return sorted(found)

    def start(self) -> int:
        """When all of its weights were there."""
        return max(layer.W.times[0] for layer in self.layers)

    def forward(self, x: np.ndarray, time: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """z and a of each layer for the parameters of some time."""
        a = x
        for index, layer in enumerate(self.layers):
            M, bias = layer.numbers(time)
            with np.errstate(all="ignore"):
                z = a @ M.T + bias
                if index < len(self.hidden):
                    a = self.hidden[index].h(z)
                else:
                    a = output_of(self.output, z)
            yield z, a


def output_of(output: str, z: np.ndarray) -> np.ndarray:
    """p of the logits."""
    if output == "softmax":
        return functions(z.shape[1])["softmax"](z)
    return named(output).h(z)


def steps(
    network: Network,
    archive: Archive,
    inputs: Inputs,
    last: int,
    place: tuple[str, bool] | None = None,
    seen_at: Collection[tuple[str, bool]] = (),
    most: int = MOST_STEPS,
) -> list[Step]:
    """The first updates that follow a pass.

    Args:
        network: what was recognised.
        archive: all arrays.
        inputs: those that may go in.
        last: when the recording ended.
        place: where alone an input is looked for, if that is known.
        seen_at: where inputs of the first layer were seen.
        most: steps that are looked for.
    """
    changes = network.change_times()
    starts = [time for time in (network.start(), *changes) if time >= network.start()]
    windows = [pair for pair in pairwise(sorted({*starts, last + 1})) if pair[1] > pair[0] + 1]
    found: list[tuple[int, int, tuple[Pass, ...]]] = []
    known: list[Input] = []
    for since, until in windows[:MOST_WINDOWS]:
        some = _fitting(network, inputs, since, until, seen_at)
        some = [one for one in some if place in (None, one.place)]
        if found:  # what went in before may go in again, another element, and what is new since
            places = {one.place for one in known}
            since_then = found[-1][0]
            some = [one for one in some if one.made.time >= since_then or one.place in places]
        passes = tuple(_passes(network, archive, some, since, until))
        if passes:
            found.append((since, until, passes))
            known = list({id(one.input): one.input for one in passes}.values())
        if len(found) > most:
            break
    done = []
    for (since, until, passes), after in pairwise(found):
        step = Step(since, until, after[0], passes)
        if not _has_more(step, archive):
            done.append(step)
    if found and len(found) <= most and found[-1][1] <= last:
        since, until, passes = found[-1]
        done.append(Step(since, until, _when_settled(network, until, last), passes))
    return done


def _has_more(step: Step, archive: Archive) -> bool:
    """Whether the lines that hold the output made another one before the weights were used again:
    a pass that was not seen, and so perhaps an update more."""
    sites = {one.made[-1].site for one in step.passes}
    times = [one.time for one in archive.made if one.site in sites]
    return any(step.until <= time < step.after for time in times)


def _when_settled(network: Network, until: int, last: int) -> int:
    """When the update that begins at a time is over, where no pass was seen after it."""
    ends = []
    for layer in network.layers:
        for variable in (layer.W, layer.b):
            later = [] if variable is None else [time for time in variable.times if time >= until]
            ends += later[:1]
    return max(ends, default=last)


def _fitting(
    network: Network,
    inputs: Inputs,
    since: int,
    until: int,
    seen_at: Collection[tuple[str, bool]],
) -> list[Input]:
    """What is as wide as the first layer: what came last, and what lies where an input was seen."""
    first = network.layers[0]
    width = first.numbers(since)[0].shape[1]
    some = inputs.of(width, first.ones, until)
    before = [one for one in some[:-MOST_INPUTS] if one.place in seen_at]
    return before[-MOST_INPUTS:] + some[-MOST_INPUTS:]


def _passes(
    network: Network, archive: Archive, some: Sequence[Input], since: int, until: int
) -> Iterator[Pass]:
    n = len(network.layers[0].numbers(since)[0])
    found: list[Pass] = []
    for taken in some:
        if archive.has((len(taken.rows), n), since, until):
            found += _of(network, archive, taken, since, until)
    seen: set[int] = set()
    for one in sorted(found, key=lambda each: each.ended):
        if one.began not in seen:  # of one input that is recorded in two ways
            seen.add(one.began)
            yield one


def _of(network: Network, archive: Archive, taken: Input, since: int, until: int) -> Iterator[Pass]:
    """The passes of one input: as many as its logits, or its output, were made anew."""
    zs: list[np.ndarray] = []
    activations: list[np.ndarray] = []
    made: list[list[Made]] = []
    own = network.parameters  # of an input of zeros, z is the bias
    for z, a in network.forward(taken.rows, since):
        seen = _again(archive, z, since, until, own) or _again(archive, a, since, until, own)
        if not seen:
            return
        zs.append(z)
        activations.append(a)
        made.append(seen)
    count = min(map(len, made))
    for index in range(count):
        yield Pass(taken, tuple(zs), tuple(activations), tuple(one[index] for one in made))


def _again(
    archive: Archive, array: np.ndarray, since: int, until: int, own: Collection[int]
) -> list[Made]:
    """Where an array is, and not as a parameter, as often as the first line that has it made it
    anew."""
    places = [made for made in archive.places(array, since, until) if id(made.value) not in own]
    found = sorted(places, key=lambda made: made.time)
    return [made for made in found if made.site == found[0].site]

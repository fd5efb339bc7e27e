"""The network that a script trains, recognised by what its lines compute.

A role is believed only when it reproduces recorded arrays to rounding: layer after layer, each of
which takes what the one before has given. Nothing is taken from names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from backproof.checks.activations import Activation
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.candidates.inside.values import LARGEST_ARRAY
from backproof.checks.recording.script.archive import Archive
from backproof.checks.recording.script.chains import Chain, Chains
from backproof.checks.recording.script.frozen import layer_before
from backproof.checks.recording.script.functions import OUTPUTS
from backproof.checks.recording.script.inputs import Inputs
from backproof.checks.recording.script.layers import Edge, Finder, Layer
from backproof.checks.recording.script.passes import Network, Step, steps
from backproof.checks.recording.script.plainer import numbers, vectors, with_rows
from backproof.checks.recording.script.still import with_still_biases
from backproof.checks.recording.script.variables import Variable, variables
from backproof.checks.recording.source import Sources

MOST_SCALARS = 20_000
MOST_UNUSED = 6  # versions of weights of which one pass alone was seen
MOST_RIVALS = 8  # biases of one layer that are all zero at first


@dataclass
class NotRecognised(Exception):
    """Why no network was recognised, in one sentence."""

    missing: str
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.missing


@dataclass(frozen=True)
class Held:
    """Arrays that one name held, in the order of time."""

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
    """

    network: Network
    steps: tuple[Step, ...]
    columns: bool
    archive: Archive
    inputs: Inputs

    @cached_property
    def _held(self) -> dict[str, Held]:
        found: dict[str, list[Made]] = {}
        for made in self.archive.made:
            found.setdefault(made.site.name, []).append(made)
        return {name: Held(some) for name, some in found.items()}

    def held_between(self, since: int, until: int) -> list[Held]:
        """What every name held that was given something new in some time."""
        return [held for held in self._held.values() if held.was_given(since, until)]

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


def recognise(recording: Recording) -> Recognised:
    """The network of a recording.

    Raises: NotRecognised where none was, or two.
    """
    recorded = [*recording.made, *_single(recording)]
    archive = Archive(sorted(recorded, key=lambda made: made.time))
    inputs = Inputs(recording.made)
    held = variables(recording.made)
    sources = Sources(recording.sources)
    weights = _weights(held)
    own = [one for one in held if one.changes and _updates_itself(one, sources)]
    finder = Finder(archive, inputs, own)
    chains = Chains(list(finder.edges([one for one in weights if one in own])))
    if max(map(len, chains.all), default=0) < 2:
        finder = Finder(archive, inputs, held)
        chains = Chains(list(finder.edges([one for one in weights if one.moves])))
    if max(map(len, chains.all), default=0) < 2:
        some = [one for one in (*weights, *vectors(held)) if _updates_itself(one, sources)]
        biases = [one for one in numbers(recording) if _updates_itself(one, sources)]
        more = with_rows(recording.made, held)
        plainer = Chains(list(Finder(archive, more, [*own, *biases]).edges(some)))
        if max(map(len, plainer.all), default=0) > 1:
            chains = plainer
            inputs = more
    if not chains.all:
        names = list(dict.fromkeys(one.name for one in weights[:6]))
        raise NotRecognised(
            f"a line that holds what a layer makes of an input: what changes is {', '.join(names)}",
            names,
        )
    best = max(chains.all, key=chains.likelihood)
    _refuse_two(chains, best)
    found = _at_work(chains, best, archive, inputs)
    _refuse_others(found, held, sources)
    _refuse_unseen(recording, found.network.change_times()[0])
    _refuse_frozen(found, held)
    _refuse_unused(found, held)
    layers = with_still_biases(found.layers, best, recording.made, held, sources)
    return replace(found, network=replace(found.network, layers=layers))


def _refuse_unused(found: Recognised, held: Sequence[Variable]) -> None:
    """Updates of a copy: what it becomes goes into no later pass, and what it was a copy of stays
    as it is."""
    changed = [len(layer.W.versions) for layer in found.layers]
    if len(found.steps) > 1 or min(changed) <= MOST_UNUSED:
        return
    first = {id(layer.W.versions[0].value): layer.W.name for layer in found.layers}
    for one in held:
        copy = first.get(id(one.versions[0].value))
        if copy is not None and not one.ever_differs:
            raise NotRecognised(
                f"a pass with what {copy} becomes: it begins as a copy of {one.name}, which never "
                "changes, and no pass was seen that takes what an update has made of it",
                found.names,
            )


def _refuse_frozen(found: Recognised, held: Sequence[Variable]) -> None:
    """A layer before the first one, which is computed in each step and stays as it is."""
    frozen = layer_before(found.network, found.steps, found.archive, found.inputs, held)
    if frozen is not None:
        raise NotRecognised(
            f"an update of {frozen.name}: what goes into {found.names[0]} is made of it in each "
            "step, and it never changes. If it is meant to learn, no line takes its gradient off",
            found.names,
        )


def _refuse_unseen(recording: Recording, since: int) -> None:
    """Arrays that go on changing after the first update, and were too large to be looked at: a
    layer may be among them."""
    names = [name for name, changed in recording.unseen.items() if changed > since]
    if names:
        raise NotRecognised(
            f"what {', '.join(names[:6])} holds: it changes from step to step, and has more than "
            f"{LARGEST_ARRAY:,} entries, which are not looked at"
        )


def _weights(held: Sequence[Variable]) -> list[Variable]:
    """What may be weights: matrices that change as weights do."""
    moving = [one for one in held if one.changes and len(one.shape) in (1, 2)]
    matrices = [one for one in moving if one.versions[0].value.ndim == 2]
    # what is zero at first gathers something, unless there is nothing else
    weights = [one for one in matrices if one.versions[0].value.any()] or matrices
    if not moving:
        raise NotRecognised("no array was seen to change from step to step, as weights do")
    if not weights:
        raise NotRecognised(
            "no matrix was seen to change from step to step, as weights do; what changes is "
            f"{', '.join(dict.fromkeys(one.name for one in moving[:6]))}"
        )
    return weights


def _single(recording: Recording) -> Iterator[Made]:
    """Single numbers as arrays."""
    left = MOST_SCALARS
    for series in recording.series:
        pairs = zip(series.times[:left].tolist(), series.values[:left], strict=True)
        for time, value in pairs:
            yield Made(time, series.site, np.asarray(value), 2.0**-52, series.caller)
        left = max(0, left - len(series.values))


def _updates_itself(one: Variable, sources: Sources) -> bool:
    """Whether its first change is an update, where it was made or where it came to be held."""
    return any(_is_updated(made, sources) for made in (one.bound[1], one.versions[1]))


def _is_updated(made: Made, sources: Sources) -> bool:
    """Whether the line that changes it mentions it on both sides, as an update does."""
    return sources.of(made.site.file).updates(made.site.line, made.site.name)


def _refuse_two(chains: Chains, best: Chain) -> None:
    mine = _values(best)
    for chain in chains.all:
        if _values(chain) & mine or any(_is_of(edge.M, best) for edge in chain):
            continue  # its own weights under another name, or its input taken for weights
        if len(chain) > 1 and len(best) > 1 and not chains.linear(chain):
            raise NotRecognised(
                f"there are two networks: one of {_names(best)}, and one of {_names(chain)}"
            )


def _values(chain: Chain) -> set[int]:
    """The arrays that its weights are, over time."""
    found: set[int] = set()
    for edge in chain:
        found |= {id(made.value) for made in edge.layer.W.versions}
    return found


def _at_work(chains: Chains, chain: Chain, archive: Archive, inputs: Inputs) -> Recognised:
    """The network of a chain, with the biases that reproduce what it makes once they move."""
    hidden = []
    for edge, after in pairwise(chain):
        activation = chains.activation(edge, after)
        assert activation is not None
        hidden.append(activation)
    last = chain[-1]
    output = next((name for name in OUTPUTS if name in last.found), "linear")
    layers = _with_biases(chain, tuple(hidden), archive, inputs)
    network = Network(layers, tuple(hidden), output)
    found = steps(network, archive, inputs, archive.made[-1].time)
    if not found:
        names = [edge.layer.W.name for edge in chain]
        raise NotRecognised(
            f"{', '.join(names)} were seen to compute something, and not to change after it", names
        )
    return Recognised(network, tuple(found), chain[0].input.columns, archive, inputs)


def _with_biases(
    chain: Chain, hidden: tuple[Activation, ...], archive: Archive, inputs: Inputs
) -> tuple[Layer, ...]:
    """The layers, each with the bias that reproduces what it makes once that is no longer zero."""
    end = archive.made[-1].time
    layers: tuple[Layer, ...] = ()
    for edge in chain:
        taken = [id(layer.b) for layer in layers]
        rivals = [one for one in edge.rivals if id(one) not in taken][:MOST_RIVALS]
        choices = [replace(edge.layer, b=rival) for rival in rivals]
        if not choices:  # one bias belongs to one layer
            choices = [replace(edge.layer, b=None) if id(edge.layer.b) in taken else edge.layer]
        if len(choices) > 1:
            below = [
                Network((*layers, one), hidden[: len(layers) + 1], "linear") for one in choices
            ]
            counts = [len(steps(one, archive, inputs, end)) for one in below]
            choices = [choices[counts.index(max(counts))]]
        layers = (*layers, choices[0])
    return layers


def _refuse_others(found: Recognised, held: Sequence[Variable], sources: Sources) -> None:
    """A parameter that is updated, too, and is no part of the network."""
    first = found.steps[0].passes[0].began
    mine: set[int] = set()
    for layer in found.layers:
        for variable in (layer.W, layer.b):
            mine |= set() if variable is None else {id(made.value) for made in variable.versions}
    for one in held:
        before = one.made_at(first)
        if before is None or not one.changes or before.value.ndim == 0 or not before.value.any():
            continue
        is_mine = any(id(made.value) in mine for made in one.versions)
        if is_mine or _is_part(before.value, found, first):
            continue
        if any(_is_updated(made, sources) for made in _updates(one, first)):
            raise NotRecognised(
                f"{one.name} changes from step to step, too, and is no part of the network of "
                f"{', '.join(found.names)}",
                found.names,
            )


def _updates(one: Variable, first: int) -> Iterator[Made]:
    """What a variable became after a time, in the place where it was before: as that came to be
    held there, and as it was made."""
    made = {id(version.value): version for version in one.versions}
    for before, after in pairwise(one.bound):
        if before.slot == after.slot and after.time > first:
            yield after
            if made[id(after.value)].time > first:
                yield made[id(after.value)]


def _is_part(value: np.ndarray, found: Recognised, time: int) -> bool:
    """Whether an array is a row or a column of the weights, or a part of a bias."""
    for layer in found.layers:
        W = layer.W.at(time)
        for rows in (W, W.T):
            if value.ndim == 1 and value.shape == rows.shape[1:] and (rows == value).all(1).any():
                return True
    return False


def _is_of(M: np.ndarray, chain: Sequence[Edge]) -> bool:
    """Whether a matrix is the input or the weights of a layer."""
    for edge in chain:
        for known in (edge.x, edge.M):
            for array in (known, known.T):
                if array.shape == M.shape and np.array_equal(array, M):
                    return True
    return False


def _names(chain: Sequence[Edge]) -> str:
    return ", ".join(edge.layer.W.name for edge in chain)

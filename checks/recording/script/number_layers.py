"""Neurons that take the same are a layer: which there are, when each was at work, and in which
order the next one takes what they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.functions import OUTPUTS, functions
from backproof.checks.recording.script.held_numbers import Held, Key, Value
from backproof.checks.recording.script.neurons import (
    CLOSE,
    Event,
    Rows,
    Sum,
    are_apart,
    events,
)

MOST_UNITS = 6  # of a layer of which every order is tried


@dataclass
class Neuron:
    """A weighted sum, wherever it is written.

    Attributes:
        written: its lines, that which was executed first first.
        seen: what each line was seen to make.
    """

    written: list[Sum]
    seen: list[list[Event]]


@dataclass
class NumberLayer:
    """Neurons that take the same.

    Attributes:
        neurons: the first first.
        columns: of each, the weights in the order of the inputs.
        passes: when it was at work.
        is_taken: whether another layer takes what it makes.
    """

    neurons: list[Neuron]
    columns: list[list[Key]]
    passes: list[NumberPass] = field(default_factory=list)
    is_taken: bool = False

    @property
    def biases(self) -> list[Key]:
        """What each neuron adds; [] where none adds anything."""
        some = [neuron.written[0].bias for neuron in self.neurons]
        return [bias for bias in some if bias is not None]


@dataclass(frozen=True)
class NumberPass:
    """A layer at work.

    Attributes:
        began, ended: when the first and the last of its neurons were done.
        z: of each neuron.
        x: what went in, as far as it was seen by itself.
        rows: else, which rows of the script's data may have.
        since: when all of that was there.
        made: z of each, or what an activation makes of it, as it was recorded.
    """

    began: int
    ended: int
    z: np.ndarray
    x: tuple[Value, ...] | None
    rows: frozenset[int]
    since: int
    made: tuple[Made, ...]


def layers_of(
    found: Sequence[Sum], held: Held, rows: Rows, own: frozenset[Key]
) -> list[NumberLayer] | None:
    """The layers that weighted sums form, each with its neurons in the order in which the next one
    takes them; None where lines disagree about them.

    Args:
        found: the sums.
        held: all that was recorded.
        rows: of all data.
        own: the numbers that update themselves.
    """
    neurons = _neurons(found, held, rows, own)
    layers = None if neurons is None else _layers(neurons)
    if layers is None:
        return None
    for layer in layers:
        layer.passes = _passes(layer)
    _in_order(layers)
    return layers


def _neurons(
    found: Sequence[Sum], held: Held, rows: Rows, own: frozenset[Key]
) -> list[Neuron] | None:
    """The neurons, from the first that was executed on; None where lines disagree about them. A sum
    of weights of theirs that is none of them is one on the way back."""
    seen: list[tuple[Sum, list[Event]]] = []
    others: list[Sum] = []
    for one in found:
        if not any((one.file, line) in held.by_line for line in range(one.first, one.last + 1)):
            continue  # never executed
        some = events(one, held, rows)
        if some is None:
            others.append(one)
        else:
            seen.append((one, some))
    seen.sort(key=lambda pair: pair[1][0].time)
    neurons: list[Neuron] = []
    for one, some in seen:
        same = next((each for each in neurons if each.written[0].weights == one.weights), None)
        if same is not None and _is_same_sum(same.written[0], one):
            same.written.append(one)
            same.seen.append(some)
        elif any(each.written[0].weights & one.weights for each in neurons):
            others.append(one)
        else:
            neurons.append(Neuron([one], [some]))
    known = frozenset[Key]().union(*(neuron.written[0].weights for neuron in neurons))
    if not all(one.weights <= known for one in others):
        return None
    if not are_apart([neuron.written[0] for neuron in neurons], own):
        return None
    return neurons


def _is_same_sum(first: Sum, other: Sum) -> bool:
    """Whether a sum of the weights of a neuron is that neuron again: with its bias, and in one
    function with its inputs."""
    is_beside = first.function == other.function
    return first.bias == other.bias and (not is_beside or first.inputs == other.inputs)


def _layers(neurons: Sequence[Neuron]) -> list[NumberLayer] | None:
    """Neurons with the same inputs; None where some of a layer add a bias, and some do not."""
    groups: dict[tuple[str, frozenset[str]], list[Neuron]] = {}
    for neuron in neurons:
        groups.setdefault(neuron.written[0].inputs, []).append(neuron)
    found = []
    for some in groups.values():
        some.sort(key=lambda one: (one.written[0].first, one.written[0].column))
        order = [term.text for term in some[0].written[0].terms]
        if len(set(order)) < len(order):
            return None
        columns = []
        for neuron in some:
            by_input = {term.text: term.weight for term in neuron.written[0].terms}
            columns.append([by_input[text] for text in order])
        layer = NumberLayer(some, columns)
        if len(layer.biases) not in (0, len(some)):
            return None
        found.append(layer)
    return found


def _passes(layer: NumberLayer) -> list[NumberPass]:
    """Each time when all of its neurons were seen, one after the other, in one function."""
    return sorted(_passes_of(layer), key=lambda one: one.began)


def _passes_of(layer: NumberLayer) -> Iterator[NumberPass]:
    by_function: dict[str, list[tuple[Event, int, Sum]]] = {}
    for index, neuron in enumerate(layer.neurons):
        for one, seen in zip(neuron.written, neuron.seen, strict=True):
            some = by_function.setdefault(one.function, [])
            some += [(event, index, one) for event in seen]
    for some in by_function.values():
        some.sort(key=lambda each: (each[0].time, each[1]))
        begun: dict[int, tuple[Event, Sum]] = {}
        for event, index, one in some:
            if index in begun:
                begun = {}
            begun[index] = event, one
            if len(begun) == len(layer.neurons):
                yield _pass(layer, begun)
                begun = {}


def _pass(layer: NumberLayer, seen: dict[int, tuple[Event, Sum]]) -> NumberPass:
    some = [seen[index][0] for index in range(len(layer.neurons))]
    first = seen[0][1]
    order = {term.weight: index for index, term in enumerate(first.terms)}
    x = some[0].x
    if x is not None:
        x = tuple(x[order[weight]] for weight in layer.columns[0])
    rows = frozenset.intersection(*(event.rows for event in some))
    times = [event.time for event in some]
    z = np.stack([event.z for event in some], axis=-1)
    return NumberPass(
        min(times), max(times), z, x, rows, some[0].since, tuple(event.made for event in some)
    )


def _in_order(layers: Sequence[NumberLayer]) -> None:
    """Put the neurons of each layer into the order in which the next one takes what they make."""
    for layer in layers:
        for after in layers:
            if after is not layer and len(after.columns[0]) == len(layer.neurons):
                order = _order(layer, after)
                if order is not None:
                    layer.is_taken = True
                    layer.neurons = [layer.neurons[index] for index in order]
                    layer.columns = [layer.columns[index] for index in order]
                    layer.passes = _passes(layer)


def _order(layer: NumberLayer, after: NumberLayer) -> tuple[int, ...] | None:
    """The order of a layer's neurons that makes another one's inputs, the usual first."""
    for taken in after.passes[:3]:
        before = [one for one in layer.passes if one.ended <= taken.began]
        if taken.x is None or not before or len(layer.neurons) > MOST_UNITS:
            return None
        z = max(before, key=lambda one: one.ended).z
        x = np.stack([value.numbers for value in taken.x], axis=-1)
        for name, make in functions(1).items():
            if name in OUTPUTS or name == "identity":
                with np.errstate(all="ignore"):
                    a = make(z)
                for order in permutations(range(len(layer.neurons))):
                    if is_same(a[..., list(order)], x):
                        return order
    return None


def is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are one, to rounding."""
    return a.shape == b.shape and bool(np.abs(a - b).max() <= CLOSE * np.abs(b).max())

"""Networks that are written with one variable for each weight: the numbers that update themselves
are gathered into the matrices that they form, and what their neurons take and make into arrays, at
the times at which each is complete. Then they are recognised as any other network is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.recording.script.held_numbers import EPS, Held, Key, Value, is_place
from backproof.checks.recording.script.neurons import (
    Rows,
    sums,
)
from backproof.checks.recording.script.number_layers import NumberLayer, layers_of
from backproof.checks.recording.script.outcomes import Compared, Outcomes
from backproof.checks.recording.source import Sources

FEWEST = 2  # values of a number that updates itself
MOST_UNITS = 6  # of a layer of which every order is tried
MOST_COMPARED = 500  # passes of which the targets are looked for
LISTED = 2  # names that are written out; of more, the first and the last


@dataclass(frozen=True)
class Gathered:
    """A recording with arrays for what single variables hold.

    Attributes:
        recording: with them.
        layers: of each layer's weights, as they are called there, what its bias is called; "" where
            it has none.
        weights: the place of every entry of W and b, by what that is called.
        compared: what the outputs of passes are compared with, where that was seen.
    """

    recording: Recording
    layers: dict[str, str]
    weights: dict[str, list[list[Key]]]
    compared: tuple[Compared, ...]

    def outcome(self, time: int) -> Compared | None:
        """What the output of the pass that was over at a time is compared with, if that was
        seen."""
        return next((one for one in self.compared if one.began <= time < one.until), None)

    def targets(self, times: Sequence[int]) -> tuple[str, np.ndarray] | None:
        """What the outputs of passes that were over at some times are compared with, one a row, and
        how that is written; None where that was not seen of each."""
        found = [one for one in map(self.outcome, times) if one is not None]
        if len(found) < len(times):
            return None
        return found[-1].name, np.stack([one.Y for one in found])


def gather(recording: Recording) -> Gathered | None:
    """A recording with the matrices that single numbers form; None where they form none, or where
    the syntax of a line and its numbers do not agree."""
    held = Held(recording, Sources(recording.sources))
    own = frozenset(_updated(held))
    found = sums(held, own, list(recording.sources)) if len(own) > FEWEST else None
    if not found:
        return None
    rows = Rows(held)
    layers = layers_of(found, held, rows, own)
    return None if layers is None else _Put(recording, held, rows, layers).all()


def _updated(held: Held) -> Iterator[Key]:
    """The places of single numbers that update themselves."""
    for key, some in held.by_key.items():
        changed = [made for made in some[1:] if made.site.kind == "value"]
        if len(some) < FEWEST or any(made.value.size != 1 for made in some):
            continue
        if any(_is_update(made, key, held) for made in changed):
            yield key


def _is_update(made: Made, key: Key, held: Held) -> bool:
    """Whether a line gives a place what is made of it, there or on the line before whose value it
    hands on."""
    if held.sources.of(made.site.file).updates(made.site.line, key[1]):
        return True
    for value in held.values(made):
        if is_place(value):
            before = held.last(held.key(value, made.site.file, made.site.line), made.time)
            if before is not None and key in held.taken(before):
                return True
    return False


class _Put:
    """Puts arrays into a recording."""

    def __init__(
        self, recording: Recording, held: Held, rows: Rows, layers: Sequence[NumberLayer]
    ) -> None:
        self.recording = recording
        self.held = held
        self.rows = rows
        self.layers = layers
        self.file = layers[0].neurons[0].written[0].file
        self.slot = max((made.slot for made in recording.made), default=0)
        self.more: list[Made] = []
        self.compared: list[Compared] = []

    def all(self) -> Gathered | None:
        """The recording with all of them; None where what goes in was not seen."""
        names = {}
        places: dict[str, list[list[Key]]] = {}
        for layer in self.layers:
            W = self._weights(layer, layer.columns)
            b = self._weights(layer, [layer.biases]) if layer.biases else ""
            names[W] = b
            places[W] = layer.columns
            if b:
                places[b] = [[bias] for bias in layer.biases]
            if not self._inputs(layer):
                return None
            self._products(layer)
            self._outputs(layer)
        made = sorted([*self.recording.made, *self.more], key=lambda one: one.time)
        whole = replace(self.recording, made=tuple(made))
        return Gathered(whole, names, places, tuple(self.compared))

    def _weights(self, layer: NumberLayer, places: Sequence[Sequence[Key]]) -> str:
        """Every version of a matrix, or of a bias, with which a pass was made, and the last one
        where all that it consists of has changed since; what it is called."""
        is_bias = len(places) == 1 and list(places[0]) == layer.biases
        name = called([key[1] for key in chain.from_iterable(places)])
        self.slot += 1
        known = b""
        until = self._last_update()
        for time in (*sorted(one.began for one in layer.passes), *until):
            value, last = self._at(places, time)
            if value is None or last is None or value.tobytes() == known:
                continue
            known = value.tobytes()
            numbers = value[0] if is_bias else value
            site = replace(last.site, name=name, kind="value")
            self.more.append(Made(last.time, site, numbers, EPS, last.caller, self.slot))
        return name

    def _at(
        self, places: Sequence[Sequence[Key]], time: int
    ) -> tuple[np.ndarray | None, Made | None]:
        """What some places held before a time, and the last of them to change."""
        keys = list(chain.from_iterable(places))
        some = [self.held.number(key, self.file, time) for key in keys]
        flat = [one for one in some if one is not None]
        if len(flat) < len(keys):
            return None, None
        value = np.array([float(one.value.reshape(-1)[0]) for one in flat])
        shape = len(places), len(places[0])
        return value.reshape(shape), max(flat, key=lambda one: one.time)

    def _last_update(self) -> list[int]:
        """When the last update was over, if all that is updated has changed since the last pass."""
        passes = chain.from_iterable(layer.passes for layer in self.layers)
        ended = max(one.ended for one in passes)
        end = self.held.all[-1].time + 1
        for layer in self.layers:
            for key in chain.from_iterable(layer.columns):
                made = self.held.last(key, end)
                if made is None or made.time <= ended:
                    return []
        return [end]

    def _inputs(self, layer: NumberLayer) -> bool:
        """What goes into a layer; False where that was not seen."""
        known = b""
        for one in layer.passes:
            if one.x is None:
                if len(one.rows) != 1:
                    return False
                (index,) = one.rows
                made, at = self.rows.sources[index]
                n = len(layer.columns[0])
                if made.value.shape[1] > n:
                    self._cut(made, n)
                x = self.rows.of[index][:n]
                self._add(one.began - 1, one.made[0].site, f"{made.site.name}[{at}]", x)
                continue
            if _is_whole(one.x):
                continue
            x = np.stack([value.numbers for value in one.x], axis=-1)
            if x.tobytes() != known:
                known = x.tobytes()
                texts = [term.text for term in layer.neurons[0].written[0].terms]
                self._add(one.since, one.made[0].site, called(texts), x)
        return True

    def _cut(self, made: Made, n: int) -> None:
        """All data, parted into what goes in and the rest."""
        name = made.site.name
        if not any(one.site.name == f"{name}[:, :{n}]" for one in self.more):
            self._add(made.time, made.site, f"{name}[:, :{n}]", made.value[:, :n])
            self._add(made.time, made.site, f"{name}[:, {n}:]", made.value[:, n:])

    def _products(self, layer: NumberLayer) -> None:
        """What the neurons make of that."""
        if len(layer.neurons) > 1:
            for one in layer.passes:
                name = called([made.site.name for made in one.made])
                self._add(one.ended, one.made[-1].site, name, one.z)

    def _outputs(self, layer: NumberLayer) -> None:
        """What comes out where no other layer takes it, and what it is compared with."""
        if layer.is_taken:
            return
        outcomes = Outcomes(self.held)
        last = 0
        passes = layer.passes[: MOST_COMPARED + 1]
        for one, after in zip_longest(passes[:MOST_COMPARED], passes[1:]):
            until = after.began if after else self.held.all[-1].time + 1
            compared = outcomes.compared(np.atleast_1d(one.z), one.began, until, last)
            self.compared += [] if compared is None else [compared]
            last = one.ended
            made = outcomes.outputs(one.z, one.began, until) if len(layer.neurons) > 1 else []
            if made:
                p = np.array([float(each.value.reshape(-1)[0]) for each in made])
                latest = max(made, key=lambda each: each.time)
                self._add(latest.time, latest.site, called([each.site.name for each in made]), p)

    def _add(self, time: int, site: Site, name: str, value: np.ndarray) -> None:
        where = replace(site, name=name, kind="value")
        self.more.append(Made(time, where, np.asarray(value, dtype=np.float64), EPS, None))


def _is_whole(x: tuple[Value, ...]) -> bool:
    """Whether inputs are the elements of one array, in their order, and all of them."""
    first = x[0].made
    if first is None or first.value.shape != (len(x),):
        return False
    return all(one.made is first and one.index == at for at, one in enumerate(x))


def called(names: Sequence[str]) -> str:
    """Some places by their names: "w5, w6", "w1 to w4"."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) <= LISTED:
        return ", ".join(distinct)
    return f"{distinct[0]} to {distinct[-1]}"

"""The network that a script trains, recognised by what its lines compute.

A role is believed only when it reproduces recorded arrays to rounding: weights and an input whose
product, with a bias, is a recorded z, or becomes one by an activation; layer after layer, each of
which takes what the one before has given. Nothing is taken from names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from backproof.checks import by_hand
from backproof.checks.activations import ACTIVATIONS
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.recording.source import Source
from backproof.checks.recording.variables import Variable, variables

CLOSE = 1e-9
MOST_INPUTS = 200  # different arrays that are tried as an input
MOST_BIASES = 40
MOST_LAYERS = 6
NAME = re.compile(r"\w*")
COMMON = ("sigmoid", "tanh", "relu", "leaky-relu", "softmax")  # tried where z itself is not kept
MOST_MADE = 2_500  # of what was recorded: a few updates
TRIED = ("sigmoid", "tanh", "relu", "leaky-relu", "elu", "softplus", "silu", "gelu")


@dataclass(frozen=True)
class Edge:
    """One layer that was seen to compute something.

    Attributes:
        W, b: the variables; no b where the layer has none.
        version: of W, by which it was computed.
        turned: whether W is (n_in, n_out).
        x: its input, one sample a row.
        z: what it makes, one sample a row.
        M, bias: the numbers of W, (n_out, n_in), and of b.
        found: where z, or what an activation makes of it, was seen: by the activation's name.
        columns: whether samples are columns in the script.
    """

    W: Variable
    b: Variable | None
    version: int
    turned: bool
    x: np.ndarray
    x_name: str
    z: np.ndarray
    M: np.ndarray
    bias: np.ndarray
    found: dict[str, Made]
    columns: bool

    @property
    def key(self) -> int:
        """Which variable its weights are."""
        return id(self.W)

    @property
    def time(self) -> int:
        """When it was computed."""
        return min(made.time for made in self.found.values())

    @property
    def until(self) -> int:
        """When its weights changed."""
        return self.W.versions[self.version + 1].time


@dataclass(frozen=True)
class Recognised:
    """A network.

    Attributes:
        edges: its layers.
        hidden: the activation of each hidden layer.
        output: what makes p of the logits.
        p: the output, one sample a row.
        until: when the weights changed.
        parts: of larger arrays, how many rows they have and which of these the input is.
    """

    edges: tuple[Edge, ...]
    hidden: tuple[str, ...]
    output: str
    p: np.ndarray
    until: int
    parts: tuple[tuple[int, list[int]], ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the input and of each layer."""
        return (self.edges[0].x.shape[1], *(len(edge.M) for edge in self.edges))


@dataclass
class NotRecognised(Exception):
    """Why no network was recognised, in one sentence."""

    missing: str
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.missing


def recognise(recording: Recording) -> Recognised:
    """The network of a recording.

    Raises: NotRecognised where none was, or two.
    """
    recording = replace(recording, made=recording.made[:MOST_MADE])
    held = variables(recording)
    moving = [one for one in held if one.moves and len(one.shape) in (1, 2)]
    weights = [one for one in moving if len(one.versions[0].value.shape) == 2]
    if not moving:
        raise NotRecognised("no array was seen to change from step to step, as weights do")
    if not weights:
        raise NotRecognised(
            "no matrix was seen to change from step to step, as weights do; what changes is "
            f"{', '.join(dict.fromkeys(one.name for one in moving[:6]))}"
        )
    own = [one for one in weights if _updates_itself(one, recording)]
    finder = _Finder(recording, held, own)
    chains = list(_chains(list(finder.edges())))
    if max(map(len, chains), default=0) < 2:
        finder = _Finder(recording, held, weights)
        chains = list(_chains(list(finder.edges())))
    if not chains:
        names = list(dict.fromkeys(one.name for one in weights[:6]))
        raise NotRecognised(
            f"{', '.join(names)} change, and no line was seen to hold what a layer of them makes "
            "of an input",
            names,
        )
    best = max(chains, key=_likelihood)
    mine = {edge.W.versions[0].slot for edge in best}
    for chain in chains:
        theirs = {edge.W.versions[0].slot for edge in chain}
        if any(_is_of(edge.M, best) for edge in chain):
            continue  # its own weights under another name, or its input taken for weights
        linear = any(_activation_between(*pair) == "identity" for pair in pairwise(chain))
        if len(chain) > 1 and len(best) > 1 and not theirs & mine and not linear:
            raise NotRecognised(
                f"there are two networks: one of {_names(best)}, and one of {_names(chain)}"
            )
    return finder.concluded(best)


@dataclass(frozen=True)
class _Table:
    """Recorded arrays of one shape, so that one can be looked up by its first entry."""

    made: list[Made]
    times: np.ndarray
    first: np.ndarray

    @staticmethod
    def of(made: list[Made]) -> _Table:
        times = np.array([one.time for one in made])
        return _Table(made, times, np.array([one.value.reshape(-1)[0] for one in made]))


def _updates_itself(one: Variable, recording: Recording) -> bool:
    """Whether the line that changes it mentions it on both sides, as an update does."""
    made = one.versions[1]
    source = Source(made.site.file, recording.sources.get(made.site.file, ""))
    return source.mentions_twice(made.site.line, NAME.match(one.name)[0])  # type: ignore[index]


class _Finder:
    """Looks for layers in one recording."""

    def __init__(
        self, recording: Recording, held: Sequence[Variable], weights: Sequence[Variable]
    ) -> None:
        self.recording = recording
        self.held = held
        self.weights = weights
        by_shape: dict[tuple[int, ...], list[Made]] = {}
        for made in recording.made:
            by_shape.setdefault(np.squeeze(made.value).shape, []).append(made)
        self._tables = {shape: _Table.of(some) for shape, some in by_shape.items()}

    def edges(self) -> Iterator[Edge]:
        """Every product of weights with an input that was seen."""
        for W in self.weights:
            for version, made in enumerate(W.versions[:-1][:2]):
                until = W.versions[version + 1].time
                for turned in (False, True):
                    M = made.value.T if turned else made.value
                    yield from self._of(W, version, turned, M, made.time, until)

    def _of(
        self, W: Variable, version: int, turned: bool, M: np.ndarray, since: int, until: int
    ) -> Iterator[Edge]:
        if not M.any() or np.ptp(M) == 0:
            return
        biases = list(self._biases(len(M), until))
        for made, x, columns in self._inputs(M.shape[1], until):
            product = x @ M.T
            for b, bias in biases:
                z = product + bias
                found = self._seen(z, since, until)
                if found:
                    yield Edge(W, b, version, turned, x, made.site.name, z, M, bias, found, columns)
                    break

    def _inputs(self, width: int, until: int) -> Iterator[tuple[Made, np.ndarray, bool]]:
        """Arrays with so many entries a sample, each once, as rows."""
        seen: set[int] = set()
        for made in self.recording.made:
            if made.time > until or len(seen) > MOST_INPUTS:
                return
            value = made.value
            if value.ndim == 0 or value.ndim > 2 or id(value) in seen or not value.any():
                continue
            if width not in value.shape:
                continue
            seen.add(id(value))
            if value.ndim == 1:
                if len(value) == width:
                    yield made, value[None], False
                continue
            if value.shape[1] == width:
                yield made, value, False
            if value.shape[0] == width:
                yield made, value.T, True

    def _biases(self, n: int, until: int) -> Iterator[tuple[Variable | None, np.ndarray]]:
        """None, and whatever has as many entries as the layer has units."""
        count = 0
        for one in self.held:
            if one.shape == (n,) or (n == 1 and one.shape == ()):
                for made in one.versions[:3]:
                    if made.time <= until and count < MOST_BIASES and made.value.any():
                        count += 1
                        yield one, made.value.reshape(-1)
        shapes = ((n,), ()) if n == 1 else ((n,),)
        fitting = [one for one in self.held if one.shape in shapes]
        zeros = [one for one in fitting if not one.versions[0].value.any()]
        moving = [one for one in zeros if one.moves]
        # a wrong gradient may throw it far at the first step: then it must be the only one
        changing = [one for one in zeros if len(one.versions) > 1]
        if moving:
            yield moving[0], np.zeros(n)
        elif len(changing) == 1:
            yield changing[0], np.zeros(n)
        else:
            yield None, np.zeros(n)

    def _seen(self, z: np.ndarray, since: int, until: int) -> dict[str, Made]:
        """Where z, or what an activation makes of it, is among the recorded arrays."""
        found: dict[str, Made] = {}
        if np.ptp(z) == 0 and z.size > 1:
            return found
        with np.errstate(all="ignore"):
            itself = self._place(z, since, until)
            if itself is not None:
                found["identity"] = itself
            for name, make in functions(z.shape[1]).items():
                if name in COMMON or itself is not None:
                    made = self._place(make(z), since, until)
                    if made is not None:
                        found.setdefault(name, made)
        return found

    def _place(self, wanted: np.ndarray, since: int, until: int) -> Made | None:
        """Where an array is among those that were made in some time."""
        array = np.squeeze(wanted)
        largest = float(np.abs(array).max(initial=0))
        if largest == 0 or not np.isfinite(largest):
            return None
        for turned in (array, array.T)[: array.ndim or 1]:
            table = self._tables.get(turned.shape)
            if table is None:
                continue
            first = turned.reshape(-1)[0]
            near = np.abs(table.first - first) <= CLOSE * largest
            near &= (table.times >= since) & (table.times <= until)
            for index in np.flatnonzero(near).tolist():
                made = table.made[index]
                if np.abs(np.squeeze(made.value) - turned).max() <= CLOSE * largest:
                    return made
        return None

    def concluded(self, chain: Sequence[Edge]) -> Recognised:
        """The network of a chain of layers."""
        hidden = []
        for edge, after in pairwise(chain):
            hidden.append(_activation_between(edge, after) or "identity")
        last = chain[-1]
        output = next((name for name in ("softmax", *TRIED) if name in last.found), "linear")
        p = functions(last.z.shape[1])["identity" if output == "linear" else output](last.z)
        until = min(edge.W.versions[edge.version + 1].time for edge in chain)
        parts = tuple(self._parts(chain[0].x, until))
        first = chain[0]
        if not parts and self._is_made_anew(first):
            raise NotRecognised(
                f"what makes {first.x_name}, which {first.W.name} is multiplied by and which "
                "changes from step to step",
                [edge.W.name for edge in chain],
            )
        return Recognised(tuple(chain), tuple(hidden), output, p, until, parts)

    def _is_made_anew(self, edge: Edge) -> bool:
        """Whether the input of a layer has other numbers in the next step."""
        for one in self.held:
            if one.name == edge.x_name and len(one.versions) > 1:
                values = [made.value for made in one.versions]
                if any(_are_same(value, edge.x) for value in values):
                    return not all(_are_same(value, edge.x) for value in values)
        return False

    def _parts(self, x: np.ndarray, until: int) -> Iterator[tuple[int, list[int]]]:
        """Larger arrays of which the input is some of the rows, or of the columns."""
        seen: set[int] = set()
        for made in self.recording.made:
            if made.time > until or made.value.ndim != 2 or id(made.value) in seen:
                continue
            seen.add(id(made.value))
            for value in (made.value, made.value.T):
                if value.shape[1] == x.shape[1] and len(value) > len(x):
                    rows = [np.flatnonzero((value == row).all(axis=1))[:1].tolist() for row in x]
                    if all(rows):
                        yield len(value), [row[0] for row in rows]


def _are_same(value: np.ndarray, rows: np.ndarray) -> bool:
    array = np.squeeze(value)
    wanted = np.squeeze(rows)
    return any(
        turned.shape == wanted.shape and np.array_equal(turned, wanted)
        for turned in (array, array.T)
    )


def _is_of(M: np.ndarray, chain: Sequence[Edge]) -> bool:
    """Whether a matrix is the input or the weights of a layer."""
    for edge in chain:
        for known in (edge.x, edge.M):
            for array in (known, known.T):
                if array.shape == M.shape and np.array_equal(array, M):
                    return True
    return False


def _likelihood(chain: Sequence[Edge]) -> tuple[int, int, int]:
    """How likely it is that this is the network: long, with activations, at the first step."""
    linear = sum(_activation_between(*pair) == "identity" for pair in pairwise(chain))
    return len(chain) - linear, -linear, -chain[0].time


def _names(chain: Sequence[Edge]) -> str:
    return ", ".join(edge.W.name for edge in chain)


def functions(K: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What may be made of z, by its name."""
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        name: ACTIVATIONS[name].h for name in (*TRIED, "identity")
    }
    if K > 1:
        found["softmax"] = by_hand.softmax
    return found


def _activation_between(edge: Edge, after: Edge) -> str | None:
    """By which activation the next layer's input is what this one makes."""
    with np.errstate(all="ignore"):
        for name in (*TRIED, "identity"):
            made = ACTIVATIONS[name].h(edge.z)
            if made.shape != after.x.shape:
                continue
            if np.abs(made - after.x).max() <= CLOSE * np.abs(made).max():
                return name
    return None


def _chains(edges: Sequence[Edge]) -> Iterator[tuple[Edge, ...]]:
    """Layers that take what the one before has made, as long as they come."""
    following: dict[int, list[int]] = {}
    has_before = set()
    for index, edge in enumerate(edges):
        for later, after in enumerate(edges):
            if _follows(edge, after):
                following.setdefault(index, []).append(later)
                has_before.add(later)

    def grown(chain: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        known = {edges[index].key for index in chain}
        more = [index for index in following.get(chain[-1], []) if edges[index].key not in known]
        if not more or len(chain) >= MOST_LAYERS:
            yield chain
        for index in more:
            yield from grown((*chain, index))

    for index in range(len(edges)):
        if index not in has_before:
            for chain in grown((index,)):
                yield tuple(edges[one] for one in chain)


def _follows(edge: Edge, after: Edge) -> bool:
    """Whether a layer takes what another has made, later and of the same weights' age."""
    if edge.key == after.key or after.M.shape[1] != len(edge.M):
        return False
    if after.time < edge.time or after.time > edge.until or edge.time > after.until:
        return False
    return _activation_between(edge, after) is not None

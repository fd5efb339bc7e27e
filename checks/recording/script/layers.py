"""Layers that were seen to compute something: weights and an input whose product, with a bias, is a
recorded z, or becomes a recorded array by an activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.archive import Archive
from backproof.checks.recording.script.functions import COMMON, functions
from backproof.checks.recording.script.inputs import Input, Inputs
from backproof.checks.recording.script.variables import Variable

MOST_WEIGHTS = 40  # variables, those that were there first
MOST_EDGES = 8  # of one orientation of one version of the weights
MOST_INPUTS = 300  # different arrays that are tried as an input
MOST_BIASES = 12
LARGEST_STACK = 2_000_000  # entries of inputs that are looked at together


@dataclass(frozen=True)
class Layer:
    """Which variables hold the weights and the bias, and how.

    Attributes:
        W: the weights.
        b: the bias; None where there is none, or where it is a column of W.
        turned: whether W is (n_in, n_out).
        ones: which column of W, as (n_out, n_in), is multiplied by 1: 0 or -1; None for none.
        is_fixed: whether b is a number that is never meant to change.
    """

    W: Variable
    b: Variable | None
    turned: bool
    ones: int | None = None
    is_fixed: bool = False

    @property
    def key(self) -> int:
        """Which variable its weights are."""
        return id(self.W)

    @property
    def has_bias(self) -> bool:
        """Whether anything that is meant to change is added to the product."""
        return (self.b is not None and not self.is_fixed) or self.ones is not None

    def numbers(self, time: int) -> tuple[np.ndarray, np.ndarray]:
        """W as (n_out, n_in), and the bias, at a time."""
        return self.split(self.W.at(time), None if self.b is None else self.b.at(time))

    def split(self, W: np.ndarray, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The same of what the variables hold, or of any difference of that."""
        M = W.T if self.turned else W
        if M.ndim == 1:  # of a single output
            M = M[None]
        if self.ones is not None:
            return np.delete(M, self.ones % M.shape[1], axis=1), M[:, self.ones]
        if b is None:
            return M, np.zeros(len(M))
        return M, b.reshape(-1)


@dataclass(frozen=True)
class Edge:
    """A layer at work.

    Attributes:
        layer: which.
        input: what it takes.
        M, bias: its numbers at that time.
        z: what it makes, one sample a row.
        found: where z, or what an activation makes of it, was seen: by the activation's name.
        until: when its weights changed.
        rivals: other variables that may be the bias, as all of them are zero so far.
        alike: other variables that hold the very bias at that time.
    """

    layer: Layer
    input: Input
    M: np.ndarray
    bias: np.ndarray
    z: np.ndarray
    found: dict[str, Made]
    until: int
    rivals: tuple[Variable, ...] = ()
    alike: tuple[Variable, ...] = ()

    @property
    def x(self) -> np.ndarray:
        """Its input, one sample a row."""
        return self.input.rows

    @property
    def key(self) -> int:
        """Which variable its weights are."""
        return self.layer.key

    @property
    def time(self) -> int:
        """When it was computed."""
        return min(made.time for made in self.found.values())


@dataclass(frozen=True)
class _Bias:
    variable: Variable | None
    numbers: np.ndarray
    since: int = 0
    rivals: tuple[Variable, ...] = ()
    alike: tuple[Variable, ...] = ()


class Finder:
    """Looks for layers in one recording.

    Args:
        archive: all arrays.
        inputs: those that may be an input.
        biases: variables that may be one.
        flat: whether weights, and what they make, may be one and the same number over and over.
    """

    def __init__(
        self,
        archive: Archive,
        inputs: Inputs,
        biases: Sequence[Variable],
        flat: bool = False,
    ) -> None:
        self.archive = archive
        self.inputs = inputs
        self.biases = biases
        self.flat = flat

    def edges(self, weights: Sequence[Variable]) -> Iterator[Edge]:
        """Every product of the first versions of some weights with an input that was seen."""
        for W in _first_to_change(weights):
            for version in W.settled[:3]:
                if not W.changes_after(version.time) or not self._is_weights(version.value):
                    continue
                until = W.next_change(version.time)
                for turned in (False, True)[: version.value.ndim]:
                    for ones in (None, 0, -1):
                        yield from self._of(Layer(W, None, turned, ones), version, until)

    def _of(self, layer: Layer, version: Made, until: int) -> Iterator[Edge]:
        M, column = layer.split(version.value, None)
        if not M.size or not M.any():
            return
        count = 0
        biases = list(self._biases(len(M), version.time, until))
        if layer.ones is not None:
            biases = [_Bias(None, column)]
        some = [
            one
            for one in self.inputs.of(M.shape[1], layer.ones, until)[:MOST_INPUTS]
            if one.rows.any() and self.archive.has((len(one.rows), len(M)), version.time, until)
        ]
        likely = [self._likely(some, M, bias) for bias in biases]
        for index, one in enumerate(some):
            product = one.rows @ M.T
            for bias, may_be in zip(biases, likely, strict=True):
                if not may_be[index]:
                    continue
                z = product + bias.numbers
                found = self._seen(z, max(version.time, bias.since), until)
                if found:
                    whole = Layer(layer.W, bias.variable, layer.turned, layer.ones)
                    yield Edge(
                        whole, one, M, bias.numbers, z, found, until, bias.rivals, bias.alike
                    )
                    count += 1
                    break
            if count >= MOST_EDGES:
                return

    def _is_weights(self, value: np.ndarray) -> bool:
        if not value.size:
            return False
        differs = float(np.ptp(value)) > 0 or (self.flat and value.size > 1)
        return value.ndim in (1, 2) and bool(np.isfinite(value).all()) and differs

    def _likely(self, some: Sequence[Input], M: np.ndarray, bias: _Bias) -> np.ndarray:
        """Which inputs may have a product that was seen, or what is commonly made of it."""
        found = np.zeros(len(some), bool)
        by_count: dict[int, list[int]] = {}
        for index, one in enumerate(some):
            by_count.setdefault(len(one.rows), []).append(index)
        for count, indices in by_count.items():
            share = max(1, LARGEST_STACK // (count * max(M.shape)))
            for begin in range(0, len(indices), share):
                part = indices[begin : begin + share]
                z = np.concatenate([some[index].rows for index in part]) @ M.T + bias.numbers
                with np.errstate(all="ignore"):
                    for name, make in functions(len(M)).items():
                        if name in COMMON or name == "identity":
                            made = make(z).reshape(len(part), count, len(M))
                            found[part] |= self.archive.may_have(made)
        return found

    def _biases(self, n: int, since: int, until: int) -> Iterator[_Bias]:
        """Whatever has as many entries as the layer has units; and zeros."""
        shapes = ((n,), ()) if n == 1 else ((n,),)
        fitting = [one for one in self.biases if one.shape in shapes and one.times[0] <= until]
        fitting.sort(key=_rank)
        known: set[int] = set()
        for one in fitting:
            last = one.made_at(since) or one.versions[0]
            for made in (*one.settled[:2], last, *one.lasting(since, until)):
                fresh = id(made.value) not in known and len(known) < MOST_BIASES
                if made.time <= until and fresh and made.value.any():
                    known.add(id(made.value))
                    alike = tuple(_holding(made.value, fitting))
                    yield _Bias(one, made.value.reshape(-1), made.time, alike=alike)
        zeros = [one for one in fitting if not one.at(since).any() and len(one.versions) > 1]
        moving = [one for one in zeros if one.moves]
        # a wrong gradient may throw it far at the first step: then it must be the only one
        if not moving and len(zeros) == 1:
            moving = zeros
        yield _Bias(moving[0] if moving else None, np.zeros(n), 0, tuple(moving))

    def _seen(self, z: np.ndarray, since: int, until: int) -> dict[str, Made]:
        """Where z, or what an activation makes of it, is among the recorded arrays."""
        found: dict[str, Made] = {}
        if np.ptp(z) == 0 and z.size > 1 and not (self.flat and z.any()):
            return found
        with np.errstate(all="ignore"):
            itself = self.archive.place(z, since, until)
            if itself is not None:
                found["identity"] = itself
            for name, make in functions(z.shape[1]).items():
                if name in COMMON or itself is not None:
                    made = self.archive.place(make(z), since, until)
                    if made is not None:
                        found.setdefault(name, made)
        return found


def _holding(value: np.ndarray, some: Sequence[Variable]) -> Iterator[Variable]:
    """The variables that hold an array first."""
    for one in some:
        if one.versions[0].value is value:
            yield one


def _rank(one: Variable) -> tuple[bool, bool, int, float]:
    """Of variables with the same numbers, the first that held them goes first, if it changes."""
    return not one.changes, not one.stays, one.bound[0].time, one.until(one.times[0])


def _first_to_change(weights: Sequence[Variable]) -> list[Variable]:
    """Of variables that hold the same numbers, the one that had them first: others are copies,
    which are made anew when they are needed, or names that a loop gives to each in turn."""
    found: dict[int, Variable] = {}
    for one in sorted(weights, key=_rank):
        found.setdefault(id(one.versions[0].value), one)
    return sorted(found.values(), key=lambda one: one.times[0])[:MOST_WEIGHTS]

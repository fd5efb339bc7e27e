"""What the derivative by one weight is made of, number by number: slopes, weights, inputs, and the
error that comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product

import numpy as np

from backproof.checks.activations import named
from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.readings import Reading

CLOSE = 1e-9  # relative


class Factors:
    """All right numbers from which derivatives by weights of a layer may be put together.

    Args:
        best: how the step is read.
        layer: of the weights.
        units: their neurons, from 0.
        at: which input of theirs the weights belong to, from 0; None for biases, or several.
    """

    def __init__(self, best: Reading, layer: int, units: Sequence[int], at: int | None) -> None:
        self.best = best
        self.layer = layer
        self.units = units
        self.at = at

    def is_plain(self, value: np.ndarray) -> bool:
        """Whether it is a slope, a weight, an input, or a product of such."""
        return any(_is(value, one) for one in self._plain)

    def has_error(self, value: np.ndarray) -> bool:
        """Whether it is the error, or what that is on the way back, by any usual factor."""
        N = float(self.best.page.N)
        K = float(self.best.page.problem.sizes[-1])
        usual = np.outer((0.5, 1.0, 2.0, K), (1.0, N, 1 / N)).reshape(-1)
        factors = [*usual, *-usual]
        return any(_is(value, factor * one) for one, factor in product(self._errors, factors))

    def is_one(self, value: np.ndarray) -> bool:
        """Whether it is any of them."""
        return self.is_plain(value) or self.has_error(value)

    @cached_property
    def _taken(self) -> list[np.ndarray]:
        """1, and what the weight is multiplied by."""
        page = self.best.page
        below = page.values[Quantity("a", self.layer - 1)] if self.layer > 1 else page.problem.x
        one = np.ones(len(below))
        return [one] if self.at is None else [one, below[:, self.at]]

    def _slope(self, layer: int) -> np.ndarray:
        """Of what makes a layer's a of its z, one sample a row; of a softmax 1."""
        z = self.best.page.values[Quantity("z", layer)]
        if layer < self.best.L:
            activation = self.best.found.network.hidden[layer - 1]
        elif self.best.head.output == "softmax":
            return np.ones(z.shape)
        else:
            activation = named(self.best.head.output)
        return np.asarray(activation.h_prime(z, activation.h(z)))

    @cached_property
    def _plain(self) -> list[np.ndarray]:
        one = np.ones(self.best.page.N)
        some = [one]
        for unit in self.units:
            some += self._local(unit)
        found = [part * taken for part, taken in product(some, self._taken)]
        return [part for part in found if not np.array_equal(part, one)]

    def _local(self, unit: int) -> Iterator[np.ndarray]:
        """What stands between a neuron's z and the layer above: z, a, 1 - a, the slope, the weights
        and slopes of what takes it, and their products."""
        page = self.best.page
        slope = self._slope(self.layer)[:, unit]
        a = np.concatenate([one.p for one in self.best.passes])
        if self.layer < self.best.L:
            a = page.values[Quantity("a", self.layer)]
        yield from (page.values[Quantity("z", self.layer)][:, unit], a[:, unit], 1 - a[:, unit])
        yield slope
        if self.layer < self.best.L:
            weights = page.problem.W[self.layer + 1][:, unit]
            after = self._slope(self.layer + 1)
            for weight, slope_after in zip(weights, after.T, strict=True):
                yield from (weight * np.ones(page.N), slope_after, weight * slope_after)
                yield from (weight * slope, weight * slope_after * slope)

    @cached_property
    def _errors(self) -> list[np.ndarray]:
        some: list[np.ndarray] = []
        for unit in self.units:
            some += self._backwards(unit)
        products = [part * taken for part, taken in product(some, self._taken)]
        sums = [np.array([one.sum()]) for one in products]
        return [part for part in (*products, *sums) if part.any()]

    def _backwards(self, unit: int) -> Iterator[np.ndarray]:
        """The error that comes back to a neuron, at each place on its way."""
        page = self.best.page
        error = np.concatenate([one.p for one in self.best.passes]) - page.problem.Y
        yield page.values[Quantity("dz", self.layer)][:, unit]
        if self.layer == self.best.L:
            yield error[:, unit]
            return
        yield page.values[Quantity("da", self.layer)][:, unit]
        dz = page.values[Quantity("dz", self.layer + 1)]
        yield from (dz * page.problem.W[self.layer + 1][:, unit]).T
        yield from dz.T
        if self.layer + 1 == self.best.L:
            yield from error.T


def _is(value: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether it is a right number of the last sample, or those of all of them."""
    array = np.atleast_1d(np.squeeze(value))
    right = wanted if array.shape == wanted.shape else wanted[-1:]
    if array.shape != right.shape:
        return False
    return bool(np.abs(array - right).max() <= CLOSE * np.abs(right).max())

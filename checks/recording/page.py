"""The right numbers of one call, and in which disguises a program may hold them.

A matrix may be transposed, a gradient multiplied by the number of samples, by 2, by the learning
rate or by -1; a bias may be the first or last column of its weights; a program that takes samples
one by one holds one row at a time. Each disguise is a `Form`, whose numbers are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantity, collect
from backproof.checks.recording.forms import Form, FormsOfShape

# relative to the largest entry: far above what a dozen roundings leave, far below any wrong step
CLOSE = 1e-9
CLOSE_SHORT = 2e-4  # of numbers that came as float32 or float16
OF_SAMPLES = ("z", "a", "p", "dp", "dz", "da", "x", "Y")
GIVEN = ("W", "b", "x", "Y")


@dataclass(frozen=True)
class Match:
    """What a recorded array is.

    Attributes:
        form: which quantity, in which form.
        factor: what it is multiplied by.
        transposed: whether rows and columns are exchanged against checks/EQUATIONS.md.
    """

    form: Form
    factor: float = 1.0
    transposed: bool = False

    @property
    def quantity(self) -> Quantity:
        """Which it is."""
        return self.form.quantity


@dataclass(frozen=True)
class Page:
    """The right numbers of one question.

    Attributes:
        problem: what was asked.
        weight: what multiplies each sample's gradient, under the candidate's conventions.
        learning_rate: of a step, or None.
        instead: quantities that are meant to be others than the equations make them.
    """

    problem: Problem
    weight: float
    learning_rate: float | None = None
    instead: Mapping[Quantity, np.ndarray] = field(default_factory=dict)

    @property
    def N(self) -> int:
        """How many samples."""
        return len(self.problem.y)

    @cached_property
    def values(self) -> Mapping[Quantity, np.ndarray]:
        """Every quantity, gradients as large as the candidate's conventions make them."""
        problem = self.problem
        passed = problem.forward()
        back = problem.backward(passed)
        found = {}
        for name, value in collect(passed, np.zeros(self.N), back).items():
            quantity = Quantity.parse(name)
            if quantity.kind not in ("losses", "J"):
                scale = self.weight * self.N if quantity.is_backward else 1.0
                found[quantity] = scale * value
        return {**found, **self.instead}

    @cached_property
    def given(self) -> Mapping[Quantity, np.ndarray]:
        """What the candidate got: x, Y, W and b."""
        problem = self.problem
        found = {Quantity("x"): problem.x, Quantity("Y"): problem.Y}
        found |= {Quantity("W", layer): W for layer, W in problem.W.items()}
        return found | {Quantity("b", layer): b for layer, b in problem.b.items()}

    @cached_property
    def forms(self) -> dict[tuple[int, ...], list[Form]]:
        """Every form of every quantity by its shape, in the order of the computation."""
        found: dict[tuple[int, ...], list[Form]] = {}
        for quantity, value in {**self.given, **self.values}.items():
            for form in self._forms(quantity, value):
                for shape in {form.value.shape, form.value.shape[::-1]}:
                    found.setdefault(shape, []).append(form)
        return found

    def _forms(self, quantity: Quantity, value: np.ndarray) -> Iterator[Form]:
        yield Form(quantity, np.squeeze(value))
        layer = quantity.layer or 0
        if quantity.kind in OF_SAMPLES and self.N > 1:
            for sample, row in enumerate(value):
                yield Form(quantity, np.squeeze(row), sample)
        if quantity.kind in ("a", "x"):
            yield from self._with_ones(quantity, value)
        if quantity.kind in ("W", "dW"):
            bias = self.values.get(Quantity("db", layer), self.problem.b[layer])
            bias = self.problem.b[layer] if quantity.kind == "W" else bias
            yield from _beside(quantity, value, bias)
        if quantity.kind == "dW" and self.N > 1:
            yield from self._of_one_sample(quantity)
        if quantity.kind == "da":
            above = self.values[Quantity("dz", layer + 1)]
            to_bias = above @ self.problem.b[layer + 1]
            for sides in ((to_bias[:, None], value), (value, to_bias[:, None])):
                whole = np.hstack(sides)
                yield Form(quantity, np.squeeze(whole), with_bias=True)
                if self.N > 1:
                    for sample, row in enumerate(whole):
                        yield Form(quantity, row, sample, with_bias=True)

    def _with_ones(self, quantity: Quantity, value: np.ndarray) -> Iterator[Form]:
        """With the 1 that multiplies the bias, before or behind."""
        ones = np.ones((self.N, 1))
        for whole in (np.hstack([ones, value]), np.hstack([value, ones])):
            yield Form(quantity, np.squeeze(whole), with_bias=True)
            if self.N > 1:
                for sample, row in enumerate(whole):
                    yield Form(quantity, row, sample, with_bias=True)

    def _of_one_sample(self, quantity: Quantity) -> Iterator[Form]:
        """What each sample contributes to dW."""
        layer = quantity.layer or 0
        dz = self.values[Quantity("dz", layer)]
        below = self.values.get(Quantity("a", layer - 1), self.problem.x)
        for sample in range(self.N):
            product = np.outer(dz[sample], below[sample])
            yield Form(quantity, np.squeeze(product), sample)
            yield from _beside(quantity, product, dz[sample], sample)

    @cached_property
    def factors(self) -> dict[float, str]:
        """What a gradient may be multiplied by, and how that is written."""
        found: dict[float, str] = {}
        rates = [(1.0, "")]
        if self.learning_rate is not None:
            rates.append((self.learning_rate, "learning_rate"))
        sizes = [(1.0, ""), (float(self.N), "N"), (1.0 / self.N, "1/N")]
        K = float(self.problem.sizes[-1])
        outputs = [(1.0, ""), (K, "K"), (1 / K, "1/K")]
        for rate, rate_words in rates:
            for size, size_words in sizes:
                for output, output_words in outputs:
                    for two, two_words in ((1.0, ""), (2.0, "2"), (0.5, "1/2")):
                        words = (two_words, size_words, output_words, rate_words)
                        said = " ".join(word for word in words if word)
                        factor = rate * size * output * two
                        found.setdefault(factor, said)
        return found | {-factor: f"-{said}" for factor, said in found.items()}

    def nearest_factor(self, factor: float) -> float:
        """The nearest of the factors that people multiply gradients by."""
        return min(self.factors, key=lambda known: abs(factor - known))

    def written(self, factor: float) -> str:
        """How a factor is written, such as "2" or "-1/N"; "" for 1."""
        return self.factors[self.nearest_factor(factor)]

    def matches(self, value: np.ndarray, eps: float) -> list[Match]:
        """Every quantity that an array is, in the order of the computation; none of one that is
        all zeros."""
        array = np.squeeze(value)
        if not array.any() or not np.isfinite(array).all():
            return []
        close = tolerance(eps)
        found: dict[int, Match] = {}
        for form, transposed, factor in self._of_shape(array.shape).multiples(array, close):
            backward = form.quantity.is_backward and form.quantity.kind not in GIVEN
            known = self.nearest_factor(factor) if backward else 1.0
            if abs(factor - known) <= close * abs(known):
                found.setdefault(id(form), Match(form, known, transposed))
        return list(found.values())

    def _of_shape(self, shape: tuple[int, ...]) -> FormsOfShape:
        if shape not in self._stacked:
            self._stacked[shape] = FormsOfShape(shape, self.forms.get(shape, []))
        return self._stacked[shape]

    @cached_property
    def _stacked(self) -> dict[tuple[int, ...], FormsOfShape]:
        return {}


def tolerance(eps: float) -> float:
    """How near two arrays are that are the same, relative to the largest entry."""
    return CLOSE if eps < 1e-12 else CLOSE_SHORT


def ratio(array: np.ndarray, right: np.ndarray, close: float) -> float | None:
    """The factor by which the second, multiplied, is the first; None where there is none."""
    at = int(np.abs(right).argmax())
    unit = float(right.flat[at])
    if unit == 0:
        return None
    factor = float(array.flat[at]) / unit
    if factor == 0:
        return None
    with np.errstate(all="ignore"):  # what is not finite is no multiple
        off = np.abs(array - factor * right).max()
    return factor if off <= close * np.abs(array).max() else None


def _beside(
    quantity: Quantity, value: np.ndarray, bias: np.ndarray, sample: int | None = None
) -> Iterator[Form]:
    """Weights with their bias as the first or last column."""
    column = np.reshape(bias, (-1, 1))
    for whole in (np.hstack([column, value]), np.hstack([value, column])):
        yield Form(quantity, np.squeeze(whole), sample, with_bias=True)

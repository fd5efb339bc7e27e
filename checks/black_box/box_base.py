"""A scalar loss of which nothing is known but its value, as a function of several arrays of
parameters: asked again, moved along directions, its noise measured.

How the parameters are moved and how products with them are summed is left to what inherits from it:
box.py moves torch tensors, array_box.py NumPy arrays, without torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from backproof.checks.black_box import noise, slopes
from backproof.checks.black_box.claimed_slope import ClaimedSlope
from backproof.checks.black_box.difference_quotients import NOISE_BAR, Probe
from backproof.checks.black_box.root_mean_square import root_mean_square

# exponent of eps, for the smallest step and between the points of the noise estimate: see
# `_smallest`
SMALLEST = 0.4
# the largest step, of a parameter's scale: networks that are not saturated bend over about that
# much or more
LARGEST = 1 / 16
COARSEST = 2.0**-7  # the eps of bfloat16: no loss is coarser, however noisy one near 0 looks
LEAST_NOISE = 1e-300  # so that a loss that is 0 everywhere divides nothing by 0
LEAST_SIZE = 1e-6  # of the values of a tensor; below it they are taken for zeros


PART = 1 << 15  # numbers that are drawn while they stay in a processor's cache
UNIT = 2.0**-15  # of the weights of a large array: drawn as whole numbers they take a third as long


class Roundings(ABC):
    """What random roundings do to a loss and its gradients.

    Attributes:
        loss: by how much each run changes it.
    """

    loss: Sequence[float]

    @property
    @abstractmethod
    def gradients(self) -> Sequence[Sequence[Any]]:
        """By how much each run changes them."""


def draw_direction(random: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Weights of magnitude 0.5 to 1.5 and random sign: no entry is overlooked, and no two errors
    cancel but by chance."""
    u = np.empty(tuple(shape))
    numbers = u.reshape(-1)
    if numbers.size <= PART:
        numbers[:] = random.uniform(-1.0, 1.0, size=numbers.size)
        numbers += np.copysign(0.5, numbers)
        return u
    for begin in range(0, numbers.size, PART):
        part = numbers[begin : begin + PART]
        steps = random.integers(-(1 << 15), 1 << 15, size=part.size, dtype=np.int16)
        np.multiply(steps, UNIT, out=part)
        part += np.copysign(0.5, part)
    return u


class Box(ABC):
    """A loss, and what is known of its noise.

    Attributes:
        evaluations: of the loss, so far.
        noise: standard deviation of the loss's value.
        measured: whether that was seen in the values of the loss.
        left_domain: what the loss raised at a moved point, in a sentence; "" if it never did.
    """

    def __init__(self) -> None:
        self.evaluations = 0
        self.noise = 0.0
        self.measured = False
        self.f_0 = float("nan")
        self.eps = 0.0
        self.grain = 0.0
        self.roundings: Roundings | None = None
        self.left_domain = ""

    @abstractmethod
    def count(self) -> int:
        """How many arrays of parameters there are."""

    @abstractmethod
    def shape(self, i: int) -> tuple[int, ...]:
        """Of one of them."""

    @abstractmethod
    def eps_of(self, i: int) -> float:
        """Of the numbers in it."""

    @abstractmethod
    def mean_square(self, i: int) -> float:
        """Of its values."""

    @abstractmethod
    def vector(self, i: int, values: np.ndarray) -> Any:
        """Numbers in its shape, where products with it are summed."""

    @abstractmethod
    def numbers(self, vector: Any) -> np.ndarray:
        """A vector's numbers, one after the other."""

    @abstractmethod
    def dot(self, first: Any, second: Any) -> float:
        """The sum of the products of two vectors."""

    @abstractmethod
    def norm(self, first: Any, second: Any) -> float:
        """The norm of the products of two vectors."""

    @abstractmethod
    def moved(self, said: ClaimedSlope, t: float) -> tuple[float, float]:
        """The loss when an array is moved by t along a direction, and what is claimed that it
        changes by."""

    def moves_as_told(self, said: ClaimedSlope) -> bool:
        """Whether the rounding of moved values changes a loss by much less than its noise."""
        return False

    @abstractmethod
    def moved_together(self, t: float, directions: Sequence[Any]) -> float:
        """The loss when all are moved."""

    def measure_noise(
        self, eps: float, seed: int, at_0: float, roundings: Roundings | None
    ) -> None:
        """Find the noise of the loss.

        Its operations with random roundings tell it, even where all values round to one and the
        same, as the loss 0 of a confident network does. Where it cannot be run like that, its
        values along a direction through all tensors tell.

        Args:
            eps: of the loss's own dtype.
            seed: of the direction.
            at_0: the loss at the tensors' present values.
            roundings: what random ones do; None where nobody knows.
        """
        self.eps = eps
        self.grain = eps
        self.f_0 = at_0
        self.roundings = roundings
        changes = roundings.loss if roundings else ()
        self.noise = max(
            root_mean_square(changes),
            noise.of_rounding(at_0, eps),
            LEAST_NOISE,
        )
        self.measured = False
        if not changes:
            self.measure_by_values(seed)

    def measure_by_values(self, seed: int) -> None:
        """Raise the noise, and the smallest steps, to what the loss's values along a direction
        through all tensors show."""
        random = np.random.default_rng([seed, self.count()])
        directions = [
            self.vector(
                i, self.scale(i) * self._smallest(i) * draw_direction(random, self.shape(i))
            )
            for i in range(self.count())
        ]
        found = noise.along(lambda t: self.moved_together(t, directions), 1.0, self.f_0).level
        if found > self.noise and self.f_0:
            self.grain = max(self.eps, min(found / abs(self.f_0), COARSEST))
        self.noise = max(self.noise, found)
        self.measured = True

    def claim_rounded(self, i: int, u: Any) -> float:
        """What rounding may do to a gradient's slope along u: NOISE_BAR times what random roundings
        do, as for the loss."""
        if self.roundings is None:
            return 0.0
        changed = [gradients[i] for gradients in self.roundings.gradients]
        return NOISE_BAR * root_mean_square(
            [self.dot(change, u) for change in changed if change is not None]
        )

    def direction(self, i: int, random: np.random.Generator) -> Any:
        """A direction through one tensor, in which every entry moves."""
        return self.vector(i, draw_direction(random, self.shape(i)))

    def scale(self, i: int) -> float:
        """What the steps along a tensor are measured by: the root mean square of its values, but 1
        at most, or 1 over the square root of their number where they are all about 0.

        What a unit adds up bends its activation over about 1, however large the weights are; large
        weights in layers above bend the loss over less.
        """
        size = self.mean_square(i) ** 0.5
        if size <= LEAST_SIZE:
            size = 1 / max(1, int(np.prod(self.shape(i)))) ** 0.5
        return min(size, 1.0)

    def ladder(self, i: int, shorter: float = 1.0) -> tuple[float, ...]:
        """The steps along a tensor, all of them shorter by a factor where it leaves the domain of
        the loss."""
        smallest = self._smallest(i)
        largest = max(LARGEST, slopes.RATIO * smallest)
        scale = self.scale(i)
        return slopes.ladder(scale * smallest * shorter, scale * largest * shorter)

    def probe(self, said: ClaimedSlope) -> Probe:
        """t -> how much more the loss changes than is claimed when an array moves by t along a
        direction, and by -t; and the noise of that.

        What is claimed is taken for the distance really moved, so rounding of the moved values does
        no harm. Values that are just the one at 0, although they are claimed to change, are no
        evidence yet: a cast to a lower precision may have stopped them, for as long as the eps of
        bfloat16. Asked for the same t again, it knows the answer.
        """

        @cache
        def ask(t: float) -> tuple[float, float]:
            return self.moved(said, t)

        def sides(t: float) -> tuple[float, float, float]:
            above, more = ask(t)
            below, less = ask(-t)
            rounded = noise.of_rounding(np.array([above, below]), self.eps)
            stopped = 0.0
            if above == below == self.f_0 and t < COARSEST * self.scale(said.i):
                stopped = max(abs(more), abs(less))
            return (
                above - self.f_0 - more,
                below - self.f_0 - less,
                max(self.noise, rounded, stopped),
            )

        return sides

    def _smallest(self, i: int) -> float:
        """The smallest step along a tensor, and the distance between the points of the noise
        estimate, in units of its scale.

        eps^0.4 is far above the grid of the tensor's own values, far enough from it that neighbours
        do not share one rounding error (at the root of eps they may, because 1 + h**2 is then 1),
        and below eps^(1/3), where truncation begins to show.
        """
        return max(self.eps_of(i), self.grain) ** SMALLEST

"""What a candidate answered to a recorded call, and what is looked for in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import Page, tolerance


@dataclass(frozen=True)
class Own:
    """What a candidate answered to the call that was recorded.

    Attributes:
        recording: of that call.
        page: the right numbers of it.
        gradients: its dW and db, in the project's shapes.
        unread: by gradient, how far reading it off a step may have put it, entry by entry at most.
        weights: for a step, the W and b that it left, in the project's shapes; else empty.
        eps: relative rounding of the precision in which it answered.
    """

    recording: Recording
    page: Page
    gradients: dict[Quantity, np.ndarray]
    unread: dict[Quantity, float]
    weights: dict[Quantity, np.ndarray]
    eps: float = 0.0

    def near(self, quantity: Quantity, eps: float) -> float:
        """How near a recorded array must be to be this gradient, relative to its largest entry."""
        size = float(np.abs(self.gradients[quantity]).max(initial=0)) or 1.0
        unread = 4 * self.unread.get(quantity, 0.0) / size
        return max(tolerance(max(eps, self.eps)), unread)

    def given(self, quantity: Quantity) -> np.ndarray | None:
        """A gradient that came in its shape, or None."""
        found = self.gradients.get(quantity)
        if found is None or found.shape != self.page.values[quantity].shape:
            return None
        return found

    def is_wrong(self, quantity: Quantity) -> bool:
        """Whether a gradient is another than the right one, in this call."""
        right = self.page.values[quantity]
        given = self.gradients[quantity]
        return not same(given, right, self.near(quantity, 0.0))

    @property
    def of_one_sample(self) -> Own | None:
        """The same as the call of one sample that it is, if all of its samples are copies of it."""
        problem = self.page.problem
        N = self.page.N
        if N == 1 or (problem.x != problem.x[0]).any() or (problem.y != problem.y[0]).any():
            return None
        first = replace(problem, x=problem.x[:1], y=problem.y[:1])
        made = tuple(replace(one, value=one_row(one.value, N)) for one in self.recording.made)
        gradients = {quantity: array / N for quantity, array in self.gradients.items()}
        page = Page(first, self.page.weight, self.page.learning_rate)
        recording = replace(self.recording, made=made)
        return Own(recording, page, gradients, self.unread, {}, self.eps)

    @property
    def shows_a_fault(self) -> bool:
        """Whether any gradient is wrong in this call."""
        return any(self.is_wrong(quantity) for quantity in self.gradients)


@dataclass(frozen=True)
class Found:
    """The line, before it is put into words.

    Attributes:
        file, line, function: where.
        name: what holds the wrong value there, "" if nothing does.
        quantity: what it is.
        kind: see Site.
        array: the wrong value; of what is left out, the right one.
        is_left_out: whether the line returns without what was computed before.
        is_taken: whether it takes one right value for another one.
    """

    file: str
    line: int
    function: str
    name: str
    quantity: Quantity
    kind: str
    array: np.ndarray
    is_left_out: bool = False
    is_taken: bool = False


@dataclass(frozen=True)
class Sought:
    """What to look for: whether an array is the candidate's own, and whether it is the right one.

    Attributes:
        quantity: what it is.
        is_own: of an array in the project's shape, whether it explains the candidate's answer.
        right: the right array.
        exact: whether only the very numbers count, because they differ from the right ones by a
            factor alone.
        elements: numbers that must all appear one by one, where the program has no arrays; and what
            is made of recorded ones before they are compared.
        names: under which alone it counts, and only after they have held something else; None for
            any name. Zeros count there.
    """

    quantity: Quantity
    is_own: Callable[[np.ndarray, float], bool]
    right: np.ndarray
    exact: bool = False
    elements: np.ndarray | None = None
    through: Callable[[np.ndarray], np.ndarray] | None = None
    names: frozenset[str] | None = None


@dataclass(frozen=True)
class Seen:
    """Where and when an array was seen first; and whether it is right there, but taken for what it
    is not."""

    time: int
    site: Site
    array: np.ndarray
    caller: tuple[str, int] | None = None
    is_taken: bool = False


def orientations(value: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """An array in the shape of a quantity, as far as axes of length 1 and a transpose make it."""
    array = np.squeeze(value)
    wanted = tuple(n for n in shape if n != 1)
    if array.shape == wanted:
        yield array.reshape(shape)
    if array.ndim == 2 and array.T.shape == wanted:
        yield array.T.reshape(shape)


def one_row(array: np.ndarray, N: int) -> np.ndarray:
    """The row that an array repeats for N copies of a sample; or the array itself."""
    for axis in range(array.ndim):
        if array.shape[axis] == N:
            row = array.take([0], axis=axis)
            if (array == row).all():
                return row
    return array


def same(first: np.ndarray, second: np.ndarray, near: float) -> bool:
    """Equal to within a part of the largest entry."""
    if first.shape != second.shape:
        return False
    size = np.abs(second).max(initial=0)
    return bool(np.abs(first - second).max(initial=0) <= near * size)

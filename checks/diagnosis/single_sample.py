"""One sample's gradients, read as the numbers that the candidate must have had on its way to them.

For a single sample db[l] is dz[l] itself, and dW[l] is dz[l] times a[l - 1]: a candidate that
returns nothing but gradients still shows its a and dz. Without biases dz[l] and a[l - 1] are known
up to one factor, which is taken to be that of the right a[l - 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from backproof.checks import by_hand
from backproof.checks.by_hand import Forward, output_of
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.role import Role

# relative; a step of a wrong pass has no derived bound. Rounding leaves 1e-12, a wrong step more
# than 1e-4
LOOSE = 1e-6
LOOSEST = 1e-2  # of what was read off a step in float32, whatever that lost


class Single:
    """The answer to a question with one sample, or with copies of one."""

    def __init__(self, item: Evidence) -> None:
        setting = item.setting
        given = item.gradients
        self.item = item
        self.L = setting.problem.L
        self.sample = item.probe.sample
        self.W = setting.problem.W
        self.scale = setting.N * setting.weight
        self.copies = setting.N
        self.dW = {layer: given[f"dW[{layer}]"] for layer in range(1, self.L + 1)}
        self.db: dict[int, np.ndarray] = {}
        if setting.bias:
            self.db = {layer: given[f"db[{layer}]"] for layer in range(1, self.L + 1)}
        self.loose = max(LOOSE, min(LOOSEST, lost(item)))

    def a(self, layer: int) -> np.ndarray:
        """The right a[layer]."""
        return self.item.correct.get("a", layer)[0]

    def derivative(self, layer: int) -> np.ndarray:
        """The right derivative of the activation."""
        return self.item.correct.get("derivative", layer)[0]

    def dz(self, layer: int) -> np.ndarray:
        """The right dz[layer], as large as the gradients are."""
        return np.asarray(self.item.correct.get("dz", layer)[0] * self.copies)

    @property
    def label(self) -> np.ndarray:
        """The row of Y that belongs to the sample."""
        return self.item.correct.get("Y", self.L)[0]

    def from_dW(self, layer: int) -> np.ndarray | None:
        """The candidate's dz[layer] as its dW says it, given the right a[layer - 1]; None if dW is
        no multiple of that."""
        a = self.a(layer - 1)
        dz = self.dW[layer] @ a / (a @ a)
        if self.close(self.dW[layer], np.outer(dz, a)):
            return dz
        return None

    def close(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Equal but for what this answer lost by rounding."""
        return close(first, second, self.loose)

    def read_dz(self, layer: int) -> np.ndarray | None:
        """The candidate's dz[layer]: its db; without biases, the column by which dW multiplies some
        row."""
        if self.db:
            return self.db[layer]
        factors = self._factors[layer]
        if factors is None:
            return None
        return factors.dz

    def read_a(self, layer: int) -> np.ndarray | None:
        """The candidate's a[layer]: the row by which dW[layer + 1] multiplies its dz; None if there
        is no such row."""
        if not self.db:
            factors = self._factors[layer + 1]
            if factors is None:
                return None
            return factors.a
        dz = self.db[layer + 1]
        if not dz.any():
            return None
        a = dz @ self.dW[layer + 1] / (dz @ dz)
        if self.close(self.dW[layer + 1], np.outer(dz, a)):
            return a
        return None

    def next_dz(self, layer: int, upstream: np.ndarray) -> np.ndarray:
        """dz[layer] by right steps from some dz[layer + 1]."""
        return np.asarray((upstream @ self.W[layer + 1]) * self.derivative(layer))

    @cached_property
    def _factors(self) -> dict[int, Factors | None]:
        """dW[layer] as dz times a row as long as the right a[layer - 1], where it is such a
        product."""
        return {layer: self._factors_of(layer) for layer in self.dW}

    def _factors_of(self, layer: int) -> Factors | None:
        dW = self.dW[layer]
        a = self.a(layer - 1)
        u, sizes, v = np.linalg.svd(dW, full_matrices=False)
        if sizes[0] == 0 or not self.close(dW, sizes[0] * np.outer(u[:, 0], v[0])):
            return None
        length = float(np.linalg.norm(a))
        if v[0] @ a < 0:
            length = -length
        return Factors(u[:, 0] * sizes[0] / length, v[0] * length)


class Factors(NamedTuple):
    """The two vectors whose product a dW is."""

    dz: np.ndarray
    a: np.ndarray


def lost(item: Evidence) -> float:
    """What rounding, and reading them off a step, may have made of any gradient of an answer,
    relative to its largest entry."""
    return max(_lost(item, name, array) for name, array in item.gradients.items())


def _lost(item: Evidence, quantity: str, array: np.ndarray) -> float:
    """What rounding, and reading it off a step, may have made of a gradient, relative to its
    largest entry."""
    size = float(np.abs(array).max(initial=0)) or 1.0
    return 64 * item.rounding.eps(quantity) + 4 * item.rounding.unread(quantity) / size


def close(first: np.ndarray, second: np.ndarray, loose: float = LOOSE) -> bool:
    """Equal but for rounding, on the scale of the largest entry."""
    size = max(float(np.abs(first).max(initial=0)), float(np.abs(second).max(initial=0)))
    return bool(np.abs(first - second).max(initial=0) <= loose * size)


def all_close(
    singles: Sequence[Single], pairs: Iterable[tuple[np.ndarray | None, np.ndarray | None]]
) -> bool:
    """Whether every pair exists and is close, as far as the roughest of some answers shows."""
    loose = max(single.loose for single in singles)
    return all(
        first is not None and second is not None and close(first, second, loose)
        for first, second in pairs
    )


def alike(vectors: Sequence[np.ndarray], loose: float = LOOSE) -> bool:
    """Whether all of them are multiples of one, as far as their entries are known (no NaN)."""
    first = vectors[0]
    for vector in vectors:
        known = ~np.isnan(vector) & ~np.isnan(first)
        if not known.any():
            continue
        mine = vector[known]
        other = first[known]
        largest = np.abs(mine).argmax()
        if not mine[largest] or not other[largest]:
            return False
        if not close(mine / mine[largest], other / other[largest], loose):
            return False
    return True


def p_behind(singles: list[Single]) -> np.ndarray | None:
    """The p for which every dz[L] of one sample, whatever its label, is what the right head makes
    of it; None if there is none.

    Solved for the logits, from the right ones first: with two labels there are more equations than
    unknowns.
    """
    first = singles[0].sample
    seen = []
    for single in singles:
        dz = single.read_dz(single.L)
        if dz is not None and single.sample == first and single.item.probe.role == Role.SINGLE:
            seen.append((single, dz))
    if len({single.label.tobytes() for single, _ in seen}) < 2:
        return None
    loose = max(single.loose for single, _ in seen)
    problem = seen[0][0].item.setting.problem
    if problem.head.cost == "cross-entropy":
        found = [dz / single.scale + single.label for single, dz in seen]
        if all(close(p, found[0], loose) for p in found):
            return found[0]
        return None
    right = np.array(seen[0][0].item.correct.get("z", seen[0][0].L)[0])

    def misfit(z: np.ndarray) -> np.ndarray:
        return np.concatenate([head_dz(single, z) - dz for single, dz in seen])

    allowed = loose * 1e-3 * max(float(np.abs(dz).max()) for _, dz in seen)
    for start in (right, np.zeros(len(right)), *(4 * np.eye(len(right)) - 2)):
        logits = _solved(misfit, start, allowed)
        if logits is not None:
            return np.asarray(output_of(logits[None], problem.head)[0])
    return None


def _solved(
    misfit: Callable[[np.ndarray], np.ndarray], z: np.ndarray, allowed: float
) -> np.ndarray | None:
    """Where the misfit vanishes, by Gauss-Newton; None if that does not get there."""
    for _ in range(40):
        left = misfit(z)
        if float(np.abs(left).max()) <= allowed:
            return z
        change = np.linalg.lstsq(_slopes(misfit, z, left), -left, rcond=FLAT)[0]
        z = z + change / max(1.0, float(np.abs(change).max()))
    return None


# of the steepest slope: softmax does not change along (1, 1, ..., 1), where differences leave 1e-8
# of noise
FLAT = 1e-5


def _slopes(f: Callable[[np.ndarray], np.ndarray], z: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Forward differences: Newton needs no more than a few digits of them."""
    step = 1e-7
    return np.stack([(f(z + step * unit) - at) / step for unit in np.eye(len(z))], axis=1)


def head_dz(single: Single, logits: np.ndarray) -> np.ndarray:
    """dz[L] of one sample from its logits, as the right head makes it."""
    problem = single.item.setting.problem
    one = replace(problem, y=problem.y[:1])
    z = logits[None]
    passed = Forward({1: z}, {0: np.ones((1, 1))}, output_of(z, problem.head))
    weights = {1: np.ones((len(logits), 1))}
    dz = by_hand.backward(passed, weights, one.Y, head=problem.head).dz[1]
    return np.asarray(single.scale * dz[0])

"""A candidate's own arrays, as far as its gradients show them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Own, same
from backproof.checks.recording.page import ratio, tolerance
from backproof.checks.recording.right_functions import hidden
from backproof.checks.recording.source import Sources

# entries: as many that agree up to some factor are no accident
ANY_FACTOR = 4


class OwnValues:
    """What their gradients show of their own dz and a."""

    def __init__(self, own: Own, sources: Sources) -> None:
        self.own = own
        self.sources = sources
        self.page = own.page
        self.L = own.page.problem.L
        self.N = own.page.N
        self._factors_of: dict[Quantity, set[float]] = {}

    def seen_dz(self, layer: int) -> np.ndarray | None:
        """Their dz[l], one row, of a call with one sample; None where the gradients do not show it.

        Their dW[l] shows it where it is that times the right a[l - 1], and their db[l] always; a
        db in a short format may be rounded once more than the dz that it is.
        """
        if self.N > 1:
            return None
        right = self.page.values[Quantity("dz", layer)]
        a = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)[0]
        dW = self.own.given(Quantity("dW", layer))
        if dW is not None and dW.shape == (right.shape[1], len(a)):
            dz = dW @ a / (a @ a)
            if same(dW, np.outer(dz, a), self._near(layer, 0.0)):
                return np.asarray(dz)[None]
        db = self.own.given(Quantity("db", layer))
        if db is not None and db.shape == right.shape[1:]:
            return db[None]
        return None

    def seen_a(self, layer: int) -> np.ndarray | None:
        """Their a[l], one row."""
        dz = self.seen_dz(layer + 1)
        dW = self.own.given(Quantity("dW", layer + 1))
        if self.N > 1 or dz is None or dW is None or not dz.any():
            return None
        a = dz[0] @ dW / (dz[0] @ dz[0])
        if not same(dW, np.outer(dz[0], a), self._near(layer + 1, 0.0)):
            return None
        return np.asarray(a)[None]

    def _slope(self, layer: int) -> np.ndarray:
        """The right h'(z[l])."""
        z = self.page.values[Quantity("z", layer)]
        a = self.page.values[Quantity("a", layer)]
        return np.asarray(hidden(self.page, layer).h_prime(z, a))

    def _near(self, layer: int, eps: float) -> float:
        """How near something must be to what was read off the gradients of a layer."""
        some = [
            self.own.near(Quantity(kind, layer), eps)
            for kind in ("dW", "db")
            if Quantity(kind, layer) in self.own.gradients
        ]
        return max([tolerance(eps), *some])

    def _scaled(self, array: np.ndarray, own: np.ndarray, near: float) -> bool:
        """Whether it is their array, up to a factor that people multiply gradients by."""
        if array.shape != own.shape:
            return False
        factor = ratio(array, own, near)
        if factor is None:
            return False
        if array.size > ANY_FACTOR:
            return True
        known = self.page.nearest_factor(factor)
        return abs(factor - known) <= near * abs(known)

    def _shows_a_fault(self, layer: int) -> bool:
        """Whether any gradient of a layer is wrong in this call."""
        both = [Quantity(kind, layer) for kind in ("dW", "db")]
        return any(self.own.is_wrong(one) for one in both if one in self.own.gradients)

    def _differs_by_a_factor(self, layer: int) -> bool:
        """Whether their gradients of a layer are the right ones but for a factor."""
        for kind in ("dW", "db"):
            quantity = Quantity(kind, layer)
            given = self.own.given(quantity)
            right = self.page.values[quantity]
            if given is None or given.shape != right.shape:
                continue
            if ratio(given, right, self.own.near(quantity, 0.0)) is None:
                return False
        return True

    def _explains(self, layer: int, exact: bool = False) -> Callable[[np.ndarray, float], bool]:
        """Over a batch: what gives both their gradients, as far as there are two."""
        below = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)
        dW = self.own.given(Quantity("dW", layer))
        db = self.own.given(Quantity("db", layer))

        def is_own(array: np.ndarray, eps: float) -> bool:
            near = self._near(layer, eps)
            equal = same if exact else self._scaled
            by_W = dW is not None and equal(array.T @ below, dW, near)
            return by_W and (db is None or equal(array.sum(axis=0), db, near))

        return is_own

    def _explains_dz(self, layer: int) -> Callable[[np.ndarray, float], bool]:
        """Whether an array is their dz[l], as large as it is."""
        dz = self.seen_dz(layer)
        if dz is None:
            return self._explains(layer, exact=True)
        return lambda array, eps: same(array, dz, self._near(layer, eps))

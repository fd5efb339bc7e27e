"""What to look for where a candidate's output, or what it is compared with, is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Sought, same
from backproof.checks.recording.own_places import OwnPlaces
from backproof.checks.recording.page import ratio, tolerance
from backproof.checks.recording.right_functions import dz_of_output, hidden, output


class OwnForward(OwnPlaces):
    """Their own z, a and p, and what stands for them in their gradients."""

    def _own_a(self, layer: int) -> Iterator[Sought]:
        """Their a[l], by which their dW[l + 1] multiplies their dz[l + 1]."""
        a = self.seen_a(layer)
        right = self.page.values[Quantity("a", layer)]
        if a is not None and not same(a, right, 1e-9):
            yield self._equal(Quantity("a", layer), a, right)

    def _behind_a(self, layer: int) -> Iterator[Sought]:
        """An array of which the right activation makes their a[l], and which is not the right
        z[l]."""
        a = self.seen_a(layer)
        if a is None:
            return
        h = hidden(self.page, layer).h
        right = self.page.values[Quantity("z", layer)]

        def is_own(array: np.ndarray, eps: float) -> bool:
            with np.errstate(all="ignore"):
                return same(h(array), a, tolerance(eps))

        if same(a, self.page.values[Quantity("a", layer)], 1e-9):
            return
        yield Sought(Quantity("z", layer), is_own, right, elements=a[0], through=h)

    def _own_p(self) -> Iterator[Sought]:
        """Their p: what the right head makes their dz[L] of."""
        right = self.page.values[Quantity("p")]
        explains = self._explains_output()
        elements = None
        dz = self.seen_dz(self.L)
        if dz is not None and self.page.problem.head.equation in ("(B1)", "(B9)"):
            elements = (dz / self.page.weight + self.page.given[Quantity("Y")])[0]
        if explains is not None:
            yield Sought(Quantity("p"), explains, right, elements=elements)

    def _behind_p(self) -> Iterator[Sought]:
        """Logits of which the right output makes their p."""
        explains = self._explains_output()
        if explains is None:
            return
        make_p = output(self.page)
        quantity = Quantity("z", self.L)
        p = self.page.values[Quantity("p")]

        def is_own(array: np.ndarray, eps: float) -> bool:
            with np.errstate(all="ignore"):
                made = make_p(array)
                # logits without their maximum are right, too, and p itself is no logit
                right = same(made, p, tolerance(eps)) or same(array, p, tolerance(eps))
                return not right and explains(made, eps)

        yield Sought(quantity, is_own, self.page.values[quantity])

    def _explains_output(self) -> Callable[[np.ndarray, float], bool] | None:
        """Whether the right head makes their dz[L] of an output; None where theirs is right."""
        head = dz_of_output(self.page)
        right = self.page.values[Quantity("dz", self.L)]
        dz = self.seen_dz(self.L)
        if head is None or (dz is not None and same(dz, right, self._near(self.L, 0.0))):
            return None
        Y = self.page.given[Quantity("Y")]
        explains = self._explains_dz(self.L)
        return lambda array, eps: explains(head(array, Y), eps)

    def _own_labels(self, layer: int) -> Iterator[Sought]:
        """The targets that they take their p against, where those are not the right ones."""
        head = dz_of_output(self.page)
        if layer < self.L or head is None:
            return
        p = self.page.values[Quantity("p")]
        explains = self._explains_dz(layer)

        def is_own(array: np.ndarray, eps: float) -> bool:
            likely = bool(array.min() >= 0 and array.max() <= 1 and array.shape[1] > 1)
            return likely and explains(head(p, array), eps)

        yield Sought(Quantity("Y"), is_own, self.page.given[Quantity("Y")])

    def _fewer_samples(self, wrong: Quantity) -> Iterator[Sought]:
        """Some of the rows of x, where the right pass over those alone gives their gradient."""
        given = self.own.given(wrong)
        x = self.page.problem.x
        if self.N < 2 or given is None:
            return
        layer = wrong.layer or self.L
        dz = self.page.values[Quantity("dz", layer)]
        below = self.page.values.get(Quantity("a", layer - 1), x)

        def is_own(array: np.ndarray, eps: float) -> bool:
            rows = [int(np.abs(x - row).max(axis=1).argmin()) for row in array]
            if not same(array, x[rows], tolerance(eps)):
                return False
            sums = {"dW": dz[rows].T @ below[rows], "db": dz[rows].sum(axis=0)}
            return ratio(given, sums[wrong.kind], self.own.near(wrong, eps)) is not None

        for count in self._numbers_of_rows(x.shape[1]):
            yield Sought(Quantity("x"), is_own, np.zeros((count, x.shape[1])))

    def _numbers_of_rows(self, width: int) -> list[int]:
        """How many rows there are in arrays that could be a part of x."""
        shapes = {np.squeeze(made.value).shape for made in self.own.recording.made}
        pairs = [shape for shape in shapes if len(shape) == 2 and width in shape]
        counts = {shape[0] if shape[1] == width else shape[1] for shape in pairs}
        return sorted(count for count in counts if 1 < count < self.N)

    def _factor_of_dW(self, wrong: Quantity) -> Iterator[Sought]:
        """What stands for dz[l] or a[l - 1] in their dW[l], if it is nothing of the right pass: an
        array that was edited, say."""
        layer = wrong.layer or self.L
        dW = self.own.given(Quantity("dW", layer))
        if wrong.kind != "dW" or self.N > 1 or dW is None:
            return
        dz = self.page.values[Quantity("dz", layer)]
        below = Quantity("a", layer - 1) if layer > 1 else Quantity("x")
        a = self.page.values.get(below, self.page.problem.x)
        if dW.shape != (dz.shape[1], a.shape[1]) or not dW.any():
            return
        own_a = dz @ dW / (dz @ dz.T)
        own_dz = (dW @ a.T / (a @ a.T)).T
        near = self._near(layer, 0.0)
        pairs = ((below, own_a, a, (dz, own_a)), (Quantity("dz", layer), own_dz, dz, (own_dz, a)))
        for quantity, own, right, (left, top) in pairs:
            is_product = same(dW, left.T @ top, near)
            if is_product and ratio(own, right, near) is None and not self._is_part(own):
                yield self._proportional(quantity, own, right)

    def _is_part(self, own: np.ndarray) -> bool:
        """Whether each of its entries is one of some quantity of the right pass, as where an index
        is off: then the line that made it is right."""
        if self.page.matches(own, 1e-16):
            return True
        for value in (*self.page.given.values(), *self.page.values.values()):
            off = np.abs(own.reshape(-1, 1) - value.reshape(1, -1)).min(axis=1)
            if off.max() <= tolerance(0.0) * np.abs(own).max():
                return True
        return False

    def _equal(self, quantity: Quantity, own: np.ndarray, right: np.ndarray) -> Sought:
        near = self._near
        layer = quantity.layer or self.L
        return Sought(
            quantity,
            lambda array, eps: same(array, own, near(layer, eps)),
            right,
            elements=own[0] if len(own) == 1 else None,
        )

    def _proportional(self, quantity: Quantity, own: np.ndarray, right: np.ndarray) -> Sought:
        layer = quantity.layer or self.L
        return Sought(
            quantity,
            lambda array, eps: self._scaled(array, own, self._near(layer, eps)),
            right,
            elements=own[0] if len(own) == 1 else None,
        )

"""The line of somebody's file that first makes a wrong number.

Their gradients show what they must have had on the way: of one sample, their db[l] is their dz[l],
and their dW[l] is that times their a[l - 1]. The line on which that very array appears first is the
line. Nothing is named by where it stands in the program: only a line on which the wrong value was
seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found, Own, Sought, orientations, same
from backproof.checks.recording.own_forward import OwnForward
from backproof.checks.recording.page import ratio, tolerance
from backproof.checks.recording.source import Sources


def locate_edit(own: Own) -> Found | None:
    """The first line that edits an array which its function was given, and which was right."""
    for made in own.recording.made:
        if made.site.kind == "edit":
            before = [one for one in own.recording.made if one.time < made.time]
            alike = [one for one in before if one.value.shape == made.value.shape]
            for one in reversed(alike):
                for match in own.page.matches(one.value, one.eps):
                    if match.quantity.kind in ("z", "a", "dz"):
                        site = made.site
                        return Found(
                            site.file,
                            site.line,
                            site.function,
                            site.name,
                            match.quantity,
                            site.kind,
                            made.value,
                        )
    return None


def locate(own: Own, first_wrong: Quantity, sources: Sources) -> Found | None:
    """The line on which a quantity that is wrong appears first; None where no line shows it.

    Args:
        own: the call that was recorded.
        first_wrong: the step that goes wrong first, as the answers show it.
        sources: the files.
    """
    alone = own.of_one_sample if first_wrong.kind not in ("dW", "db") else None
    for one in (alone, own):
        finder = _Finder(one, sources) if one is not None else None
        for sought in finder.plan(first_wrong) if finder is not None else ():
            if finder is not None and (found := finder.first(sought)) is not None:
                return finder.loop_that_leaves_out(found) or found
    return _Finder(own, sources).not_returned(first_wrong)


class _Finder(OwnForward):
    """Looks for the candidate's own arrays in one recording."""

    def plan(self, wrong: Quantity) -> Iterator[Sought]:
        """What to look for, the nearest to the fault first."""
        layer = wrong.layer or self.L
        match wrong.kind:
            case "z" if layer < self.L:
                yield from self._behind_a(layer)
                yield from self._own_a(layer)
            case "a":
                yield from self._behind_a(layer)
                yield from self._own_a(layer)
            case "z" | "p":
                yield from self._behind_p()
                yield from self._own_p()
            case "da" | "dz" | "dp" if self._dz_is_right(layer):
                yield from self._own_gradients(layer)
            case "da":
                yield from self._behind_dz(layer)
                yield from self._own_dz(layer)
            case "dz" | "dp":
                yield from self._own_labels(layer)
                if layer == self.L:
                    yield from self._own_p()
                yield from self._own_dz(layer)
            case "dW" | "db":
                yield from self._fewer_samples(wrong)
                yield from self._factor_of_dW(wrong)
                yield from self._own_gradient(wrong)

    def _own_dz(self, layer: int) -> Iterator[Sought]:
        """Their dz[l]: read off their gradients of one sample, or what sums to them over a
        batch."""
        quantity = Quantity("dz", layer)
        right = self.page.values[quantity]
        dz = self.seen_dz(layer)
        if dz is None:
            if not self._shows_a_fault(layer):
                return
            by_a_factor = self._differs_by_a_factor(layer)
            yield Sought(quantity, self._explains(layer, by_a_factor), right, by_a_factor)
            if by_a_factor:
                dW = Quantity("dW", layer)
                given = self.own.given(dW)
                if given is not None and float((given * self.page.values[dW]).sum()) < 0:
                    yield self._reversed(quantity, right)
                yield from self._own_gradients(layer)
            return
        if same(dz, right, self._near(layer, 0.0)):
            return
        if ratio(dz, right, self._near(layer, 0.0)) is None:
            yield self._proportional(quantity, dz, right)
            return
        # another by a factor alone: the very numbers of whatever shows the factor first
        yield replace(self._equal(quantity, dz, right), exact=True)
        if float((dz * right).sum()) < 0:
            yield self._reversed(quantity, right)
        yield from self._own_gradients(layer)

    def _reversed(self, quantity: Quantity, right: np.ndarray) -> Sought:
        """The right array with another sign, however it is scaled, where that is not how the
        program holds such arrays."""
        usual = self._usual(quantity)

        def is_own(array: np.ndarray, eps: float) -> bool:
            factor = ratio(array, right, tolerance(eps))
            if factor is None or factor > 0:
                return False
            known = self.page.nearest_factor(factor)
            return abs(factor - known) <= 1e-9 * abs(known) and known not in usual

        return Sought(quantity, is_own, right, exact=True)

    def _behind_dz(self, layer: int) -> Iterator[Sought]:
        """An array that times the right derivative is their dz[l]: their da[l]."""
        dz = self.seen_dz(layer)
        slope = self._slope(layer)
        quantity = Quantity("da", layer)
        right = self.page.values[quantity]
        if dz is None:
            if not self._shows_a_fault(layer):
                return
            by_a_factor = self._differs_by_a_factor(layer)
            explains = self._explains(layer, by_a_factor)
            yield Sought(
                quantity, lambda array, eps: explains(array * slope, eps), right, by_a_factor
            )
            return
        near = self._near
        by_a_factor = (
            ratio(dz, self.page.values[Quantity("dz", layer)], near(layer, 0.0)) is not None
        )
        equal = same if by_a_factor else self._scaled

        def is_own(array: np.ndarray, eps: float) -> bool:
            return equal(array * slope, dz, near(layer, eps))

        with np.errstate(all="ignore"):
            elements = dz[0] / slope[0]
        usable = np.isfinite(elements).all()
        elements = elements if usable else None
        yield Sought(quantity, is_own, right, by_a_factor, elements)

    def _own_gradient(self, quantity: Quantity) -> Iterator[Sought]:
        """Their dW[l] or db[l] itself; where it is only ever taken off, the weights left."""
        given = self.own.gradients.get(quantity)
        if given is None or not self.own.is_wrong(quantity):
            return
        right = self.page.values[quantity]
        if given.shape != right.shape:  # of no quantity: the very numbers must be there
            right = np.zeros(given.shape)
        if given.any():
            yield self._very_gradient(quantity, given, right)
        else:
            yield from self._put_to_zero(quantity, given)
        left = Quantity(quantity.kind[1:], quantity.layer)
        if given.any() and left in self.own.weights:
            after = self.own.weights[left]
            before = self.page.given[left]
            yield Sought(
                quantity, lambda array, eps: same(array, after, 1e-14), before, True, after
            )

    def _put_to_zero(self, quantity: Quantity, given: np.ndarray) -> Iterator[Sought]:
        """Zeros under a name that has held the right gradient."""
        right = self.page.values[quantity]
        names = set()
        for made in self.own.recording.made:
            for array in orientations(made.value, right.shape):
                if ratio(array, right, tolerance(made.eps)) is not None:
                    names.add(made.site.name)
        if names:
            yield Sought(
                quantity, lambda array, eps: not array.any(), right, names=frozenset(names)
            )

    def _very_gradient(self, quantity: Quantity, given: np.ndarray, right: np.ndarray) -> Sought:
        exact = not right.any() or ratio(given, right, self.own.near(quantity, 0.0)) is not None

        def is_own(array: np.ndarray, eps: float) -> bool:
            near = self.own.near(quantity, eps)
            if exact:
                return same(array, given, near) or self._taken_off(array, given, near)
            return self._scaled(array, given, near)

        return Sought(quantity, is_own, right, exact, elements=given)

    def _taken_off(self, array: np.ndarray, given: np.ndarray, near: float) -> bool:
        """Whether it is what a step takes off the weights: the gradient times the rate."""
        rate = self.page.learning_rate
        return rate is not None and same(array, rate * given, near)

    def _own_gradients(self, layer: int) -> Iterator[Sought]:
        """Their dW[l] and db[l], whichever comes first, where dz[l] itself was seen to be right."""
        both = [
            sought for kind in ("dW", "db") for sought in self._own_gradient(Quantity(kind, layer))
        ]
        found = [(sought, self._earliest(sought)) for sought in both]
        seen = [(sought, one) for sought, one in found if one is not None]
        yield from [sought for sought, _ in sorted(seen, key=lambda pair: pair[1].time)]

    def _dz_is_right(self, layer: int) -> bool:
        """Whether a line makes the right dz[l], by more than a factor of another wrong one."""
        quantity = Quantity("dz", layer)
        right = self.page.values[quantity]
        dz = self.seen_dz(layer)
        near = self._near(layer, 0.0)
        dW = self.own.given(Quantity("dW", layer))
        if dz is None or dW is None or ratio(dz, right, near) is not None or right.size < 3:
            return False
        below = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)
        if same(dW, dz.T @ below, near):
            return False  # both gradients are made of another dz[l]
        sought = Sought(
            quantity,
            lambda array, eps: self._scaled(array, right, tolerance(eps)),
            right,
            exact=True,
            elements=right[0],
        )
        return self._earliest(sought) is not None

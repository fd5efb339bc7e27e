"""What a step took off the parameters, compared with the gradients that it must take off."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import Page, ratio
from backproof.checks.recording.script.archive import closeness
from backproof.checks.recording.script.descent import CLOSE, Descent, are_alike, descent
from backproof.checks.recording.script.passes import Step
from backproof.checks.recording.script.recognised import Recognised

FEW = 2  # numbers, of which any others are a multiple now and then
USUAL = (0.5, 1.0, 2.0)
SHORT = 2e-4  # of a difference of four-byte weights, relative to its largest entry


@dataclass(frozen=True)
class Change:
    """One parameter before a step, and what that took off.

    Attributes:
        before, lost: as (n_out, n_in), or one entry a unit.
        eps: relative rounding of the type in which it came.
    """

    before: np.ndarray
    lost: np.ndarray
    eps: float

    @property
    def near(self) -> float:
        """How near something must be to what was lost, relative to its largest entry."""
        largest = float(np.abs(self.lost).max(initial=0))
        size = float(np.abs(self.before).max(initial=0))
        exact = CLOSE if self.eps < 1e-12 else SHORT
        if largest == 0:
            return exact
        return max(exact, 8 * self.eps * size / largest)

    def descent(self, right: np.ndarray, near: float) -> Descent | None:
        """By what the correct gradient was multiplied and taken off, as near as that is known."""
        return descent(self.lost, right, self.before, near)

    def ratio(self, right: np.ndarray) -> float | None:
        """By what the correct gradient was multiplied and taken off, whatever its sign."""
        return ratio(self.lost, right, self.near)


def changes(found: Recognised, step: Step) -> dict[Quantity, Change]:
    """What a step took off every W and b, from the last layer down; no b that there is not, or
    that did not change where others did."""
    changed: dict[Quantity, Change] = {}
    for number, layer in reversed(list(enumerate(found.layers, start=1))):
        before = layer.numbers(step.since)
        after = layer.numbers(step.after)
        made = layer.W.made_at(step.since) or layer.W.versions[0]
        lost_W = before[0] - after[0]
        changed[Quantity("dW", number)] = Change(before[0], lost_W, made.eps)
        if layer.has_bias:
            lost_b = before[1] - after[1]
            changed[Quantity("db", number)] = Change(before[1], lost_b, made.eps)
    return changed


def made_by_lines(
    found: Recognised, right: np.ndarray, until: int, usual: Collection[float]
) -> list[float]:
    """By what a gradient is multiplied where lines make it; of one or two numbers, of which any
    others are a multiple now and then, by a usual factor alone."""
    if right.size == 1 and right.any() and np.isfinite(right).all():
        some, near = found.archive.factors(float(right.reshape(-1)[0]), until)
        sizes = np.abs(some)
        kept = np.zeros(len(some), bool)
        for known in usual:
            kept |= np.abs(sizes - known) <= near * np.maximum(sizes, known)
        return [float(factor) for factor in some[kept]]
    factors = []
    for one in found.archive.multiples(right, until):
        eps = closeness(one.made.eps)
        if right.size > FEW or any(are_alike(abs(one.factor), known, eps) for known in usual):
            factors.append(one.factor)
    return factors


def made_beside(
    found: Recognised, quantity: Quantity, right: np.ndarray, until: int
) -> list[float]:
    """The same where the bias is a column of the weights, and both gradients are one array."""
    layer = found.layers[(quantity.layer or len(found.layers)) - 1]
    shape = layer.W.versions[0].value.shape
    factors = []
    for one in found.archive.of_shape(shape, until) if layer.ones is not None else ():
        dW, db = layer.split(one.value.reshape(shape), None)
        part = dW if quantity.kind == "dW" else db
        factor = ratio(part, right, closeness(one.eps)) if part.shape == right.shape else None
        if factor is not None:
            factors.append(factor)
    return factors


def few_by_lines(found: Recognised, right: np.ndarray, until: int) -> list[float]:
    """By what a gradient of one or two numbers is multiplied where lines may make it; nothing for
    one of more."""
    some = found.archive.multiples(right, until) if right.size <= FEW else []
    return [one.factor for one in some]


def by_factor(
    computed: dict[Quantity, list[float]], few: dict[Quantity, list[float]]
) -> dict[Quantity, bool]:
    """The gradients that lines make, all times one factor: that which most of them have.

    Args:
        computed: factors of each.
        few: of those that are one or two numbers, which must have that very factor.
    """
    count: dict[float, int] = {}
    for factor in chain.from_iterable(computed.values()):
        count[factor] = sum(_has(of, factor) for of in computed.values())
    best = max(count, key=lambda one: (count[one], one == 1, one in USUAL), default=None)
    if best is None:
        return dict.fromkeys(computed, False)
    fit = {
        quantity: _has(of, best) or any(are_alike(one, best, CLOSE) for one in few[quantity])
        for quantity, of in computed.items()
    }
    taken_up = {
        factor
        for quantity, of in computed.items()
        for factor in of
        if quantity.kind == "dW" and fit[quantity] and not are_alike(factor, best, 1e-4)
    }
    return {
        quantity: fit[quantity] and not _is_changed(of, best, taken_up)
        for quantity, of in computed.items()
    }


def _is_changed(factors: Sequence[float], best: float, taken_up: Collection[float]) -> bool:
    """Whether what a line makes of a right gradient, and not that itself, is taken up as other
    gradients are: a tenth of it into an average, say."""
    for factor in taken_up:
        if _has(factors, factor):
            return False
    others = [one for one in factors if not are_alike(one, best, 1e-4)]
    return any(_has(others, one * factor / best) for one in others for factor in taken_up)


def _has(factors: Sequence[float], wanted: float) -> bool:
    return any(are_alike(one, wanted, 1e-4) for one in factors)


def own_deltas(
    found: Recognised, page: Page, change: Change, since: int, until: int
) -> Iterator[tuple[Made, float]]:
    """Arrays of which, times what the last layer takes, its weights lose something; and by what
    that is multiplied."""
    L = page.problem.L
    below = page.values[Quantity("a", L - 1)] if L > 1 else page.problem.x
    wanted = tuple(n for n in (page.N, page.problem.sizes[-1]) if n != 1)
    for made in found.archive.made:
        array = np.squeeze(made.value)
        if not since <= made.time <= until or sorted(array.shape) != sorted(wanted):
            continue
        for turned in (array, array.T)[: max(1, array.ndim)]:
            if turned.shape == wanted and np.isfinite(turned).all():
                product = turned.reshape(page.N, -1).T @ below
                near = max(change.near, closeness(made.eps))
                factor = ratio(change.lost, product, near)
                decayed = change.descent(product, near) if factor is None else None
                if decayed is not None:
                    factor = decayed.rate
                if factor is not None:
                    yield made, factor
                    break

"""The line that makes the first wrong step of a network that is written with one variable for each
weight, by which of them lose the right number.

Each weight's update is made of what some lines have made since the forward pass. A line on which a
wrong weight depends, and no right one does, is the one if there is no other; of several, the first
that makes something else than a factor of the right derivative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found
from backproof.checks.recording.script.factors import Factors
from backproof.checks.recording.script.held_numbers import Held, Key
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.source import Sources

NEAR = 1e-6  # relative to the largest of a layer: of what was lost and what is due
MOST_NODES = 200  # that one update may depend on


@dataclass(frozen=True)
class Entry:
    """One weight or bias, and what it lost.

    Attributes:
        quantity: the gradient in which it stands.
        index: where: its neuron, and of a weight what that multiplies it by.
        key: its place.
        is_right: whether it lost what it must.
        due: its right gradient, of the mean loss.
        climbs: whether it lost something of the other sign.
    """

    quantity: Quantity
    index: tuple[int, ...]
    key: Key
    is_right: bool
    due: float
    climbs: bool

    @property
    def unit(self) -> int:
        """Its neuron, from 0."""
        return self.index[0]

    @property
    def input(self) -> int | None:
        """What its neuron multiplies it by, from 0; None of a bias."""
        return self.index[1] if len(self.index) > 1 else None


def line_of_number(best: Reading, first: Quantity, recording: Recording) -> Found | None:
    """The line; None where the lines cannot tell.

    Args:
        best: how the step is read.
        first: the first wrong step.
        recording: of the run.
    """
    if best.before is not None or best.is_off:
        return None
    entries = max((list(_entries(best, rate)) for rate in _rates(best)), key=_count_right)
    held = Held(recording, Sources(recording.sources))
    slices = {one: _Slice(held, best, one.key).nodes for one in entries}
    kinds = ("dW", "db") if first.kind == "dz" else (first.kind,)
    layer = first.layer or best.L
    wrong = [one for one in entries if not one.is_right]
    wrong = [one for one in wrong if one.quantity in [Quantity(kind, layer) for kind in kinds]]
    if not wrong or any(not slices[one] for one in wrong):
        return None
    right = [slices[one] for one in entries if one.is_right]
    cleared = set(map(_where, chain.from_iterable(right)))
    for group in (wrong, [one for one in wrong if one.unit == wrong[0].unit], wrong[:1]):
        shared = _shared([slices[one] for one in group])
        left = [node for node in shared if _where(node) not in cleared]
        if left:
            made = _guilty(left, group, best)
            if made is None:
                return None
            site = made.site
            return Found(site.file, site.line, site.function, site.name, first, "value", made.value)
    return None


def never_updated(best: Reading) -> list[str]:
    """The weights and biases that the step leaves as they are, though they have a gradient: as they
    are written; [] where it leaves all."""
    some = list(_places(best))
    left = [one for one in some if best.changes[one[0]].lost[one[1]] == 0]
    if len(left) == len(some):
        return []
    return [key[1] for quantity, index, key in left if best.page.values[quantity][index] != 0]


def never_shown(best: Reading, shown: Mapping[Quantity, np.ndarray]) -> list[str]:
    """The weights and biases of which a mask says that nothing was shown, as they are written."""
    return [key[1] for quantity, index, key in _places(best) if not shown[quantity][index]]


def _places(best: Reading) -> Iterator[tuple[Quantity, tuple[int, ...], Key]]:
    """Of every entry of every gradient, the index in it and the place of its weight."""
    gathered = best.found.gathered
    for quantity in best.changes:
        layer = best.found.layers[(quantity.layer or best.L) - 1]
        variable = layer.W if quantity.kind == "dW" else layer.b
        places = gathered.weights.get(variable.name) if gathered and variable else None
        for unit, row in enumerate(places or ()):
            for at, key in enumerate(row):
                yield quantity, (unit, at) if quantity.kind == "dW" else (unit,), key


def _entries(best: Reading, rate: float) -> Iterator[Entry]:
    """Every weight and bias of the network that shows anything."""
    for quantity, index, key in _places(best):
        lost = best.changes[quantity].lost
        due = rate * best.page.values[quantity]
        near = NEAR * float(max(np.abs(due).max(), np.abs(lost).max()))
        if max(abs(lost[index]), abs(due[index])) > near:
            yield Entry(
                quantity,
                index,
                key,
                is_right=bool(abs(lost[index] - due[index]) <= near),
                due=float(best.page.values[quantity][index]),
                climbs=bool(lost[index] * due[index] < 0),
            )


def _rates(best: Reading) -> list[float]:
    """By which gradients may be taken off: as the right ones show, or of what one number loses, if
    the script holds it."""
    if best.descent is not None:
        return [best.descent.rate]
    found = [1.0]
    for quantity, change in best.changes.items():
        with np.errstate(all="ignore"):
            ratios = change.lost / best.page.values[quantity]
        some = [float(one) for one in ratios.reshape(-1) if np.isfinite(one) and one > 0]
        found += [one for one in some if best.written.has_rate(one, best.page)]
    return found


def _count_right(entries: Sequence[Entry]) -> int:
    return sum(one.is_right for one in entries)


class _Slice:
    """What an update depends on, as far back as the forward pass."""

    def __init__(self, held: Held, best: Reading, key: Key) -> None:
        self.held = held
        gathered = best.found.gathered
        ended = best.passes[-1].ended
        outcome = gathered.outcome(ended) if gathered is not None else None
        self.since = ended if outcome is None else outcome.ended
        self.nodes: list[Made] = []
        self.met: set[tuple[str, int, str]] = set()
        some = held.by_key.get(key, [])
        updates = [made for made in some if self.since < made.time <= best.step.after]
        for made in updates:
            self._follow(made)

    def _follow(self, made: Made) -> None:
        if _where(made) in self.met or len(self.nodes) > MOST_NODES:
            return
        self.met.add(_where(made))
        self.nodes.append(made)
        for place in self.held.taken(made):
            if place[1] == made.site.name:
                continue
            before = self.held.last(place, made.time)
            if before is not None and before.time > self.since:
                self._follow(before)


def _where(made: Made) -> tuple[str, int, str]:
    return made.site.file, made.site.line, made.site.name


def _shared(slices: Sequence[Sequence[Made]]) -> list[Made]:
    """What all of some updates depend on, the first first."""
    common = set.intersection(*(set(map(_where, some)) for some in slices))
    shared = [made for made in slices[0] if _where(made) in common]
    return sorted(shared, key=lambda one: one.time)


def _guilty(left: Sequence[Made], group: Sequence[Entry], best: Reading) -> Made | None:
    """Of lines on which wrong weights alone depend, the one that makes the wrong number."""
    inputs = {one.input for one in group}
    at = group[0].input if len(inputs) == 1 else None
    units = sorted({one.unit for one in group})
    factors = Factors(best, group[0].quantity.layer or best.L, units, at)
    climbs = all(one.climbs for one in group)
    if len(left) == 1:
        return left[0] if climbs or not factors.has_error(left[0].value) else None
    updates = {one.key[1] for one in group}
    for made in left:
        if made.site.name in updates:
            before = [one.value for one in left if one.time < made.time]
            is_turned = climbs and all(map(factors.is_plain, before))
            return made if is_turned or _has_gradient(left, group, best) else None
        if not factors.is_one(made.value):
            return made
    unsure = [made for made in left if not factors.is_plain(made.value)]
    return unsure[0] if len(unsure) == 1 and climbs else None


def _has_gradient(left: Sequence[Made], group: Sequence[Entry], best: Reading) -> bool:
    """Whether a line makes all of a weight's gradient, in a usual multiple, and what updates it is
    all that follows."""
    if len(group) > 1:
        return False
    N = float(best.page.N)
    usual = np.outer((0.5, 1.0, 2.0), (1.0, N)) * group[0].due
    numbers = [float(made.value.reshape(-1)[0]) for made in left if made.value.size == 1]
    off = np.abs(np.array(numbers)[:, None] - usual.reshape(-1))
    return bool((off <= NEAR * np.abs(usual).reshape(-1)).any())

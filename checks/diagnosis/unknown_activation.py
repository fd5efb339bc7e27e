"""Hidden layers that apply a function which is none of the known ones: whether anything is wrong at
all that the numbers show.

For one sample dW[l + 1] shows the a[l] that the candidate itself makes of its z[l], and db[l] the
slope that it multiplies by. Samples asked in pairs that lie close together show how steep its
function really is. Where all layers apply one function and the slopes are its own, every step may
be right; where they are not, it is the derivative that goes wrong, and not the activation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from backproof.checks.activations import NAMES
from backproof.checks.by_hand import output_of
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    factor_conventions,
    other_heads,
    other_targets,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.over_batch import nearest_to_output
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.single_sample import Single, close, head_dz, lost, p_behind

SENTENCE = (
    "the hidden layers apply a function of z that is none of "
    f"{', '.join(NAMES)}; its slopes agree with it as far as the numbers show, so no step is "
    "called wrong: declare HIDDEN if it is one of these, or check it with "
    "check_gradients(loss, ..., gradients=...)"
)
# relative; below what any gradient is known to, though float64 may be better
FINEST = 1e-10
# of the distance between two samples: a z that differs by less shows no slope
TOO_NEAR = 0.02
# a slope that is known to no better than this part of the largest tells nothing
TOO_ROUGH = 0.1
ENOUGH = 10  # slopes


def distance(evidence: Iterable[Evidence]) -> float:
    """How far apart two samples are asked, so that neither rounding nor the bend of a function
    spoils the slope between them: both cost as much at the root of what rounding costs."""
    singles = [Single(item) for item in evidence if is_alone(item)]
    coarsest = max((_loose(single) for single in singles), default=FINEST)
    return float(np.sqrt(coarsest)) * 10


def is_alone(item: Evidence) -> bool:
    """Whether it is one sample's answer, in which every gradient came in its shape and finite."""
    return item.probe.role == Role.SINGLE and not item.answer.complaint and item.is_whole


def shown_wrong(
    conventions: Conventions, evidence: list[Evidence], pairs: list[tuple[Evidence, Evidence]]
) -> str | None:
    """The first wrong step, given the function that the candidate itself applies.

    Args:
        conventions: under which it was asked.
        evidence: all answers to the usual questions.
        pairs: answers to samples of the first problem, and to others close to them.
    Returns: its quantity, "" where the numbers show nothing wrong; None where the layers apply no
        one function, or too little of it shows.
    """
    if not conventions.bias or not all(map(is_alone, itertools.chain(*pairs))):
        return None
    passes = [(_read(Single(near)), _read(Single(far))) for near, far in pairs]
    again = [_read(Single(item)) for item in evidence if is_alone(item)]
    flat = [*itertools.chain(*passes), *again]
    if any(one.contradicts for one in flat):
        return None
    secants = [s for near, far in passes for s in _secants(near, far)]
    if len(secants) < ENOUGH or not _is_one_function(secants):
        return None
    seen = [one for one in flat if one.is_whole]
    step = _wrong_at_output(conventions, evidence, seen)
    if step:
        return step
    same = [one for one in again if one.is_whole and one.single.sample == 0]
    for layer in range(seen[0].single.L - 1, 0, -1):
        if not _same_slopes(layer, same):
            return f"da[{layer}]"
        if not all(secant.agrees for secant in secants if secant.layer == layer):
            return f"dz[{layer}]"
    return _wrong_in_batch(evidence, [near.single for near, _ in passes])


@dataclass
class _Read:
    """What one sample shows of each hidden layer.

    Attributes:
        single: its answer.
        z, a, slope: by layer, made of the candidate's own a of the layer below.
        rough: how far each slope may be off.
        is_whole: whether every hidden layer shows.
        contradicts: whether a dW is no product of dz and a.
    """

    single: Single
    z: dict[int, np.ndarray] = field(default_factory=dict)
    a: dict[int, np.ndarray] = field(default_factory=dict)
    slope: dict[int, np.ndarray] = field(default_factory=dict)
    rough: dict[int, np.ndarray] = field(default_factory=dict)
    is_whole: bool = True
    contradicts: bool = False


def _read(single: Single) -> _Read:
    """Layer by layer, as far as the next dW shows an a."""
    problem = single.item.setting.problem
    a = problem.x[0]
    found = _Read(single)
    found.contradicts = not single.close(single.dW[1], np.outer(single.db[1], a))
    loose = _loose(single)
    for layer in range(1, single.L):
        shown = single.read_a(layer)
        if shown is None:
            found.is_whole = False
            found.contradicts |= bool(single.db[layer + 1].any())
            return found
        found.z[layer] = problem.W[layer] @ a + problem.b[layer]
        found.a[layer] = shown
        da = single.db[layer + 1] @ single.W[layer + 1]
        with np.errstate(all="ignore"):
            slope = single.db[layer] / da
            off = np.abs(single.db[layer]).max() + np.abs(slope) * np.abs(da).max()
            found.rough[layer] = loose * off / np.abs(da)
        found.slope[layer] = slope
        a = shown
    return found


def _loose(single: Single) -> float:
    """What rounding leaves open, relative to the largest entry of any gradient."""
    return max(FINEST, lost(single.item))


@dataclass(frozen=True)
class _Secant:
    """One unit of one layer at two samples that are close together.

    Attributes:
        layer: of the unit.
        z, a: at the first of them.
        steep: how much a changes per z.
        rough: how far that may be off by rounding.
        slopes: what the backward pass multiplies by, at both.
        slopes_rough: how far these may be off.
        apart: how far apart the two z are.
    """

    layer: int
    z: float
    a: float
    steep: float
    rough: float
    slopes: tuple[float, float]
    slopes_rough: float
    apart: float

    @property
    def agrees(self) -> bool:
        """Whether the slopes are those of the function: the mean value theorem puts one of them
        between the two z, which the backward pass can miss by what changes there."""
        low = min(self.slopes)
        high = max(self.slopes)
        if not np.isfinite([low, high, self.slopes_rough]).all():
            return True  # nothing came back through this unit
        scale = max(abs(self.steep), 1.0)
        allowed = self.rough + self.slopes_rough + (high - low) + scale * self.apart
        return low - allowed <= self.steep <= high + allowed


def _secants(near: _Read, far: _Read) -> Iterator[_Secant]:
    """Of every unit whose z differs enough between two samples to show a slope."""
    loose = max(_loose(near.single), _loose(far.single))
    moved = far.single.item.setting.problem.x[0] - near.single.item.setting.problem.x[0]
    least = TOO_NEAR * float(np.abs(moved).max())
    for layer in near.a.keys() & far.a.keys():
        size = float(np.abs(near.a[layer]).max())
        for unit, z in enumerate(near.z[layer]):
            apart = float(far.z[layer][unit] - z)
            if abs(apart) < least:
                continue
            steep = float(far.a[layer][unit] - near.a[layer][unit]) / apart
            below = loose * float(np.abs(near.z[layer]).max())
            rough = 2 * (loose * size + abs(steep) * below) / abs(apart)
            if rough > TOO_ROUGH * max(abs(steep), 1.0):
                continue
            yield _Secant(
                layer,
                float(z),
                float(near.a[layer][unit]),
                steep,
                rough,
                (float(near.slope[layer][unit]), float(far.slope[layer][unit])),
                float(near.rough[layer][unit] + far.rough[layer][unit]),
                abs(apart),
            )


def _is_one_function(secants: list[_Secant]) -> bool:
    """Whether from each z to the next a changes as the slopes there say, in whatever layer and unit
    they are.

    Between two z the rule of trapezia is off by no more than half the change of the slope times the
    distance; what it bends and bends back in between is of second order in the distance.
    """
    ordered = sorted(secants, key=lambda one: one.z)
    steepest = max(1.0, *(abs(one.steep) for one in ordered))
    for one, other in itertools.pairwise(ordered):
        gap = other.z - one.z
        due = (one.steep + other.steep) / 2 * gap
        rough = (one.rough + other.rough) * (gap + one.apart)
        bent = abs(other.steep - one.steep) * gap + steepest * gap * gap
        if abs(other.a - one.a - due) > rough + bent + steepest * FINEST:
            return False
    return True


def _same_slopes(layer: int, same: list[_Read]) -> bool:
    """Whether one sample has the same slopes whatever its label: else da is wrong, and they are
    none."""
    for other in same[1:]:
        first = same[0]
        off = np.abs(other.slope[layer] - first.slope[layer])
        allowed = 4 * (first.rough[layer] + other.rough[layer])
        if (off > allowed).any():  # NaN is neither: nothing came back
            return False
    return True


def _wrong_at_output(conventions: Conventions, evidence: list[Evidence], seen: list[_Read]) -> str:
    """p or dz[L], unless some head that is not excluded makes every dz[L] of the candidate's own
    a[L - 1]; and p where it is handed out and is another."""
    L = seen[0].single.L
    items = [one.single.item for one in seen]
    for other in _ways_out(conventions):
        as_other = [Single(item) for item in all_asked_as(conventions, other, items)]
        if all(_follows(single, one) for single, one in zip(as_other, seen, strict=True)):
            return _wrong_p(other, evidence, seen)
    if p_behind([one.single for one in seen]) is None:
        return f"dz[{L}]"
    return "p"


def _ways_out(conventions: Conventions) -> Iterator[Conventions]:
    """Every output, cost, factor and target that the file does not exclude."""
    for targets in (conventions, *other_targets(conventions)):
        for head in (targets, *other_heads(targets)):
            yield from (head, *factor_conventions(head))


def _logits(read: _Read) -> np.ndarray:
    problem = read.single.item.setting.problem
    L = read.single.L
    return np.asarray(problem.W[L] @ read.a[L - 1] + problem.b[L])


def _follows(single: Single, read: _Read) -> bool:
    return single.close(single.db[single.L], head_dz(single, _logits(read)))


def _wrong_p(other: Conventions, evidence: list[Evidence], seen: list[_Read]) -> str:
    """ "p" if the output that is handed out is not that of the logits which single samples show."""
    handed = [item.answer.p for item in evidence if item.probe.role == Role.FORWARD]
    for p in handed:
        if p is None:
            continue
        for read in seen:
            x = read.single.item.setting.problem.x[0]
            first = next(item for item in evidence if item.probe.role == Role.FORWARD)
            rows = np.flatnonzero((first.setting.problem.x == x).all(axis=1))
            due = output_of(_logits(read)[None], other.head)[0]
            if not all(close(np.asarray(p)[row], due, read.single.loose) for row in rows):
                return "p"
    return ""


def _wrong_in_batch(evidence: list[Evidence], alone: list[Single]) -> str:
    """A sum over the first problem's samples that is not the sum of what each gives alone."""
    first = next((item for item in evidence if item.probe.role == Role.FIRST), None)
    if first is None or first.setting.N == 1 or alone[0].copies > 1:
        return ""
    x = first.setting.problem.x
    mine = alone[: len(x)]
    wrong = set()
    for name in first.setting.gradients:
        given = first.gradients.get(name)
        parts = [one.item.gradients[name] / one.item.setting.weight for one in mine]
        total = np.sum(parts, axis=0)
        loose = max(one.loose for one in mine) * _cancelled(parts, total)
        factors = (first.setting.weight, 1.0, 1 / len(x))
        if given is None or not any(close(given, factor * total, loose) for factor in factors):
            wrong.add(name)
    if not wrong:
        return ""
    return nearest_to_output(wrong, alone[0].L, has_bias=True)


def _cancelled(parts: list[np.ndarray], total: np.ndarray) -> float:
    """How much larger summands are than their sum, and so what each lost by rounding is to it."""
    largest = float(np.abs(total).max(initial=0)) or 1.0
    return max(1.0, float(np.sum(np.abs(parts), axis=0).max()) / largest)

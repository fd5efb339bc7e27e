"""The slopes of a candidate's own loss with respect to every weight and bias, with how far off each
may be.

Central differences over three distances, each half of the one before, are extrapolated twice; how
far the two are apart, and the loss's own noise over the distance, is the error bar. Where the loss
has a corner, or is too rough, the bar is infinite. Where the code lets complex numbers through, and
those agree with every difference within its bar, they take their place: a complex step cancels
nothing.

The noise is measured: along a short straight line a smooth loss is a parabola, and what is left
beside that is rounding, in whatever precision the loss computes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.returned import Refused, one_number

Loss = Callable[[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray], object]
Place = tuple[int, int]  # of an entry: which array, and which of its numbers

LONGEST_S = 2.0  # for all entries of one question; beyond, some are asked, and the rest is unknown
FEWEST = 16  # entries that are asked however long each takes
CALLS_EACH = 7  # of one entry, at one distance
# relative to an entry or to 1; 1/16 as far again where that is too rough
FARTHEST = 1e-3
NEARER = (1.0, 1 / 16, 1 / 256)
SHARP = 1e-8  # of the largest slope: an error bar that no nearer distance need improve
SAFETY = 10.0  # what two extrapolations are apart, against what the better one is off
# of the bend over four times the distance, and over twice: a smooth loss shows a quarter and a
# half, a corner nearer than a tenth of the step more than these; one that is farther puts the
# extrapolations apart
CORNER = 0.4
CORNER_AT_HALF = 0.75
POINTS = 12  # on the line that shows the noise
LENGTHS = tuple(10.0**-k for k in range(6, 0, -1))  # of that line
DISTINCT = 8  # of its points that must differ: a loss in few digits has the same at many
SAME = 1e-12  # relative: threads may add up in another order
COMPLEX_STEP = 1e-30
ROUNDINGS = 1e3  # of a loss, relative, in a complex step of it


@dataclass(frozen=True)
class Slopes:
    """What was found of one loss.

    Attributes:
        value: the loss.
        W, b: slopes by layer, layer 1 first.
        W_bars, b_bars: how far each may be off; infinite where it is unknown.
        complex: whether they come from complex steps.
    """

    value: float
    W: list[np.ndarray]
    b: list[np.ndarray]
    W_bars: list[np.ndarray]
    b_bars: list[np.ndarray]
    complex: bool


def slopes(
    loss: Loss, W: list[np.ndarray], b: list[np.ndarray], x: np.ndarray, y: np.ndarray
) -> Slopes:
    """Differentiate a loss at (W, b).

    Args:
        loss: the candidate's.
        W, b, x, y: its arguments; the first call gets them, every other one a copy.
    Raises: Refused if it returns no number, or another one for the same arguments.
    """
    asked = _Asked(loss, [*W, *b], len(W), x, y)
    began = time.perf_counter()
    first = one_number(loss(W, b, x, y))
    again = asked.value()
    elapsed_s = time.perf_counter() - began
    if not np.isfinite(first):
        raise Refused(f"returned {first}; expected a finite number")
    if not abs(first - again) <= SAME * abs(first):
        raise Refused(
            f"returned {first:.6g} and then {again:.6g} for the same arguments; expected the same: "
            "no random draws, and nothing kept between calls"
        )
    noise = _noise(asked, first)
    found, bars = _by_differences(asked, first, noise, elapsed_s / 2)
    steps = _by_complex_steps(asked, found, bars, noise / max(abs(first), FARTHEST))
    if steps is not None:
        found, bars = steps
    L = len(W)
    return Slopes(first, found[:L], found[L:], bars[:L], bars[L:], steps is not None)


class _Asked:
    """A loss as a function of all its parameters."""

    def __init__(
        self, loss: Loss, arrays: Sequence[np.ndarray], L: int, x: np.ndarray, y: np.ndarray
    ) -> None:
        self.arrays = [array.copy() for array in arrays]
        self._loss = loss
        self._L = L
        self._x = x.copy()
        self._y = y.copy()

    def value(self) -> float:
        """Where the parameters are."""
        return self._at(self._copies()).real

    def along(self, directions: Sequence[np.ndarray], distance: float) -> float:
        """Some way along a line."""
        moved = [
            array + distance * direction
            for array, direction in zip(self.arrays, directions, strict=True)
        ]
        return self._at(moved).real

    def beside(self, place: Place, step: complex) -> complex:
        """With one entry changed."""
        which, entry = place
        arrays = self._copies()
        if isinstance(step, complex):
            arrays[which] = arrays[which].astype(np.complex128)
        arrays[which].reshape(-1)[entry] += step
        return self._at(arrays)

    def _copies(self) -> list[np.ndarray]:
        return [array.copy() for array in self.arrays]

    def _at(self, arrays: list[np.ndarray]) -> complex:
        found = self._loss(arrays[: self._L], arrays[self._L :], self._x.copy(), self._y.copy())
        return one_number(found, complex_too=True)


def _by_differences(
    asked: _Asked, value: float, noise: float, call_s: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Slopes and error bars; of what takes too long, of some entries alone."""
    found = [np.zeros(array.shape) for array in asked.arrays]
    bars = [np.full(array.shape, np.inf) for array in asked.arrays]
    if not np.isfinite(noise):
        return found, bars
    rough = (noise / max(abs(value), FARTHEST)) ** 0.2
    farthest = min(max(FARTHEST, 0.3 * rough), 0.03)
    places: list[Place] = []
    for which, array in enumerate(asked.arrays):
        places += [(which, entry) for entry in range(array.size)]
    affordable = max(FEWEST, int(LONGEST_S / (CALLS_EACH * max(call_s, 1e-9))))
    if len(places) > affordable:
        chosen = np.random.default_rng(0).permutation(len(places))[:affordable]
        places = [places[index] for index in chosen]
    until = time.perf_counter() + 2 * LONGEST_S
    largest = 0.0
    for which, entry in places:
        if time.perf_counter() > until:
            break
        size = max(1.0, abs(float(asked.arrays[which].reshape(-1)[entry])))
        for nearer in NEARER:
            step = farthest * size * nearer
            slope, bar = _one(asked, (which, entry), value, step, noise)
            if bar < bars[which].reshape(-1)[entry]:
                found[which].reshape(-1)[entry] = slope
                bars[which].reshape(-1)[entry] = bar
                largest = max(largest, abs(slope))
            if bar <= SHARP * largest:
                break
    return found, bars


def _one(
    asked: _Asked, place: Place, value: float, step: float, noise: float
) -> tuple[float, float]:
    """One slope and its error bar, by differences over a step, its half and its quarter."""
    central = []
    bends = []
    for distance in (step, step / 2, step / 4):
        above = asked.beside(place, distance).real
        below = asked.beside(place, -distance).real
        central.append((above - below) / (2 * distance))
        bends.append(abs(above - 2 * value + below) / distance)
    of_noise = 16 * noise / step
    if not np.isfinite([*central, *bends]).all():
        return 0.0, np.inf
    is_corner = bends[2] > CORNER * bends[0] and bends[2] > CORNER_AT_HALF * bends[1]
    if is_corner and bends[2] > 4 * of_noise:
        return central[2], np.inf
    coarse = (4 * central[1] - central[0]) / 3
    fine = (4 * central[2] - central[1]) / 3
    return fine, SAFETY * abs(fine - coarse) + of_noise


def _noise(asked: _Asked, value: float) -> float:
    """How far the loss is off a parabola along a line that is too short to bend more, and long
    enough to show that it changes; infinite where it does not."""
    random = np.random.default_rng(1)
    directions = [random.choice([-1.0, 1.0], size=array.shape) for array in asked.arrays]
    distances = np.linspace(1.0, 3.0, POINTS)  # a corner is most often where the weights are
    for length in LENGTHS:
        values = np.array([asked.along(directions, length * distance) for distance in distances])
        if np.isfinite(values).all() and len(np.unique(values)) >= DISTINCT:
            curve = np.polynomial.polynomial.polyfit(distances, values - value, 2)
            left = values - value - np.polynomial.polynomial.polyval(distances, curve)
            rounding = 4 * np.finfo(np.float64).eps * abs(value)
            return float(max(rounding, 2 * np.abs(left).max()))
    return np.inf


def _by_complex_steps(
    asked: _Asked, found: Sequence[np.ndarray], bars: Sequence[np.ndarray], rough: float
) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """Slopes by complex steps, if the code lets those through and every difference agrees; None
    otherwise."""
    better = [slope.copy() for slope in found]
    tighter = [bar.copy() for bar in bars]
    largest = max((float(np.abs(slope).max(initial=0.0)) for slope in found), default=0.0)
    near = ROUNDINGS * rough * largest  # no subtraction multiplies what the loss itself rounds
    for which, bar in enumerate(bars):
        for entry in np.flatnonzero(np.isfinite(bar)):
            slope = _complex_step(asked, (which, int(entry)))
            known = found[which].reshape(-1)[entry]
            if slope is None or not abs(slope - known) <= bar.reshape(-1)[entry] + near:
                return None
            better[which].reshape(-1)[entry] = slope
            tighter[which].reshape(-1)[entry] = near
    return better, tighter


def _complex_step(asked: _Asked, place: Place) -> float | None:
    """One slope; None where complex numbers break off, or lose their imaginary part with a
    warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            return asked.beside(place, complex(0.0, COMPLEX_STEP)).imag / COMPLEX_STEP
        except Exception:  # of the candidate's own code, whatever it is: then there is no step
            return None


def collected(found: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Slopes on their way to the checker: a header, and arrays by name, bars as "barW1"."""
    arrays: dict[str, np.ndarray] = {}
    for letter, values in (("W", found.W), ("b", found.b)):
        arrays |= {f"{letter}{layer}": array for layer, array in enumerate(values, start=1)}
    precisions = dict.fromkeys(arrays, "float64")
    for letter, values in (("W", found.W_bars), ("b", found.b_bars)):
        arrays |= {f"bar{letter}{layer}": array for layer, array in enumerate(values, start=1)}
    return {"precisions": precisions, "lists": False, "complex": found.complex}, arrays

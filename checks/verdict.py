"""Two arrays and a bound -> a verdict. Every doubtful case fails: another shape, NaN, nothing
compared, no bound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Outcome = Literal["pass", "fail", "untested"]
# of the largest entry: what is the same so far looks the same; for words, never for passing
SIX_DIGITS = 1e-6


@dataclass(frozen=True)
class Verdict:
    """How one quantity of one problem came out between two witnesses.

    Attributes:
        problem: the problem's id.
        quantity: such as "dW[2]".
        equation: the tag of the equation that computes it, such as "(B2)".
        pair: who says the first and who the second of `values`.
        outcome: "untested" where both sides are below what the bound can tell from zero.
        worst_index: the entry with the largest error in units of what is allowed; empty for a
            scalar.
        values: both sides at that entry.
        error, allowed: |difference| there, and what the bound permits.
        ratio: error over allowed; above 1 fails, NaN where there is nothing to divide.
        out, of: how many entries are out of bounds, of how many.
        reason: what it looks like, in a sentence, where it failed.
        pattern: the same where it is more than how many entries are out, else "".
        shapes: of both sides, where they differ.
    """

    problem: str
    quantity: str
    equation: str
    pair: tuple[str, str]
    outcome: Outcome
    worst_index: tuple[int, ...] = ()
    values: tuple[float, float] = (np.nan, np.nan)
    error: float = np.nan
    allowed: float = np.nan
    ratio: float = np.nan
    out: int = 0
    of: int = 0
    reason: str = ""
    pattern: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()


def judge(
    problem: str,
    quantity: str,
    equation: str,
    pair: tuple[str, str],
    first: np.ndarray,
    second: np.ndarray,
    allowed: np.ndarray,
    *,
    sides: tuple[str, str] = ("the first", "the second"),
) -> Verdict:
    """Compare entry by entry.

    Args:
        problem, quantity, equation, pair: what and who, for the report.
        first, second: what the two of `pair` say, in that order.
        allowed: the largest difference that rounding explains, entry by entry.
        sides: what the reason calls the two of them.
    Returns: the verdict, at the entry whose error is largest in units of what is allowed.
    """
    named = (problem, quantity, equation, pair)
    if not first.shape == second.shape == allowed.shape:
        return Verdict(
            *named,
            "fail",
            reason=f"shape {first.shape} against {second.shape}, bound of shape {allowed.shape}",
            shapes=(first.shape, second.shape),
        )
    if first.size == 0:
        return Verdict(*named, "fail", reason=f"nothing to compare: shape {first.shape}")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        error = np.abs(first - second)
        ratio = np.asarray(error / allowed)
    # argmax takes NaN for the largest
    worst = int(ratio.argmax())
    out = 0
    if not (ratio.item(worst) <= 1 and allowed.min() >= 0 and allowed.max() < np.inf):
        ratio = np.where(error == 0, 0.0, ratio)
        ratio[~(np.isfinite(first) & np.isfinite(second) & np.isfinite(allowed))] = np.inf
        worst = int(ratio.argmax())
        out = int((ratio > 1).sum())
    at = tuple(int(i) for i in np.unravel_index(worst, ratio.shape))
    outcome: Outcome = "pass"
    reason = ""
    pattern = ""
    if out:
        outcome = "fail"
        entries = np.asarray(ratio > 1)
        pattern = _pattern_of(first, second, allowed, entries, sides)
        reason = pattern or _count(entries)
    elif _invisible(first, second, allowed, at):
        outcome = "untested"
    values = (first.item(at), second.item(at))
    return Verdict(
        *named,
        outcome,
        at,
        values,
        error.item(at),
        allowed.item(at),
        ratio.item(at),
        out,
        first.size,
        reason,
        pattern,
    )


def missing(
    problem: str, quantity: str, equation: str, pair: tuple[str, str], reason: str
) -> Verdict:
    """The failing verdict on something that was never computed."""
    return Verdict(problem, quantity, equation, pair, "fail", reason=reason)


Sides = tuple[str, str]


def _pattern_of(
    first: np.ndarray, second: np.ndarray, allowed: np.ndarray, out: np.ndarray, sides: Sides
) -> str:
    """What the entries look like that a bound shows to be out; only where there is no such entry,
    that a bound is missing."""
    unknown = np.asarray(np.isfinite(first) & np.isfinite(second) & ~np.isfinite(allowed))
    shown = np.asarray(out & ~unknown)
    if shown.any():
        return _pattern(first, second, shown, sides)
    return (
        f"the bound is not finite at {int(unknown.sum())} of {unknown.size} entries, so "
        "nothing is known there"
    )


def describe(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> str:
    """What the difference looks like: a factor, a sign, a transpose, rows, one entry; says only
    what the numbers show."""
    return _pattern(first, second, out, ("the first", "the second")) or _count(out)


def _pattern(first: np.ndarray, second: np.ndarray, out: np.ndarray, sides: Sides) -> str:
    """What the difference looks like, or "" where it is entries here and there."""
    mine, other = sides
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return _not_finite(first, second, sides)
    if _same(first, np.asarray(-second)):
        return "the sign is reversed"
    if not first.any():
        return f"{mine} is zero everywhere"
    if _same(first, second):  # then any pattern would fit as well as the right one
        return _where(out)
    if (factor := _factor(first, second)) is not None:
        return f"{mine} is {factor:.{digits(factor)}g} times {other}"
    if first.ndim == 2 and first.shape[0] == first.shape[1] and _same(first, second.T):
        return f"{mine} is the transpose of {other}"
    return _where(out)


def _invisible(
    first: np.ndarray, second: np.ndarray, allowed: np.ndarray, at: tuple[int, ...]
) -> bool:
    """Whether zero would have been accepted in place of either side, everywhere; nearly always the
    entry `at` shows it already."""
    if abs(first.item(at)) > allowed.item(at):
        return False
    return bool((np.maximum(np.abs(first), np.abs(second)) <= allowed).all())


def digits(factor: float) -> int:
    """Six, or as many more as tell a factor from 1."""
    return max(6, 2 - math.floor(math.log10(abs(factor - 1))))


def _not_finite(first: np.ndarray, second: np.ndarray, sides: Sides) -> str:
    """Whose entries, and how many."""
    total = 0
    said = []
    for side, who in zip((first, second), sides, strict=True):
        count = int((~np.isfinite(side)).sum())
        total += count
        if count:
            said.append(f"{count} of {first.size} entries of {who}")
    verb = "is" if total == 1 else "are"
    return f"{' and '.join(said)} {verb} not finite"


def _factor(first: np.ndarray, second: np.ndarray) -> float | None:
    """The number that, times `second`, is `first`; None where there is none, or it cannot be told
    from 1."""
    if first.size < 2 or not second.any():
        return None
    factor = float((first * second).sum() / (second * second).sum())
    if abs(factor - 1) > SIX_DIGITS and _same(first, np.asarray(factor * second)):
        return factor
    return None


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    """Equal to six digits of the largest entry: for wording a sentence, never for passing a
    check."""
    return bool(np.abs(first - second).max() <= SIX_DIGITS * np.abs(first).max())


def _where(out: np.ndarray) -> str:
    """Which entries are out: one, some rows, some columns; "" where that is no pattern."""
    indices = np.argwhere(out)
    if len(indices) == 1:
        return f"one entry alone, {indices[0].tolist()}"
    if out.ndim == 2 and len(indices) < out.size:
        for axis, word in enumerate(("row", "column")):
            lines = np.unique(indices[:, axis])
            if len(lines) <= max(1, out.shape[axis] // 2) and len(indices) > len(lines):
                plural = "s" if len(lines) > 1 else ""
                return f"only in {word}{plural} {', '.join(map(str, lines[:8]))}"
    return ""


def _count(out: np.ndarray) -> str:
    """How many entries are out."""
    return f"{int(out.sum())} of {out.size} entries"

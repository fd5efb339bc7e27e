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


def judge(
    problem: str,
    quantity: str,
    equation: str,
    pair: tuple[str, str],
    first: np.ndarray,
    second: np.ndarray,
    allowed: np.ndarray,
) -> Verdict:
    """Compare entry by entry.

    Args:
        problem, quantity, equation, pair: what and who, for the report.
        first, second: what the two of `pair` say, in that order.
        allowed: the largest difference that rounding explains, entry by entry.
    Returns: the verdict, at the entry whose error is largest in units of what is allowed.
    """
    named = (problem, quantity, equation, pair)
    if not first.shape == second.shape == allowed.shape:
        return Verdict(
            *named,
            "fail",
            reason=f"shape {first.shape} against {second.shape}, bound of shape {allowed.shape}",
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
    outcome: Outcome = (
        "fail" if out else "untested" if _invisible(first, second, allowed, at) else "pass"
    )
    reason = _reason(first, second, allowed, np.asarray(ratio > 1)) if out else ""
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
    )


def missing(
    problem: str, quantity: str, equation: str, pair: tuple[str, str], reason: str
) -> Verdict:
    """The failing verdict on something that was never computed."""
    return Verdict(problem, quantity, equation, pair, "fail", reason=reason)


def _reason(first: np.ndarray, second: np.ndarray, allowed: np.ndarray, out: np.ndarray) -> str:
    """What the entries look like that a bound shows to be out; only where there is no such entry,
    that a bound is missing."""
    unknown = np.asarray(np.isfinite(first) & np.isfinite(second) & ~np.isfinite(allowed))
    if (out & ~unknown).any():
        return describe(first, second, np.asarray(out & ~unknown))
    return (
        f"the bound is not finite at {int(unknown.sum())} of {unknown.size} entries, so "
        "nothing is known there"
    )


def describe(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> str:
    """What the difference looks like: a factor, a sign, a transpose, rows, one entry; says only
    what the numbers show."""
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return _not_finite(first, second)
    if _same(first, np.asarray(-second)):
        return "the sign is reversed"
    if not first.any():
        return "the first is zero everywhere"
    if _same(first, second):  # then any pattern would fit as well as the right one
        return _where(out)
    if (factor := _factor(first, second)) is not None:
        return f"the first is {factor:.{digits(factor)}g} times the second"
    if first.ndim == 2 and first.shape[0] == first.shape[1] and _same(first, second.T):
        return "the first is the transpose of the second"
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


def _not_finite(first: np.ndarray, second: np.ndarray) -> str:
    """Whose entries, and how many."""
    counts = {
        who: int((~np.isfinite(side)).sum())
        for side, who in ((first, "the first"), (second, "the second"))
    }
    said = [f"{count} of {first.size} entries of {who}" for who, count in counts.items() if count]
    return f"{' and '.join(said)} {'is' if sum(counts.values()) == 1 else 'are'} not finite"


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
    """Which entries are out: one, some rows, some columns, or how many."""
    indices = np.argwhere(out)
    if len(indices) == 1:
        return f"one entry alone, {indices[0].tolist()}"
    if out.ndim == 2 and len(indices) < out.size:
        for axis, word in enumerate(("row", "column")):
            lines = np.unique(indices[:, axis])
            if len(lines) <= max(1, out.shape[axis] // 2) and len(indices) > len(lines):
                return (
                    f"only in {word}{'s' if len(lines) > 1 else ''} "
                    f"{', '.join(map(str, lines[:8]))}"
                )
    return f"{len(indices)} of {out.size} entries"

"""A training that was: losses, dicts, or our own Progress, read into one form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backproof.checks.learning.finding import Progress

LOSS = ("train_loss", "loss", "cost", "error")
ACCURACY = ("train_accuracy", "accuracy", "acc")


def read_history(history: Sequence[Any] | None) -> list[Progress]:
    """Every epoch of a history, or nothing.

    Args:
        history: numbers, which are losses; dicts that have a loss; or Progress.
    Raises: ValueError, in one line, for anything else.
    """
    if history is None:
        return []
    if isinstance(history, Mapping):
        history = _rows(history)
    return [_progress(epoch, one) for epoch, one in enumerate(history)]


def _progress(epoch: int, one: Any) -> Progress:
    if isinstance(one, Progress):
        return one
    if isinstance(one, Mapping):
        loss = _first(one, LOSS)
        right = _first(one, ACCURACY)
        test_loss = _first(one, ("test_loss", "val_loss"))
        test_right = _first(one, ("test_accuracy", "val_accuracy", "val_acc"))
        if loss is None:
            raise ValueError(
                f"history: expected a loss in each of its dicts, got the keys {list(one)}."
            )
        scores = [math.nan if value is None else value for value in (test_loss, right, test_right)]
        return Progress(epoch, loss, scores[0], scores[1], scores[2], math.nan)
    if np.ndim(one) == 0 and np.asarray(one).dtype.kind in "fiu":
        return Progress(epoch, float(one), math.nan, math.nan, math.nan, math.nan)
    raise ValueError(f"history: expected losses, or dicts with a loss, got {type(one).__name__}.")


def _first(one: Mapping[Any, Any], names: Sequence[str]) -> float | None:
    for name in names:
        if name in one:
            return float(one[name])
    return None


def _rows(columns: Mapping[Any, Any]) -> list[dict[Any, Any]]:
    """{"loss": [...]} as one dict an epoch."""
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"history: expected lists of one length, got {sorted(lengths)}.")
    return [{name: columns[name][at] for name in columns} for at in range(lengths.pop())]

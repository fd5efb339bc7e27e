"""Bugs that are one line of a plain network: each is named, and where numbers leave two first wrong
steps open both are said; with that line right, nothing is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from one_line import Line, Lines, stepping
from planted import sig, soft

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose

LAST_SAMPLE = Lines(dW=lambda dz, a, W: np.outer(dz[-1], a[-1]), db=lambda dz: dz[-1])
NAMED = {
    "weight": (
        Lines(dW=lambda dz, a, W: dz.sum(axis=0)[:, None] * W),
        "weight-for-input",
        "(B2) dW[3]",
    ),
    "last-above": (
        Lines(da=lambda dz, W, p: np.outer(dz[:, -1], W[-1])),
        "loop-overwrites",
        "(B4) da[2]",
    ),
    "one-delta": (
        Lines(dz=lambda da, a, z, p: np.repeat((da * a * (1 - a))[:, -1:], a.shape[1], axis=1)),
        "loop-overwrites",
        "(B5) dz[2]",
    ),
    "last-sample": (LAST_SAMPLE, "loop-overwrites", "(B2) dW[3]"),
    "p(1-z)": (
        Lines(dz_output=lambda p, Y, z: (p - Y) * p * (1 - z) / len(p)),
        "z-for-a",
        "(B1) dz[3]",
    ),
    "softmax-everywhere": (
        Lines(
            h=lambda z: np.array([soft(row) for row in z]),
            dz_output=lambda p, Y, z: (p - Y) * p / len(p),
            dz=lambda da, a, z, p: da * a,
        ),
        "softmax-in-hidden",
        "(F2) a[1]",
    ),
    "updated": (
        Lines(handed=lambda dW, db, W, b: (dW, [v - 0.3 * g for v, g in zip(b, db, strict=True)])),
        "update-line",
        "(B3) db[3]",
    ),
}


@pytest.mark.parametrize(("lines", "bug", "first"), NAMED.values(), ids=NAMED)
def test_a_wrong_line_has_a_name(lines: Lines, bug: str, first: str) -> None:
    found = lines.found()
    assert [one.id for one in found.bugs] == [bug]
    assert found.first_wrong == first


def test_with_every_line_right_nothing_is_named() -> None:
    assert Lines().found().outcome == "pass"


UPDATES = {
    "over-the-rate": lambda W, b, dW, db, rate: (W - dW / rate, b - db / rate, W),
    "b-in-db": lambda W, b, dW, db, rate: (W - rate * dW, b - rate * (b - rate * db), W),
    "in-place-of-b": lambda W, b, dW, db, rate: (W - rate * dW, -rate * db, W),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_a_wrong_update_has_a_name(update: Line) -> None:
    assert diagnose(stepping(update)).bugs[0].id == "update-line"


def test_a_decay_is_in_the_weights_that_were_updated_too_early() -> None:
    """Its sign is a bug of its own, or, right and undeclared, a convention beside that one."""

    def wrong(W: Any, b: Any, dW: Any, db: Any, rate: float) -> Any:
        new = W - rate * (dW - 0.01 * W)
        return new, b - rate * db, new

    def right(W: Any, b: Any, dW: Any, db: Any, rate: float) -> Any:
        new = W - rate * (dW + 0.01 * W)
        return new, b - rate * db, new

    both = diagnose(stepping(wrong))
    assert [bug.id for bug in both.bugs] == ["updated-weights", "decay-sign"]
    assert "g - 0.01 W" in both.bugs[1].statement
    beside = diagnose(stepping(right))
    assert [bug.id for bug in beside.bugs] == ["updated-weights"]
    assert beside.conventions == ["WEIGHT_DECAY = 0.01"]


def test_two_factors_are_two_bugs() -> None:
    def scaled(dW: Any, db: Any, W: Any, b: Any) -> Any:
        return [dW[0], 2 * dW[1], dW[2]], [4 * db[0], db[1], db[2]]

    found = Lines(handed=scaled, conventions=Conventions()).found()
    assert [(bug.id, bug.where) for bug in found.bugs] == [
        ("scale", "dW of layer 2"),
        ("scale", "db of layer 1"),
    ]


ONE_OUTPUT = Lines(
    p=sig,
    Y=lambda y, K: y[:, None],
    conventions=Conventions(
        sizes=(4, 5, 1),
        output="sigmoid",
        cost="binary-cross-entropy",
        declared=frozenset({"OUTPUT", "COST"}),
    ),
)
# (B4) or (B5), and whether numbers leave it open which
STEPS = {
    "plus": (replace(ONE_OUTPUT, da=lambda dz, W, p: dz + W), "(B4) da[1]", None),
    "derivative": (
        replace(ONE_OUTPUT, dz=lambda da, a, z, p: da * np.sin(a)),
        "(B5) dz[1]",
        None,
    ),
    "of-the-sample": (
        Lines(
            da=lambda dz, W, p: (dz @ W) * p.max(axis=1, keepdims=True),
            conventions=Conventions(sizes=(4, 5, 3)),
        ),
        "(B4) da[1]",
        "(B5) dz[1]",
    ),
}


@pytest.mark.usefixtures("without_pairs")
@pytest.mark.parametrize(("lines", "first", "other"), STEPS.values(), ids=STEPS)
def test_the_error_and_the_derivative_are_told_apart_or_both_are_said(
    lines: Lines, first: str, other: str | None
) -> None:
    found = lines.found()
    assert (found.bugs, found.first_wrong, found.first_wrong_or) == ([], first, other)
    if other is not None:
        assert f"{first} or {other}, which the numbers do not tell apart" in found.statement


@pytest.mark.usefixtures("without_pairs")
def test_a_one_hot_of_one_column_is_told_beside_a_bug_without_a_name() -> None:
    """Where it is broadcast, a call does not stop, and is wrong at the output."""
    counted = Lines(Y=lambda y, K: np.eye(y.max() + 1)[y], dz=lambda da, a, z, p: da * np.sin(a))
    found = counted.found()
    assert "A one-hot with y.max() + 1 columns does that" in found.complaints[-1]
    assert found.first_wrong == "(B5) dz[2]"

"""Bugs that are one line of a plain network: each is named, and where numbers leave two first wrong
steps open both are said; with that line right, nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from planted import in_process, sig, soft

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.findings import Diagnosis

Line = Callable[..., Any]


@dataclass(frozen=True)
class Lines:
    """A network of three layers whose lines can be replaced."""

    h: Line = sig
    Y: Line = lambda y, K: np.eye(K)[y]
    p: Line = soft
    dz_output: Line = lambda p, Y, z: (p - Y) / len(p)
    da: Line = lambda dz, W, p: dz @ W
    dz: Line = lambda da, a, z, p: da * a * (1 - a)
    dW: Line = lambda dz, a, W: dz.T @ a
    db: Line = lambda dz: dz.sum(axis=0)
    handed: Line = lambda dW, db, W, b: (dW, db)
    conventions: Conventions = field(default_factory=lambda: Conventions(sizes=(4, 5, 6, 3)))

    def gradients(self, W: Any, b: Any, x: Any, y: Any) -> Any:
        a = [x]
        z = []
        for matrix, bias in zip(W, b, strict=True):
            z.append(a[-1] @ matrix.T + bias)
            a.append(self.h(z[-1]))
        p = np.array([self.p(row) for row in z[-1]])
        dz = self.dz_output(p, self.Y(y, len(b[-1])), z[-1])
        dW: list[Any] = []
        db: list[Any] = []
        for i in reversed(range(len(W))):
            dW.insert(0, self.dW(dz, a[i], W[i]))
            db.insert(0, self.db(dz))
            if i:
                dz = self.dz(self.da(dz, W[i], p), a[i], z[i - 1], p)
        return self.handed(dW, db, W, b)

    def found(self) -> Diagnosis:
        asked = self.conventions
        if asked.sizes is not None:
            asked = replace(asked, declared=asked.declared | {"SIZES"})
        return diagnose(in_process({"gradients": self.gradients}, asked))


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


def stepping(update: Line, **more: Any) -> Any:
    """A descent step whose update is one line; updated weights are read where it says so."""
    declared = {"SIZES", *(name.upper() for name in more)}
    asked = Conventions(protocol="step", sizes=(4, 5, 6, 3), **more)
    asked = replace(asked, declared=asked.declared | declared)

    def step(W: Any, b: Any, x: Any, y: Any, rate: float) -> Any:
        a = [x]
        for matrix, bias in zip(W, b, strict=True):
            a.append(sig(a[-1] @ matrix.T + bias))
        logits = a[-2] @ W[-1].T + b[-1]
        dz = np.array([soft(row) for row in logits]) - np.eye(len(b[-1]))[y]
        dz = dz / len(x)
        new_W = [None] * len(W)
        new_b = [None] * len(W)
        for i in reversed(range(len(W))):
            dW = dz.T @ a[i]
            db = dz.sum(axis=0)
            new_W[i], new_b[i], back = update(W[i], b[i], dW, db, rate)
            dz = (dz @ back) * a[i] * (1 - a[i])
        return new_W, new_b

    return in_process({"step": step}, asked)


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

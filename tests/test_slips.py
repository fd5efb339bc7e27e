"""Slips of a line of backpropagation: each is named, beside the first step that it spoils, behind
every kind of activation that can carry it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from one_line import Line, Lines
from planted import in_process, sig

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose

SIZES = (4, 5, 6, 3)
DECLARED = frozenset({"HIDDEN", "OUTPUT", "COST"})


def behind(hidden: str, **lines: Line) -> Lines:
    """The plain network with another activation in its hidden layers, and some lines."""
    right: dict[str, tuple[Line, Line]] = {
        "tanh": (np.tanh, lambda da, a, z, p: da * (1 - a * a)),
        "relu": (lambda z: np.maximum(z, 0), lambda da, a, z, p: da * (z > 0)),
    }
    h, dz = right[hidden]
    asked = Conventions(sizes=SIZES, hidden=hidden, declared=DECLARED)
    return Lines(**{"h": h, "dz": dz, "conventions": asked, **lines})


def binary(dz_output: Line) -> Lines:
    """Sigmoid outputs with binary cross-entropy."""
    asked = Conventions(
        sizes=SIZES, output="sigmoid", cost="binary-cross-entropy", declared=DECLARED
    )
    return Lines(p=sig, dz_output=dz_output, conventions=asked)


def quadratic(dz_output: Line) -> Lines:
    """Sigmoid outputs with half the squares."""
    asked = Conventions(sizes=SIZES, output="sigmoid", cost="half-quadratic", declared=DECLARED)
    return Lines(p=sig, dz_output=dz_output, conventions=asked)


NAMED = {
    "a(1+a)": (Lines(dz=lambda da, a, z, p: da * a * (1 + a)), "derivative-slip", "(B5) dz[2]"),
    "1-a": (behind("tanh", dz=lambda da, a, z, p: da * (1 - a)), "derivative-slip", "(B5) dz[2]"),
    "other side": (behind("relu", dz=lambda da, a, z, p: da * (z < 0)), "mask-slip", "(B5) dz[2]"),
    "slope": (
        behind("relu", dz=lambda da, a, z, p: da * np.where(z > 0, 1, 0.01)),
        "mask-slip",
        None,
    ),
    "e p": (
        Lines(dz_output=lambda p, Y, z: (p - Y) * p / len(p)),
        "output-derivative-slip",
        "(B1) dz[3]",
    ),
    "e p(1+p)": (
        quadratic(lambda p, Y, z: (p - Y) * p * (1 + p) / len(p)),
        "output-derivative-slip",
        "(B8) dz[3]",
    ),
    "squared": (Lines(dz_output=lambda p, Y, z: (p - Y) ** 2 / len(p)), "error-slip", "(B1) dz[3]"),
    "-Y/p": (Lines(dz_output=lambda p, Y, z: -Y / p / len(p)), "error-slip", None),
    "a term's sign": (
        binary(lambda p, Y, z: -(Y / p + (1 - Y) / (1 - p)) * p * (1 - p) / len(p)),
        "error-slip",
        "(B9) dz[3]",
    ),
    "|W|": (Lines(da=lambda dz, W, p: dz @ np.abs(W)), "weights-left-out", "(B4) da[2]"),
}


@pytest.mark.parametrize(("lines", "bug", "first"), NAMED.values(), ids=NAMED)
def test_a_slip_has_a_name_and_the_step_that_it_spoils(
    lines: Lines, bug: str, first: str | None
) -> None:
    found = lines.found()
    assert [one.id for one in found.bugs] == [bug]
    assert first is None or found.first_wrong == first


def test_with_every_line_right_nothing_is_named() -> None:
    assert behind("relu").found().outcome == "pass"


def of_layer_two(change: Any) -> Any:
    """Gradients of the plain network in which one of layer 2 is made otherwise."""
    plain = Lines()

    def gradients(W: Any, b: Any, x: Any, y: Any) -> Any:
        dW, db = plain.gradients(W, b, x, y)
        a1 = sig(x @ W[0].T + b[0])
        z2 = a1 @ W[1].T + b[1]
        a2 = sig(z2)
        logits = a2 @ W[2].T + b[2]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        da2 = (p - np.eye(3)[y]) / len(x) @ W[2]
        change(dW, db, x @ W[0].T + b[0], a1, a2, da2)
        return dW, db

    return gradients


def z_for_a(dW: Any, db: Any, z1: Any, a1: Any, a2: Any, da2: Any) -> None:
    dW[1] = (da2 * a2 * (1 - a2)).T @ z1


def without_slope(dW: Any, db: Any, z1: Any, a1: Any, a2: Any, da2: Any) -> None:
    dW[1] = da2.T @ a1


def bias_without_slope(dW: Any, db: Any, z1: Any, a1: Any, a2: Any, da2: Any) -> None:
    db[1] = da2.sum(axis=0)


def own_output(dW: Any, db: Any, z1: Any, a1: Any, a2: Any, da2: Any) -> None:
    dz = da2 * a2 * (1 - a2)
    dW[1] = np.repeat((dz * a2).sum(axis=0)[:, None], a1.shape[1], axis=1)


def bias_of_rows(dW: Any, db: Any, z1: Any, a1: Any, a2: Any, da2: Any) -> None:
    db[1] = dW[1].sum(axis=1)


OF_ONE = {
    z_for_a: ("z-for-input", "(B2) dW[2]"),
    without_slope: ("other-delta", "(B2) dW[2]"),
    bias_without_slope: ("other-delta", "(B3) db[2]"),
    own_output: ("own-output-for-input", "(B2) dW[2]"),
    bias_of_rows: ("bias-from-weights", "(B3) db[2]"),
}


@pytest.mark.parametrize("change", OF_ONE, ids=lambda change: change.__name__)
def test_a_wrong_factor_of_one_gradient_has_a_name(change: Any) -> None:
    bug, first = OF_ONE[change]
    asked = Conventions(sizes=SIZES, declared=frozenset({"SIZES"}))
    found = diagnose(in_process({"gradients": of_layer_two(change)}, asked))
    assert [one.id for one in found.bugs] == [bug]
    assert found.first_wrong == first

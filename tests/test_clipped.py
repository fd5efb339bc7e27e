"""Clips and first steps of optimizers hide what gradients are: they are told, and are no bugs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from one_line import Line, Lines, stepping

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose

CLIPPED = "Your gradients are clipped: no"


def by_entry(dW: Any, db: Any, W: Any, b: Any) -> Any:
    return [np.clip(g, -0.05, 0.05) for g in dW], [np.clip(g, -0.05, 0.05) for g in db]


def by_norm(dW: Any, db: Any, W: Any, b: Any) -> Any:
    norm = np.sqrt(sum((g**2).sum() for g in [*dW, *db]))
    factor = min(1.0, 0.1 / (norm + 1e-6))
    return [factor * g for g in dW], [factor * g for g in db]


def by_norm_of_each(dW: Any, db: Any, W: Any, b: Any) -> Any:
    def cut(g: Any) -> Any:
        return g * min(1.0, 0.1 / np.linalg.norm(g))

    return [cut(g) for g in dW], [cut(g) for g in db]


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (by_entry, "entry is larger than 0.05"),
        (by_norm, "norm of all gradients together is larger than 0.1"),
        (by_norm_of_each, "norm of a dW or db is larger than 0.1"),
    ],
)
def test_a_clip_is_told_and_is_no_bug(clip: Line, words: str) -> None:
    found = Lines(handed=clip, conventions=Conventions()).found()
    assert (found.outcome, found.bugs) == ("untested", [])
    assert f"{CLIPPED} {words}" in found.statement
    assert ("What is not clipped is right" in found.statement) == (clip is by_entry)


def over_norms(dW: Any, db: Any, W: Any, b: Any) -> Any:
    return [g / np.linalg.norm(g) for g in dW], [g / np.linalg.norm(g) for g in db]


def over_norm_of_one(dW: Any, db: Any, W: Any, b: Any) -> Any:
    return [*dW[:-1], dW[-1] / np.linalg.norm(dW[-1])], db


def test_gradients_over_their_norms_are_told_and_are_no_bug() -> None:
    found = Lines(handed=over_norms, conventions=Conventions()).found()
    assert (found.outcome, found.bugs) == ("untested", [])
    assert "divided by a norm: every norm of a dW or db is 1, however small" in found.statement


@pytest.mark.usefixtures("without_pairs")
def test_a_single_gradient_over_its_norm_is_no_clip() -> None:
    """A clip makes nothing larger, and dividing by norms is done to all of them."""
    found = Lines(handed=over_norm_of_one, conventions=Conventions()).found()
    assert (found.outcome, found.bugs) == ("fail", [])
    assert str(found.first_wrong) == "(B2) dW[3]"


@pytest.mark.usefixtures("without_pairs")
def test_errors_of_one_size_at_the_output_are_no_clip() -> None:
    """The slope of |p - Y| is 1 or -1 in every problem, in db[3] and nowhere else."""
    found = Lines(dz_output=lambda p, Y, z: np.sign(p - Y), conventions=Conventions()).found()
    assert found.outcome == "fail"


def by_rule(rule: Line) -> Line:
    def update(W: Any, b: Any, dW: Any, db: Any, rate: float) -> Any:
        return W - rate * rule(dW), b - rate * rule(db), W

    return update


OPTIMIZERS = {
    "adam": (lambda g: g / (np.sqrt(g**2) + 1e-8), "every weight by the learning rate"),
    "rmsprop": (
        lambda g: g / (np.sqrt(0.1 * g**2) + 1e-8),
        "every weight by 3.162 times the learning rate",
    ),
    "adagrad": (lambda g: g / np.sqrt(g**2 + 1e-8), "every weight by the learning rate"),
    "momentum": (lambda g: 0.1 * g, "Every step is 0.1 times plain descent"),
    "nesterov": (lambda g: 1.9 * g, "Every step is 1.9 times plain descent"),
}


@pytest.mark.parametrize(("rule", "words"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_first_step_of_an_optimizer_shows_no_gradients_and_is_no_bug(
    rule: Line, words: str
) -> None:
    found = diagnose(stepping(by_rule(rule)))
    assert (found.outcome, found.bugs) == ("untested", [])
    assert words in found.statement


def test_a_wrong_step_is_no_optimizer() -> None:
    found = diagnose(stepping(by_rule(lambda g: 2 * g)))
    assert found.outcome == "fail"


def test_a_bug_that_only_equal_widths_let_pass_is_named_beside_what_is_not_declared() -> None:
    """Single samples of other networks get no answer, so that theirs are asked with equal widths:
    those show the hidden activation."""

    def relu(z: Any) -> Any:
        return np.maximum(z, 0)

    turned = Lines(
        h=relu,
        da=lambda dz, W, p: dz @ W.T,
        dz=lambda da, a, z, p: da * (a > 0),
        conventions=Conventions(),
    )
    found = turned.found()
    assert [bug.id for bug in found.bugs] == ["transposed"]
    assert found.conventions == ['HIDDEN = "relu"']

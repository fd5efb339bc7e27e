"""A line of somebody's file as statements: what it updates, computes, and adds."""

from __future__ import annotations

import pytest

from backproof.checks.recording.source import Source

UPDATES = {
    ("W = W - lr * dW", "W"): True,
    ("W -= lr * dW", "W"): True,
    ("W[0] -= lr * dW[0]", "W[0]"): True,
    ("dW = x.T @ d", "W"): False,
    # of several statements on one line each updates what it names
    ("dW = x.T @ d; W = W - lr * dW; b -= lr * d.sum(0)", "W"): True,
    ("dW = x.T @ d; W = W - lr * dW; b -= lr * d.sum(0)", "b"): True,
    ("dW = x.T @ d; W = W - lr * dW; b -= lr * d.sum(0)", "dW"): False,
    ("for x in X: W -= lr * x", "W"): True,
}


@pytest.mark.parametrize(("case", "due"), UPDATES.items(), ids=map(str, UPDATES))
def test_line_updates_what_it_mentions_on_both_sides(case: tuple[str, str], due: bool) -> None:
    line, name = case
    assert Source("theirs.py", line).updates(1, name) is due


def test_every_statement_of_a_line_computes_and_multiplies() -> None:
    source = Source("theirs.py", "h = x; d = p - y\na = x; b = d * a\nc = x; e = x\n")
    assert [source.computes(line) for line in (1, 2, 3)] == [True, True, False]
    assert [source.multiplies(line) for line in (1, 2, 3)] == [False, True, False]
    assert source.adds(1, "x") is False
    assert Source("theirs.py", "a = 1; b = dW + 2 * W").adds(1, "W") is True

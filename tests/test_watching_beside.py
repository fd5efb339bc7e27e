"""A script by hand beside a library: what it imports decides nothing, and what is missing is
said."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

SCRIPT = """\
import numpy as np
import seaborn
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
x = rng.normal(size=(60, 3))
t = (x[:, :1] > 0) * 1.0
W1 = rng.normal(size=(3, 4)); W2 = rng.normal(size=(4, 1))
b1 = np.zeros(4); b2 = np.zeros(1)
def compare():
    return LogisticRegression().fit(x, t)
for step in range(200):
    a = np.tanh(x @ W1 + b1)
    p = 1 / (1 + np.exp(-(a @ W2 + b2)))
    d = (p - t) / len(x); e = d @ W2.T * (1 - a * a)
    W2 -= 0.5 * a.T @ d; b2 -= 0.5 * d.sum(0); W1 -= 0.5 * x.T @ e; b1 -= 0.5 * e.sum(0)
"""
SOURCES = {
    "right": SCRIPT,
    "without_slope": SCRIPT.replace("d @ W2.T * (1 - a * a)", "d @ W2.T"),
    "by_library": SCRIPT[: SCRIPT.index("for step")] + "compare()\n",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    return told_of(tmp_path_factory, worker_id, "beside", SOURCES)


@pytest.mark.parametrize(
    ("name", "due"), {"right": "pass", "without_slope": "fail", "by_library": "untested"}.items()
)
def test_script_is_judged_by_what_it_computes(
    told: dict[str, dict[str, Any]], name: str, due: str
) -> None:
    assert told[name]["verdict"] == due
    notes = [note for note in told[name]["diagnosis"]["notes"] if "cannot be found here" in note]
    assert all("replaced by something that does nothing" in note for note in notes)

"""The wrong line of a script as it should read, in its own names: shown once it was run with
that line."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

SCRIPT = """\
import numpy as np
rng = np.random.default_rng(5)
points = rng.normal(size=(60, 3))
kinds = (points[:, 0] * points[:, 1] > 0).astype(int) + (points[:, 2] > 1)
wanted = np.eye(3)[kinds]
params = {"in": rng.normal(size=(3, 8)), "c": np.zeros(8)}
params |= {"out": rng.normal(size=(8, 3)), "d": np.zeros(3)}
eta = 0.3

def descend(points, wanted):
    hidden = 1 / (1 + np.exp(-(points @ params["in"] + params["c"])))
    logits = hidden @ params["out"] + params["d"]
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    guess = e / e.sum(axis=1, keepdims=True)
    err = (guess - wanted) / len(points)
    back = (err @ params["out"].T) * hidden * (1 - hidden)
    grad_out = hidden.T @ err
    grad_in = points.T @ back
    params["out"] -= eta * grad_out
    params["d"] -= eta * err.sum(axis=0)
    params["in"] -= eta * grad_in
    params["c"] -= eta * back.sum(axis=0)

for epoch in range(40):
    descend(points, wanted)
"""
# what is right, what stands there instead, and the line that is shown
MENDED = {
    "derivative": (
        '(err @ params["out"].T) * hidden * (1 - hidden)',
        'err @ params["out"].T',
        'back = err @ params["out"].T * hidden * (1 - hidden)',
    ),
    "error": ("(guess - wanted)", "(guess + wanted)", "err = (guess - wanted) / len(points)"),
    "product": ("hidden.T @ err", "(1 - hidden).T @ err", "grad_out = hidden.T @ err"),
    "sign": (
        'params["in"] -= eta * grad_in',
        'params["in"] += eta * grad_in',
        'params["in"] -= eta * grad_in',
    ),
    "axis": (
        'params["c"] -= eta * back.sum(axis=0)',
        'params["c"] -= eta * back.sum()',
        'params["c"] -= eta * back.sum(axis=0)',
    ),
}
# of single samples, with biases of zero at first: they become a multiple of the wrong delta
ONE_BY_ONE = (
    "    descend(points, wanted)",
    "    for k in range(60):\n        descend(points[k : k + 1], wanted[k : k + 1])",
)
DECAYED = (
    "    grad_in = points.T @ back\n",
    "    grad_in = points.T @ back\n    grad_in += 0.01 * params['in']\n"
    "    grad_out += 0.01 * params['out']\n",
)
# the wrong script, the line that is wrong, and as it is shown
PLACED = {
    "one_by_one": (
        (ONE_BY_ONE, MENDED["derivative"][:2]),
        'back = err @ params["out"].T',
        MENDED["derivative"][2],
    ),
    "decayed": (
        (DECAYED, ("hidden.T @ err", "3 * (hidden.T @ err)")),
        "grad_out = 3 * (hidden.T @ err)",
        "grad_out = hidden.T @ err",
    ),
}
# a single sample and a single output: its delta is one number, and any two are multiples
NUMBER = """\
import numpy as np
rng = np.random.default_rng(8)
xs = rng.normal(size=(50, 4))
ts = np.tanh(xs[:, :1] - xs[:, 1:2])
V, v = rng.normal(size=(4, 6)) * 0.5, np.zeros(6)
U, u = rng.normal(size=(6, 1)) * 0.5, np.zeros(1)
for k in range(50):
    x, t = xs[k : k + 1], ts[k : k + 1]
    h = 1 / (1 + np.exp(-(x @ V + v)))
    p = h @ U + u
    d2 = 2 * (p - t)
    d1 = (d2 @ U.T) * h * (1 - h)
    U -= 0.1 * (h.T @ d2)
    V -= 0.1 * (x.T @ d1)
    u -= 0.1 * d2[0]
    v -= 0.1 * d1[0]
"""
OF_ONE_NUMBER = {"number_derivative": ("(d2 @ U.T) * h * (1 - h)", "d2 @ U.T", 12)}
# nothing that takes their names alone would mend it
SOFTMAX = ("e.sum(axis=1, keepdims=True)", "e.sum(axis=0, keepdims=True)")


def _changed(*changes: tuple[str, str]) -> str:
    source = SCRIPT
    for right, wrong in changes:
        assert source.count(right) == 1
        source = source.replace(right, wrong)
    return source


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {name: _changed(change[:2]) for name, change in MENDED.items()}
    sources |= {name: _changed(*one[0]) for name, one in PLACED.items()}
    sources |= {"number": NUMBER}
    for name, (right, wrong, _) in OF_ONE_NUMBER.items():
        assert NUMBER.count(right) == 1
        sources[name] = NUMBER.replace(right, wrong)
    sources |= {"right": SCRIPT, "softmax": _changed(SOFTMAX)}
    return told_of(tmp_path_factory, worker_id, "fixes", sources)


@pytest.mark.parametrize("name", MENDED)
def test_the_line_is_shown_as_it_should_read_after_it_was_tried(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]["diagnosis"]
    assert told[name]["verdict"] == "fail"
    assert found["bugs"][0]["fix"].startswith(MENDED[name][2])
    assert "tried: with this line" in found["bugs"][0]["evidence"]


@pytest.mark.parametrize("name", PLACED)
def test_the_line_is_that_on_which_it_went_wrong_first(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]["diagnosis"]
    assert found["line"]["text"] == PLACED[name][1]
    assert found["bugs"][0]["fix"].startswith(PLACED[name][2])


@pytest.mark.parametrize("name", OF_ONE_NUMBER)
def test_the_line_of_a_single_number_is_that_of_the_bug(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert told["number"]["verdict"] == "pass"
    assert told[name]["diagnosis"]["line"]["number"] == OF_ONE_NUMBER[name][2]


def test_a_line_that_was_not_tried_is_not_shown_as_theirs(told: dict[str, dict[str, Any]]) -> None:
    (bug,) = told["softmax"]["diagnosis"]["bugs"]
    assert "tried" not in bug["evidence"]
    assert "np.exp(z[L])" in bug["fix"]
    assert told["right"]["verdict"] == "pass"


def test_no_line_is_shown_where_the_repair_is_to_be_kept_back(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> None:
    sources = {"sign": _changed(MENDED["sign"][:2])}
    found = told_of(tmp_path_factory, worker_id, "kept_back", sources, "--no-fix")["sign"]
    assert found["verdict"] == "fail"
    assert found["diagnosis"]["bugs"][0]["fix"] == ""

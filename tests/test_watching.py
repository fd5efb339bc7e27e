"""An edit is seen when it happens, and ruled out only where no line can make one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from backproof.checks.candidates.inside.watching import Watch, may_edit


def edits(z):
    np.exp(z, out=z)
    return z.copy()


def copies(z):
    return np.exp(z)


def fills(total, part):
    total += part  # returns nothing: an accumulator, no activation


def moves(w):
    w -= 1.0
    return w


def watched(function, *arrays, weights=()):
    with Watch(lambda file: file == __file__, list(weights)) as watch:
        function(*arrays)
    return watch.found


def test_a_function_that_edits_its_argument_is_found_with_its_line():
    line = edits.__code__.co_firstlineno
    assert (
        watched(edits, np.ones(3))
        == f"line {line} of test_watching.py, where edits edits its argument z"
    )


@pytest.mark.parametrize(
    "function", [copies, lambda z: fills(z, z.copy())], ids=["a new array", "an accumulator"]
)
def test_what_edits_nothing_or_returns_nothing_is_not(function):
    assert watched(function, np.ones(3)) == ""


def test_weights_may_be_moved_in_place():
    W = np.ones((2, 2))
    assert watched(moves, W, weights=[W]) == ""
    assert watched(moves, W) != ""


def test_other_people_s_functions_are_not_looked_at_and_the_trace_ends():
    before = sys.gettrace()
    with Watch(lambda file: False, []) as watch:
        edits(np.ones(3))
    assert (watch.found, sys.gettrace()) == ("", before)


SOURCES = {
    "def f(z):\n    z *= 2\n": True,
    "def f(z):\n    z[0] = 2\n": True,
    "def f(z):\n    y = z\n    y[:] = 2\n": True,
    "import numpy as np\ndef f(z):\n    np.exp(z, out=z)\n": True,
    "def f(z):\n    z.fill(0)\n": True,
    "def f(z):\n    z.mul_(2)\n": True,
    "from helper import f\n": True,
    "def f(:\n": True,
    "def f(z):\n    z -= z * z\n": True,
    "class A:\n    def f(self, rate):\n        self.W -= rate * self.dW\n        self.n += 1\n": False,
    "W = [1]\ndef f(x):\n    global W\n    W[0] -= x\n": False,
    "import numpy as np\ndef f(z):\n    dW = [None]\n    dW[0] = z * 2\n    return dW\n": False,
    "class A:\n    def __init__(self, z):\n        self.z = [z]\n        self.z[0] = z\n": False,
}


@pytest.mark.parametrize(("source", "may"), SOURCES.items(), ids=range(len(SOURCES)))
def test_only_a_file_without_any_line_that_could_is_ruled_out(
    tmp_path: Path, source: str, may: bool
):
    (tmp_path / "helper.py").write_text("def f(z):\n    z *= 2\n")
    assert may_edit(source, str(tmp_path)) is may

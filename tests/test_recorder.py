"""The recorder sees what each line makes, changes no number, and calls nothing of the person's."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.checks.candidates.inside.plain import LARGEST_ARRAY
from backproof.checks.candidates.inside.recorder import Recorder
from backproof.checks.candidates.inside.recording import Recording, of, pack, unpack

ROOM = Path(__file__).resolve().parent.parent / "checks" / "candidates" / "inside"


def run(source: str, *arguments: Any, most_lines: int = 10_000) -> tuple[Any, Recording]:
    """What `work` of a file returns, and what its lines made."""
    names: dict[str, Any] = {"__name__": "theirs"}
    exec(compile(textwrap.dedent(source), "theirs.py", "exec"), names)
    with Recorder(lambda file: file == "theirs.py", most_lines) as recorder:
        returned = names["work"](*arguments)
    return returned, of(recorder)


def made(recording: Recording) -> set[tuple[int, str, str]]:
    return {(one.site.line, one.site.name, one.site.kind) for one in recording.made}


def test_each_line_is_told_with_the_name_that_holds_its_array() -> None:
    _, recording = run(
        """\
        def work(x):
            y = 2 * x
            y += 1
            return y * y
        """,
        np.arange(3.0),
    )
    assert made(recording) == {(2, "y", "value"), (3, "y", "value"), (4, "", "return")}
    assert recording.made[1].value.tolist() == [1.0, 3.0, 5.0]


def test_attributes_elements_and_dictionaries_are_told_by_their_names() -> None:
    _, recording = run(
        """\
        import types

        def work(x):
            box, deltas, cache = types.SimpleNamespace(), [None, None], {}
            box.a = x + 1
            deltas[1] = x + 2
            cache["A1"] = x + 3
        """,
        np.arange(3.0),
    )
    assert {(5, "box.a", "value"), (6, "deltas[1]", "value"), (7, "cache['A1']", "value")} <= made(
        recording
    )


def test_equal_arrays_of_a_list_are_several_and_those_that_moved_are_not_made_anew() -> None:
    _, recording = run(
        """\
        import numpy as np

        def work(x):
            b = []
            b.append(np.zeros(3))
            b.append(np.zeros(3))
            deltas = [x + 1, x + 2]
            deltas.reverse()
            cache = {}
            cache["b1"] = np.zeros(3)
            cache["b2"] = np.zeros(3)
        """,
        np.arange(3.0),
    )
    elements = [name for name in made(recording) if "[" in name[1]]
    assert sorted(elements) == [
        (5, "b[0]", "value"),
        (6, "b[1]", "value"),
        (7, "deltas[0]", "value"),
        (7, "deltas[1]", "value"),
        (10, "cache['b1']", "value"),
        (11, "cache['b2']", "value"),
    ]


def test_argument_is_made_on_the_line_of_the_call() -> None:
    _, recording = run(
        """\
        def sigmoid(z):
            return 1 / (1 + z)

        def work(x):
            return sigmoid(2 * x)
        """,
        np.arange(3.0),
    )
    assert (5, "z", "argument") in made(recording)
    assert (2, "", "return") in made(recording)


def test_lists_of_floats_and_single_numbers_are_kept() -> None:
    _, recording = run(
        """\
        def work(x):
            out = []
            for v in x:
                total = 2.0 * v
                out.append(total)
            return out
        """,
        [1.5, 2.5, 3.5],
    )
    assert [one.value.tolist() for one in recording.made if one.site.name == "out"][-1] == [3, 5, 7]
    (series,) = (one for one in recording.series if one.site.name == "total")
    assert series.values.tolist() == [3.0, 5.0, 7.0]
    assert series.time_of(np.array([5.0, 7.0])) is not None
    assert series.time_of(np.array([5.0, 8.0])) is None


@pytest.mark.parametrize(
    "body",
    [
        "return [v * 2 for v in [x, x + 1]]",
        "return (lambda v: v * 2)(x)",
        "return list(doubled(x))",
        "return once(x)",
        "return again(x, 3)",
        "return x.tolist()",
    ],
    ids=["comprehension", "lambda", "generator", "decorator", "recursion", "library"],
)
def test_numbers_are_the_same_to_the_last_bit_with_and_without(body: str) -> None:
    source = f"""\
import functools

def doubled(v):
    for part in v:
        yield part * 2

def decorated(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)
    return inner

@decorated
def once(v):
    return v / 3

def again(v, n):
    return v if n == 0 else again(v / 3, n - 1)

def work(x):
    {body}
"""
    x = np.linspace(0.1, 0.9, 5)
    names: dict[str, Any] = {}
    exec(source, names)
    plain = names["work"](x)
    recorded, recording = run(source, x)
    np.testing.assert_array_equal(recorded, plain, strict=True)
    assert recording.made or recording.series


def test_nothing_of_theirs_is_called() -> None:
    """Every hook by which an object could notice being looked at counts its calls."""
    _, recording = run(
        """\
        COUNT = []

        class Touchy:
            def __init__(self):
                object.__setattr__(self, "w", 1.5)

            def __getattribute__(self, name):
                COUNT.append(name)
                return object.__getattribute__(self, name)

            def __eq__(self, other):
                COUNT.append("==")
                return True

            __hash__ = None

            def __len__(self):
                COUNT.append("len")
                return 3

            def __array__(self, *rest, **more):
                COUNT.append("array")

            @property
            def trap(self):
                COUNT.append("trap")

            @property
            def __class__(self):
                COUNT.append("class")
                return list

        class Listed(list):
            def __iter__(self):
                COUNT.append("iter")
                return list.__iter__(self)

            def __getitem__(self, index):
                COUNT.append("item")

        def work(x):
            touchy = Touchy()
            listed = Listed([0.5, 1.5])
            both = {"one": touchy, "two": listed}
            late = x + 1
            both
            touchy, listed
            if COUNT:
                raise AssertionError(COUNT)
            return late
        """,
        np.arange(3.0),
    )
    assert any(one.site.name == "listed" for one in recording.made)


def test_slots_are_read_and_unfilled_ones_left_out() -> None:
    _, recording = run(
        """\
        class Layer:
            __slots__ = ("w", "never")

        Layer.__module__ = "__main__"

        def work(x):
            layer = Layer()
            layer.w = x * 2
        """,
        np.arange(3.0),
    )
    assert (8, "layer.w", "value") in made(recording)


def test_a_file_that_sets_its_own_tracer_is_told_so() -> None:
    before = sys.gettrace()
    _, recording = run(
        """\
        import sys

        def work(x):
            sys.settrace(None)
            return x
        """,
        np.arange(3.0),
    )
    assert any("tracer of its own" in limit for limit in recording.limits)
    assert sys.gettrace() is before


def test_lines_made_by_exec_are_not_theirs() -> None:
    _, recording = run(
        """\
        def work(x):
            names = {"x": x}
            exec("y = x * 2", names)
            return names["y"] + 1
        """,
        np.arange(3.0),
    )
    assert {line for line, _, _ in made(recording)} <= {2, 3, 4}


def test_limits_are_said() -> None:
    loop = """\
        def work(x):
            for n in range(100):
                x = x + 1
            return x
        """
    _, recording = run(loop, np.zeros(3), most_lines=50)
    assert any("50 lines" in limit for limit in recording.limits)
    _, recording = run("def work(x):\n    y = x + 1\n    return y", np.zeros(LARGEST_ARRAY + 1))
    assert any("entries" in limit for limit in recording.limits)
    assert not recording.made


FILLING = """\
def work(x):
    for i in range(1000):
        x[i, i % 2] = 1
    x += 1
    x *= 2
    return None
"""


def test_array_that_a_loop_fills_is_kept_once_and_each_update_of_all_of_it() -> None:
    _, recording = run(FILLING, np.zeros((1000, 2)), most_lines=200)
    filled = np.zeros((1000, 2))
    filled[np.arange(1000), np.arange(1000) % 2] = 1
    large = [one.value for one in recording.made if one.value.size == 2000]
    assert len(large) == 3  # filled, and updated twice
    for found, due in zip(large, (filled, filled + 1, 2 * (filled + 1)), strict=True):
        assert np.array_equal(found, due)
    assert not recording.limits


def test_recording_crosses_the_pipe_unchanged_and_nothing_else_passes_for_one() -> None:
    names: dict[str, Any] = {}
    exec(compile("def work(x):\n    y = x @ x.T\n    return y.sum()", "theirs.py", "exec"), names)
    with Recorder(lambda file: file == "theirs.py") as recorder:
        names["work"](np.eye(3))
    header, arrays = pack(recorder)
    assert unpack(header, arrays).made[0].value.shape == (3, 3)
    for wrong in (None, [], {}, header | {"sites": [["a"]]}, header | {"shapes": [[9, 9]]}):
        with pytest.raises(ValueError, match="no recording"):
            unpack(wrong, arrays)


def test_what_runs_beside_a_candidate_needs_numpy_and_python_alone() -> None:
    own = ("recorder", "kept", "values", "gathered", "plain")
    for name in (*(f"{module}.py" for module in own), "recording.py"):
        imported = {
            line.split()[1]
            for line in (ROOM / name).read_text().splitlines()
            if line.startswith(("from backproof", "import backproof"))
        }
        assert {".".join(module.split(".")[2:4]) for module in imported} <= {"candidates.inside"}
        assert {module.split(".")[4] for module in imported} <= set(own)

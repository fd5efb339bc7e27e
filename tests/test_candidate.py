"""A candidate in its process: every convention translated both ways, and whatever it does instead
of answering."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from backproof.checks import by_hand
from backproof.checks.candidates import declared
from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.candidates.candidate_file import FIRST_SEED, CandidateFile, Unusable, load
from backproof.checks.candidates.conventions import Conventions, NotAConvention
from backproof.checks.candidates.inside.frames import pack, unpack
from backproof.checks.candidates.sandbox import Limits, Sandbox
from backproof.checks.problem import Problem, draw

# One right implementation, in the project's own conventions; the variants below turn what comes in
# and what goes out.
RIGHT = """
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def passes(W, b, x, Y):
    a, z = [x], []
    for w, c in zip(W, b, strict=True):
        z.append(a[-1] @ w.T + c)
        a.append(sigmoid(z[-1]))
    e = np.exp(z[-1] - z[-1].max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dz, da, dW, db = [None] * len(W), [None] * len(W), [None] * len(W), [None] * len(W)
    dz[-1] = (p - Y) / len(x)
    for i in range(len(W) - 1, -1, -1):
        dW[i], db[i] = dz[i].T @ a[i], dz[i].sum(axis=0)
        if i > 0:
            da[i - 1] = dz[i] @ W[i]
            dz[i - 1] = da[i - 1] * a[i] * (1 - a[i])
    return z, a, p, dz, da, dW, db
"""
PLAIN = (
    RIGHT
    + "\n\ndef gradients(W, b, x, y):\n    return passes(W, b, x, np.eye(len(b[-1]))[y])[5:]\n"
)


@contextmanager
def running(folder: Path, source: str, call_s: float = 10.0) -> Iterator[CandidateFile]:
    path = folder / "mine.py"
    path.write_text(source)
    with Sandbox(path, Limits(call_s=call_s)) as sandbox:
        yield load(sandbox)


def ask(
    folder: Path, source: str, question: Question | None = None, call_s: float = 10.0
) -> Answer:
    with running(folder, source, call_s) as candidate:
        return candidate.ask([question or Question(draw((4, 7, 6, 3), 5, seed=0))])[0]


def by_right_hand(problem: Problem) -> by_hand.Backward:
    return by_hand.backward(by_hand.forward(problem.x, problem.W, problem.b), problem.W, problem.y)


def assert_right(answer: Answer, problem: Problem) -> None:
    """Equal to sixteen units in the last place of the largest entry: both sides sum at most 7
    products of a few layers."""
    assert answer.complaint is None
    right = by_right_hand(problem)
    for name, given, expected in (("dW", answer.dW, right.dW), ("db", answer.db, right.db)):
        for layer, gradient in expected.items():
            assert given is not None
            assert given[layer].shape == gradient.shape
            allowed = 16 * np.finfo(float).eps * np.abs(gradient).max() + answer.rounding.get(
                f"{name}[{layer}]", 0.0
            )
            assert (np.abs(given[layer] - gradient) <= allowed).all(), f"{name}[{layer}]"


def in_convention(layout: str, examples: str, labels: str, protocol: str) -> str:
    """A right candidate in other conventions: turned into the plain ones, computed there, turned
    back."""
    source = [RIGHT, f'LAYOUT, EXAMPLES, LABELS = "{layout}", "{examples}", "{labels}"\n\n']
    source += [f"def {protocol}(W, b, x, y{', learning_rate' if protocol == 'step' else ''}):"]
    source += ["    plain = [w.T for w in W]" if layout == "in,out" else "    plain = W"]
    source += ["    x = x.T"] if examples == "columns" else []
    source += [
        "    Y = np.eye(len(b[-1]))[y]"
        if labels == "integers"
        else "    Y = y.T"
        if examples == "columns"
        else "    Y = y"
    ]
    source += [
        "    dW, db = passes(plain, b, x, Y)[5:]",
        "    dW = [d.T for d in dW]" if layout == "in,out" else "    pass",
    ]
    if protocol == "step":
        source += [
            "    for i in range(len(W)):",
            "        W[i] -= learning_rate * dW[i]",
            "        b[i] = b[i] - learning_rate * db[i]",
        ]
    return "\n".join(
        [*source, "    return dW, db" if protocol == "gradients" else "    return None", ""]
    )


COMBINATIONS = list(
    itertools.product(
        ("out,in", "in,out"), ("rows", "columns"), ("integers", "one-hot"), ("gradients",)
    )
)
COMBINATIONS += [("out,in", "rows", "integers", "step"), ("in,out", "columns", "one-hot", "step")]


@pytest.mark.parametrize(
    ("layout", "examples", "labels", "protocol"),
    COMBINATIONS,
    ids=[" ".join(c) for c in COMBINATIONS],
)
def test_a_right_candidate_is_right_in_every_convention(
    tmp_path: Path, layout: str, examples: str, labels: str, protocol: str
) -> None:
    problem = draw((4, 7, 6, 3), 5, seed=3)
    question = Question(problem, kind=protocol, learning_rate=0.25)
    assert_right(
        ask(tmp_path, in_convention(layout, examples, labels, protocol), question), problem
    )


def test_a_wrong_candidate_is_wrong_in_the_same_conventions(tmp_path: Path) -> None:
    problem = draw((4, 7, 6, 3), 5, seed=3)
    wrong = in_convention("in,out", "columns", "one-hot", "step").replace(
        "a[i] * (1 - a[i])", "a[i]"
    )
    with pytest.raises(AssertionError, match="dW\\[2\\]"):
        assert_right(
            ask(tmp_path, wrong, Question(problem, kind="step", learning_rate=0.25)), problem
        )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_one_example_at_a_time_is_put_together_as_its_reduction_says(
    tmp_path: Path, reduction: str
) -> None:
    problem = draw((4, 7, 3), 6, seed=1)
    answer = ask(tmp_path, f'BATCH = 1\nREDUCTION = "{reduction}"\n{PLAIN}', Question(problem))
    weight = 1.0 if reduction == "mean" else 6.0
    assert answer.dW is not None
    # 7 sums of 6 terms: 1e-15
    np.testing.assert_allclose(answer.dW[1], weight * by_right_hand(problem).dW[1], rtol=1e-12)


def test_without_biases_b_is_empty_and_db_is_not_read(tmp_path: Path) -> None:
    problem = draw((4, 7, 3), 6, seed=1)
    problem = Problem(
        problem.x, problem.y, problem.W, {layer: 0 * b for layer, b in problem.b.items()}
    )
    source = PLAIN.replace(
        "passes(W, b, x, np.eye(len(b[-1]))[y])[5:]",
        "passes(W, [0.0] * len(W), x, np.eye(len(W[-1]))[y])[5]",
    )
    answer = ask(tmp_path, "BIAS = False\n" + source, Question(problem))
    assert (answer.complaint, answer.db) == (None, None)
    assert answer.dW is not None
    np.testing.assert_allclose(answer.dW[1], by_right_hand(problem).dW[1], rtol=1e-12)


def test_forward_and_intermediates_come_back_in_rows(tmp_path: Path) -> None:
    problem, extra = (
        draw((4, 7, 6, 3), 5, seed=2),
        "\n\ndef forward(W, b, x):\n    return passes(W, b, x.T, 0)[2].T\n",
    )
    extra += (
        "\n\ndef intermediates(W, b, x, y):\n    z, a, p, dz, da, _, _ = passes(W, b, x.T, "
        "np.eye(len(b[-1]))[y])\n"
    )
    extra += (
        "    return {'z': [v.T for v in z], 'a': [v.T for v in a], 'p': p.T, 'dz': "
        "dict(enumerate([v.T for v in dz], start=1))}\n"
    )
    source = f'EXAMPLES = "columns"\n{PLAIN}{extra}'
    with running(tmp_path, source) as candidate:
        assert candidate.conventions.has_forward
        assert candidate.conventions.has_intermediates
        forward, steps = candidate.ask(
            [Question(problem, kind="forward"), Question(problem, kind="intermediates")]
        )
    passed, back = by_hand.forward(problem.x, problem.W, problem.b), by_right_hand(problem)
    assert forward.p is not None
    assert steps.steps is not None
    np.testing.assert_allclose(forward.p, passed.p, rtol=1e-12)
    np.testing.assert_allclose(steps.steps["z[2]"], passed.z[2], rtol=1e-12)
    np.testing.assert_allclose(steps.steps["a[1]"], passed.a[1], rtol=1e-12)
    np.testing.assert_allclose(steps.steps["dz[1]"], back.dz[1], rtol=1e-9)


def test_a_built_in_learning_rate_is_what_the_gradient_is_read_off_with(tmp_path: Path) -> None:
    problem = draw((4, 7, 3), 6, seed=1)
    source = (
        in_convention("out,in", "rows", "integers", "step")
        .replace("-= learning_rate", "-= 0.5")
        .replace("- learning_rate", "- 0.5")
    )
    assert_right(
        ask(
            tmp_path,
            "LEARNING_RATE = 0.5\n" + source,
            Question(problem, kind="step", learning_rate=2.0),
        ),
        problem,
    )


def test_modules_beside_the_candidate_can_be_imported_even_one_called_checks(
    tmp_path: Path,
) -> None:
    (tmp_path / "checks.py").write_text(RIGHT)
    source = "import numpy as np\nfrom checks import passes\n" + PLAIN.removeprefix(RIGHT)
    problem = draw((4, 7, 6, 3), 5, seed=0)
    assert_right(ask(tmp_path, source, Question(problem)), problem)


HARMLESS = {
    "nested lists": "return [d.tolist() for d in dW], [d.tolist() for d in db]",
    "biases as columns": "return dW, [d[:, None] for d in db]",
    "biases as rows": "return dW, [d[None, :] for d in db]",
    "object array": "return np.array([*dW, None], dtype=object)[:-1], tuple(db)",
    "by layer": "return dict(enumerate(dW, start=1)), dict(enumerate(db, start=1))",
    "forked copies": "import os; os.fork(); return dW, db",
}


def test_harmless_variations_of_what_is_returned_are_read(tmp_path: Path) -> None:
    for answer, problem in asked_each(tmp_path, list(HARMLESS.values())).values():
        assert_right(answer, problem)


def test_float32_answers_say_so(tmp_path: Path) -> None:
    answer = ask(tmp_path, ending_with("return [d.astype('f4') for d in dW], db"))
    assert (answer.complaint, answer.precision) == (None, "float32")


def ending_with(ending: str) -> str:
    return PLAIN.replace("    return passes(", "    dW, db = passes(") + f"    {ending}\n"


def asked_each(folder: Path, endings: list[str]) -> dict[str, tuple[Answer, Problem]]:
    """One candidate that ends in each of these ways, by the number of samples that it gets; one
    process for all of them."""
    source = ending_with("pass") + "".join(
        f"    if len(x) == {N}: {ending}\n" for N, ending in enumerate(endings, start=1)
    )
    problems = [draw((4, 7, 6, 3), N, seed=0) for N in range(1, len(endings) + 1)]
    with running(folder, source) as candidate:
        answers = candidate.ask([Question(problem) for problem in problems])
    return dict(zip(endings, zip(answers, problems, strict=True), strict=True))


# What it does in place of answering -> the sentence that says so.
MISBEHAVIOURS = {
    "y @ W[0]": "mine.py: gradients raises ValueError on line 29 of mine.py (if len(x) == 1: y @ "
    "W[0]): matmul: ",
    "input()": "mine.py: gradients raises EOFError on line 30 of mine.py (if len(x) == 2: "
    "input()): it reads standard input",
    "np.ones((10**6, 10**6))": "mine.py: gradients raises MemoryError on line 31 of mine.py",
    "exit()": "mine.py: gradients exits the program on line 32 of mine.py (if len(x) == 4: "
    "exit()).",
    "(lambda f: f(f))(lambda f: f(f))": "mine.py: gradients raises RecursionError on line 33",
    "raise KeyboardInterrupt": "mine.py: gradients raises KeyboardInterrupt on line 34",
    "raise type('E', (Exception,), {'__str__': lambda e: 1 / 0})": "mine.py: gradients raises E "
    "on line 35",
    "return None": "mine.py: gradients returned None; expected (dW, db).",
    "return dW": "mine.py: gradients returned a list of 3; expected (dW, db).",
    "return 1, 2": "mine.py: gradients returned an int for dW; expected a list of arrays, layer 1 "
    "first.",
    "return 'abc', 'abc'": "mine.py: gradients returned a str for dW; expected a list of arrays, "
    "layer 1 first.",
    "return dW[0], db[0]": "mine.py: gradients returned an array of shape (7, 4) for dW; expected "
    "a list of arrays, layer 1 first.",
    "return [d + 1j for d in dW], db": "mine.py: gradients returned dW[1] as complex numbers; "
    "expected an array of real numbers.",
    "return [object()] * 3, db": "mine.py: gradients returned dW[1] as an object; expected an "
    "array of real numbers.",
    "return [*dW, dW[0]], db": "mine.py: gradients returned W[4]; the network has 3 layers.",
    "return [[[1], [2, 3]]] * 3, db": "mine.py: gradients returned dW[1] as a list of 2 that "
    "makes no array",
    "dW[0][1, 2] = np.nan; return dW, db": "mine.py: gradients returned NaN in dW[1], 1 of 28 "
    "entries.",
    "db[2][:] = np.inf; return dW, db": "mine.py: gradients returned infinity in db[3], 3 of 3 "
    "entries.",
}
CRASHES = {
    "import os; os._exit(0)": "mine.py: gradients ended its process with exit code 0 instead of "
    "returning.",
    "import ctypes; ctypes.string_at(0)": "mine.py: gradients crashed: its process was ended by "
    "SIGSEGV; it was at line 28",
    "import os; os.kill(os.getpid(), 9)": "mine.py: gradients crashed: its process was ended by "
    "SIGKILL",
    "import os; os.closerange(0, 99)": "mine.py: gradients ended its process with exit code 1",
    "import os, stat; [os.write(n, b'x' * 100) for n in range(99) if os.path.exists(f'/dev/fd/{n}')"
    " and stat.S_ISSOCK(os.fstat(n).st_mode)]": "mine.py: gradients ",
}


def test_whatever_it_does_instead_of_answering_is_one_sentence(tmp_path: Path) -> None:
    for ending, (answer, _) in asked_each(tmp_path, list(MISBEHAVIOURS)).items():
        assert answer.complaint is not None
        assert answer.complaint.startswith(MISBEHAVIOURS[ending])
        assert "\n" not in answer.complaint


@pytest.mark.parametrize(("ending", "sentence"), CRASHES.items(), ids=range(len(CRASHES)))
def test_a_crash_is_one_sentence_and_answers_all_that_follows(
    tmp_path: Path, ending: str, sentence: str
) -> None:
    questions = [Question(draw((4, 7, 6, 3), N, seed=0)) for N in (2, 3, 4)]
    with running(
        tmp_path, ending_with(f"if len(x) == 3: {ending}\n    return dW, db")
    ) as candidate:
        right, *crashed = candidate.ask(questions)
    assert right.complaint is None
    assert all(
        answer.complaint is not None and answer.complaint.startswith(sentence) for answer in crashed
    )


HANGS = {
    "while True: pass": "; it was at line 28 of mine.py (while True: pass)",
    "import time; time.sleep(99)": "; it was at line 28",
    "while True: print('hello' * 99)": "; it was at line 28",
    "import subprocess; subprocess.run(['sleep', '99'])": "; it was at line 28",
}


@pytest.mark.parametrize(("ending", "where"), HANGS.items(), ids=HANGS)
def test_a_hang_ends_at_the_time_limit_and_names_its_line(
    tmp_path: Path, ending: str, where: str
) -> None:
    question = Question(draw((4, 7, 6, 3), 5, seed=0))
    with running(tmp_path, ending_with(ending), call_s=0.5) as candidate:
        first, second = candidate.ask([question, question])
    assert first.complaint is not None
    assert first.complaint.startswith(f"mine.py: gradients did not return within 0.5 s{where}")
    assert second.complaint == first.complaint


def test_allocating_without_end_is_a_memory_error_within_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(ending_with("kept = [np.zeros(10**7) for _ in range(10**9)]"))
    with Sandbox(path, Limits(memory_bytes=2**29)) as sandbox:
        complaint = load(sandbox).ask([Question(draw((4, 7, 6, 3), 5, seed=0))])[0].complaint
    assert complaint is not None
    assert complaint.startswith(
        "mine.py: gradients raises MemoryError on line 28 of mine.py (kept = "
    )


HABITS: dict[str, Callable[[CandidateFile], object]] = {
    "W[0] -= 1": lambda candidate: candidate.habits.changed == {"W[1]": "gradients"},
    "x *= 2; W.pop()": lambda candidate: (
        candidate.habits.changed == {"x": "gradients", "W[3]": "gradients"}
    ),
    "np.random.seed(1)": lambda candidate: candidate.habits.reseeds,
    "np.random.rand()": lambda candidate: (
        candidate.habits.random_states and not candidate.habits.reseeds
    ),
    "np.seterr(all='raise')": lambda candidate: candidate.habits.seterr,
    "import os; os.system('true')": lambda candidate: (
        candidate.habits.processes == "line 28 of mine.py"
    ),
    "print('hello')": lambda candidate: candidate.sandbox.out.head == b"hello\nhello\n",
}


@pytest.mark.parametrize(("habit", "noticed"), HABITS.items(), ids=HABITS)
def test_what_it_does_beside_answering_is_noticed(
    tmp_path: Path, habit: str, noticed: Callable[[CandidateFile], object]
) -> None:
    question = Question(draw((4, 7, 6, 3), 5, seed=0))
    with running(tmp_path, ending_with(f"{habit}; return dW, db")) as candidate:
        assert [answer.complaint for answer in candidate.ask([question, question])] == [None, None]
        assert noticed(candidate)


def test_what_breaks_off_half_way_changes_nothing(tmp_path: Path) -> None:
    """Central differences move an entry and put it back; under a convention that is only tried they
    may not get so far."""
    question = Question(draw((4, 7, 6, 3), 5, seed=0))
    with running(
        tmp_path, ending_with("W[0][0, 0] += 1; raise ValueError('shapes'); return dW, db")
    ) as candidate:
        (answer,) = candidate.ask([question])
        assert (bool(answer.complaint), answer.changed_arguments, candidate.habits.changed) == (
            True,
            False,
            {},
        )


def test_one_without_habits_has_none(tmp_path: Path) -> None:
    question = Question(draw((4, 7, 6, 3), 5, seed=0))
    with running(tmp_path, PLAIN) as candidate:
        candidate.ask([question, question])
        assert not any(noticed(candidate) for noticed in HABITS.values())


NEITHER = "neither gradients(W, b, x, y) nor step(W, b, x, y, learning_rate) nor make(W, b)"
FORGED = """
import os, struct
for fd in range(3, 40):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket"):
            os.write(fd, struct.pack("<Q", len(FRAME)) + FRAME)
    except OSError:
        pass
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to find the pipe")
@pytest.mark.parametrize("precision", ["float64", "float99"])
def test_a_forged_answer_is_a_complaint(tmp_path: Path, precision: str) -> None:
    header = (
        f'{{"arrays": [["W1", "<f8", [1]]], "precisions": {{"W1": "{precision}"}}, '
        f'"changed": [""], "seed": {FIRST_SEED}}}\\n'
    )
    forging = f"    FRAME = b'{header}12345678'\n" + "".join(
        f"    {line}\n" for line in FORGED.splitlines()
    )
    question = Question(draw((4, 7, 6, 3), 5, seed=0))
    with running(tmp_path, ending_with(f"pass\n{forging}    return dW, db")) as candidate:
        first, second = candidate.ask([question, question])
    assert (
        first.complaint
        == "mine.py: gradients wrote on the pipe between its process and the checker."
        or first.db == {}
    )
    assert (
        second.complaint
        == "mine.py: gradients wrote on the pipe between its process and the checker."
    )


UNUSABLE = {
    "def gradients(W, b, x, y)\n    pass": "mine.py: is not Python: expected ':' on line 1 (def "
    "gradients(W, b, x, y)).",
    "\x00": "mine.py: is not Python: ",
    "": f"mine.py: defines {NEITHER}; it defines no function at all.",
    "def backprop(x): pass": f"mine.py: defines {NEITHER}; it defines backprop.",
    "import nothing_of_this_name": "mine.py: importing it raises ModuleNotFoundError on line 1 of "
    "mine.py",
    "exit()": "mine.py: importing it exits the program on line 1 of mine.py (exit()).",
    "while True: pass": "mine.py: importing it did not return within 1.5 s; it was at line 1 of "
    "mine.py (while True: pass).",
    f"{PLAIN}\nREDUCTION = 'average'": 'mine.py: REDUCTION = "average": expected "mean" or "sum" '
    'or "mean-over-all".',
}


@pytest.mark.parametrize(("source", "sentence"), UNUSABLE.items(), ids=range(len(UNUSABLE)))
def test_a_file_that_cannot_be_asked_is_refused_in_one_sentence(
    tmp_path: Path, source: str, sentence: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    with Sandbox(path, Limits(call_s=0.5)) as sandbox, pytest.raises(Unusable) as refused:
        load(sandbox)
    assert str(refused.value).startswith(sentence)


NO_CONVENTIONS = [
    {"LAYOUT": "in-out"},
    {"EXAMPLES": "cols"},
    {"LABELS": 1},
    {"BIAS": "no"},
    {"SIZES": 3},
    {"SIZES": [3]},
    {"SIZES": [3, 1]},
    {"BATCH": 0},
    {"LEARNING_RATE": -1.0},
    {"OUTPUT": "linear", "COST": "binary-cross-entropy"},
    {"COST": ["quadratic"]},
]


@pytest.mark.parametrize("constants", NO_CONVENTIONS, ids=str)
def test_a_constant_that_is_no_convention_is_refused_by_name(constants: dict[str, object]) -> None:
    with pytest.raises(NotAConvention, match=next(iter(constants))):
        declared.read_constants(constants, ["gradients"])


def test_the_lines_to_write_turn_one_convention_into_the_other() -> None:
    found = declared.changed_lines(
        Conventions(), Conventions(layout="in,out", reduction="sum", sizes=(2, 3))
    )
    assert found == ['LAYOUT = "in,out"', 'REDUCTION = "sum"', "SIZES = [2, 3]"]


def test_frames_survive_the_pipe_and_nothing_else_does() -> None:
    arrays = {"W1": np.arange(6.0).reshape(2, 3), "y": np.arange(3), "empty": np.zeros((0, 4))}
    header, found = unpack(pack({"call": "gradients"}, arrays))
    assert header == {"call": "gradients"}
    assert all(
        (found[name] == array).all() and found[name].shape == array.shape
        for name, array in arrays.items()
    )


GARBAGE = [
    b"",
    b"\x00\xff",
    b"[]\n",
    b"{}\n",
    b'{"arrays": 1}\n',
    b'{"arrays": [["W1", "|O", [1]]]}\n12345678',
]
GARBAGE += [
    b'{"arrays": [["W1", "<f8", [2]]]}\n1234567',
    b'{"arrays": [["W1", "<f8", [-1]]]}\n',
    b'{"arrays": [["W1", "<f8", [9e9]]]}\n',
]


@pytest.mark.parametrize("frame", [*GARBAGE, b"[" * 10**5], ids=range(len(GARBAGE) + 1))
def test_garbage_on_the_pipe_is_a_value_error(frame: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(frame)

"""What a candidate does instead of answering, or beside it: one sentence each, and the other
answers stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from asked_files import PLAIN, asked_each, ending_with, running

from backproof.checks.candidates.candidate import Question
from backproof.checks.candidates.candidate_file import FIRST_SEED, CandidateFile, Unusable, load
from backproof.checks.candidates.sandbox import Limits, Sandbox
from backproof.checks.problem import draw

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

"""Candidates that do anything but answer: one sentence each, in one call, and the right one beside
them passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import Done, checks, once
from test_submissions import RIGHT

# What a call ends with in place of returning -> how the sentence on it begins, after the file's
# name.
ENDINGS = {
    "dictionary": ("return {'dW': dW, 'db': db}", "gradients returned a dict of 2; expected (dW, "
                                                  "db)."),
    "generator": ("yield dW, db", "gradients returned a generator; expected (dW, db)."),
    "integers": ("return [d.astype(int) for d in dW], db", "gradients returned dW[1] as integers "
                                                           "(int64); expected floating-point"),
    "complex": ("return [d + 0j for d in dW], db", "gradients returned dW[1] as complex numbers; "
                                                   "expected"),
    "strings": ("return [d.astype(str) for d in dW], db", "gradients returned dW[1] as <U32; "
                                                          "expected an array of real numbers."),
    "objects": ("return [np.array([object()])] * 3, db", "gradients returned dW[1] as object; "
                                                         "expected an array of real numbers."),
    "structured": ("return [np.zeros(3, [('a', 'f8')])] * 3, db", "gradients returned dW[1] as "
                                                                  "[('a', '<f8')]; expected an "
                                                                  "array"),
    "deep_list": ("v = []\n    for _ in range(9**4): v = [v]\n    return v, db", "gradients returned dW[1] as a list of 1 th"),
    "layers": ("return dW + dW, db + db", "gradients returned W[4] and W[5] and W[6] and b[4] and"),
    "transposed": ("return [d.T for d in dW], db", "dW[3] has the shape (6, 3); expected (3, 6)."),
    "nothing": ("return [None] * 3, db", "the candidate gave no dW[3]."),
    "nan_later": ("DONE.append(1)\n    return [d / (len(DONE) < 3) for d in dW], db", "gradients returned infinity in dW[1]"),
    "warning": ("import warnings; warnings.simplefilter('error'); np.log(np.zeros(1))", "gradients raises RuntimeWarning on line"),
    "exits_later": ("DONE.append(1)\n    if len(DONE) > 2: import os; os._exit(0)\n    return dW, "
                    "db", "gradients ended its"),
    "interrupts": ("raise KeyboardInterrupt", "gradients raises KeyboardInterrupt on line"),
    "escape": ("raise ValueError('\\x1b[31m \\ud800')", "gradients raises ValueError on line"),
    "abort": ("import os; os.abort()", "gradients crashed: its process was ended by SIGABRT; it "
                                       "was at line"),
    "ignores": ("import signal; signal.signal(15, signal.SIG_IGN)\n    while True: pass", "gradients did not return within 1 s"),
    "swallows": ("while True:\n        try: 1 / 0\n        except BaseException: pass", "gradients did not return within 1 s"),
    "prints": ("while True: print('x' * 10**5)", "gradients did not return within 1 s; it was at "
                                                 "line"),
    "unpacks": ("class A(list):\n        __iter__ = lambda self: iter(int, 1)\n    return A(dW), "
                "db", "gradients did not return"),
    "builtins": ("import builtins; builtins.len = None; return dW, db", "a call gives Python's own len another meaning"),
    "patches": ("np.exp = np.asarray = None; return dW, db", "a call gives NumPy's own asarray, "
                                                             "exp another meaning"),
    "folder": ("import os; os.chdir('/'); return dW, db", "a call changes the working folder on "
                                                          "line 17 for everybody."),
    "forks": ("import os\n    [os.fork() for _ in range(2)]\n    return dW, db", "a call starts a process on line 18 of forks.py"),
    "detaches": ("import subprocess; subprocess.Popen(['sleep', '9']); return dW, db", "a call starts a process on line 17"),
    "modules": ("import sys; sys.modules.clear(); return dW, db", "gradients ended its process "
                                                                  "with exit code"),
    "asynchronous": ("async def later(): return dW, db\n    return later()", "gradients returned a coroutine; expected (dW, db)."),
}  # fmt: skip
# What stands before everything else -> the same.
BEGINNINGS = {
    "exit_at_import": ("exit(3)", "importing it exits the program on line 1 of exit_at_import.py "
                                  "(exit(3))."),
    "input_at_import": ("n = int(input())", "importing it raises EOFError on line 1 of "
                                            "input_at_import.py"),
    "batch": ("BATCH = 10**12", "BATCH = 1000000000000: expected a number of examples such as 1, "
                                "at most 1,000."),
    "sizes": ("SIZES = [10**5, 10**5]", "SIZES = [100000, 100000]: expected at most 2,000,000 "
                                        "weights."),
    "wide": ("SIZES = [10**6, 2]", "SIZES = [1000000, 2]: expected at most 100,000 units in a "
                                   "layer."),
    "rate": ("LEARNING_RATE = float('nan')", "LEARNING_RATE = nan: expected a number above 0 such "
                                             "as 0.1."),
    "hides": ("def __getattr__(name): raise ZeroDivisionError\ndel gradients", "importing it raises NameError on line 2"),
    "tabs": ("if True:\n\tx = 1\n        y = 2", "is not Python: "),
}  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Done:
    """All of them, and one that is right, in one call."""
    return once(tmp_path_factory, worker_id, "hostile", _checked)


def _checked(folder: Path) -> Done:
    sources = {
        name: RIGHT.replace("    return dW, db", f"    {ending}") + "\n\nDONE = []\n"
        for name, (ending, _) in ENDINGS.items()
    }
    sources |= {name: f"{beginning}\n{RIGHT}" for name, (beginning, _) in BEGINNINGS.items()}
    sources["idle"] = (
        RIGHT.replace("def gradients(", "def passes(")
        + "\n\ndef step(W, b, x, y, rate):\n    W = passes(W, b, x, y)\n"
    )
    sources["right"] = RIGHT
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    (folder / "bytes.py").write_bytes(bytes(range(256)))
    names = [f"{name}.py" for name in [*sources, "bytes"]]
    return checks(*names, "--json", "--junit", "verdicts.xml", "--time-limit", "1", folder=folder)


@pytest.fixture(scope="module")
def found(done: Done) -> dict[str, dict[str, Any]]:
    return {Path(one["candidate"]).stem: one for one in done.objects}


def test_none_of_them_stops_the_others_or_shows_a_traceback(
    done: Done, found: dict[str, dict[str, Any]]
) -> None:
    assert (done.code, done.err) == (1, "")
    assert len(found) == len(ENDINGS) + len(BEGINNINGS) + 3
    assert [name for name, one in found.items() if one["verdict"] == "pass"] == ["right"]
    assert "Traceback" not in done.out


@pytest.mark.parametrize(
    ("name", "sentence"), [(name, words) for name, (_, words) in (ENDINGS | BEGINNINGS).items()]
)
def test_each_gets_one_sentence_within_its_time_and_no_bug_is_guessed(
    found: dict[str, dict[str, Any]], name: str, sentence: str
) -> None:
    one = found[name]
    assert one["diagnosis"]["findings"][0].startswith(f"{name}.py: {sentence}")
    assert "\n" not in one["diagnosis"]["findings"][0]
    assert one["diagnosis"]["bugs"] == []


def test_a_step_that_moves_nothing_is_told_so(found: dict[str, dict[str, Any]]) -> None:
    assert found["idle"]["diagnosis"]["statement"].startswith(
        "idle.py: step returns None and changes neither W nor b; update them"
    )


def test_what_a_terminal_takes_for_a_command_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "escape.py").write_text(
        RIGHT.replace("    return dW, db", "    raise ValueError('\\x1b[31m \\ud800')")
    )
    printed = checks("escape.py", folder=tmp_path)
    assert (printed.code, "\x1b" in printed.out, printed.err) == (1, False, "")

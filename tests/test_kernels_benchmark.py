"""benchmarks/kernels.py and operators.py on a small part of what they ask."""

import json
import sys

import pytest

from benchmarks import kernels, operators

SOME = ["SwiGLU", "linear with bias", "expm1 of small numbers"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bugs_of_some_kernels_are_caught_by_name_and_their_twins_pass(dtype, capsys):
    assert kernels.main(["--only", *SOME, "--dtypes", dtype, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert all(counts[name][dtype]["bugs"] >= 6 for name in ("check_function", "check_gradients"))


def test_kernel_that_is_taken_for_right_is_told(monkeypatch, capsys):
    """The wrong version: a checker that accepts everything."""
    monkeypatch.setattr(kernels, "OURS", {"check_function": lambda *asked: (False, set())})
    assert kernels.main(["--only", "SwiGLU", "--dtypes", "float32"]) == 1
    assert "check_function float32: accepts: SwiGLU, both exchanged" in capsys.readouterr().out


def test_operator_that_ends_its_process_is_counted_as_a_crash(monkeypatch):
    """The worker says what it begins, so one that dies there is known by name."""
    begun = {"number": 3, "name": "boom", "check": "function", "dtype": "float32"}
    script = f"print('''{json.dumps(begun | {'outcome': 'begun'})}''', flush=True)\nimport os\n"
    script += "os.abort()"
    monkeypatch.setattr(operators, "worker", lambda start: _python(script, start))
    lines = operators.run()
    assert [(line["name"], line["outcome"]) for line in lines] == [("boom", "crash")]


def test_process_that_dies_before_it_begins_is_no_empty_success(monkeypatch):
    monkeypatch.setattr(operators, "worker", lambda start: _python("raise SystemExit(3)", start))
    with pytest.raises(RuntimeError, match="operator 0 on ended with 3"):
        operators.run()


def _python(script: str, start: int) -> list[str]:
    return [sys.executable, "-c", script if start == 0 else "pass"]

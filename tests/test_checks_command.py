"""python -m checks: flags, exit codes, JSON, and one line for each way to get it wrong."""

import json
import subprocess
import sys

import pytest

from backproof.checks.__main__ import main
from backproof.checks.activations import NAMES
from backproof.checks.heads import HEADS


def run(capsys, *argv):
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_default_verification_passes_and_ends_with_one_clear_line(capsys):
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith(f"pass: {18 + len(HEADS)} problems, ")
    assert len(out.splitlines()) == 18 + len(HEADS) + 1
    assert all(name in out for name in NAMES)
    assert all(str(head) in out for head in HEADS)


def test_json_is_one_object_whose_comparisons_all_pass_or_say_untested(capsys):
    code, out, _ = run(capsys, "--json", "--problems", "3", "--dtype", "float32")
    found = json.loads(out)
    assert code == 0
    assert (found["verdict"], found["dtype"], found["problems"], found["diagnosis"]) == (
        "pass",
        "float32",
        3,
        None,
    )
    assert found["gradients"] == sum((4 * 7 + 7, 7 * 6 + 6, 6 * 3 + 3)) + sum((24, 15)) + sum(
        (20, 24)
    )
    assert {comparison["verdict"] for comparison in found["comparisons"]} <= {"pass", "untested"}


def test_sizes_and_batch_are_taken_for_every_problem(capsys):
    _, out, _ = run(capsys, "--sizes", "6", "5", "3", "--batch", "4", "--problems", "2", "--json")
    assert {
        comparison["problem"].split(" s")[0] for comparison in json.loads(out)["comparisons"]
    } == {"6-5-3 N=4"}


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (
            ["--sizes", "3"],
            "--sizes: expected an input size and at least one layer, the last of 2 classes or "
            "more, got 3.",
        ),
        (["--sizes", "3", "0", "2"], "--sizes: expected a whole number of at least 1, got '0'."),
        (["--dtype", "float16"], "--dtype: expected one of float64, float32, got 'float16'."),
        (["--problems", "none"], "--problems: expected a whole number of at least 1, got 'none'."),
        (["--frobnicate"], "expected the flags of --help, got --frobnicate."),
        (["--seed"], "--seed: expected one value, got none."),
        (
            ["--explain", "mine.py"],
            "--explain: expected no candidate, --json, --junit, --problems or --batch beside it.",
        ),
        (
            ["--explain", "--json"],
            "--explain: expected no candidate, --json, --junit, --problems or --batch beside it.",
        ),
        (
            ["--notation", "nielsen"],
            "--notation: expected --explain beside it, whose symbols it chooses.",
        ),
        (["--time-limit", "3"], "--time-limit: expected a candidate beside it, got none."),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_two(capsys, argv, line):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    captured = capsys.readouterr()
    assert (stopped.value.code, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert captured.err.startswith(f"python -m checks: {line}")


def test_a_folder_that_is_no_run_is_one_line(capsys, tmp_path):
    code, out, err = run(capsys, "--run", str(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(
        f"python -m checks: {tmp_path}: expected the folder of a run with a model.safetensors, "
        "got none there."
    )


def test_help_answers_without_importing_torch():
    program = (
        "import sys; from backproof.checks.__main__ import main\ntry: "
        "main(['--help'])\nfinally: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
    assert "exit code: 0 everything is right" in done.stdout


@pytest.mark.skipif(
    "__import__('torch').cuda.is_available()", reason="this machine has a CUDA device"
)
def test_cuda_where_there_is_none_is_one_line(capsys):
    code, out, err = run(capsys, "--device", "cuda")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(
        "python -m checks: --device: expected a CUDA device, got a machine where torch"
    )

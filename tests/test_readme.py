"""What the README shows is what happens: its output, its commands, and that CI runs the very same
ones."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from backproof import label, train
from backproof.checks.flags import parse_args

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROGRAMS = {
    "train.py": train.parse_args,
    "label.py": label.parse_args,
    "checks": lambda argv: parse_args(argv, "python -m checks"),
}


def commands():
    """Every python command in the README's shell blocks, without its comment."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line.split("|")[-1], comments=True)
            if words[:1] == ["python"]:
                yield words[2:] if words[1] == "-m" else words[1:]


def shape(lines):
    """Lines with every number replaced, since times and last digits differ between machines."""
    return [
        re.sub(r"\d+(,\d{3})*(\.\d+)*(\+cpu)?", "#", line).replace("  ", " ").strip()
        for line in lines
    ]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_command_of_the_readme_is_accepted(words):
    assert PROGRAMS[words[0]](words[1:])


def test_output_of_the_readme_is_what_train_prints(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # its first command activates no environment
    assert train.main([]) == 0
    printed = (
        capsys.readouterr()
        .out.replace(str(tmp_path), "/home/you/backproof")
        .replace(str(ROOT / "label.py"), "label.py")
        .replace(sys.executable, ".venv/bin/python")
    )
    shown = next(
        block for block in README.split("```")[1::2] if "test accuracy" in block
    ).splitlines()[1:]
    cut = shown.index("...")
    assert [re.sub(" +", " ", line) for line in shape(shown[:cut])] == [
        re.sub(" +", " ", line) for line in shape(printed.splitlines()[:cut])
    ]
    assert shape(shown[cut + 1 :]) == shape(printed.splitlines()[cut + 1 - len(shown) :])
    accuracies = [
        float(re.search(r"test accuracy ([\d.]+)%", text)[1])
        for text in (printed, "\n".join(shown))
    ]
    assert min(accuracies) >= 96
    # rounding differs between machines, and training amplifies it
    assert abs(accuracies[0] - accuracies[1]) <= 1.0


def test_ci_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci/run").read_text()
    assert 'readme() { grep -E "^python3 -m venv .*$1\\$" README.md; }' in script
    assert re.findall(r"^python3 -m venv .*pytest$", README, re.MULTILINE)
    assert re.findall(r"^python3 -m venv .*train\.py$", README, re.MULTILINE)


def test_contributing_and_ci_run_the_same_checks():
    for line in (
        "ruff format --check .",
        "ruff check .",
        "bash .ci/types",
        "python -m checks",
    ):
        assert line in (ROOT / ".ci/run").read_text()
        assert line in (ROOT / "CONTRIBUTING.md").read_text()

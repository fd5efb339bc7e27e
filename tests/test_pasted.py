"""A command that is printed works when it is pasted: in an environment that is activated, and in a
shell that knows nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backproof.model import packages, pasted

BESIDE = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
TRAIN = ["train.py", "--data", "bars", "--epochs", "1", "--run-dir"]


def path_of(activated: bool) -> str:
    """A search path, with the environment's programs on it or without."""
    others = [
        place
        for place in os.environ["PATH"].split(os.pathsep)
        if Path(place).is_dir() and not Path(place).samefile(BESIDE)
    ]
    return os.pathsep.join([str(BESIDE)] * activated + others)


@pytest.mark.parametrize("activated", [True, False])
def test_printed_commands_run_as_they_are(tmp_path: Path, activated: bool) -> None:
    environment = {**os.environ, "PATH": path_of(activated)}
    run = tmp_path / "run 1"
    trained = subprocess.run(
        [sys.executable, *TRAIN, str(run)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (trained.returncode, trained.stderr) == (0, "")
    look, label = trained.stdout.splitlines()[-2:]
    assert label.startswith("label: python label.py " if activated else "label: ")
    assert look.startswith("look: tensorboard --logdir " if activated else "look: ")
    for command in (label.removeprefix("label: "), f"{look.removeprefix('look: ')} --version_tb"):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_another_python_of_the_same_name_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an environment that is not activated: its python is a link to the very same file."""
    home = tmp_path.resolve()
    ours, other = home / "env/bin/python", home / "other/python"
    for link in (ours, other):
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setattr(sys, "executable", str(ours))
    monkeypatch.setenv("PATH", f"{other.parent}:{ours.parent}")
    monkeypatch.chdir(home)
    assert pasted.python() == "env/bin/python"
    monkeypatch.chdir(other.parent)
    assert pasted.python() == str(ours)
    monkeypatch.setenv("PATH", f"{ours.parent}:{other.parent}")
    assert pasted.python() == "python"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("train.py", "train.py"),
        ("python -m checks", "-m checks"),
        ("backproof check", "-m backproof check"),
    ],
)
def test_programs_are_called_by_the_python_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert pasted.called(program) == f"{sys.executable} {words}"
    monkeypatch.setenv("PATH", str(BESIDE))
    short = {"backproof check": "backproof check"}.get(program, f"python {words}")
    assert pasted.called(program) == short


def test_a_folder_that_is_gone_costs_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert pasted.python() == sys.executable


def test_without_a_checkout_the_command_stands_for_the_script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packages.backproof, "__file__", str(tmp_path / "backproof/__init__.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert pasted.script("train") == [sys.executable, "-m", "backproof", "train"]
    (tmp_path / "pyproject.toml").touch()
    assert pasted.script("train") == [sys.executable, "train.py"]

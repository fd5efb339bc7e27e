"""One namespace: a learner's own model.py disturbs nothing, and no module lives twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT

THEIRS = ("model", "checks", "train", "label", "tests", "data", "backprop")
USE = """
import torch
from backproof import assert_gradients, check_function
x = torch.linspace(-1, 1, 6).reshape(2, 3).requires_grad_()
of_loss = assert_gradients(lambda: x.sigmoid().sum(), {"x": x})
of_function = check_function(torch.exp, torch.exp, (x,))
print(of_loss.outcome, of_function.outcome)
import model
print(model.MINE)
"""


@pytest.fixture
def clashing(tmp_path: Path) -> Path:
    """A folder of somebody whose modules and packages have the names of ours, and end whoever
    imports them by mistake."""
    for name in THEIRS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('theirs')\n")
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('theirs')\n")
    for example in ("one_sample", "dictionary"):
        shutil.copy(ROOT / "examples" / f"{example}.py", tmp_path)
    return tmp_path


def backproof(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command as it is installed: found from anywhere, the current folder on the path."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": beside}
    return subprocess.run(
        [sys.executable, "-m", "backproof", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("example", "code"), [("one_sample", 1), ("dictionary", 0)])
def test_check_gives_the_verdict_that_it_gives_elsewhere(clashing, tmp_path_factory, example, code):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(ROOT / "examples" / f"{example}.py", elsewhere)
    here, there = (
        backproof("check", f"{example}.py", "--json", folder=folder)
        for folder in (clashing, elsewhere)
    )
    assert (here.returncode, there.returncode, here.stderr) == (code, code, "")
    assert without_times(here.stdout) == without_times(there.stdout)


def without_times(text: str) -> str:
    """The part of the JSON object that does not depend on the clock."""
    before, _, after = text.partition('"seconds": ')
    return before + after.partition(",")[2]


def test_train_and_label_find_their_own_modules(clashing):
    flags = ("--data", "bars", "--epochs", "1", "--run-dir", "run")
    trained = backproof("train", *flags, folder=clashing)
    assert (trained.returncode, trained.stderr) == (0, "")
    assert trained.stdout.splitlines()[-1].startswith("label: backproof label --run run 1 ")
    labelled = backproof("label", "--run", "run", "1", "1", "0", "0", folder=clashing)
    assert labelled.returncode == 0
    assert "horizontal" in labelled.stdout


def test_explain_is_a_command_and_a_flag(clashing):
    said = backproof("explain", folder=clashing)
    flag = backproof("check", "--explain", folder=clashing)
    assert said.returncode == flag.returncode == 0
    assert said.stdout == flag.stdout
    assert "(B5)" in said.stdout


def test_the_folder_that_pytest_puts_on_the_path_does_not_disturb(tmp_path):
    (tmp_path / "model.py").write_text("MINE = 3\n")
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n{USE}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("pass pass\n3\n", "")


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_without_a_command_it_teaches(words, tmp_path):
    done = backproof(*words, folder=tmp_path)
    assert done.returncode == 0
    for command in ("check", "train", "label", "explain"):
        assert f"\n  {command} " in done.stdout


def test_an_unknown_command_is_one_line(tmp_path):
    done = backproof("verify", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("backproof: expected one of check, ")
    assert done.stderr.endswith("got 'verify'. See backproof --help.\n")


def test_the_version_is_that_of_the_package(tmp_path):
    from backproof import __version__

    assert backproof("--version", folder=tmp_path).stdout == f"backproof {__version__}\n"


TWICE = """
import runpy, sys
sys.argv = ["checks", {arguments}]
try:
    runpy.run_module("checks", run_name="__main__", alter_sys=True)
except SystemExit:
    pass
from checks import assert_gradients
import backproof.train, backproof.label
OURS = "/backproof/", "/checks/", "/model/", "/train.py", "/label.py"
homes = {{}}
for name, module in list(sys.modules.items()):
    path = getattr(module, "__file__", None)
    if path and path.startswith(tuple({root!r} + part for part in OURS)):
        homes.setdefault(path, set()).add(name)
doors = {{{root!r} + "/checks/__init__.py", {root!r} + "/checks/__main__.py"}}
print(sorted(path for path, names in homes.items() if len(names) > 1 and path not in doors))
tops = {{name.partition(".")[0] for name in sys.modules}}
print(sorted(tops & {{"checks", "model", "train", "label"}}))
"""


@pytest.mark.parametrize("arguments", ["'examples/dictionary.py'", "'--problems', '1'"])
def test_no_module_lives_under_two_names(arguments):
    """Whatever the checkout's own doors load: `checks` itself, and nothing below it."""
    program = TWICE.format(arguments=arguments, root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-2:] == ["[]", "['checks']"]


NOT_THERE = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
from backproof.__main__ import main
sys.exit(main({arguments!r}))
"""


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("torch", ["train"]),
        ("torch", ["check"]),
        ("numpy", ["check", "mine.py"]),
        ("safetensors", ["label", "1"]),
        ("numpy", ["explain"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_is_not_installed_is_one_line_with_the_command_that_brings_it(
    package, arguments, tmp_path
):
    program = NOT_THERE.format(package=package, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    start = f"backproof {arguments[0]}: expected the package {package}, which this Python does not"
    assert done.stderr.startswith(start)
    assert f"{sys.executable} -m pip install " in done.stderr


def test_a_module_of_ours_that_is_missing_is_a_fault_and_no_advice():
    from backproof.model.packages import lacking

    assert lacking(ModuleNotFoundError("gone", name="backproof.model.gone")) is None
    assert "torch" in str(lacking(ModuleNotFoundError("gone", name="torch.nn")))


def test_current_folder_is_looked_into_last_if_it_is_ours_and_else_not_at_all(
    tmp_path, monkeypatch
):
    """In a checkout that nobody installed, `python -m backproof` starts processes that need it."""
    from backproof.__main__ import _look_nowhere_else

    for here, left in (
        (ROOT.resolve(), ["/elsewhere", str(ROOT.resolve())]),
        (tmp_path, ["/elsewhere"]),
    ):
        monkeypatch.chdir(here)
        monkeypatch.setattr(sys, "path", ["", str(here), "/elsewhere"])
        _look_nowhere_else()
        assert sys.path == left

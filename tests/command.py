"""`python -m checks` as a person types it: in a process of its own, where types are not checked at
run time and time is real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """What came of it."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """One JSON object a line."""
        return [json.loads(line, parse_constant=_no_number) for line in self.out.splitlines()]


def _no_number(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def once(
    factory: pytest.TempPathFactory, worker: str, name: str, run: Callable[[Path], Done]
) -> Done:
    """What a command did in a folder of that name: run by the first worker that wants it, and read
    by the others."""
    if worker == "master":
        return run(factory.mktemp(name))
    folder = factory.getbasetemp().parent / name
    with FileLock(folder.with_suffix(".lock")):
        said = folder.with_suffix(".json")
        if not said.exists():
            folder.mkdir()
            said.write_text(json.dumps(asdict(run(folder))))
        return Done(**json.loads(said.read_text()))


def checks(*arguments: object, folder: Path = ROOT, **environment: str) -> Done:
    """Run the program in a folder, with these variables of the environment set."""
    start = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from backproof.checks.__main__ "
        "import main; sys.exit(main(sys.argv[1:]))"
    )
    return python("-P", "-c", start, *arguments, folder=folder, **environment)


def told_of(
    factory: pytest.TempPathFactory,
    worker: str,
    name: str,
    sources: dict[str, str],
    *flags: str,
) -> dict[str, dict[str, Any]]:
    """What the program says of files, given by their stems, in one call in a folder of that name,
    with these flags."""

    def run(folder: Path) -> Done:
        for stem, source in sources.items():
            (folder / f"{stem}.py").write_text(source)
        return checks(*(f"{stem}.py" for stem in sources), "--json", *flags, folder=folder)

    found = once(factory, worker, name, run).objects
    return {Path(one["candidate"]).stem: one for one in found}


def python(*arguments: object, folder: Path = ROOT, **environment: str) -> Done:
    """Run Python in a folder, with these variables of the environment set."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    return Done(done.returncode, done.stdout, done.stderr)

"""What a hostile submission can and cannot do, tried: docs/grading.md says the same, row by row."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, Done, checks
from test_submissions import RIGHT, written

from backproof.checks.candidates.isolation import isolation

PAGE = (ROOT / "docs" / "grading.md").read_text()
IN_THE_WAY = isolation("auto").why_not
SECRET = "for nobody's eyes"


@dataclass
class World:
    """What surrounds the submissions, and what may have become of it."""

    folder: Path
    listening: socket.socket
    bystander: subprocess.Popen[bytes]
    done: Done
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def outside(self) -> Path:
        return self.folder.parent / "outside"

    def told(self, name: str) -> str:
        """All that is said of one."""
        return str(self.found[name])

    def was_called(self) -> bool:
        """Whether somebody connected."""
        try:
            self.listening.accept()[0].close()
        except BlockingIOError:
            return False
        return True


def ends(marker: str) -> bool:
    """Whether what has this in its command line is gone, or goes within two seconds."""
    until = time.monotonic() + 2
    while runs(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def runs(marker: str) -> bool:
    """Whether any process has this in its command line."""
    for listed in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in listed.read_bytes():
                return True
        except OSError:
            continue
    return False


# what is tried, in the words of the page: the line that tries it, and whether it was contained
ATTEMPTS = {
    "read a file of yours": (
        "reads",
        "raise ValueError(open('{outside}/secret.txt').read())",
        lambda world: SECRET not in world.told("reads"),
    ),
    "read a classmate's file": (
        "copies",
        "raise ValueError(open('{folder}/classmate.py').read()[-60:])",
        lambda world: "return dW, db" not in world.told("copies"),
    ),
    "read a secret in the environment": (
        "asks",
        "import os; raise ValueError(os.environ['SOME_TOKEN'])",
        lambda world: SECRET not in world.told("asks"),
    ),
    "write a file of yours": (
        "writes",
        "open('{outside}/secret.txt', 'a').write('x')",
        lambda world: (world.outside / "secret.txt").read_text() == SECRET,
    ),
    "change a classmate's file": (
        "spoils",
        "open('{folder}/other.py', 'w').write('x')",
        lambda world: (world.folder / "other.py").read_text() == RIGHT,
    ),
    "use the network": (
        "calls",
        "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
        lambda world: not world.was_called(),
    ),
    "end a process of yours": (
        "kills",
        "import os; os.kill({bystander}, 9)",
        lambda world: world.bystander.poll() is None,
    ),
    "end the checker": (
        "ends",
        "import os; os.kill(os.getppid(), 9)",
        lambda world: "ended the process of the checker" not in world.told("ends"),
    ),
    "write into the checker's output": (
        "speaks",
        "import os; os.write(os.open(f'/proc/{{os.getppid()}}/fd/2', 1), b'all are right')",
        lambda world: "all are right" not in world.done.err,
    ),
    "leave a process running": (
        "stays",
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import os, time; "
        "os.setsid(); os.fork() and os._exit(0); time.sleep(20)', 'marker-{port}'])",
        lambda world: ends(f"marker-{world.listening.getsockname()[1]}"),
    ),
    "start hundreds of processes": (
        "forks",
        "import os, time; [os.fork() for _ in range(8)]; time.sleep(9)",
        lambda world: "started more than" in world.told("forks")
        or "did not return" in world.told("forks"),
    ),
    "write a terabyte into a file": (
        "fills",
        "file = open('large', 'wb'); file.truncate(2**40)",
        lambda world: "File too large" in world.told("fills"),
    ),
    "hang": ("hangs", "while True: pass", lambda world: "did not return" in world.told("hangs")),
    "give the checker more to read than it can hold": (
        "answers",
        "return [np.ones((2 * 10**4, 10**3))], []",
        lambda world: "gave an answer of" in world.told("answers"),
    ),
}  # fmt: skip


@contextmanager
def world(folder: Path, mode: str) -> Iterator[World]:
    """Every attempt in one call, beside two right submissions."""
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.txt").write_text(SECRET)
    submissions = folder / "submissions"
    submissions.mkdir()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander,
    ):
        listening.setblocking(False)
        values = {
            "outside": folder / "outside",
            "folder": submissions,
            "port": listening.getsockname()[1],
            "bystander": bystander.pid,
        }
        sources = {
            name: RIGHT.replace("    a = [x]", f"    a = [x]\n    {line.format(**values)}")
            for name, line, _ in ATTEMPTS.values()
        }
        sources |= {"classmate": RIGHT, "other": RIGHT}
        paths = written(submissions, **sources)
        flags = ("--json", "--isolate", mode, "--time-limit", "6")
        done = checks(*paths, *flags, SOME_TOKEN=SECRET)
        there = World(submissions, listening, bystander, done)
        there.found = {Path(one["candidate"]).stem: one for one in done.objects}
        yield there
        bystander.kill()


@pytest.fixture(scope="module", params=["always", "never"])
def tried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, World]]:
    if request.param == "always" and IN_THE_WAY:
        pytest.skip(f"no isolation here: {IN_THE_WAY}")
    with world(tmp_path_factory.mktemp(request.param), request.param) as there:
        yield request.param, there


def on_the_page() -> dict[str, tuple[str, str]]:
    """The table: what is tried -> behind bubblewrap, and without."""
    table = PAGE.partition("| what it may try |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \| (contained|not) \| (contained|not) \|$", table, re.MULTILINE)
    return {what: (behind, without) for what, behind, without in rows}


def test_the_page_lists_what_is_tried() -> None:
    assert list(on_the_page()) == list(ATTEMPTS)


def test_each_is_contained_or_not_as_the_page_says(tried: tuple[str, World]) -> None:
    mode, there = tried
    column = ["always", "never"].index(mode)
    measured = {
        what: "contained" if contained(there) else "not"
        for what, (_, _, contained) in ATTEMPTS.items()
    }
    assert measured == {what: says[column] for what, says in on_the_page().items()}


def test_no_classmate_s_verdict_changes_and_everybody_gets_one(
    tried: tuple[str, World],
) -> None:
    mode, there = tried
    assert len(there.found) == len(ATTEMPTS) + 2
    assert there.found["classmate"]["verdict"] == "pass"
    if mode == "always":
        assert there.found["other"]["verdict"] == "pass"
        assert there.done.err == ""


def test_without_isolation_each_verdict_says_so(tried: tuple[str, World]) -> None:
    mode, there = tried
    notes = there.found["classmate"]["diagnosis"]["notes"]
    said = any("without isolation (--isolate never)" in note for note in notes)
    assert said == (mode == "never")

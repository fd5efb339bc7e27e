"""A candidate's process behind bubblewrap, where that is installed and works: it sees Python, the
packages and its own folder, reaches no network, and what it writes is gone when it ends."""

from __future__ import annotations

import ast
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backproof.checks.candidates.scratch import MOST_SHOWN, Scratch
from backproof.checks.candidates.source import Source
from backproof.model.command_line import BadInput

MODES = ("auto", "always", "never")
SCRATCH_BYTES = 2**28  # that may be written, in each place that can be written to
# files beside the candidate that it may overwrite, for itself; larger ones it can only read
MOST_COPIED = 32
LARGEST_COPIED = 2**20
# of the system: what running Python needs, as far as it is there
SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/alternatives",
)
ASIDE = (
    "/etc/localtime",
    "/etc/ssl",
    "/etc/pki",
    "/opt/homebrew",
    "/nix/store",
    "/sys/devices/system/cpu",
)
PROBE_S = 5.0


@dataclass(frozen=True)
class Isolation:
    """Whether bubblewrap stands between a candidate and the machine.

    Attributes:
        program: where bubblewrap is, or "".
        why_not: why there is none, as a clause, or "".
    """

    program: str = ""
    why_not: str = ""

    @property
    def note(self) -> str:
        """What a verdict says about it; "" where there is nothing to say."""
        if self.program:
            return ""
        return (
            f"it ran without isolation ({self.why_not}): with limits, but with the rights of "
            "whoever ran the checker."
        )


def isolation(mode: str, why_not: str = "") -> Isolation:
    """What there is for a mode of `MODES`.

    Args:
        why_not: where it is known that there is none: it is not tried again.
    Raises: BadInput for "always" where bubblewrap is missing or does not work.
    """
    if mode == "never":
        return Isolation(why_not="--isolate never")
    found = Isolation(why_not=why_not) if why_not else _bubblewrap()
    if mode == "always" and not found.program:
        raise BadInput(
            f"--isolate always: expected bubblewrap (bwrap) to work, got: {found.why_not}. Install "
            "it (apt-get install bubblewrap), or run the command in a container."
        )
    return found


@functools.lru_cache(maxsize=1)
def _bubblewrap() -> Isolation:
    """Found on the path, and tried once."""
    program = shutil.which("bwrap")
    if program is None:
        return Isolation(why_not="bubblewrap is not installed")
    walls = [program, *_walls(), *_in_order(_readable(_of_python()))]
    command = [*walls, "--", sys.executable, "-I", "-S", "-c", ""]
    empty = os.open(os.devnull, os.O_RDONLY)  # it must hand down descriptors, too
    try:
        tried = subprocess.run(
            command, capture_output=True, timeout=PROBE_S, check=False, pass_fds=(empty,)
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return Isolation(why_not="bubblewrap does not start")
    finally:
        os.close(empty)
    if tried.returncode:
        said = " ".join(tried.stderr.decode(errors="replace").split())[:120]
        return Isolation(why_not=f"bubblewrap does not work here: {said}")
    return Isolation(program)


def _walls() -> list[str]:
    """No network, no other processes, no shared memory of others, no terminal; all of it ends with
    the checker."""
    return [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    ]


class Walls:
    """The command that starts one candidate's process behind bubblewrap.

    Attributes:
        command: of bubblewrap, up to where Python's own begins.
        descriptors: which the process must inherit; `close` them when it has been started.
    """

    def __init__(
        self,
        program: str,
        source: Source,
        ours: Sequence[Path],
        *,
        alone: bool,
        scratch: Scratch | None = None,
    ) -> None:
        self.descriptors: list[int] = []
        folder = source.path.parent
        covered = ("/dev/shm", "/tmp", str(folder))
        mounts = _readable([*_of_python(), *map(str, ours)], covered)
        for place in covered:
            mounts[place] = ["--size", str(SCRATCH_BYTES), "--tmpfs", place]
        if scratch is not None:  # a copy in the place of the folder, which may be written to
            mounts[str(folder)] = ["--bind", str(scratch.folder), str(folder)]
            for path in scratch.too_much[:MOST_SHOWN]:
                mounts[str(path)] = ["--ro-bind-try", str(path.resolve()), str(path)]
        else:
            beside = imported(source) if alone else _entries(folder)
            for path in dict.fromkeys([source.path, *beside]):
                self._show(path, mounts)
        self.command = [program, *_walls(), *_in_order(mounts)]
        self.command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(folder), "--"]

    def _show(self, path: Path, mounts: dict[str, list[str]]) -> None:
        """A small file as a copy of its own, anything else as it is, to be read."""
        try:
            small = path.is_file() and path.stat().st_size <= LARGEST_COPIED
            if small and len(self.descriptors) < MOST_COPIED:
                self.descriptors.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                mounts[str(path)] = ["--file", str(self.descriptors[-1]), str(path)]
            elif path.is_file() or path.is_dir():
                mounts[str(path)] = ["--ro-bind", str(path.resolve()), str(path)]
        except OSError:  # unreadable for us, or gone: then it is not there for the candidate
            return

    def close(self) -> None:
        """Our ends of what the process has inherited."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def imported(source: Source) -> list[Path]:
    """The modules beside a candidate that it imports, and those that they import."""
    folder = source.path.parent
    found: dict[Path, None] = {}
    texts = [source.text]
    while texts:
        for name in _names_imported(texts.pop()):
            for path in (folder / f"{name}.py", folder / name):
                if path in found or path == source.path or not path.exists():
                    continue
                found[path] = None
                if path.is_file() and path.stat().st_size <= LARGEST_COPIED:
                    texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return list(found)


def _names_imported(text: str) -> Iterator[str]:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def _of_python() -> list[str]:
    """Where this interpreter and its packages are, without the folder that the checker runs in."""
    installed = [entry for entry in sys.path if "-packages" in entry or entry.endswith(".zip")]
    installed += os.environ.get("PYTHONPATH", "").split(os.pathsep)
    standard = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    real = os.path.realpath(sys.executable)
    prefixes = [
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        os.path.dirname(os.path.dirname(real)),
    ]
    return [*SYSTEM, *ASIDE, *prefixes, *standard, *installed]


def _readable(places: Sequence[str], covered: Sequence[str] = ()) -> dict[str, list[str]]:
    """How each of these places is shown, without those that lie in another of them.

    Args:
        covered: folders that something else will cover: what lies in them must be shown again.
    """
    found: dict[str, list[str]] = {}
    for place in sorted(set(places), key=_depth):
        shown = any(place.startswith(outer + os.sep) for outer in found)
        hidden = any(place.startswith(cover + os.sep) for cover in covered)
        there = place not in ("", os.sep, *covered) and os.path.lexists(place)
        if there and (hidden or not shown):
            found[place] = _as_it_is(place)
    return found


def _in_order(mounts: Mapping[str, Sequence[str]]) -> list[str]:
    """Outer folders first, so that none hides one in it."""
    words: list[str] = []
    for place in sorted(mounts, key=_depth):
        words += mounts[place]
    return words


def _depth(place: str) -> tuple[int, str]:
    return place.count(os.sep), place


def _as_it_is(place: str) -> list[str]:
    """A link stays a link, so that /lib may point into /usr."""
    if os.path.islink(place):
        return ["--symlink", os.readlink(place), place]
    return ["--ro-bind", place, place]

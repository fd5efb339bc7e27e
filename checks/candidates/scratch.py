"""A copy of a script's folder, in which the script is run: what it writes, deletes or overwrites
there is thrown away, and the person's own folder stays as it was."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from backproof.checks.candidates.source import ENDINGS, Source

MOST_FILES = 2_000
MOST_BYTES = 2**28  # of all copies together; copying so much takes half a second
MOST_LOOKED_AT = 20_000  # names, so that a script in a home folder starts at once
MOST_SHOWN = 64  # things that are too much to copy and are shown where they are
NEVER = (".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", "node_modules")
OWN_ENVIRONMENT = "pyvenv.cfg"  # lies in the top folder of a virtual environment


@dataclass
class Scratch:
    """A temporary copy of the folder of a script; a context manager, which removes it.

    Attributes:
        source: of the script.
        alone: whether it holds, of the folder, only the script, what it imports, and the files
            beside it whose names it mentions.
        imported: the modules beside it that it imports, where `alone`.
        folder: of the copy.
        too_much: files and folders that were not copied, because of their number or size.
    """

    source: Source
    alone: bool = False
    imported: tuple[Path, ...] = ()
    folder: Path = field(init=False)
    too_much: list[Path] = field(init=False, default_factory=list)

    def __enter__(self) -> Scratch:
        self.folder = Path(tempfile.mkdtemp(prefix="backproof-")).resolve()
        self._files = 0
        self._bytes = 0
        self._looked_at = 0
        (self.folder / self.source.path.name).write_bytes(self.source.content)
        if self.alone:
            for path in dict.fromkeys([*self.imported, *self._mentioned()]):
                self._copy(path, self.folder / path.name)
        else:
            self._copy_folder(self.source.path.parent, self.folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            for folder, _, _ in os.walk(self.folder):
                os.chmod(folder, stat.S_IRWXU)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def note(self) -> str:
        """What was not copied, in a sentence; "" where everything was."""
        if not self.too_much:
            return ""
        names = ", ".join(path.name for path in self.too_much[:3])
        more = len(self.too_much) - 3
        others = f" and {more} more" if more > 0 else ""
        return (
            f"it ran in a copy of its folder, of at most {MOST_FILES:,} files and "
            f"{MOST_BYTES >> 20} MiB; {names}{others} could be read at most, and not written."
        )

    def back(self, told: Any) -> Any:
        """What the script's process tells, with the paths of the person's own folder."""
        if isinstance(told, str):
            return told.replace(str(self.folder), str(self.source.path.parent))
        if isinstance(told, dict):
            return {self.back(key): self.back(value) for key, value in told.items()}
        if isinstance(told, list):
            return [self.back(one) for one in told]
        return told

    def moved(self, source: Source) -> Source:
        """The script as it lies in the copy."""
        return replace(source, path=self.folder / source.path.name)

    def _mentioned(self) -> Iterator[Path]:
        """Files beside the script that are no programs, and whose names stand in it."""
        for entry in _entries(self.source.path.parent):
            if entry.name in self.source.text and Path(entry.name).suffix not in ENDINGS:
                yield Path(entry.path)

    def _copy_folder(self, folder: Path, into: Path) -> None:
        """Its files first, so that what lies beside the script is there in any case."""
        entries = _entries(folder)
        self._looked_at += len(entries)
        files = [entry for entry in entries if not _is_folder(entry)]
        for entry in [*files, *(entry for entry in entries if _is_folder(entry))]:
            if entry.name != self.source.path.name or folder != self.source.path.parent:
                self._copy(Path(entry.path), into / entry.name)

    def _copy(self, path: Path, into: Path) -> None:
        if path.name in NEVER or (path / OWN_ENVIRONMENT).exists():
            return
        with suppress(OSError):  # unreadable, or gone: then it is not there for the script
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                full = self._files > MOST_FILES or self._looked_at > MOST_LOOKED_AT
                if path.is_symlink() or full:
                    self.too_much.append(path)
                    return
                into.mkdir()
                self._copy_folder(path, into)
            elif stat.S_ISREG(found.st_mode):
                self._files += 1
                if self._files > MOST_FILES or self._bytes + found.st_size > MOST_BYTES:
                    self.too_much.append(path)
                    return
                self._bytes += found.st_size
                shutil.copy2(path, into)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, the smallest first; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=_size)
    except OSError:
        return []


def _size(entry: os.DirEntry[str]) -> tuple[int, str]:
    try:
        return entry.stat().st_size, entry.name
    except OSError:
        return 0, entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def bytes_in(folder: Path) -> int:
    """How much lies in a folder and below it; what cannot be looked at counts nothing."""
    total = 0
    for entry in _entries(folder):
        if entry.is_symlink():
            continue
        total += bytes_in(Path(entry.path)) if _is_folder(entry) else _size(entry)[0]
    return total

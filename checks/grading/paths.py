"""What was named on the command line as files: patterns that the shell left as they were, and
folders."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from backproof.checks.candidates.source import ENDINGS
from backproof.model.command_line import BadInput


def expanded(named: Sequence[Path]) -> list[Path]:
    """Every file that was meant, each once, in the order of the names.

    A pattern stands for what it fits, as on Windows, whose shells expand none; a folder stands for
    the Python files and notebooks in it.

    Raises: BadInput for a folder without any, and for a pattern that nothing fits.
    """
    found: dict[Path, None] = {}
    for path in named:
        found |= dict.fromkeys(_meant(path))
    return list(found)


def _meant(path: Path) -> list[Path]:
    if path.is_dir():
        files = [entry for entry in _entries(path) if entry.suffix in ENDINGS and entry.is_file()]
        if not files:
            raise BadInput(
                f"expected Python files or notebooks in the folder {path}, got none. Name another."
            )
        return files
    if glob.has_magic(str(path)) and not os.path.lexists(path):
        files = sorted(map(Path, glob.glob(str(path))))
        if not files:
            raise BadInput(f"expected files that fit {path}, got none. Check the name.")
        return files
    return [path]


def _entries(folder: Path) -> list[Path]:
    """In the order of their names.

    Raises: BadInput if the folder cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise BadInput(
            f"expected a folder that can be read, got {folder} ({error.strerror}). Change its "
            "permissions."
        ) from error

"""What is not installed, told in one line with the command that installs it.

Checking somebody's file needs NumPy alone; training and labelling need what the extra `train` of
this package brings. So a package that is missing is no fault of the code, but a choice to be made.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import backproof

OURS = "backproof"


def lacking(error: ModuleNotFoundError) -> str | None:
    """Which package is missing, and the command that brings it to the interpreter that runs.

    Args:
        error: as Python raised it.
    Returns: a sentence, or None where the module is one of ours: then the error is a fault.
    """
    name = (error.name or "").partition(".")[0]
    if not name or name == OURS:
        return None
    command = shlex.join([sys.executable, "-m", "pip", "install", f"{_source()}[train]"])
    return f"expected the package {name}, which this Python does not have. Install it: {command}"


def _source() -> str:
    """What pip installs this project from: the checkout, where this is one."""
    return str(checkout() or OURS)


def checkout() -> Path | None:
    """The folder of the checkout that runs; None where what runs is installed, or nobody may
    look."""
    root = Path(backproof.__file__).resolve().parents[1]
    if os.path.isfile(root / "pyproject.toml"):  # Path.is_file raises where nobody may look
        return root
    return None

"""What belongs to everybody in a process: Python's own names, NumPy's, its error handling and
generator, the working folder.

A candidate that changes any of it would change the answers of whoever shares the process; so it is
noted, and put back after each call, for the sake of the code that runs next in the candidate's own.
"""

from __future__ import annotations

import builtins
import os
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

SPACES = {"Python's": vars(builtins), "NumPy's": vars(np)}
SHOWN = 3


class CommonGround:
    """As it was when this was made."""

    def __init__(self) -> None:
        self._names = {owner: dict(names) for owner, names in SPACES.items()}
        self._folder = os.getcwd()
        self._errors = np.geterr()
        self._random = random_state()

    def restored(self) -> dict[str, Any]:
        """Put it back, and say what had changed: {"seterr": bool, "taken": "Python's own len",
        "folder": bool, "random": digest}.

        Names come first, because what else is done here calls them. The generator stays: each call
        seeds it anew.
        """
        taken = [_taken(owner, self._names[owner], names) for owner, names in SPACES.items()]
        for owner, names in SPACES.items():
            names.update(self._names[owner])
        found: dict[str, Any] = {"taken": " and ".join(filter(None, taken))}
        found |= {"seterr": np.geterr() != self._errors, "folder": _folder() != self._folder}
        found |= {"random": now} if (now := random_state()) != self._random else {}
        np.seterr(**self._errors)
        os.chdir(self._folder)
        return found


def random_state() -> int:
    """A digest of NumPy's global generator."""
    state = np.random.get_state(legacy=False)["state"]
    return zlib.crc32(state["key"].tobytes() + str(state["pos"]).encode())


def _taken(owner: str, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """ "NumPy's own exp, log", of the names that now mean something else; new ones take nothing
    from anybody."""
    changed = [name for name, value in before.items() if name not in now or now[name] is not value]
    changed = [name for name in changed if not name.startswith("_")]
    if changed:
        return f"{owner} own {', '.join(changed[:SHOWN])}"
    return ""


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return ""

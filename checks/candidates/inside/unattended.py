"""What a script must not wait for when nobody sits before it: an answer, a window, a download, or
the time to read what it prints."""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import linecache
import os
import sys
import time
import types
from collections.abc import Sequence

# what opens windows or waits for them, by the module that has it
WINDOWS = {
    "matplotlib": ("use",),
    "matplotlib.pyplot": (
        "show",
        "pause",
        "ginput",
        "waitforbuttonpress",
    ),
}
CONNECTING = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")


class Asked(EOFError):
    """Input was asked for; for `except EOFError` of the script's own it is the end of it."""


class Unattended:
    """Takes the place of `input`, `time.sleep`, the windows of matplotlib, and the network.

    Attributes:
        asked: where the script first asked for input, as a clause, or "".
    """

    def __init__(self, path: str) -> None:
        self.asked = ""
        self._path = path

    def install(self) -> None:
        """In this process, from now on."""
        builtins.input = self._input
        time.sleep = _at_once
        sys.meta_path.insert(0, WithoutWindows())
        sys.addaudithook(_without_network)

    def _input(self, *_: object) -> str:
        frame = sys._getframe(1)
        number = frame.f_lineno
        line = linecache.getline(frame.f_code.co_filename, number).strip()
        name = os.path.basename(frame.f_code.co_filename)
        if not self.asked:
            self.asked = f"asks for input on line {number} of {name} ({line[:80]})"
        raise Asked("there is nobody to answer")


class WithoutWindows(importlib.abc.MetaPathFinder):
    """Lets others find the modules of `WINDOWS`, and makes those functions do nothing."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As the path of imports has it, with a loader that goes on after its own."""
        if name not in WINDOWS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Quieted(spec.loader)
        return spec


class _Quieted(importlib.abc.Loader):
    """Loads a module, and then replaces what waits."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """As the module's own loader makes it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run it as it is, and quieten it."""
        self._loader.exec_module(module)
        for name in WINDOWS[module.__name__]:
            setattr(module, name, _at_once)
        switch = vars(module).get("switch_backend")
        if switch is not None:  # pyplot itself calls it, for its first figure
            setattr(module, "switch_backend", lambda *_, **__: switch("agg"))  # noqa: B010


def _at_once(*_: object, **__: object) -> None:
    """In the place of what would wait."""


def _without_network(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: there is no network, and that is said at once."""
    if event not in CONNECTING:
        return
    is_local = event == "socket.connect" and not isinstance(arguments[1], tuple)
    if not is_local:
        raise OSError("a script that is watched has no network")

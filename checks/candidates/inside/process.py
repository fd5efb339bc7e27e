"""The process in which a candidate runs: it loads one file and answers calls until the pipe closes.

sandbox.py starts it. It needs NumPy, the standard library, and six files beside it that do no more,
so that it starts fast; nothing of this project is in the candidate's way. What a candidate raises
is reported, never raised.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib.machinery
import json
import os
import resource
import signal
import socket
import sys
import types
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.common_ground import CommonGround
from backproof.checks.candidates.inside.frames import LENGTH, Arrays, Header, pack, unpack
from backproof.checks.candidates.inside.protocol import PROTOCOLS, meant
from backproof.checks.candidates.inside.returned import COLLECT, Refused, plain
from backproof.checks.candidates.inside.watching import Watch, may_edit
from backproof.checks.candidates.inside.wording import raised, syntax_error, what_it_defines

# audit events
SPAWNING = (
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "subprocess.Popen",
)


def main(arguments: Sequence[str]) -> None:
    """Answer calls until the pipe closes."""
    channel = socket.socket(fileno=int(arguments[0]))
    path = arguments[1]
    settings = json.loads(arguments[2])
    _limit(settings)
    _leave_no_trace()
    sys.argv = [path]
    sys.path.insert(0, os.path.dirname(path))
    module, header = _load(path)
    process = os.getpid()
    reply = pack(header, {})
    while True:
        if os.getpid() != process:  # a fork of the candidate's own that came back out of its call
            os._exit(0)
        channel.sendall(LENGTH.pack(len(reply)) + reply)
        frame = _receive(channel)
        if frame is None or module is None:
            os._exit(0)  # without waiting for threads that the candidate left running
        reply = pack(*_answer(module, path, *unpack(frame)))


def _limit(settings: Header) -> None:
    """Memory, processor time, file size; and where the interpreter writes the line at which it
    hangs or crashes."""
    for name in ("DATA", "CPU", "FSIZE", "CORE"):
        limit = settings[name]
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some; the clock still holds
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
    stderr = os.dup(2)
    faulthandler.enable(stderr)
    faulthandler.register(signal.SIGUSR1, stderr, all_threads=False)


def _leave_no_trace() -> None:
    """Forget that this project was imported, so that a module of the candidate's own may be called
    `backproof`."""
    for name in [name for name in sys.modules if name.split(".")[0] == "backproof"]:
        del sys.modules[name]


def _load(path: str) -> tuple[types.ModuleType | None, Header]:
    """Import the file under its own name; the reply says what it defines, or why it cannot be
    used."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = stem if stem.isidentifier() and stem not in sys.modules else "candidate"
    try:
        module = sys.modules[name] = types.ModuleType(name)
        module.__file__ = path
        importlib.machinery.SourceFileLoader(name, path).exec_module(module)
    except BaseException as error:
        return None, {
            "complaint": syntax_error(error, path) or f"importing it {raised(error, path)}"
        }
    defined = meant(vars(module))
    if not set(PROTOCOLS) & set(defined):
        wanted = "neither gradients(W, b, x, y) nor step(W, b, x, y, learning_rate)"
        return None, {"complaint": f"defines {wanted}; {what_it_defines(path)}"}
    sys.addaudithook(_note_processes)
    constants = {name: value for name, value in vars(module).items() if name.isupper()}
    plainly = {name: plain(value) for name, value in constants.items()}
    return module, {"functions": defined, "constants": plainly, "may_edit": may_edit(path)}


def _answer(
    module: types.ModuleType, path: str, header: Header, given: Arrays
) -> tuple[Header, Arrays]:
    """One call, with copies of what was given; what it returned as arrays, and what it did
    beside."""
    call = header["call"]
    L = header["layers"]
    copies = {name: array.copy() for name, array in given.items()}
    W = [copies[f"W{layer}"] for layer in range(1, L + 1)]
    b = [copies[f"b{layer}"] for layer in range(1, L + 1) if f"b{layer}" in copies]
    samples = {"forward": [copies["x"]]}.get(call, [copies["x"], copies["y"]])
    rate = [header["learning_rate"]] if call == "step" else []
    folder = os.path.dirname(path) + os.sep
    watch = Watch(lambda file: file.startswith(folder), [*W, *b])
    np.random.seed(header["seed"])
    reply, returned = _run(
        vars(module)[call],
        [W, b, *samples, *rate],
        watch if header["watch"] else contextlib.nullcontext(),
        path,
    )
    reply |= {"seed": header["seed"], "edits": watch.found}
    arrays: Arrays = {}
    try:
        if "complaint" not in reply:
            collected, arrays = COLLECT[call](returned, W, b, bool(b))
            reply |= collected
    except Refused as refused:
        reply["complaint"] = str(refused)
    except BaseException as error:  # what it returned is made into arrays by methods of its own
        reply["complaint"] = raised(error, path)
    if "complaint" in reply:
        reply["complaint"] = f"{call} {reply['complaint']}"
    return reply | {"changed": _changed(given, W, b, copies), "processes": list(_processes)}, arrays


def _run(
    function: Any, arguments: Sequence[object], watch: AbstractContextManager[object], path: str
) -> tuple[Header, object]:
    """What it returned, or the clause on what it raised; and what it changed for everybody, which
    is put back."""
    ground = CommonGround()
    returned = None
    _processes.clear()
    _watching.append(True)
    try:
        with watch:
            returned = function(*arguments)
    except BaseException as error:
        failure: BaseException | None = error
    else:
        failure = None
    _watching.clear()
    return ground.restored() | ({"complaint": raised(failure, path)} if failure else {}), returned


_processes: list[str] = []
_watching: list[bool] = []


def _note_processes(event: str, _: object) -> None:
    """An audit hook: remembers on which line of whose file a call started a process."""
    if _watching and event in SPAWNING and not _processes:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename.startswith(
            (sys.prefix, sys.base_prefix, "<")
        ):
            frame = frame.f_back
        _processes.append(f"line {frame.f_lineno} of {os.path.basename(frame.f_code.co_filename)}")


def _changed(given: Arrays, W: Sequence[object], b: Sequence[object], copies: Arrays) -> list[str]:
    """The names of the arguments that are no longer what they were."""
    L = sum(name.startswith("W") for name in given)
    now: dict[str, object] = {name: copies[name] for name in ("x", "y")}
    now |= {f"W{layer}": W[layer - 1] if layer <= len(W) else None for layer in range(1, L + 1)}
    now |= {
        f"b{layer}": b[layer - 1] if layer <= len(b) else None
        for layer in range(1, L + 1)
        if f"b{layer}" in given
    }
    return [name for name, array in given.items() if not _same(array, now[name])]


def _same(before: np.ndarray, after: object) -> bool:
    return (
        isinstance(after, np.ndarray)
        and before.shape == after.shape
        and bool((before == after).all())
    )


def _receive(channel: socket.socket) -> bytes | None:
    """One frame, or None when the other side has closed the pipe."""
    length = _exactly(channel, LENGTH.size)
    if length:
        return _exactly(channel, LENGTH.unpack(length)[0])
    return None


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        if not (part := channel.recv(min(count - len(found), 2**20))):
            return None
        found += part
    return bytes(found)

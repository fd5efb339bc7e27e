"""The process in which a candidate runs: it loads one source and answers calls until the channel
closes.

sandbox.py starts it. It needs NumPy, the standard library, and the files beside it that do no more,
so that it starts fast; nothing of this project is in the candidate's way. What a candidate raises
is reported, never raised.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import time
import types
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.checks.candidates.inside import loading
from backproof.checks.candidates.inside.channel import (
    opened,
    receive,
    send,
    standard_input_taken,
)
from backproof.checks.candidates.inside.common_ground import CommonGround
from backproof.checks.candidates.inside.frames import Arrays, Header, pack, unpack
from backproof.checks.candidates.inside.libraries import Libraries, takes_complex_steps
from backproof.checks.candidates.inside.limits import Hangs, end_with_the_checker, limit
from backproof.checks.candidates.inside.objects import Network
from backproof.checks.candidates.inside.protocol import PROTOCOLS, meant
from backproof.checks.candidates.inside.recorder import Recorder, is_in_folder
from backproof.checks.candidates.inside.recording import pack as pack_recording
from backproof.checks.candidates.inside.returned import COLLECT, Refused, plain
from backproof.checks.candidates.inside.script import watched_script
from backproof.checks.candidates.inside.slopes import collected, slopes
from backproof.checks.candidates.inside.standins import StandIns
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


@dataclass(frozen=True)
class Loaded:
    """A candidate that can be called, and what watches over it.

    Attributes:
        module: what its source made.
        path: of its file.
        text: its source.
        libraries: which it has imported.
        standins: which modules it did not find.
        networks: the last object that its `make` built, if any.
    """

    module: types.ModuleType
    path: str
    text: str
    libraries: Libraries
    standins: StandIns
    networks: list[Network] = field(default_factory=list)

    def function(self, header: Header) -> Callable[..., object]:
        """What a question calls: a function of the candidate's, or a step of the object that its
        `make` builds."""
        if header.get("made"):
            return functools.partial(self._step, keeps=bool(header["keeps"]))
        found: Callable[..., object] = vars(self.module)[header["call"]]
        if header["call"] == "loss":
            return functools.partial(slopes, found)
        return found

    def _step(
        self,
        W: list[np.ndarray],
        b: list[np.ndarray],
        x: np.ndarray,
        y: np.ndarray,
        rate: float,
        *,
        keeps: bool,
    ) -> object:
        """A step of a new object; or of the one before, from the weights that it was made of."""
        if not (keeps and self.networks and self.networks[-1].put_back(W, b)):
            self.networks[:] = [Network(self.module.make(W, b), W, b)]
        return self.networks[-1].step(x, y, rate)

    def noted(self, engine: str = "") -> Header:
        """What is told of it beside its answers."""
        found: Header = {
            "imported": self.libraries.imported(self.text),
            "replaced": list(self.standins.used),
        }
        if engine:
            found["engine"] = engine
        return found


def main(arguments: Sequence[str]) -> None:
    """Answer calls until the channel closes."""
    settings = json.loads(arguments[0])
    path = settings["path"]
    token, lifeline = standard_input_taken()
    end_with_the_checker(lifeline)
    limit(settings["limits"])
    hangs = Hangs()
    channel = opened(settings["channel"], token)
    source = receive(channel)
    if source is None:
        os._exit(0)
    _leave_no_trace()
    sys.argv = [path, *settings["arguments"]]
    loading.search_beside(path)
    pieces = loading.pieces_of(path, source, is_notebook=settings["notebook"])
    if settings.get("watch"):
        with hangs.told_within(settings["import_until"] - time.time()):
            send(channel, pack(*watched_script(path, pieces)))
        os._exit(0)
    with hangs.told_within(settings["import_until"] - time.time()):
        loaded, header = _load(path, pieces, definitions_only=settings["definitions_only"])
    process = os.getpid()
    reply = pack(header, {})
    while True:
        if os.getpid() != process:  # a fork of the candidate's own that came back out of its call
            os._exit(0)
        send(channel, reply)
        frame = receive(channel)
        if frame is None or loaded is None:
            os._exit(0)  # without waiting for threads that the candidate left running
        question, given = unpack(frame)
        with hangs.told_within(question["limit_s"]):
            reply = pack(*_answer(loaded, question, given))


def _leave_no_trace() -> None:
    """Forget that this project was imported, so that a module of the candidate's own may be called
    `backproof`."""
    for name in [name for name in sys.modules if name.split(".")[0] == "backproof"]:
        del sys.modules[name]


def _load(
    path: str, pieces: Sequence[loading.Piece], *, definitions_only: bool
) -> tuple[Loaded | None, Header]:
    """Execute the source as a module; the reply says what it defines, or why it cannot be used."""
    module = loading.module_named_after(path)
    standins = StandIns()
    sys.meta_path.append(standins)
    text = loading.text_of(pieces)
    loaded = Loaded(module, path, text, Libraries(), standins)
    try:
        left_out = loading.run(pieces, module, definitions_only=definitions_only)
    except BaseException as error:
        unreadable = syntax_error(error, path)
        complaint = unreadable or f"importing it {raised(error, path)}"
        return None, {"complaint": complaint, "imports": not unreadable} | loaded.noted()
    defined = meant(vars(module))
    if not set(PROTOCOLS) & set(defined):
        wanted = "neither gradients(W, b, x, y) nor step(W, b, x, y, learning_rate) nor make(W, b)"
        return None, {"complaint": f"defines {wanted}; {what_it_defines(text)}"} | loaded.noted()
    sys.addaudithook(_note_processes)
    constants = {name: value for name, value in vars(module).items() if name.isupper()}
    return loaded, loaded.noted("the complex step" if takes_complex_steps(text) else "") | {
        "functions": defined,
        "constants": {name: plain(value) for name, value in constants.items()},
        "may_edit": may_edit(text, os.path.dirname(path)),
        "left_out": left_out,
    }


def _answer(loaded: Loaded, header: Header, given: Arrays) -> tuple[Header, Arrays]:
    """One call, with copies of what was given; what it returned as arrays, and what it did
    beside."""
    path = loaded.path
    call = header["call"]
    L = header["layers"]
    copies = {name: array.copy() for name, array in given.items()}
    W = [copies[f"W{layer}"] for layer in range(1, L + 1)]
    b = [copies[f"b{layer}"] for layer in range(1, L + 1) if f"b{layer}" in copies]
    samples = {"forward": [copies["x"]]}.get(call, [copies["x"], copies["y"]])
    rate = [header["learning_rate"]] if call == "step" else []
    folder = os.path.dirname(path) + os.sep
    watch = Watch(lambda file: file.startswith(folder), [*W, *b])
    recorder = Recorder(is_in_folder(folder)) if header.get("record") else None
    beside = recorder or (watch if header["watch"] else contextlib.nullcontext())
    np.random.seed(header["seed"])
    reply, returned = _run(loaded.function(header), [W, b, *samples, *rate], beside, path)
    reply |= loaded.noted(watch.engine)
    reply |= {"seed": header["seed"], "edits": watch.found}
    arrays: Arrays = {}
    try:
        if "complaint" not in reply:
            if call == "loss":
                told, arrays = collected(returned)
            else:
                told, arrays = COLLECT[call](returned, W, b, bool(b))
            reply |= told
    except Refused as refused:
        reply["complaint"] = str(refused)
    except BaseException as error:  # what it returned is made into arrays by methods of its own
        reply["complaint"] = raised(error, path)
    if "complaint" in reply:
        reply["complaint"] = f"{call} {reply['complaint']}"
    if recorder is not None:
        reply["recorded"], recorded = pack_recording(recorder)
        arrays |= recorded
    return reply | {"changed": _changed(given, W, b, copies), "processes": list(_processes)}, arrays


def _run(
    function: Any, arguments: Sequence[object], watch: AbstractContextManager[object], path: str
) -> tuple[Header, object]:
    """What it returned, or the clause on what it raised; and what it changed for everybody, which
    is put back."""
    ground = CommonGround()
    returned = None
    complaint: Header = {}
    _processes.clear()
    _watching.append(True)
    try:
        with watch:
            returned = function(*arguments)
    except Refused as refused:
        complaint = {"complaint": str(refused)}
    except BaseException as error:
        # names first, which the candidate may have taken from everybody
        changed = ground.restored()
        _watching.clear()
        return changed | {"complaint": raised(error, path)}, None
    _watching.clear()
    return ground.restored() | complaint, returned


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

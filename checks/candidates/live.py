"""A candidate that is a function in this process: somebody's own, handed over in a notebook.

It takes the place of a file in its sandbox: the same questions, the same translation, the same
diagnosis. What differs is whose process it is. Nothing is limited, Ctrl-C is the person's own, and
whatever a call changes for everybody (NumPy's generator, its error handling, the working folder) is
as it was when the call is over.
"""

from __future__ import annotations

import contextlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from backproof.checks.candidates.conventions import CONSTANTS, Conventions
from backproof.checks.candidates.declared import read_constants
from backproof.checks.candidates.inside.common_ground import CommonGround
from backproof.checks.candidates.inside.frames import Arrays, Header
from backproof.checks.candidates.inside.recorder import Recorder
from backproof.checks.candidates.inside.recording import Recording, pack
from backproof.checks.candidates.inside.recording import of as recording_of
from backproof.checks.candidates.inside.returned import COLLECT, Refused
from backproof.checks.candidates.inside.slopes import collected, slopes
from backproof.checks.candidates.inside.watching import may_edit as can_edit
from backproof.checks.candidates.inside.wording import raised
from backproof.checks.candidates.output import Output

Function = Callable[..., Any]
WATCHED_LINES = 4_000  # that are looked at while a training goes on
# how `check` calls a constant, where that is not the constant's own name in small letters
CONSTANT_OF = {"activation": "HIDDEN"}


class LiveProcess:
    """Functions that are called where they are: what a sandbox is to a file.

    Args:
        functions: by the names of the protocol: "gradients", "step", "forward", "intermediates".
    Attributes:
        path: of the file in which the first of them was written, for sentences.
        files: all files, or cells, in which something stands that these functions can see.
        text: of that file, or "" where there is none.
        out: what was printed, which here goes to the person's own screen: always empty.
    """

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.functions = dict(functions)
        first = next(iter(self.functions.values()))
        self.path = Path(_source_of(first))
        self.files = {value.__code__.co_filename for value in _theirs(self.functions)}
        self.out = Output()
        self.text = ""
        with contextlib.suppress(OSError):  # it was typed, or stood in a cell
            self.text = self.path.read_text("utf-8", errors="replace")

    def call(self, header: Header, given: Arrays) -> tuple[Header, Arrays]:
        """One call with copies of what is given: what it returned as arrays, and what it changed.

        Raises: KeyboardInterrupt, which is the person's own.
        """
        kind = header["call"]
        copies = {name: array.copy() for name, array in given.items()}
        layers = range(1, header["layers"] + 1)
        W = [copies[f"W{layer}"] for layer in layers]
        b = [copies[f"b{layer}"] for layer in layers if f"b{layer}" in copies]
        arguments = [W, b, copies["x"]]
        if kind != "forward":
            arguments.append(copies["y"])
        if kind == "step":
            arguments.append(header["learning_rate"])
        reply: Header = {"seed": header["seed"]}
        arrays: Arrays = {}
        drawn = np.random.get_state()
        np.random.seed(header["seed"])
        ground = CommonGround()
        recorder = Recorder(self.files.__contains__) if header.get("record") else None
        try:
            with recorder or contextlib.nullcontext():
                if kind == "loss":
                    told, arrays = collected(
                        slopes(self.functions[kind], W, b, copies["x"], copies["y"])
                    )
                else:
                    returned = self.functions[kind](*arguments)
                    told, arrays = COLLECT[kind](returned, W, b, bool(b))
            reply |= told
        except Refused as refused:
            reply["complaint"] = f"{kind} {refused}"
        except (Exception, SystemExit) as error:
            # a candidate is under test: what it raises is a finding, and a notebook goes on
            reply["complaint"] = f"{kind} {raised(error, str(self.path))}"
        finally:
            reply |= ground.restored()
            np.random.set_state(drawn)
        if recorder is not None:
            reply["recorded"], recorded = pack(recorder)
            arrays |= recorded
        return reply | {"changed": _changed(given, W, b, copies)}, arrays


def recorded(function: Function) -> tuple[Recording, str]:
    """What the lines of the person's make while one of their functions runs to its end, as far as
    that is looked at; and what it raised, or "".

    Raises: KeyboardInterrupt, which is the person's own.
    """
    process = LiveProcess({"watch": function})
    recorder = Recorder(process.files.__contains__, WATCHED_LINES, notes_given=True)
    complaint = ""
    try:
        with recorder:
            function()
    except (Exception, SystemExit) as error:
        complaint = raised(error, str(process.path))
    return recording_of(recorder), complaint


def declared(functions: Mapping[str, Function], settings: Mapping[str, Any]) -> Conventions:
    """What keyword arguments declare, as a file's constants would.

    Args:
        functions: which the person handed over, by protocol.
        settings: such as {"activation": "relu", "layout": "in,out"}.
    Raises: NotAConvention for a value that is none; TypeError for a name that is none.
    """
    constants: dict[str, Any] = {}
    for name, value in settings.items():
        constant = CONSTANT_OF.get(name, name.upper())
        if constant not in CONSTANTS:
            known = ", ".join(sorted(_keyword(constant) for constant in CONSTANTS))
            raise TypeError(f"check: expected {known}, got {name}={value!r}")
        constants[constant] = list(value) if isinstance(value, tuple) else value
    return read_constants(constants, list(functions))


def _keyword(constant: str) -> str:
    """What `check` calls a constant."""
    other = {known: name for name, known in CONSTANT_OF.items()}
    return other.get(constant, constant.lower())


def may_edit(functions: Mapping[str, Function]) -> bool:
    """Whether a line of the person's can edit an array in place, as far as their source is there:
    the whole file, or every cell that defined something that these functions can see."""
    try:
        texts = [textwrap.dedent(inspect.getsource(value)) for value in _theirs(functions)]
    except OSError:  # it was typed, and is nowhere to be read
        return True
    return any(can_edit(text, "") for text in texts)


def _theirs(functions: Mapping[str, Function]) -> list[FunctionType]:
    """The functions that were handed over, and every function and method of the same module that
    they can see."""
    found: list[FunctionType] = []
    for function in functions.values():
        inner = inspect.unwrap(function)
        known = list(getattr(inner, "__globals__", {}).values())
        classes = [value for value in known if inspect.isclass(value)]
        for owner in classes:
            known += list(vars(owner).values())
        for value in [inner, getattr(inner, "__func__", None), *known]:
            same = getattr(value, "__module__", None) == getattr(inner, "__module__", "")
            if isinstance(value, FunctionType) and same and value not in found:
                found.append(value)
    return found


def _source_of(function: Function) -> str:
    """The file, or the cell, in which a function stands."""
    try:
        return inspect.getsourcefile(inspect.unwrap(function)) or "<function>"
    except TypeError:
        return f"<{type(function).__name__}>"


def _changed(given: Arrays, W: list[Any], b: list[Any], copies: Arrays) -> list[str]:
    """The names of the arguments that are no longer what they were."""
    now: dict[str, Any] = {"x": copies["x"], "y": copies["y"]}
    for letter, arrays in (("W", W), ("b", b)):
        for layer, array in enumerate(arrays, start=1):
            now[f"{letter}{layer}"] = array
    return [name for name, array in given.items() if not _same(array, now.get(name))]


def _same(before: np.ndarray, after: object) -> bool:
    if not isinstance(after, np.ndarray) or before.shape != after.shape:
        return False
    return bool((before == after).all())

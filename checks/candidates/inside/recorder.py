"""Records, while somebody's function runs, which line of their files makes which numbers.

A line tracer looks, after each executed line, at the names that this line mentions: locals, globals
and what they hold. What has changed since it was last seen was made by that line. Functions of
other people's libraries have no lines here; what they return is found where it is kept. It needs
NumPy and the standard library alone, and runs in the process of the candidate.
"""

from __future__ import annotations

import dis
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.kept import Kept
from backproof.checks.candidates.inside.values import Found, Reader, Slot

MOST_LINES = 200_000  # executed; what comes after them is not looked at
MOST_SCALARS = 200_000
MOST_FILLING = 40_000  # lines of short loops that fill arrays, beside the others
SHORT_LOOP = 4  # lines
LONG_RUN = 40  # lines of it, after which it counts as one
NOWHERE: Mapping[Slot, Found] = {}
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
GENERATOR = 0x20  # of the flags of a code object

Trace = Callable[[FrameType, str, Any], Any]


class Enough(BaseException):
    """What runs has been looked at long enough; no `except Exception` of theirs stops it."""


@dataclass(frozen=True)
class Site:
    """Where numbers were made.

    Attributes:
        file, line, function: of the line.
        name: as their program writes it; of an argument, the parameter; "" of what is returned.
        kind: "value" of what a name holds after the line, "edit" of an array that the function was
            given and that the line changes in place, "return" of what the line returns, "argument"
            of what it hands to one of the person's own functions.
        callee: the function that gets the argument.
    """

    file: str
    line: int
    function: str
    name: str
    kind: str
    callee: str = ""


@dataclass
class _Call:
    """One call of one function, while it runs."""

    serial: int
    file: str
    function: str
    caller: int  # index of the line of the caller, in Recorder.lines
    line: int | None = None
    given: dict[str, int] = field(default_factory=dict)  # identities of the arrays
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=SHORT_LOOP))
    run: int = 0  # lines since it has been in a loop of these


@dataclass
class Recorder:
    """While it is entered, looks at every line of the files that `is_own` says are the person's.

    Attributes:
        is_own: whether a file is one of theirs, by its name.
        most_lines: of which more are executed, and not looked at.
        notes_given: whether what a function finds in its surroundings, made before any line was
            seen, counts as made where the function is entered.
        stops_after_s: seconds after which, or after `most_lines`, what runs is ended by Enough;
            None where it may go on.
        sites: every place where numbers were made.
        kept: the arrays.
        scalars: (time, site, value, caller's line) of single numbers.
        lines: (file, line) of callers.
        limits: what was left out because a limit was reached, in words.
        unseen: when arrays that were too large to be looked at last changed, by name.
        ended: file, line and function where the outermost call returned.
    """

    is_own: Callable[[str], bool]
    most_lines: int = MOST_LINES
    stops_after_s: float | None = None
    notes_given: bool = False
    sites: list[Site] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)
    scalars: list[tuple[int, int, float, int]] = field(default_factory=list)
    lines: list[tuple[str, int]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    unseen: dict[str, int] = field(default_factory=dict)
    ended: tuple[str, int, str] | tuple[()] = ()

    def __post_init__(self) -> None:
        self.time = 0
        self._executed = 0
        self._filling = 0
        self._is_more = False  # whether the last line made anything but a part of an array
        self._calls = 0
        self._own: dict[str, bool] = {}
        self._modules: dict[str, bool] = {}
        self._site_of: dict[Site, int] = {}
        self._line_of: dict[tuple[str, int], int] = {}
        self._slot_of: dict[Slot, int] = {}
        self._began = 0.0
        self._last: dict[Slot, Any] = {}
        self._inside: dict[int, dict[Any, int]] = {}  # and when each was first there
        self._names: dict[CodeType, dict[int, tuple[str, ...]]] = {}
        self._suspended: dict[int, tuple[CodeType, _Call]] = {}
        self._reader = Reader(self._is_own_module, self._is_own_file)

    def __enter__(self) -> Recorder:
        self._began = time.monotonic()
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not Enough and sys.gettrace() != self._called:
            self._say("the file sets a tracer of its own, and lines after that were not seen")
        sys.settrace(self._before)
        for skipped in sorted(self._reader.skipped):
            self._say(f"not looked at: {skipped}")
        self.unseen = dict(self._reader.changing)

    def _called(self, frame: FrameType, event: str, _: object) -> Trace | None:
        """A call: of a function that is theirs, note its arguments, and follow its lines."""
        code = frame.f_code
        if event != "call" or not self._is_own_file(code.co_filename):
            return None
        if code.co_name in COMPREHENSIONS or self._executed > self.most_lines:
            return None
        call = self._resumed(frame) or self._entered(frame)

        def follow(frame: FrameType, event: str, value: object) -> Trace:
            if event == "line":
                self._is_more = False
                self._finish(frame, call)
                call.line = frame.f_lineno
                self._count(call, call.line)
                self._enough()
            elif event == "return":
                self._finish(frame, call)
                call.line = None
                self._returned(frame, call, value)
            return follow

        return follow

    def _count(self, call: _Call, line: int) -> None:
        """One line more, unless a short loop fills an array, entry by entry or row by row."""
        call.run = call.run + 1 if line in call.recent else 0
        call.recent.append(line)
        if call.run > LONG_RUN and not self._is_more and self._filling < MOST_FILLING:
            self._filling += 1
        else:
            self._executed += 1

    def _enough(self) -> None:
        """End what runs, where that was asked for and enough was seen."""
        if self.stops_after_s is None:
            return
        lasted = time.monotonic() - self._began
        is_full = bool(self.kept.limit)  # nothing that is made from now on would be seen
        if is_full or self._executed > self.most_lines or lasted > self.stops_after_s:
            raise Enough

    def _entered(self, frame: FrameType) -> _Call:
        """A new call; its arguments were made on the line of the caller, unless they were there
        before."""
        self._calls += 1
        code = frame.f_code
        caller = self._caller(frame)
        call = _Call(-self._calls, code.co_filename, code.co_qualname, caller[0])
        if code.co_flags & GENERATOR:
            self._suspended[id(frame)] = (code, call)
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
        parameters = code.co_varnames[:count]
        self.time += 1
        names = (*parameters, *code.co_freevars, *code.co_names)
        for name, found in self._search(frame, call, names):
            fresh = self._note(found)
            if found.identity and found.name in parameters:
                call.given[found.name] = found.identity
            place = caller[1]
            if place is None and self.notes_given:
                place = code.co_filename, code.co_firstlineno, code.co_qualname
            if place is not None and fresh and (name in parameters or self.notes_given):
                where = Site(*place, found.name, "argument", code.co_qualname)
                self._keep(where, found.value, call.caller)
        return call

    def _resumed(self, frame: FrameType) -> _Call | None:
        """The call of a generator that goes on."""
        code, call = self._suspended.get(id(frame), (None, None))
        if code is frame.f_code and frame.f_lasti > 8:
            return call
        return None

    def _caller(self, frame: FrameType) -> tuple[int, tuple[str, int, str] | None]:
        """The nearest line of theirs that is being executed, and where it is."""
        back = frame.f_back
        while back is not None and not self._is_own_file(back.f_code.co_filename):
            back = back.f_back
        if back is None:
            return -1, None
        code = back.f_code
        return self._line(code.co_filename, back.f_lineno or 0), (
            code.co_filename,
            back.f_lineno or 0,
            code.co_qualname,
        )

    def _finish(self, frame: FrameType, call: _Call) -> None:
        """The line that was being executed is done: what it changed, it made."""
        if call.line is None:
            return
        if self._executed > self.most_lines:
            self._say(f"nothing was looked at after {self.most_lines:,} lines")
            return
        self.time += 1
        names = self._mentioned(frame.f_code).get(call.line, ())
        places: dict[Slot, Found] = {}
        for _, found in self._search(frame, call, names):
            known = places.get(found.slot)
            if known is None or len(found.name) < len(known.name):
                places[found.slot] = found  # under the shortest of its names
        changed = [found for found in places.values() if self._note(found, places)]
        for found in changed:
            edited = found.identity and call.given.get(found.name) == found.identity
            kind = "edit" if edited else "value"
            where = Site(call.file, call.line, call.function, found.name, kind)
            self._keep(where, found.value, call.caller, self._slot(found.slot))
        for found in changed:
            for whole in self._reader.wholes_of(found.slot):
                if self._note(whole):  # the line mentions a part of it alone
                    where = Site(call.file, call.line, call.function, found.name, "value")
                    self._keep(where, whole.value, call.caller, self._slot(whole.slot))

    def _slot(self, slot: Slot) -> int:
        return self._slot_of.setdefault(slot, len(self._slot_of))

    def _returned(self, frame: FrameType, call: _Call, value: object) -> None:
        """What a function returns or yields."""
        if call.caller < 0:
            self.ended = (call.file, frame.f_lineno, call.function)
        if value is None or frame.f_code.co_name == "<module>":
            return
        self.time += 1
        for found in self._reader.look(call.serial, "", value):
            if not found.name or found.name.startswith("["):
                where = Site(call.file, frame.f_lineno, call.function, found.name, "return")
                self._keep(where, found.value, call.caller)

    def _search(
        self, frame: FrameType, call: _Call, names: tuple[str, ...]
    ) -> Iterator[tuple[str, Found]]:
        """All numbers that some names hold now."""
        locals_ = frame.f_locals
        globals_ = frame.f_globals
        for name in dict.fromkeys(names):
            if locals_ is not globals_ and name in locals_:
                owner = call.serial
                value = locals_[name]
            elif name in globals_ and not name.startswith("__"):
                owner = id(globals_)
                value = globals_[name]
            else:
                continue
            if type(value) is not ModuleType:
                self._reader.time = self.time
                for found in self._reader.look(owner, name, value):
                    yield name, found

    def _note(self, found: Found, places: Mapping[Slot, Found] = NOWHERE) -> bool:
        """Whether this place holds something else than when it was last looked at; an element that
        merely moved within its list, and is not at another of these places, too, does not
        count."""
        value = found.value
        mark: object = _digest(value)
        if found.slot in self._last and self._last[found.slot] == mark:
            return False
        self._last[found.slot] = mark
        if not found.in_container:
            return True
        inside = self._inside.setdefault(found.slot[0], {})
        if mark not in inside:
            inside[mark] = self.time
            return True
        # arrays that are there together are several, however alike, as biases are that are all zero
        # at first; of single numbers there may be thousands
        if type(value) is float:
            return False
        return inside[mark] == self.time or _is_beside(found, places)

    def _keep(self, where: Site, value: Any, caller: int, slot: int = -1) -> None:
        site = self._site_of.setdefault(where, len(self.sites))
        if site == len(self.sites):
            self.sites.append(where)
        if type(value) is float:
            if len(self.scalars) >= MOST_SCALARS:
                self._say(f"only the first {MOST_SCALARS:,} single numbers were kept")
            else:
                self.scalars.append((self.time, site, value, caller))
            return
        made = self.time, site, caller, slot
        self._is_more = self.kept.keep(value, _digest(value), made) or self._is_more
        if self.kept.limit:
            self._say(self.kept.limit)

    def _mentioned(self, code: CodeType) -> dict[int, tuple[str, ...]]:
        """The names on each line of a function."""
        if code not in self._names:
            found: dict[int, list[str]] = {}
            for instruction in dis.get_instructions(code):
                line = instruction.positions.lineno if instruction.positions else None
                if line is not None:
                    value = instruction.argval
                    for name in value if isinstance(value, tuple) else (value,):
                        if type(name) is str and name.isidentifier():
                            found.setdefault(line, []).append(name)
            self._names[code] = {line: tuple(dict.fromkeys(some)) for line, some in found.items()}
        return self._names[code]

    def _line(self, file: str, line: int) -> int:
        index = self._line_of.setdefault((file, line), len(self.lines))
        if index == len(self.lines):
            self.lines.append((file, line))
        return index

    def _is_own_file(self, file: str) -> bool:
        if file not in self._own:
            self._own[file] = self.is_own(file)
        return self._own[file]

    def _is_own_module(self, module: str) -> bool:
        """Whether a class was defined in one of their files, by the name of its module."""
        if module not in self._modules:
            names = vars(sys.modules[module]) if type(sys.modules.get(module)) is ModuleType else {}
            file = names.get("__file__")
            here = type(file) is str and self._is_own_file(file)
            self._modules[module] = module == "__main__" or here
        return self._modules[module]

    def _say(self, limit: str) -> None:
        if limit not in self.limits:
            self.limits.append(limit)


def is_in_folder(folder: str) -> Callable[[str], bool]:
    """Whether a file lies in a folder and was written there: no library that is installed in it."""

    def is_own(file: str) -> bool:
        inside = file.startswith(folder)
        return inside and "site-packages" not in file and not file.startswith(sys.prefix)

    return is_own


def _is_beside(found: Found, places: Mapping[Slot, Found]) -> bool:
    """Whether an array is at another place of its list, too."""
    for other in places.values():
        if other.slot[0] == found.slot[0] and other.slot != found.slot:
            same = type(other.value) is not float and other.value.shape == found.value.shape
            if same and np.array_equal(other.value, found.value):
                return True
    return False


def _digest(value: Any) -> object:
    """What tells two values apart; NaN is NaN."""
    if type(value) is float:
        return value if value == value else "nan"
    return (value.shape, value.dtype.char, hash(value.tobytes()))

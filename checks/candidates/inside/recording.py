"""A recording as it crosses from the candidate's process to the checker: plain numbers, and as
arrays with their places."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.recorder import Recorder, Site

NEAR = 1e-11  # relative: what rounding leaves of single numbers
LONGEST_SOURCE = 2**20  # characters
INDEX = re.compile(r"\[\d+\]")
RECORDED = "recorded "  # what the names of these arrays begin with
Header = dict[str, Any]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Made:
    """An array that a line made.

    Attributes:
        time: when; of two, the smaller came first.
        site: on which line, under which name.
        value: the array, as float64.
        eps: relative rounding of the type in which it came.
        caller: file and line from which the function was called, or None at the bottom.
        slot: which name, attribute or element holds it, the same number each time; -1 of none.
    """

    time: int
    site: Site
    value: np.ndarray
    eps: float
    caller: tuple[str, int] | None
    slot: int = -1


@dataclass(frozen=True)
class Series:
    """The single numbers that one name held on one line, one after the other.

    Attributes:
        site: the line and the name.
        times, values: when, and which.
        caller: file and line from which the function was called at first, or None.
    """

    site: Site
    times: np.ndarray
    values: np.ndarray
    caller: tuple[str, int] | None

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.values, kind="stable")

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self.values[self._order]

    def time_of(self, wanted: np.ndarray, near: float = NEAR) -> int | None:
        """When the first of some numbers was there, if all of them came; None if one is missing."""
        at, came = self._places(wanted, near)
        if not came.all():
            return None
        return int(self.times[self._order[at]].min())

    def time_of_multiple(
        self, wanted: np.ndarray, factors: Sequence[float], near: float = NEAR
    ) -> int | None:
        """The same for some numbers times the first of some factors for which all came."""
        _, came = self._places(np.array(factors) * wanted[0], near)
        for index in np.flatnonzero(came).tolist():
            time = self.time_of(factors[index] * wanted, near)
            if time is not None:
                return time
        return None

    def _places(self, wanted: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
        """Where each number is among the sorted ones, and whether it is there."""
        at = np.searchsorted(self._sorted, wanted - near * np.abs(wanted))
        at = np.minimum(at, len(self._sorted) - 1)
        return at, np.abs(self._sorted[at] - wanted) <= near * np.abs(wanted)

    def through(self, function: Callable[[np.ndarray], np.ndarray]) -> Series:
        """The same places, with what a function makes of each number."""
        with np.errstate(all="ignore"):
            values = function(self.values)
        kept = np.isfinite(values)
        return Series(self.site, self.times[kept], values[kept], self.caller)


@dataclass(frozen=True)
class Recording:
    """What the lines of somebody's files made in one call.

    Attributes:
        made: every array, in the order in which they were made.
        series: single numbers, by place.
        limits: what was left out, in words.
        unseen: when arrays that were too large to be looked at last changed, by name.
        ended: file, line and function where the call returned; None where that has no lines.
        sources: the text of each file, as Python has it.
    """

    made: tuple[Made, ...]
    series: tuple[Series, ...] = ()
    limits: tuple[str, ...] = ()
    ended: tuple[str, int, str] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    unseen: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def files(self) -> list[str]:
        """Every file of theirs that made something, the first first."""
        sites = [made.site for made in self.made] + [series.site for series in self.series]
        return list(dict.fromkeys(site.file for site in sites))

    def by_place(self) -> Iterator[tuple[Site, list[Made]]]:
        """The arrays of each name on each line."""
        found: dict[Site, list[Made]] = {}
        for one in self.made:
            found.setdefault(one.site, []).append(one)
        yield from found.items()


def pack(recorder: Recorder) -> tuple[Header, Arrays]:
    """A recorder's findings as JSON and arrays of 8-byte numbers."""
    files = {site.file for site in recorder.sites}
    header = {
        "sites": [
            [site.file, site.line, site.function, site.name, site.kind, site.callee]
            for site in recorder.sites
        ],
        "lines": [list(line) for line in recorder.lines],
        "precisions": recorder.kept.precisions,
        "limits": recorder.limits,
        "unseen": recorder.unseen,
        "ended": list(recorder.ended),
        "sources": {file: _source(file) for file in files},
        "shapes": [list(array.shape) for array in recorder.kept.arrays],
    }
    empty = np.zeros(0)
    flat = np.concatenate([empty, *(array.reshape(-1) for array in recorder.kept.arrays)])
    scalars = recorder.scalars
    return header, {
        f"{RECORDED}entries": np.array(recorder.kept.entries, dtype=np.int64).reshape(-1, 5),
        f"{RECORDED}numbers": flat,
        f"{RECORDED}scalars": np.array(
            [(time, site, caller) for time, site, _, caller in scalars], dtype=np.int64
        ).reshape(-1, 3),
        f"{RECORDED}values": np.array([value for _, _, value, _ in scalars], dtype=np.float64),
    }


def unpack(header: Any, arrays: Arrays) -> Recording:
    """The inverse of pack, for a frame that may hold anything.

    Raises: ValueError for whatever pack did not write.
    """
    try:
        sites = [Site(*_site(entry)) for entry in header["sites"]]
        lines = [(str(file), int(line)) for file, line in header["lines"]]
        limits = tuple(str(limit) for limit in header["limits"])
        unseen = {str(name): int(time) for name, time in dict(header["unseen"]).items()}
        values = _cut(arrays[f"{RECORDED}numbers"], header["shapes"])
        eps = [_eps(str(precision)) for precision in header["precisions"]]
        made = tuple(
            Made(int(time), sites[site], values[array], eps[array], _line(lines, int(caller)), slot)
            for time, site, array, caller, slot in arrays[f"{RECORDED}entries"].tolist()
        )
        file, number, function = header["ended"] or (None, 0, "")
        ended = (str(file), int(number), str(function)) if file is not None else None
        sources = {str(file): str(text) for file, text in dict(header["sources"]).items()}
        series = tuple(_series(sites, lines, arrays))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no recording: {type(error).__name__}: {error}") from error
    return Recording(made, series, limits, ended, sources, unseen)


def of(recorder: Recorder) -> Recording:
    """What a recorder in this very process has found."""
    return unpack(*pack(recorder))


def _source(file: str) -> str:
    """The text of a file or of a notebook's cell; "" where it is too long to send."""
    text = "".join(linecache.getlines(file))
    if len(text) > LONGEST_SOURCE:
        return ""
    return text


def _site(entry: Any) -> tuple[str, int, str, str, str, str]:
    file, line, function, name, kind, callee = entry
    return str(file), int(line), str(function), str(name), str(kind), str(callee)


def _cut(flat: np.ndarray, shapes: Any) -> list[np.ndarray]:
    """One array after the other."""
    found = []
    at = 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=object))
        if size < 0 or at + size > flat.size:
            raise ValueError(f"an array of shape {shape}")
        found.append(flat[at : at + size].reshape(shape))
        at += size
    return found


def _eps(precision: str) -> float:
    if precision in ("f2", "f4"):
        return float(np.finfo(precision).eps)
    return float(np.finfo(np.float64).eps)


def _line(lines: list[tuple[str, int]], index: int) -> tuple[str, int] | None:
    if index < 0:
        return None
    return lines[index]


def _series(sites: list[Site], lines: list[tuple[str, int]], arrays: Arrays) -> Iterator[Series]:
    """Single numbers by place; the elements of one list are one place."""
    places = arrays[f"{RECORDED}scalars"].reshape(-1, 3).tolist()
    values = arrays[f"{RECORDED}values"]
    if len(places) != len(values):
        raise ValueError("scalars without a place")
    indices: dict[Site, list[int]] = {}
    for index, (_, site, _) in enumerate(places):
        where = sites[site]
        whole = replace(where, name=INDEX.sub("[...]", where.name))
        indices.setdefault(whole, []).append(index)
    for where, some in indices.items():
        times = np.array([places[index][0] for index in some])
        yield Series(where, times, values[some], _line(lines, int(places[some[0]][2])))

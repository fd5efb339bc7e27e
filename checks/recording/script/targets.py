"""Recorded arrays that may be the targets of some forward passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.passes import Pass
from backproof.checks.recording.script.recognised import Recognised

MOST_VALUES = 120  # arrays of real numbers that are tried
WHOLE = 1e-12
EVEN = 1e-3  # near 0.5, where the error of one label is that of the other with another sign


@dataclass(frozen=True)
class Targets:
    """What the outputs may be compared with.

    Attributes:
        name: what the script calls it.
        Y: one sample a row.
        are_labels: whether every number is 0 or 1.
        first: where they are some rows of an array, as many of its first ones.
    """

    name: str
    Y: np.ndarray
    are_labels: bool
    first: np.ndarray | None = None


def candidates(found: Recognised, passes: Sequence[Pass], until: int) -> list[Targets]:
    """Arrays that could be the targets, each once: labels first. Of one output of one sample a
    label may be a whole number, which is not recorded.

    Args:
        found: the network.
        passes: those that an update is made of.
        until: when that was.
    """
    if found.gathered is not None:
        compared = found.gathered.targets([one.ended for one in passes])
        if compared is not None:
            return [Targets(*compared, _are_labels(compared[1]))]
    rows = np.concatenate([one.input.rows for one in passes])
    known = set(_outputs(found, passes))  # what a network answers is no target of its own
    labels: list[Targets] = []
    values: list[Targets] = []
    K = passes[0].p.shape[1]
    for made, array in _arrays(found, passes, rows, until):
        for Y in as_targets(array, len(rows), K):
            if Y.tobytes() in known:
                continue
            known.add(Y.tobytes())
            if Y.shape[1] > 1 and not Y.any():
                continue  # zeros that something is gathered in, and no class
            first = next(as_targets(_first(made.value, array), len(rows), K), None)
            one = Targets(_name(made, found, passes), Y, _are_labels(Y), first)
            if one.are_labels:
                labels.append(one)
            elif made.time <= passes[-1].began and len(values) < MOST_VALUES:
                values.append(one)
    if not labels and len(rows) == K == 1 and abs(passes[0].p - 0.5).item() > EVEN:
        labels = [Targets(f"the label {n}", np.full((1, 1), float(n)), True) for n in (0, 1)]
    return labels + values


def _name(made: Made, found: Recognised, passes: Sequence[Pass]) -> str:
    """What the script calls an array; of one that a line returned first, what held it last."""
    if made.site.kind == "return":
        for one in reversed(found.archive.made):
            is_named = one.site.kind != "return" and one.site.name
            if one.value is made.value and is_named and one.time <= passes[-1].ended:
                return one.site.name
    return made.site.name or "what a line returns"


def _outputs(found: Recognised, passes: Sequence[Pass]) -> Iterator[bytes]:
    """What came out of these passes together, and of each pass of any step."""
    together = np.concatenate([one.p for one in passes])
    for p in (together, *(one.p for step in found.steps for one in step.passes)):
        yield np.ascontiguousarray(p, dtype=np.float64).tobytes()


def _arrays(
    found: Recognised, passes: Sequence[Pass], rows: np.ndarray, until: int
) -> Iterator[tuple[Made, np.ndarray]]:
    """What may be the targets, of all passes together."""
    own = {id(made.value) for one in passes for made in one.made}
    fewest = len(rows) if len(passes) > 1 else len(rows) + 1  # of one pass they are no part
    parts = list(_parts(found, rows, fewest, until))
    if len(passes) > 1:
        yield from _of_passes(found, passes, until)
    for made in _distinct(found, until):
        if id(made.value) in own:
            continue
        if len(passes) == 1:
            yield made, made.value
        for array in rows_of(made.value, parts):
            yield made, array


def _distinct(found: Recognised, until: int) -> Iterator[Made]:
    seen: set[int] = set()
    for made in found.archive.made:
        if made.time > until:
            return
        if id(made.value) not in seen:
            seen.add(id(made.value))
            yield made


def _of_passes(
    found: Recognised, passes: Sequence[Pass], until: int
) -> Iterator[tuple[Made, np.ndarray]]:
    """What each name held in each of several passes."""
    begins = [one.began for one in passes]
    ends = [*begins[1:], until]
    count = len(passes[0].p)
    for held in found.held_between(begins[0], until):
        for times in (begins, ends):  # it is set before a sample goes through, or behind it
            arrays = [held.last(time, end) for time, end in zip(times, ends, strict=True)]
            shown = [np.atleast_1d(array) for array in arrays if array is not None]
            same = len(shown) == len(passes) and len({array.shape for array in shown}) == 1
            if same and shown[0].size in (count, passes[0].p.size):
                together = np.concatenate([array.reshape(count, -1) for array in shown])
                yield held.made[0], together


def _parts(
    found: Recognised, rows: np.ndarray, fewest: int, until: int
) -> Iterator[tuple[int, list[int]]]:
    """Arrays of at least so many rows, of which the inputs are some: how many, and which."""
    for one in found.inputs.of(rows.shape[1], None, until):
        if len(one.rows) < fewest:
            continue
        index = {row.tobytes(): number for number, row in enumerate(np.ascontiguousarray(one.rows))}
        picked = [index.get(row.tobytes()) for row in np.ascontiguousarray(rows)]
        if all(number is not None for number in picked):
            yield len(one.rows), [number for number in picked if number is not None]
            return


def rows_of(value: np.ndarray, parts: Sequence[tuple[int, list[int]]]) -> Iterator[np.ndarray]:
    """The rows of an array that belong to the samples of the input."""
    for count, picked in parts:
        if value.ndim in (1, 2) and len(value) == count:
            yield value[picked]
        if value.ndim == 2 and value.shape[1] == count:
            yield value[:, picked].T


def _first(value: np.ndarray, part: np.ndarray) -> np.ndarray:
    """As many of the first rows of an array as a part has; the part where it has them all."""
    if value.ndim and value.shape[1:] == part.shape[1:] and len(value) > len(part):
        return value[: len(part)]
    return part


def as_targets(value: np.ndarray, N: int, K: int) -> Iterator[np.ndarray]:
    """An array as targets of N samples and K outputs, a row each: values, one-hot rows, or the
    numbers of classes; nothing where it cannot be that."""
    array = np.squeeze(value)
    wanted = tuple(n for n in (N, K) if n != 1)
    for turned in (array, array.T)[: max(1, array.ndim)]:
        if turned.shape == wanted and np.isfinite(turned).all():
            yield np.ascontiguousarray(turned.reshape(N, K))
            return
    whole = array.reshape(-1)
    if K < 2 or whole.shape != (N,) or (whole != np.round(whole)).any():
        return
    if whole.min() >= 0 and whole.max() < K:
        yield np.eye(K)[whole.astype(int)]


def _are_labels(Y: np.ndarray) -> bool:
    inside = Y.min() >= 0 and Y.max() <= 1
    return bool(inside and (np.abs(Y - np.round(Y)) < WHOLE).all())

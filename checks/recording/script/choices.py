"""Of which passes an update may be made. A sample whose gradients are computed is meant to count in
it, and one whose output alone is looked at is not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.passes import Pass, Step
from backproof.checks.recording.script.recognised import Recognised


def choices(found: Recognised, step: Step) -> list[tuple[Pass, ...]]:
    """Of which passes the update may be made: the last one; all that are called alike; all; of
    those that have a backward pass each, all of them."""
    last = step.passes[-1]
    distinct: dict[bytes, Pass] = {}
    for one in step.passes:
        distinct[one.input.rows.tobytes()] = one
    alike = [one for one in distinct.values() if one.input.name == last.input.name]
    together = _learned(found, step)
    tried = [(last,), tuple(alike), together, tuple(distinct.values()), step.passes]
    needed = _rows(together)
    whole = [some for some in tried if some and needed <= _rows(some)]
    unique = {tuple(id(one) for one in some): some for some in whole}
    return list(unique.values())


def _rows(passes: Sequence[Pass]) -> set[bytes]:
    return {one.input.rows.tobytes() for one in passes}


def _learned(found: Recognised, step: Step) -> tuple[Pass, ...]:
    """The passes that belong together in a step, each of other samples and of as many: those behind
    which a line makes what is as large as weights, the same line as behind the last of them. None
    where any step of the network has a single one: then the others of this one were a trial.
    """
    together = _together(found, step)
    others = [_together(found, other) for other in found.steps if other is not step]
    if all(len(some) > 1 for some in (together, *others)):
        return together
    return ()


def _together(found: Recognised, step: Step) -> tuple[Pass, ...]:
    last = step.passes[-1]
    sites = _sites(found, step)
    some: dict[bytes, Pass] = {}
    for index, one in enumerate(step.passes):
        if one.p.shape == last.p.shape and sites[index] & sites[-1]:
            some[one.input.rows.tobytes()] = one
    return tuple(some.values())


def _sites(found: Recognised, step: Step) -> list[set[Site]]:
    """Of each pass, where arrays as large as weights are made before the next one."""
    begins = [one.began for one in step.passes]
    sites: list[set[Site]] = [set() for _ in begins]
    for made in _as_large_as_weights(found, step):
        index = bisect_right(begins, made.time) - 1
        if index >= 0 and made.time > step.passes[index].ended and made.value.any():
            sites[index].add(made.site)
    return sites


def _as_large_as_weights(found: Recognised, step: Step) -> Iterator[Made]:
    """Matrices as large as those of a layer, and none that is its weights."""
    for layer in found.layers:
        W = layer.W.at(step.since)
        if min(W.shape, default=0) < 2 or W.ndim < 2:
            continue  # it may be as large as what one sample makes
        for shape in {W.shape, W.shape[::-1]}:
            for made in found.archive.of_shape(shape, step.until):
                if made.time > step.since and not _is_same(made.value, W):
                    yield made


def _is_same(value: np.ndarray, W: np.ndarray) -> bool:
    array = np.squeeze(value)
    return any(array.shape == M.shape and np.array_equal(array, M) for M in (W, W.T))

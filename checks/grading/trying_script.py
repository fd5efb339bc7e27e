"""The wrong line of a watched script, replaced and tried: the script is run anew with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from backproof.checks.candidates.source import Source
from backproof.checks.findings import Diagnosis
from backproof.checks.grading.trying import bug_of, is_mended, told_as_tried, with_other_line
from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.watched import Watched

LONGEST_S = 4.0  # after which no further way is tried


def with_tried_line(
    found: Diagnosis, watched: Watched, source: Source, watch: Callable[[Source], Watched | None]
) -> Diagnosis:
    """A diagnosis whose fix is the person's own line, if one of the ways to write it works; else
    as it is.

    Args:
        found: with the line, and the ways in which it may have to read.
        watched: what was seen of the script.
        source: the script.
        watch: runs another script in the same manner; None where no network was recognised in it.
    """
    step, line = found.first_step, found.line
    if line is None or step is None or (found.bugs and bug_of(found) is None):
        return found
    if line.file != str(source.path):
        return found
    before = {Quantity.parse(name) for name in watched.wrong}
    start = time.perf_counter()
    for way in found.ways:
        if time.perf_counter() - start > LONGEST_S:
            return found
        other = with_other_line(source, line, way)
        seen = None if other is None else watch(other)
        if seen is None or not _is_same_network(seen, watched):
            continue
        if is_mended(step, before, {Quantity.parse(name) for name in seen.wrong}):
            return told_as_tried(found, step, way)
    return found


def _is_same_network(one: Watched, other: Watched) -> bool:
    """Whether two scripts train the same network by the same loss."""
    same = one.network.sizes == other.network.sizes and one.reading.head == other.reading.head
    return same and one.reading.loss == other.reading.loss

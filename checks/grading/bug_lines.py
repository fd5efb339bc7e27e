"""The line of a watched script on which a named bug was written, where that is before the line on
which its gradients show it: a helper's derivative, say, that the next line multiplies by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.hooked_pass import CannotBeComputed, HookedPass
from backproof.checks.bugs.register import Variant
from backproof.checks.candidates.inside.recording import Made
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found
from backproof.checks.recording.script.archive import Archive
from backproof.checks.recording.script.watched import Watched
from backproof.checks.recording.source import Sources

SMALLEST = 1e-6  # slope through which a delta is divided
FEWEST = 3  # entries by which an array is known up to a factor


@dataclass(frozen=True)
class Part:
    """What a bug makes wrong on the way to a delta.

    Attributes:
        array: one sample a row.
        quantity: the first step that is made of it.
    """

    array: np.ndarray
    quantity: Quantity


def line_of_bug(found: Watched, variant: Variant, evidence: Evidence) -> Found | None:
    """The first line after the forward pass that makes what the bug makes wrong; None where the
    line that is known already comes before it, or no line makes it."""
    run = HookedPass(evidence.setting, variant.hooks, correct=evidence.correct)
    archive = Archive(found.recording.made)
    since = max(one.ended for one in found.reading.passes[:1])
    until = found.reading.step.until
    seen: list[tuple[Made, Quantity]] = []
    for part in _parts(run, variant):
        if not np.isfinite(part.array).all():
            continue
        some = list(archive.places(part.array, since, until))
        if part.array.size >= FEWEST:
            some = [one.made for one in archive.multiples(part.array, until) if one.factor > 0]
        after = [one for one in some if one.time > since]
        seen += [(one, part.quantity) for one in after[:1]]
    if not seen:
        return None
    made, quantity = min(seen, key=lambda pair: pair[0].time)
    if found.found is not None and not _is_before(made, found):
        return None
    return _placed(found, made, quantity, archive)


def _parts(run: HookedPass, variant: Variant) -> Iterator[Part]:
    """The derivatives and errors that are wrong, and what times the right derivative is a wrong
    delta of the output."""
    nodes: set[tuple[str, int]] = set()
    for hook in variant.hooks:
        nodes.update(hook.nodes(run.L))
    for step, layer in sorted(nodes):
        try:
            if step == "derivative":
                yield Part(run.get(step, layer), Quantity("dz", layer))
            elif step == "error":
                yield Part(run.error, Quantity("dz", run.L))
            elif step == "dz" and layer == run.L and run.problem.output in ("sigmoid", "tanh"):
                slope = run.get("derivative", layer)
                if np.abs(slope).min() > SMALLEST:
                    yield Part(run.get("dz", layer) / slope, Quantity("dz", layer))
        except CannotBeComputed:
            continue


def _is_before(made: Made, found: Watched) -> bool:
    """Whether it was made before the wrong number that is known."""
    assert found.found is not None
    known = found.found
    times = [
        one.time
        for one in found.recording.made
        if (one.site.file, one.site.line) == (known.file, known.line)
        and one.time > found.reading.passes[0].ended
    ]
    return made.time < min(times, default=made.time)


def _placed(found: Watched, made: Made, quantity: Quantity, archive: Archive) -> Found | None:
    """Where it was made: of a function that did right in the forward pass, where that is called."""
    site = made.site
    sources = Sources(found.recording.sources)
    file, line = site.file, site.line
    began = found.reading.passes[0].ended
    helped = any(
        one.time <= began and (one.site.file, one.site.line) == (file, line) for one in archive.made
    )
    if helped and made.caller is not None:
        file, line = made.caller
    elif helped:
        return None
    if not sources.computes(file, line):
        return None
    function = sources.of(file).function(line)
    return Found(file, line, function, "", quantity, site.kind, made.value)

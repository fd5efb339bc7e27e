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
from backproof.checks.recording.page import ratio
from backproof.checks.recording.script.archive import CLOSE, Archive
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
    correct = evidence.correct
    run = HookedPass(evidence.setting, variant.hooks, correct=correct)
    archive = Archive(found.recording.made)
    since = max(one.ended for one in found.reading.passes[:1])
    until = found.reading.step.until
    seen: list[tuple[Made, Quantity]] = []
    for part in _parts(run, variant, correct):
        if not np.isfinite(part.array).all() or _is_constant(part.array):
            continue
        some = list(archive.places(part.array, since, until))
        if part.array.size >= FEWEST:
            some = [one.made for one in archive.multiples(part.array, until) if one.factor > 0]
        after = [one for one in some if one.time > since]
        seen += [(one, part.quantity) for one in after[:1]]
    if not seen:
        return _line_of_delta(found, run, variant, archive)
    made, quantity = min(seen, key=lambda pair: pair[0].time)
    if found.found is not None and not _is_before(made, found):
        return None
    return _placed(found, made, quantity, correct, archive)


def _line_of_delta(
    found: Watched, run: HookedPass, variant: Variant, archive: Archive
) -> Found | None:
    """The first line that makes the very delta that a bug predicts, where its gradient alone is
    known to be wrong: one number is a multiple of any other, and so shows nothing by itself."""
    known = found.found
    if known is None or known.quantity.kind not in ("dW", "db"):
        return None
    nodes = _nodes(run, variant)
    layers = {layer for step, layer in nodes if step in ("dz", "derivative", "error")}
    sources = Sources(found.recording.sources)
    since = found.reading.passes[0].ended
    for layer in sorted(layers, reverse=True):
        try:
            dz = run.get("dz", layer)
        except CannotBeComputed:
            continue
        made = [
            one
            for one in archive.places(dz, since, found.reading.step.until)
            if sources.computes(one.site.file, one.site.line) and _is_before(one, found)
        ]
        if made:
            site = made[0].site
            function = sources.of(site.file).function(site.line)
            quantity = Quantity("dz", layer)
            return Found(
                site.file, site.line, function, site.name, quantity, site.kind, made[0].value
            )
    return None


def _nodes(run: HookedPass, variant: Variant) -> set[tuple[str, int]]:
    """The steps that a bug replaces, each with its layer."""
    nodes: set[tuple[str, int]] = set()
    for hook in variant.hooks:
        nodes.update(hook.nodes(run.L))
    return nodes


def _parts(run: HookedPass, variant: Variant, correct: HookedPass) -> Iterator[Part]:
    """The derivatives and errors that are wrong; and of a wrong delta what it is but for the right
    derivative, or for what the right derivative is multiplied by."""
    for step, layer in sorted(_nodes(run, variant)):
        try:
            if step == "derivative":
                yield Part(run.get(step, layer), Quantity("dz", layer))
            elif step == "error":
                yield Part(run.error, Quantity("dz", run.L))
            elif step == "dz" and (layer < run.L or run.problem.output in ("sigmoid", "tanh")):
                yield from _factors(run, correct, layer)
            elif step == "dz" and not _is_multiple(run.get(step, layer), correct.get(step, layer)):
                yield Part(run.get(step, layer), Quantity(step, layer))
        except CannotBeComputed:
            continue


def _factors(run: HookedPass, correct: HookedPass, layer: int) -> Iterator[Part]:
    """What a wrong delta is but for one of its right factors."""
    quantity = Quantity("dz", layer)
    wrong = run.get("dz", layer)
    slope = correct.get("derivative", layer)
    error = correct.get("dz", layer) / slope if layer == run.L else run.get("da", layer)
    if np.abs(slope).min() > SMALLEST and not _is_multiple(wrong, slope * error):
        yield Part(wrong / slope, quantity)
    if np.abs(error).min() > SMALLEST * np.abs(error).max():
        yield Part(wrong / error, quantity)


def _is_constant(array: np.ndarray) -> bool:
    """Whether it is one number over and over, as many an array is."""
    return bool(np.ptp(array) <= SMALLEST * np.abs(array).max())


def _is_multiple(array: np.ndarray, right: np.ndarray) -> bool:
    """Whether nothing but a factor is wrong, so that the factors of it are right."""
    return ratio(array, right, CLOSE) is not None


def _is_before(made: Made, found: Watched) -> bool:
    """Whether it was made before the wrong number that is known."""
    assert found.found is not None
    known = found.found
    times = [
        one.time
        for one in found.recording.made
        if (one.site.file, one.site.line) == (known.file, known.line)
        and one.site.kind != "argument"  # what is handed to a function there is made before
        and one.time > found.reading.passes[0].ended
    ]
    return made.time < min(times, default=made.time)


def _does_right(found: Watched, made: Made, correct: HookedPass, archive: Archive) -> bool:
    """Whether a line served the forward pass, too, or makes the right derivative of any layer."""
    began = found.reading.passes[0].ended
    if any(one.time <= began and _is_at(one, made) for one in archive.made):
        return True
    is_softmax = correct.problem.head.is_softmax
    for layer in range(1, correct.L + (not is_softmax)):
        slope = correct.get("derivative", layer)
        some = archive.places(slope, began, found.reading.step.until)
        if any(_is_at(one, made) for one in some):
            return True
    return False


def _is_at(one: Made, other: Made) -> bool:
    return (one.site.file, one.site.line) == (other.site.file, other.site.line)


def _placed(
    found: Watched, made: Made, quantity: Quantity, correct: HookedPass, archive: Archive
) -> Found | None:
    """Where it was made: of a function that did right in the forward pass, where that is called."""
    site = made.site
    sources = Sources(found.recording.sources)
    file, line = site.file, site.line
    helped = _does_right(found, made, correct, archive)
    if helped and made.caller is not None:
        file, line = made.caller
    elif helped:
        return None
    if not sources.computes(file, line):
        return None
    function = sources.of(file).function(line)
    return Found(file, line, function, "", quantity, site.kind, made.value)

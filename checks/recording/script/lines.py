"""The line of a script that makes its first wrong step, by what the weights lost."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found, Own
from backproof.checks.recording.own_line import locate
from backproof.checks.recording.script import losses
from backproof.checks.recording.script.archive import Archive, Multiple
from backproof.checks.recording.script.handed import handed
from backproof.checks.recording.script.overwriting import keeps_one
from backproof.checks.recording.script.passes import Pass, Step
from backproof.checks.recording.script.readings import FEWEST_SIGNS, Reading
from backproof.checks.recording.script.written import Rate
from backproof.checks.recording.source import Sources


def line_of(best: Reading, first: Quantity, recording: Recording) -> Found | None:
    """The line that makes the first wrong step; None where no line shows it.

    Args:
        best: how the step is read.
        first: the first wrong step.
        recording: up to the update, with what is made sample by sample put together.
    """
    kind = "db" if first.kind == "db" else "dW"
    if Quantity(kind, first.layer) in best.climbing:
        return _turned(best, Quantity(kind, first.layer), recording)
    found = None
    if first.kind == "dW" and _decay_of(best, first):  # wrong before its decay was added, or by it
        found = _located(best, first, recording, own_of(best, first, recording, undecayed=True))
    return found or _located(best, first, recording, own_of(best, first, recording))


def _located(best: Reading, first: Quantity, recording: Recording, own: Own | None) -> Found | None:
    """The first line on which what the script has of its own appears."""
    if own is None:
        return None
    sources = Sources(recording.sources)
    steps = [first]
    if first.kind == "dz":
        steps += [Quantity("dW", first.layer), Quantity("db", first.layer)]
    if first.kind == "dz" and (first.layer or 0) < best.L:
        steps = [Quantity("da", first.layer), *steps]
    for step in steps:
        found = locate(own, step, sources)
        if found is None:
            continue
        if not found.is_taken and not sources.computes(found.file, found.line):
            continue
        if _works_since(best.passes[0].began, found, recording):
            return keeps_one(best, found, sources)
    return None


def _works_since(time: int, found: Found, recording: Recording) -> bool:
    """Whether a line makes anything from a time on: one that merely had such numbers before the
    first pass, as the line that draws the weights, makes no gradient."""
    times = [made.time for made in recording.made if _is_at(found, made.site)]
    for series in recording.series:
        if _is_at(found, series.site):
            times.append(int(series.times.max()))
    return max(times, default=0) >= time


def _is_at(found: Found, site: Site) -> bool:
    return (site.file, site.line) == (found.file, found.line)


def own_of(
    best: Reading, first: Quantity, recording: Recording, *, undecayed: bool = False
) -> Own | None:
    """What the step shows of the script's own gradients; None where it shows nothing.

    Args:
        best, first, recording: as for `line_of`.
        undecayed: whether a weight decay is taken out of dW in any case.
    """
    eps = max(change.eps for change in best.changes.values())
    if not takes_gradients(best):
        made = handed(best)
        if made is None:
            return None
        gradients = {one: array / made.factor for one, array in made.gradients.items()}
        return Own(recording, best.page, gradients, {}, {}, eps)
    # a wrong dW[l] may be wrong by its decay
    rate = likely_rates(best)[0]
    written = best.written.rate_of(rate, best.page) or Rate.of_mean(rate)
    page = replace(best.page, weight=best.page.weight * written.rate / written.eta)
    without = undecayed or first.kind != "dW"
    gradients, unread = gradients_of(best, written.eta, without_decay=without)
    left = {
        Quantity(quantity.kind[1:], quantity.layer): change.before - change.lost
        for quantity, change in best.changes.items()
    }
    return Own(recording, page, gradients, unread, left, eps)


def _turned(best: Reading, wrong: Quantity, recording: Recording) -> Found | None:
    """The line from which on a gradient has the other sign; the update where none before it has."""
    layer = wrong.layer or best.L
    several = len(best.passes) > 1
    archive = Archive(recording.made) if several else best.found.archive
    delta = Quantity("dz", layer)

    def made(right: np.ndarray) -> list[Multiple]:
        some = archive.multiples(right, best.step.until)
        return [one for one in some if one.made.time >= best.passes[0].began]

    known = [(delta, best.page.values[delta]), (wrong, best.page.values[wrong])]
    if layer == best.L:
        p = np.concatenate([one.p for one in best.passes])
        known.insert(0, (delta, p - best.page.problem.Y))
    reversed_before = False
    if best.seen.get(Quantity("dW" if wrong.kind == "db" else "db", layer)):
        # of two gradients made of one delta, one is right
        deltas = made(best.page.values[delta])
        reversed_before = bool(deltas) and all(one.factor < 0 for one in deltas)
        known = known[-1:] if best.page.N > 1 else []
    for quantity, right in known:
        some = made(right)
        if some and all((one.factor < 0) != reversed_before for one in some):
            return _at(some[0].made, quantity)
    own = best.found.layers[layer - 1]
    variable = own.b if wrong.kind == "db" else own.W
    after = None if variable is None else variable.made_at(best.step.after)
    return None if after is None else _at(after, wrong)


def _at(made: Made, quantity: Quantity) -> Found:
    site = made.site
    return Found(site.file, site.line, site.function, site.name, quantity, site.kind, made.value)


def takes_gradients(best: Reading) -> bool:
    """Whether what is lost may be the gradients times a rate, rather than what Adam, say, makes of
    them: a gradient that is right is, or an array of a line."""
    if best.descent is not None or best.shows_delta:
        return True
    for quantity, change in best.changes.items():
        if not change.lost.any():
            continue
        if best.seen[quantity] and change.ratio(best.page.values[quantity]) is None:
            return False  # lines make the right gradient, and something else is taken off
    if any(losses.is_adaptive(lost) for lost in _telling(best)):
        return False
    lost = [change.lost for change in best.changes.values() if change.lost.size > 2]
    archive = best.found.archive
    until = best.step.until
    for array in lost:
        factors = [one.factor for one in archive.multiples(array, until) if one.made.time < until]
        if any(abs(abs(factor) - 1) > 1e-9 for factor in factors):
            return True
    return False


def _telling(best: Reading) -> list[np.ndarray]:
    """What was lost of each parameter that has enough entries for their sizes to be alike by no
    accident; where none has, of all that have more than two."""
    some = [change.lost for change in best.changes.values() if change.lost.any()]
    many = [lost for lost in some if lost.size >= FEWEST_SIGNS]
    return many or [lost for lost in some if lost.size > 2]


def likely_rates(best: Reading) -> list[float]:
    """By which the update multiplies the gradients, the likeliest first: as a right gradient shows
    it; or a number of the script that is what a line's array was multiplied by."""
    shown = best.descent or best.mistaken_descent
    if shown is not None:
        return [shown.rate]
    for quantity, change in best.changes.items() if not best.is_off else ():
        factor = change.ratio(best.page.values[quantity])
        if quantity.kind == "dW" and factor is not None and factor > 0:
            return [factor]
    found = []
    for quantity, change in best.changes.items():
        some = best.found.archive.multiples(change.lost, best.step.until)
        factors = [1 / abs(one.factor) for one in some if quantity.kind == "dW"]
        found += [factor for factor in factors if best.written.has(factor)]
    for _, factor in best.deltas:
        rates = [abs(factor) * best.page.N, abs(factor)]
        found += [rate for rate in rates if best.written.has(rate)]
    counted = sorted(dict.fromkeys(round(one, 9) for one in found), key=found.count, reverse=True)
    return counted or [1.0]


def gradients_of(
    best: Reading, rate: float, *, without_decay: bool = True
) -> tuple[dict[Quantity, np.ndarray], dict[Quantity, float]]:
    """What the step took off, over a rate; and how far reading it off may have put it."""
    gradients = {}
    unread = {}
    for quantity, change in best.changes.items():
        taken = change.lost / rate
        if quantity.kind == "dW" and without_decay:
            taken = taken - _decay_of(best, quantity) / rate * change.before
        gradients[quantity] = taken
        size = float(np.abs(change.before).max(initial=0))
        unread[quantity] = change.eps * size / abs(rate)
    return gradients, unread


def _decay_of(best: Reading, quantity: Quantity) -> float:
    """By what the step multiplied the weights beside their gradient."""
    shown = best.descent or best.mistaken_descent
    if shown is not None:
        return shown.rate * shown.decay
    change = best.changes[quantity]
    fit = change.descent(best.page.values[quantity], change.near)
    return 0.0 if fit is None else fit.rate * fit.decay


def stacked(recording: Recording, passes: Sequence[Pass], step: Step) -> Recording:
    """A recording up to an update; where that is made of several passes, with what each of them
    makes on one line as one array: vectors as rows, matrices summed."""
    until = tuple(made for made in recording.made if made.time <= step.after)
    if len(passes) < 2 or any(len(one.p) > 1 for one in passes):
        return replace(recording, made=until)
    begins = [one.began for one in passes]
    by_place: dict[tuple[Site, int], list[Made]] = {}
    count: dict[tuple[Site, int], int] = {}
    apart: list[Made] = []
    for made in until:
        index = bisect_right(begins, made.time) - 1
        if index < 0 or made.time > step.until:
            apart.append(made)
            continue
        nth = count.setdefault((made.site, index), 0)
        count[made.site, index] += 1
        by_place.setdefault((made.site, nth), []).append(made)
    together = []
    for some in by_place.values():
        if len(some) == len(passes) and len({one.value.shape for one in some}) == 1:
            together.append(_together(some))
        else:
            apart += some
    whole = sorted([*apart, *together], key=lambda made: made.time)
    return replace(recording, made=tuple(whole))


def _together(some: Sequence[Made]) -> Made:
    first = some[0]
    arrays = [np.squeeze(one.value) for one in some]
    if arrays[0].ndim < 2:
        return replace(first, value=np.stack([np.atleast_1d(array) for array in arrays]))
    return replace(first, value=np.sum([one.value for one in some], axis=0))

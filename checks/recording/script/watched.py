"""What was seen of a script: its network, and whether its steps take the right gradients off.

The gradients of the recognised network on the script's own data are compared with what its weights
lost at the first step, and with every array that its lines made on the way: a step of momentum or
Adam takes off something else, and still computes the gradients that it must.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.recording import Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found
from backproof.checks.recording.page import Page
from backproof.checks.recording.script.carried import (
    carried_over,
    has_same_targets,
    may_be_same,
)
from backproof.checks.recording.script.descent import Descent
from backproof.checks.recording.script.doubts import (
    contradiction,
    divided,
    left_out,
    torn,
    undecided,
    unseen,
)
from backproof.checks.recording.script.lines import line_of, stacked
from backproof.checks.recording.script.readings import Reading, best_of, readings
from backproof.checks.recording.script.recognised import NotRecognised, Recognised
from backproof.checks.recording.script.scale import divides_twice, wanders
from backproof.checks.recording.script.written import Written

SAME = 1e-9  # relative: outputs that are one number


@dataclass(frozen=True)
class Watched:
    """The judgement on a script.

    Attributes:
        reading: of its first step.
        right, wrong: gradients by name.
        first_wrong: the first wrong step, or None.
        found: the line that makes it, or None.
        recording: of the run, with what it makes sample by sample put together.
        recorded: the same as it was recorded.
        rivals: readings by another cost that are as likely.
        later: of a step of one sample, the readings of each step after it.
        hidden: gradients that come to nothing but rounding in every step that was seen, so that
            nothing shows whether they are right.
    """

    reading: Reading
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    first_wrong: Quantity | None
    found: Found | None
    recording: Recording
    recorded: Recording
    rivals: tuple[Reading, ...] = ()
    later: tuple[tuple[Reading, ...], ...] = ()
    hidden: tuple[Quantity, ...] = ()

    @property
    def network(self) -> Recognised:
        """What was recognised."""
        return self.reading.found

    @property
    def page(self) -> Page:
        """The right numbers of the first step, for the targets and the cost that fit best."""
        return self.reading.page

    @property
    def step(self) -> Descent | None:
        """The descent that its parameters share, of the mean loss; None if it is another one."""
        return self.reading.descent

    @property
    def layout(self) -> str:
        """How its weights lie."""
        return self.network.layout

    @property
    def sentence(self) -> str:
        """What was recognised, as it is printed first."""
        head = self.page.problem.head
        hidden = ", ".join(dict.fromkeys(map(str, self.network.network.hidden)))
        place = "columns" if self.network.columns else "rows"
        step = self._step()
        first, last = self._lines()
        where = f"line {first}" if first == last else f"lines {first} to {last}"
        samples = "single samples" if self.page.N == 1 else f"batches of {self.page.N}"
        sizes = "-".join(map(str, self.network.sizes))
        fixed = all(layer.is_fixed for layer in self.network.layers)
        biases = ", biases that never change" if fixed else ""
        compared = f"{head.cost} against {self.reading.targets.name}"
        return (
            f"I saw a {sizes} network: {', '.join(self.network.names)} "
            f"({self.layout.replace(',', ', ')}){biases}, {hidden or 'no hidden layer'}, "
            f"{head.output} output, {compared}, {samples} in {place}{step}, updated on {where}."
        )

    def _step(self) -> str:
        """How it updates, with a comma in front."""
        if self.step is not None:
            return f", {self.step}"
        if self.wrong:
            return ""  # nothing is known of it
        if len(self.reading.rates) == len(self.reading.changes):
            return ", a rate for each parameter"
        return ", an update that is no plain descent"

    def _lines(self) -> tuple[int, int]:
        """The first and the last line that updates a W."""
        lines = []
        for layer in self.network.layers:
            made = layer.W.made_at(self.reading.step.after) or layer.W.versions[-1]
            lines.append(made.site.line)
        return min(lines), max(lines)

    @property
    def variables(self) -> frozenset[str]:
        """The names of W and b, which an update changes."""
        found = {layer.W.name for layer in self.network.layers}
        found |= {layer.b.name for layer in self.network.layers if layer.b is not None}
        return frozenset(found)

    def as_json(self) -> dict[str, Any]:
        """The object under "watched"."""
        names = {"x": self.reading.passes[-1].input.name, "Y": self.reading.targets.name}
        for number, layer in enumerate(self.network.layers, start=1):
            names[f"W[{number}]"] = layer.W.name
            if layer.b is not None:
                names[f"b[{number}]"] = layer.b.name
        network = {
            "sizes": list(self.network.sizes),
            "layout": self.layout,
            "examples": "columns" if self.network.columns else "rows",
            "hidden": [str(one) for one in self.network.network.hidden],
            "output": self.page.problem.head.output,
            "cost": self.page.problem.head.cost,
            "batch": self.page.N,
            "learning_rate": None if self.step is None else self.step.rate,
        }
        return {"network": network, "names": names}


def judged(network: Recognised, recording: Recording, cost: str | None = None) -> Watched:
    """Compare a network's first step with the equations.

    Args:
        network: what was recognised.
        recording: of the run.
        cost: the one that is meant, where somebody has said so.
    Raises: NotRecognised where the targets, or what is minimised, were not.
    """
    written = Written(recording)
    tried: list[Reading] = []
    for index in _telling(network):
        for one in _outputs(network):
            some = readings(one, one.steps[index], written)
            if one is not network:  # then only what it explains speaks for it
                some = [each for each in some if _is_shown(each)]
            tried += some
        if cost is not None:
            tried = [one for one in tried if one.head.cost in _names_of(cost)]
        if tried:
            break
    tried.sort(key=lambda one: one.score, reverse=True)
    best = best_of(tried, network)
    network = best.found
    best = best_of(tried, network)
    if missing := unseen(best):
        raise NotRecognised(
            f"what the first step takes off the parameter of {missing} was not seen", network.names
        )
    needed = best.page.N == 1 or not best.top or _is_reordered(best, network)
    later = _later(best, network, written) if needed else ()
    best = _rescaled(best, later)
    after = list(chain.from_iterable(later))
    reason = undecided(best, tried, after) or left_out(best) or divided(best) or torn(best, after)
    if not reason and cost is None:
        reason = contradiction(best, tried)
    if reason:
        raise NotRecognised(reason, network.names)
    hidden: tuple[Quantity, ...] = ()
    if all(best.seen.values()):
        best, hidden = _shown(best, network, written)
    if all(best.seen.values()):
        best = carried_over(best, network, written) or best
    alone = later if best.page.N == 1 else ()
    rivals = _rivals(best, tried)
    return replace(concluded(best, recording), rivals=rivals, later=alone, hidden=hidden)


def _telling(network: Recognised) -> list[int]:
    """The steps that are looked at: two whose input is not zero, of those whose outputs differ
    between samples, by which costs can be told apart, if there are any."""
    steps = list(enumerate(network.steps))
    some = [(index, step) for index, step in steps if step.passes[-1].input.rows.any()]
    varied = [pair for pair in some if _varies(pair[1].passes[-1].p)]
    return [index for index, _ in (varied or some)[:2]] or [0]


def _varies(p: np.ndarray) -> bool:
    """Whether samples, or steps of one sample, get answers of their own."""
    return len(p) == 1 or float(np.ptp(p, axis=0).max()) > SAME * float(np.abs(p).max())


def _is_reordered(best: Reading, network: Recognised) -> bool:
    """Whether a later step takes other samples first, and the same number of them."""
    x = best.page.problem.x
    for step in network.steps:
        rows = step.passes[-1].input.rows
        if rows.shape == x.shape and not np.array_equal(rows, x):
            return bool(np.array_equal(np.sort(rows, axis=0), np.sort(x, axis=0)))
    return False


def _is_shown(one: Reading) -> bool:
    """Whether anything but its numbers speaks for a reading."""
    return one.top or one.shows_error or one.shows_mistake


def _shown(
    best: Reading, network: Recognised, written: Written
) -> tuple[Reading, tuple[Quantity, ...]]:
    """The same, where each gradient shows in a step that was seen; else the step in which one of
    the others is wrong; and those that show in none."""
    left = best.unshown
    for step in network.steps if left else ():
        if step.since <= best.step.since:
            continue
        some = [one for one in readings(network, step, written) if may_be_same(one, best)]
        alike = [one for one in some if len(one.passes) == len(best.passes)]
        for one in alike[:1]:
            if any(not one.seen[quantity] for quantity in left):
                return one, ()
            left = [quantity for quantity in left if quantity in one.unshown]
    return best, tuple(left)


def _rivals(best: Reading, tried: list[Reading]) -> tuple[Reading, ...]:
    """Of a step by which no gradient of the output is right, the readings by another cost for which
    as much speaks; of a single number, of which any is a multiple, by another label, too."""
    if best.top:
        return ()
    found = []
    for one in tried:
        alike = one.score == best.score and np.array_equal(one.targets.Y, best.targets.Y)
        free = best.is_off and best.is_single and has_same_targets(one, best)
        differs = one.head != best.head or one.targets is not best.targets
        if differs and (alike or free) and one.moments == best.moments:
            found.append(replace(one, is_off=best.is_off))
    return tuple(found)


def _outputs(network: Recognised) -> list[Recognised]:
    """The network; and where no line holds its output, with each that it may have."""
    if network.network.output != "linear":
        return [network]
    K = network.sizes[-1]
    others = ("softmax", "sigmoid", "tanh") if K > 1 else ("sigmoid", "tanh")
    return [network, *(network.with_output(output) for output in others)]


def _names_of(cost: str) -> tuple[str, ...]:
    """The names that a cost has in a Head."""
    if cost == "binary-cross-entropy":
        return ("binary-cross-entropy", "cross-entropy")
    return (cost,)


def _later(best: Reading, network: Recognised, written: Written) -> tuple[tuple[Reading, ...], ...]:
    """Of each step after it, the readings by any cost of the same targets."""
    found = []
    for step in network.steps:
        if step.since > best.step.since:
            some = [one for one in readings(network, step, written) if has_same_targets(one, best)]
            found += [tuple(some)] if some else []
    return tuple(found)


def _rescaled(best: Reading, later: Sequence[Sequence[Reading]]) -> Reading:
    """The same, or nothing of it right where its own gradient has a size that is no convention."""
    if divides_twice(best):
        return replace(best, is_off=True)
    alike = []
    for each in later:
        some = [one for one in each if may_be_same(one, best)]
        alike += [some] if some else []
    if best.is_single and wanders(best, alike):
        return replace(best, is_off=True)
    return best


def concluded(best: Reading, recording: Recording) -> Watched:
    """What a reading comes to."""
    right = tuple(str(quantity) for quantity, is_right in best.seen.items() if is_right)
    wrong = tuple(str(quantity) for quantity, is_right in best.seen.items() if not is_right)
    until = stacked(recording, best.passes, best.step)
    whole = replace(recording, made=until.made)
    if not wrong:
        return Watched(best, right, wrong, None, None, whole, recording)
    first = first_wrong(best)
    line = line_of(best, first, until)
    return Watched(best, right, wrong, first, line, whole, recording)


def first_wrong(best: Reading) -> Quantity:
    """From the output back: a delta from which both gradients follow, else the gradient alone."""
    for layer in range(best.L, 0, -1):
        dW = best.seen[Quantity("dW", layer)]
        db = best.seen.get(Quantity("db", layer), dW)
        if not dW and not db:
            return Quantity("dz", layer)
        if not dW:
            return Quantity("dW", layer)
        if not db:
            return Quantity("db", layer)
    raise AssertionError("called only where something is wrong")

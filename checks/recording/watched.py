"""What was seen of a script: its network, and whether its step takes the right gradients off.

The gradients of the recognised network on the script's own data are compared with what its weights
lost at the first step, and with every array that its lines made on the way: a step of momentum or
Adam takes off something else, and still computes the gradients that it must.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.heads import Head, costs_of
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantity
from backproof.checks.recording import losses
from backproof.checks.recording.descent import (
    CLOSE,
    Descent,
    are_alike,
    by_descent,
    descent,
    shared_descent,
)
from backproof.checks.recording.own_line import Found, Own, locate, orientations
from backproof.checks.recording.page import Page, ratio
from backproof.checks.recording.recognise import Edge, NotRecognised, Recognised
from backproof.checks.recording.source import Sources

USUAL = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Watched:
    """The judgement on a script.

    Attributes:
        network: what was recognised.
        page: the right numbers of its first step, for the targets and the cost that fit best.
        targets: the name that holds the targets.
        right, wrong: gradients by name.
        step: the descent that its parameters share, of the mean loss; None if it is another one.
        first_wrong: the first wrong step, or None.
        found: the line that makes it, or None.
        recording: of the run.
    """

    network: Recognised
    page: Page
    targets: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    step: Descent | None
    first_wrong: Quantity | None
    found: Found | None
    recording: Recording

    @property
    def sentence(self) -> str:
        """What was recognised, as it is printed first."""
        edges = self.network.edges
        layout = "in, out" if edges[0].turned else "out, in"
        hidden = ", ".join(dict.fromkeys(self.network.hidden)) or "no hidden layer"
        place = "columns" if edges[0].columns else "rows"
        names = ", ".join(edge.W.name for edge in edges)
        step = "" if self.step is None else f", {self.step}"
        lines = sorted({edge.W.versions[edge.version + 1].site.line for edge in edges})
        where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
        return (
            f"I saw a {'-'.join(map(str, self.network.sizes))} network: {names} ({layout}), "
            f"{hidden}, {self.page.problem.head.output} output, {self.page.problem.head.cost} "
            f"against {self.targets}, batches of {self.page.N} in {place}{step}, updated on "
            f"{where}."
        )

    @property
    def variables(self) -> frozenset[str]:
        """The names of W and b, which an update changes."""
        held = [variable for edge in self.network.edges for variable in (edge.W, edge.b)]
        return frozenset(variable.name for variable in held if variable is not None)

    def as_json(self) -> dict[str, Any]:
        """The object under "watched"."""
        edges = self.network.edges
        names = {"x": edges[0].x_name, "Y": self.targets}
        names |= {f"W[{layer}]": edge.W.name for layer, edge in enumerate(edges, start=1)}
        names |= {
            f"b[{layer}]": edge.b.name
            for layer, edge in enumerate(edges, start=1)
            if edge.b is not None
        }
        network = {
            "sizes": list(self.network.sizes),
            "layout": "in,out" if edges[0].turned else "out,in",
            "examples": "columns" if edges[0].columns else "rows",
            "hidden": list(self.network.hidden),
            "output": self.page.problem.head.output,
            "cost": self.page.problem.head.cost,
            "batch": self.page.N,
            "learning_rate": None if self.step is None else self.step.rate,
        }
        return {"network": network, "names": names}


def judged(network: Recognised, recording: Recording) -> Watched:
    """Compare a network's first step with the equations.

    Raises: NotRecognised where the targets, or what is minimised, were not.
    """
    x = network.edges[0].x
    tried = []
    for name, Y in _targets(network, recording):
        for head in _heads(network.output):
            page = _page(network, x, Y, head)
            if page is not None:
                seen, step = _own(network, page, recording)
                usual = step is not None and _is_written(step.rate, page, recording)
                tried.append(_Tried(name, page, seen, step, usual))
    if not tried:
        raise NotRecognised(
            f"no array was seen that could be the targets of {network.p.shape[0]} samples and "
            f"{network.p.shape[1]} outputs",
            [edge.W.name for edge in network.edges],
        )
    best = max(tried, key=lambda one: one.score)
    return _concluded(network, best, tried, recording)


@dataclass(frozen=True)
class _Tried:
    """One reading of the targets and the cost."""

    name: str
    page: Page
    seen: dict[Quantity, bool]
    step: Descent | None
    has_rate: bool

    @property
    def score(self) -> tuple[bool, int, bool, bool]:
        """How well it explains what the script computes: its output's delta first; then whether
        the rate that it implies is a number of the script's."""
        L = self.page.problem.L
        top = self.seen.get(Quantity("dW", L), False)
        all_of_it = sum(self.seen.values())
        return top, all_of_it, self.seen.get(Quantity("dz", L), False), self.has_rate


def _is_written(rate: float, page: Page, recording: Recording) -> bool:
    """Whether a rate, times N, K or 2, is a number that the script holds under some name."""
    values = np.concatenate(
        [series.values for series in recording.series if len(series.values) < 3] or [np.zeros(0)]
    )
    sizes = (1.0, float(page.N), float(page.problem.sizes[-1]))
    wanted = [rate * two / size for two in (1.0, 2.0, 0.5) for size in sizes]
    wanted += [rate * two * size for two in (1.0, 2.0, 0.5) for size in sizes]
    return any((np.abs(values - one) <= 1e-6 * abs(one)).any() for one in wanted)


def _concluded(
    network: Recognised, best: _Tried, tried: Sequence[_Tried], recording: Recording
) -> Watched:
    page = best.page
    different = {one.page.problem.y.tobytes() for one in tried}
    if not best.score[0] and len(different) > 1:
        names = ", ".join(dict.fromkeys(one.name for one in tried))
        raise NotRecognised(
            f"none of {names} fits as the targets of what is taken off {network.edges[-1].W.name}",
            [edge.W.name for edge in network.edges],
        )
    parameters = [q for q in best.seen if q.is_parameter_gradient]
    unseen = _unseen(network, parameters)
    if unseen:
        raise NotRecognised(
            f"what the first step takes off the parameter of {unseen[0]} was not seen",
            [edge.W.name for edge in network.edges],
        )
    right = tuple(str(q) for q in parameters if best.seen[q])
    wrong = tuple(str(q) for q in parameters if not best.seen[q])
    if reason := _undecided(network, best, tried, recording):
        raise NotRecognised(reason, [edge.W.name for edge in network.edges])
    first = _first_wrong(best) if wrong else None
    found = _line(network, page, first, recording) if first is not None else None
    return Watched(
        network,
        page,
        best.name,
        right,
        wrong,
        best.step,
        first,
        found,
        recording,
    )


def _undecided(
    network: Recognised, best: _Tried, tried: Sequence[_Tried], recording: Recording
) -> str:
    """Why what is no gradient of the cost need not be wrong; "" where it is right, or wrong for
    every loss, or for the one that the script computes itself."""
    page = best.page
    L = page.problem.L
    for layer in range(L, 0, -1):
        edge = network.edges[layer - 1]
        lost = _lost_W(edge)
        if best.seen[Quantity("dW", layer)] or not lost.any():
            continue
        explained = losses.unusual(lost, edge.M, page, layer)
        if explained:
            return (
                f"what {edge.W.name} loses is not the gradient of the {page.problem.head.cost} "
                f"against {best.name}, and {explained}"
            )
    if _is_recognised_loss(best):
        return ""
    last = network.edges[-1]
    lost = _lost_W(last)
    if not lost.any() or losses.is_wrong_for_every_loss(lost, page):
        return ""
    mine = [one.page for one in tried if one.name == best.name]
    if losses.computes_its_loss(mine, recording):
        return ""
    return (
        f"what {last.W.name} loses is the gradient of no cost that is known here against "
        f"{best.name}, and no number was seen to be such a cost either"
    )


def _is_recognised_loss(best: _Tried) -> bool:
    """Whether a gradient of the last layer is right; of two numbers any are a multiple."""
    L = best.page.problem.L
    head = best.page.problem.head
    free = best.page.problem.sizes[-1] - head.is_softmax  # numbers of db that may be anything
    return best.seen[Quantity("dW", L)] or (free > 1 and best.seen.get(Quantity("db", L), False))


def _unseen(network: Recognised, judged: Sequence[Quantity]) -> list[Quantity]:
    """The gradients of parameters that the network has and nobody judged: every W, and every b
    where any layer has one."""
    layers = range(1, len(network.edges) + 1)
    wanted = [Quantity("dW", layer) for layer in layers]
    if any(edge.b is not None or edge.bias.any() for edge in network.edges):
        wanted += [Quantity("db", layer) for layer in layers]
    return [quantity for quantity in wanted if quantity not in judged]


def _first_wrong(best: _Tried) -> Quantity:
    """From the output back: a delta from which both gradients follow, else the gradient alone."""
    for layer in range(best.page.problem.L, 0, -1):
        dW = best.seen[Quantity("dW", layer)]
        db = best.seen.get(Quantity("db", layer), dW)
        if not dW and not db:
            return Quantity("dz", layer)
        if not dW:
            return Quantity("dW", layer)
        if not db:
            return Quantity("db", layer)
    raise AssertionError("called only where something is wrong")


def _targets(network: Recognised, recording: Recording) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays that could be Y: as large as p, between 0 and 1, or a label for each sample; and the
    same of all data, where the input is a part of it."""
    p = network.p
    N, K = p.shape
    seen: set[int] = set()
    for made in recording.made:
        if made.time > network.until or id(made.value) in seen:
            continue
        seen.add(id(made.value))
        for rows in _rows_of(made, network):
            Y = _as_targets(rows, N, K)
            if Y is not None and not np.array_equal(Y, p):
                yield made.site.name or "what a line returns", Y


def _rows_of(made: Made, network: Recognised) -> Iterator[np.ndarray]:
    """An array as it is; and its rows that belong to the samples of the input."""
    value = made.value
    yield value
    for count, picked in network.parts:
        if value.ndim in (1, 2) and len(value) == count:
            yield value[picked]
        if value.ndim == 2 and value.shape[1] == count:
            yield value[:, picked]


def _as_targets(value: np.ndarray, N: int, K: int) -> np.ndarray | None:
    array = np.squeeze(value)
    for turned in (array, array.T):
        if turned.shape == tuple(n for n in (N, K) if n != 1):
            Y = turned.reshape(N, K)
            if Y.min() >= 0 and Y.max() <= 1 and (np.abs(Y - np.round(Y)) < 1e-12).all():
                return Y
    whole = array.reshape(-1)
    if K < 2 or whole.shape != (N,) or (whole != np.round(whole)).any():
        return None
    if whole.min() < 0 or whole.max() >= K:
        return None
    return np.eye(K)[whole.astype(int)]


def _heads(output: str) -> list[Head]:
    """The costs that may stand behind an output; those that differ by a factor alone once."""
    return [Head(output, cost) for cost in costs_of(output) if cost != "half-quadratic"]


def _page(network: Recognised, x: np.ndarray, Y: np.ndarray, head: Head) -> Page | None:
    W = {layer: edge.M for layer, edge in enumerate(network.edges, start=1)}
    b = {layer: edge.bias for layer, edge in enumerate(network.edges, start=1)}
    if head.is_softmax and not np.allclose(Y.sum(axis=1), 1):
        return None
    from backproof.checks.activations import named

    hidden = tuple(named(name) for name in network.hidden)
    problem = Problem(x, Y, W, b, head=head, hidden=hidden, name="watched")
    return Page(problem, 1.0 / len(x))


def _own(
    network: Recognised, page: Page, recording: Recording
) -> tuple[dict[Quantity, bool], Descent | None]:
    """Which gradients are right, of all that were seen: by what the first step takes off, where
    that is plain descent with one rate (and one weight decay); else by what the lines compute."""
    last = max(edge.W.versions[edge.version + 1].time for edge in network.edges)
    made = [one for one in recording.made if one.time <= last]
    top = Quantity("dz", page.problem.L)
    at_output = {top: bool(_made(made, page.values[top]))}
    changes = _changes(network)
    fits = {q: _descent(network, q, lost, page) for q, lost in changes.items()}
    if any(fit is not None for fit in fits.values()):
        shared = shared_descent(fits, lambda rate: _is_written(rate, page, recording))
        return at_output | by_descent(fits, shared), shared
    computed = {q: _made(made, page.values[q]) for q in changes}
    for quantity, lost in changes.items():
        if _climbs(lost, page.values[quantity]):
            computed[quantity] = set()
    return at_output | _by_factor(computed), None


def _climbs(lost: np.ndarray, right: np.ndarray) -> bool:
    """Whether the gradient was added where it must be taken off; of one number that says nothing,
    because the step may be another's."""
    factor = ratio(lost, right, CLOSE)
    return factor is not None and factor < 0 and right.size > 1


def _changes(network: Recognised) -> dict[Quantity, np.ndarray]:
    """What the first step takes off every W and b, from the last layer down."""
    found = {}
    for layer in range(len(network.edges), 0, -1):
        edge = network.edges[layer - 1]
        for kind, lost in (("dW", _lost_W(edge)), ("db", _lost_b(edge))):
            if lost is not None:
                found[Quantity(kind, layer)] = lost
    return found


def _descent(
    network: Recognised, quantity: Quantity, lost: np.ndarray, page: Page
) -> Descent | None:
    """By what the correct gradient, and the parameter itself, were multiplied and taken off."""
    edge = network.edges[(quantity.layer or 1) - 1]
    parameter = edge.M if quantity.kind == "dW" else edge.bias
    return descent(lost, page.values[quantity], parameter)


def _by_factor(computed: dict[Quantity, set[float]]) -> dict[Quantity, bool]:
    """The gradients that lines make, all times one factor: that which most of them have."""
    factors = set().union(*computed.values())
    count = {one: sum(_has(of, one) for of in computed.values()) for one in factors}
    best = max(count, key=lambda one: (count[one], one in USUAL), default=None)
    return {quantity: best is not None and _has(of, best) for quantity, of in computed.items()}


def _has(factors: set[float], wanted: float) -> bool:
    return any(are_alike(one, wanted) for one in factors)


def _lost_W(edge: Edge) -> np.ndarray:
    """What the first step took off W, (n_out, n_in)."""
    before, after = (edge.W.versions[edge.version + n].value for n in (0, 1))
    lost = before - after
    return lost.T if edge.turned else lost


def _lost_b(edge: Edge) -> np.ndarray | None:
    """What it took off b; None where b does not change."""
    if edge.b is None:
        return None
    values = [made.value.reshape(-1) for made in edge.b.versions]
    for before, after in pairwise(values):
        if np.array_equal(before, edge.bias):
            return before - after
    return None


def _made(made: Sequence[Made], right: np.ndarray) -> set[float]:
    """By what a gradient is multiplied where lines make it."""
    found = set()
    for one in made:
        for array in orientations(one.value, right.shape):
            factor = ratio(array, right, 1e-9)
            # of two numbers any other two are a multiple, now and then
            usual = right.size > 2 or (factor is not None and round(abs(factor), 9) in USUAL)
            if factor is not None and usual:
                found.add(round(factor, 9))
    return found


def _line(network: Recognised, page: Page, first: Quantity, recording: Recording) -> Found | None:
    """The line that makes the first wrong step, by what the weights lost."""
    gradients, unread = gradients_of(network, rate_of_right(network, page) or 1.0)
    last = max(edge.W.versions[edge.version + 1].time for edge in network.edges)
    until = replace(recording, made=tuple(made for made in recording.made if made.time <= last))
    own = Own(until, page, gradients, unread, {}, 2.0**-52)
    sources = Sources(recording.sources)
    steps = [first]
    if first.kind == "dz" and (first.layer or 0) < page.problem.L:
        steps = [Quantity("da", first.layer), first]
    for step in steps:
        found = locate(own, step, sources)
        if found is not None and sources.computes(found.file, found.line):
            return found
    return None


def gradients_of(
    network: Recognised, rate: float
) -> tuple[dict[Quantity, np.ndarray], dict[Quantity, float]]:
    """What the first step took off, over a rate; and how far reading it off may have put it."""
    gradients = {}
    unread = {}
    for layer, edge in enumerate(network.edges, start=1):
        for kind, lost in (("dW", _lost_W(edge)), ("db", _lost_b(edge))):
            if lost is not None:
                gradients[Quantity(kind, layer)] = lost / rate
                size = float(np.abs(edge.M).max())
                unread[Quantity(kind, layer)] = 2.0**-52 * size / abs(rate)
    return gradients, unread


def rate_of_right(network: Recognised, page: Page) -> float | None:
    """By what a right gradient of any layer is multiplied."""
    for layer in range(page.problem.L, 0, -1):
        edge = network.edges[layer - 1]
        factor = ratio(_lost_W(edge), page.values[Quantity("dW", layer)], CLOSE)
        if factor is not None and factor > 0:
            return factor
    return None

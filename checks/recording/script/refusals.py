"""What else changes, or does not, in a script in which a network was recognised: then that is not
the whole of it, and no verdict is given. Each function raises NotRecognised for what it sees."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np

from backproof.checks.candidates.inside.plain import LARGEST_ARRAY
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.recording.script.chains import Chain, Chains
from backproof.checks.recording.script.frozen import layer_after, layer_before
from backproof.checks.recording.script.layers import Edge
from backproof.checks.recording.script.recognised import NotRecognised, Recognised
from backproof.checks.recording.script.updates import is_updated
from backproof.checks.recording.script.variables import Variable
from backproof.checks.recording.source import Sources

MOST_UNUSED = 6  # versions of weights of which one pass alone was seen


def refuse_unused(found: Recognised, held: Sequence[Variable]) -> None:
    """Updates of a copy: what it becomes goes into no later pass, and what it was a copy of stays
    as it is."""
    changed = [len(layer.W.versions) for layer in found.layers]
    if len(found.steps) > 1 or min(changed) <= MOST_UNUSED:
        return
    first = {id(layer.W.versions[0].value): layer.W.name for layer in found.layers}
    for one in held:
        copy = first.get(id(one.versions[0].value))
        if copy is not None and not one.ever_differs:
            raise NotRecognised(
                f"a pass with what {copy} becomes: it begins as a copy of {one.name}, which never "
                "changes, and no pass was seen that takes what an update has made of it",
                found.names,
            )


def refuse_frozen(found: Recognised, held: Sequence[Variable]) -> None:
    """A layer before the first one, or behind the last, which is computed in each step and stays as
    it is."""
    behind = layer_after(found.network, found.steps, found.archive, held)
    if behind is not None:
        raise NotRecognised(
            f"an update of {behind.name}: it takes what comes of {found.names[-1]} in each step, "
            "and it never changes. If it is meant to learn, no line takes its gradient off",
            found.names,
        )
    frozen = layer_before(found.network, found.steps, found.archive, found.inputs, held)
    if frozen is not None:
        raise NotRecognised(
            f"an update of {frozen.name}: what goes into {found.names[0]} is made of it in each "
            "step, and it never changes. If it is meant to learn, no line takes its gradient off",
            found.names,
        )


def refuse_unseen(recording: Recording, since: int) -> None:
    """Arrays that go on changing after the first update, and were too large to be looked at: a
    layer may be among them."""
    names = [name for name, changed in recording.unseen.items() if changed > since]
    if names:
        raise NotRecognised(
            f"what {', '.join(names[:6])} holds: it changes from step to step, and has more than "
            f"{LARGEST_ARRAY:,} entries, which are not looked at"
        )


def refuse_two(chains: Chains, best: Chain) -> None:
    """A second network, which shares nothing with the first."""
    mine = _values(best)
    taken = {id(edge.input.made.value) for edge in best}
    for chain in chains.all:
        if any(taken & edge.layer.W.values for edge in chain):
            continue  # all data, in another order at each step
        if _values(chain) & mine or any(_is_of(edge.M, best) for edge in chain):
            continue  # its own weights under another name, or its input taken for weights
        if len(chain) > 1 and len(best) > 1 and not chains.linear(chain):
            raise NotRecognised(
                f"there are two networks: one of {_names(best)}, and one of {_names(chain)}"
            )


def _values(chain: Chain) -> set[int]:
    """The arrays that its weights are, over time."""
    found: set[int] = set()
    for edge in chain:
        found |= {id(made.value) for made in edge.layer.W.versions}
    return found


def refuse_others(found: Recognised, held: Sequence[Variable], sources: Sources) -> None:
    """A parameter that is updated, too, and is no part of the network."""
    first = found.steps[0].passes[0].began
    mine: set[int] = set()
    for layer in found.layers:
        for variable in (layer.W, layer.b):
            mine |= set() if variable is None else {id(made.value) for made in variable.versions}
    states = _states(found, held, first)
    inputs = {id(one.input.made.value) for step in found.steps for one in step.passes}
    for one in held:
        before = one.made_at(first)
        if before is None or not one.changes or before.value.ndim == 0 or not before.value.any():
            continue
        if _is_constant(before.value, states) or inputs & one.values:
            continue
        is_mine = any(id(made.value) in mine for made in one.versions)
        if is_mine or _is_part(before.value, found, first):
            continue
        if any(is_updated(made, sources) for made in _updates(one, first)):
            raise NotRecognised(
                f"{one.name} changes from step to step, too, and is no part of the network of "
                f"{', '.join(found.names)}",
                found.names,
            )


def _states(found: Recognised, held: Sequence[Variable], time: int) -> frozenset[float]:
    """What an optimizer's sums begin with, such as the 1e-8 of Adagrad: the one number in matrices
    that are as large as weights and go into no layer."""
    shapes = {layer.W.shape for layer in found.layers if min(layer.W.shape, default=1) > 1}
    begun = [one.at(time) for one in held if one.changes and one.shape in shapes]
    return frozenset(float(array.flat[0]) for array in begun if array.size and np.ptp(array) == 0)


def _is_constant(value: np.ndarray, states: Collection[float]) -> bool:
    return bool(np.ptp(value) == 0 and float(value.flat[0]) in states)


def _updates(one: Variable, first: int) -> Iterator[Made]:
    """What a variable became after a time, in the place where it was before: as that came to be
    held there, and as it was made; what was put into another order alone, as targets are, is none.
    """
    made = {id(version.value): version for version in one.versions}
    for before, after in pairwise(one.bound):
        is_new = not _is_reordered(before.value, after.value)
        if before.slot == after.slot and after.time > first and is_new:
            yield after
            if made[id(after.value)].time > first:
                yield made[id(after.value)]


def _is_reordered(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers, and not all at the same places."""
    if before.shape != after.shape or np.array_equal(before, after):
        return False
    return np.array_equal(np.sort(before, axis=None), np.sort(after, axis=None))


def _is_part(value: np.ndarray, found: Recognised, time: int) -> bool:
    """Whether an array is a row or a column of the weights, or a part of a bias."""
    for layer in found.layers:
        W = layer.W.at(time)
        for rows in (W, W.T):
            if value.ndim == 1 and value.shape == rows.shape[1:] and (rows == value).all(1).any():
                return True
    return False


def _is_of(M: np.ndarray, chain: Sequence[Edge]) -> bool:
    """Whether a matrix is the input or the weights of a layer."""
    for edge in chain:
        for known in (edge.x, edge.M):
            for array in (known, known.T):
                if array.shape == M.shape and np.array_equal(array, M):
                    return True
    return False


def _names(chain: Sequence[Edge]) -> str:
    return ", ".join(edge.layer.W.name for edge in chain)

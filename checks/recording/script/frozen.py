"""A layer that a script computes in each step, has a gradient of, it seems, and never changes: it
stands before the network that was recognised, or behind it, and whether its gradient is right,
nothing shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checks.recording.script.archive import Archive, closeness
from backproof.checks.recording.script.functions import between
from backproof.checks.recording.script.inputs import Input, Inputs
from backproof.checks.recording.script.passes import Network, Step
from backproof.checks.recording.script.variables import Variable

MOST_INPUTS = 100  # of each width, that are tried
FEWEST = 3  # numbers that agree, for a product to be one by no accident


def layer_before(
    network: Network,
    steps: Sequence[Step],
    archive: Archive,
    inputs: Inputs,
    held: Sequence[Variable],
) -> Variable | None:
    """The matrix of which the network's input is made anew in each step; None where there is none.

    Args:
        network, steps: what was recognised, and its first updates.
        archive, inputs: all that was recorded.
        held: all variables.
    """
    input = steps[0].passes[-1].input
    x = input.rows
    if x.size < FEWEST or not _is_made_anew(network, steps, archive):
        return None
    n = x.shape[1]
    biases = [np.zeros(n), *_biases(held, n, input.made.time)]
    for W in held:
        value = W.versions[0].value
        if W.ever_differs or not _is_matrix(value) or _is_same(value, x):
            continue
        if not any(_may_be_gradient(one, W) for one in held):
            continue  # a layer that is not meant to learn
        for M in _turned(value, n):
            for below in inputs.of(M.shape[1], None, input.made.time)[:MOST_INPUTS]:
                if len(below.rows) == len(x) and _makes(below, M, biases, input):
                    return W
    return None


def layer_after(
    network: Network, steps: Sequence[Step], archive: Archive, held: Sequence[Variable]
) -> Variable | None:
    """The matrix that takes what comes out of the network, and has a gradient, and never changes;
    None where there is none.

    Args:
        network, steps: what was recognised, and its first updates.
        archive: all that was recorded.
        held: all variables.
    """
    step = steps[0]
    p = step.passes[-1].p
    if p.shape[1] < 2:
        return None
    for W in held:
        value = W.versions[0].value
        if W.ever_differs or not _is_matrix(value) or W.times[0] > step.passes[0].began:
            continue
        if not any(_may_be_gradient(one, W) for one in held):
            continue
        for M in (value, value.T):
            if M.shape[1] != p.shape[1] or p.size * len(M) < FEWEST:
                continue
            for bias in [np.zeros(len(M)), *_biases(held, len(M), step.until)]:
                z = p @ M.T + bias
                if np.ptp(z) > 0 and archive.place(z, step.passes[-1].began, step.until):
                    return W
    return None


def _is_matrix(value: np.ndarray) -> bool:
    """Whether an array may be weights."""
    return value.ndim == 2 and value.size > 0 and bool(np.ptp(value) > 0)


def _may_be_gradient(one: Variable, W: Variable) -> bool:
    """Whether a variable is as large as weights, and other at each step."""
    return one.ever_differs and one.shape in (W.shape, W.shape[::-1])


def _is_made_anew(network: Network, steps: Sequence[Step], archive: Archive) -> bool:
    """Whether the network's input was computed when its weights were there already, or once more
    after the first update, the same or other: what comes out the same is recorded once."""
    first = steps[0]
    inputs = [one.input.made.time for step in steps for one in step.passes]
    if any(time > first.until for time in inputs) or inputs[0] > network.start():
        return True
    end = archive.made[-1].time
    return archive.place(first.passes[-1].input.rows, first.until, end) is not None


def _biases(held: Sequence[Variable], n: int, time: int) -> Iterator[np.ndarray]:
    """What may be added to a product of n units at a time."""
    for one in held:
        if one.versions[0].value.size == n and one.times[0] <= time:
            value = one.at(time)
            if max(value.shape, default=0) == n and value.any():
                yield value.reshape(-1)


def _turned(value: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """A matrix as weights of n units, either way."""
    for M in (value, value.T):
        if len(M) == n:
            yield M


def _is_same(value: np.ndarray, x: np.ndarray) -> bool:
    """Whether a matrix is the input itself, either way."""
    return any(M.shape == x.shape and np.array_equal(M, x) for M in (value, value.T))


def _makes(below: Input, M: np.ndarray, biases: Sequence[np.ndarray], input: Input) -> bool:
    """Whether an activation of the product, with one of the biases, is the network's input."""
    product = below.rows @ M.T
    if not np.isfinite(product).all() or np.ptp(product) == 0:
        return False
    near = closeness(input.made.eps)
    return any(between(product + bias, input.rows, near) is not None for bias in biases)

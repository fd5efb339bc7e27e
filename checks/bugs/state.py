"""Suspects that keep something between samples or calls: a buffer that is never set back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at
from backproof.checks.bugs.register import Variant, places, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.findings import Fix, Place


@suspect(
    "stale-accumulator",
    "a buffer is never set back to zero: what it held from earlier samples or calls is added again",
    Fix.of_steps(
        "da",
        comment="assign; where you add, set the buffer to 0 before every sample and in every call",
        above=1,
    ),
    "(B4)",
    rank=120,
)
def stale_accumulator(shape: Shape) -> Iterator[Variant]:
    """da (or dz), or dW and db, carry the sum over the samples before, over the calls before, or
    over both."""
    yield from _of_deltas(shape.L)
    yield from _of_sums(shape)


def _of_deltas(L: int) -> Iterator[Variant]:
    """The buffer of a quantity that has a row a sample."""
    for step in ("da", "dz"):
        for layers in places(range(1, L)):
            for carry in CARRIED:
                yield Variant(
                    Place.of(layers, L),
                    (at(step, layers, _carried, step, carry),),
                    f"{step}[l], {carry.note}",
                    in_sequence=carry.between_calls,
                )


def _of_sums(shape: Shape) -> Iterator[Variant]:
    """The buffer of dW and db, or of one of them."""
    buffers = (("dW", "db"), ("dW",), ("db",)) if shape.bias else (("dW",),)
    for layers in places(range(1, shape.L + 1)):
        for steps in buffers:
            first = f"{steps[0]}[l] = 0"
            fix = Fix(first, "before every sum over samples, in every call")
            for when in SUMMED:
                hooks: Hooks = tuple(at(step, layers, _summed, step, when) for step in steps)
                yield Variant(
                    Place.of(layers, shape.L),
                    hooks,
                    f"{' and '.join(steps)}, {when.note}",
                    in_sequence=when.between_calls,
                    fix=fix,
                )


# (call, sample, unit), and what the question before left -> the same with what is left over
Carry = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


@dataclass(frozen=True)
class Carried:
    """When a buffer of deltas is not set back, and what that makes of them."""

    note: str
    between_calls: bool
    carry: Carry


def _between_samples(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    return value.cumsum(axis=1)


def _between_calls(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    return value.cumsum(axis=0) + (0 if before is None else before[-1])


def _between_both(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    calls, in_call, n = value.shape
    last = 0 if before is None else before[-1, -1]
    return np.asarray(value.reshape(-1, n).cumsum(axis=0) + last).reshape(calls, in_call, n)


def _into_the_first(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    found = value.copy()
    last = 0 * value[0, 0]
    if before is not None:
        last = before[-1, -1]
    for call in found:
        call[0] += last
        last = call[-1]
    return found


CARRIED = (
    Carried("between samples", False, _between_samples),
    Carried("between calls", True, _between_calls),
    Carried("between samples and calls", True, _between_both),
    Carried("between calls, into the first sample", True, _into_the_first),
)


def _carried(
    run: HookedPass, layer: int, value: np.ndarray, step: str, carried: Carried
) -> np.ndarray:
    """What a buffer holds, sample by sample."""
    shape = (run.setting.calls, run.setting.in_call, value.shape[1])
    before = run.previous.get(step, layer).reshape(shape) if run.previous else None
    return carried.carry(value.reshape(shape), before).reshape(value.shape)


@dataclass(frozen=True)
class Summed:
    """When the buffer of dW or db is not set back.

    Attributes:
        note: in words.
        between_calls: whether anything is left over from the call before.
        often: of (calls, samples a call), how often each sample is counted.
        before: of the same, how often all of the question before is counted.
    """

    note: str
    between_calls: bool
    often: Callable[[int, int], np.ndarray]
    before: Callable[[int, int], int]


SUMMED = (
    Summed(
        "between samples",
        False,
        lambda calls, in_call: np.tile(np.arange(in_call, 0, -1), calls),
        lambda calls, in_call: 0,
    ),
    Summed(
        "between calls",
        True,
        lambda calls, in_call: np.repeat(np.arange(calls, 0, -1), in_call),
        lambda calls, in_call: calls,
    ),
    Summed(
        "between samples and calls",
        True,
        lambda calls, in_call: np.arange(calls * in_call, 0, -1),
        lambda calls, in_call: calls * in_call,
    ),
)


def _summed(run: HookedPass, layer: int, value: np.ndarray, step: str, when: Summed) -> np.ndarray:
    """The buffer of dW or db: what a sample, or a call, adds is what all up to it have added."""
    calls = run.setting.calls
    in_call = run.setting.in_call
    often = when.often(calls, in_call)[:, None]
    if step == "dW":
        total = (run.get("dW_delta", layer) * often).T @ run.get("dW_input", layer)
    else:
        total = (run.get("db_delta", layer) * often).sum(axis=0)
    earlier = run.previous
    while when.between_calls and earlier is not None:
        total = total + when.before(calls, in_call) * _plain(earlier, step, layer)
        earlier = earlier.previous
    return np.asarray(total)


def _plain(run: HookedPass, step: str, layer: int) -> np.ndarray:
    """dW or db of a call before any buffer."""
    if step == "dW":
        return np.asarray(run.get("dW_delta", layer).T @ run.get("dW_input", layer))
    return np.asarray(run.get("db_delta", layer).sum(axis=0))

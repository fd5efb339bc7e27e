"""Suspects that keep something they should not: a buffer between samples or calls, or an array that was edited in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from checks.by_hand import sigmoid, softmax_jacobian
from checks.suspects.register import Variant, at, named, places, suspect
from checks.suspects.wrong_pass import Hook, Hooks, Pass, Setting, times


@suspect(
    "in-place",
    "an activation or its derivative edits its argument, so that a later line reads the wrong thing",
    "return a * (1 - a), which is a new array; never a *= ... inside a function",
    "(B2)",
)
def in_place(setting: Setting) -> Iterator[Variant]:
    """a[l] has become a(1 - a), 1 - a or sigma(a) by the time at which (B2) or (B5) reads it."""
    L = setting.problem.L

    def became_s(run: Pass, layer: int, a: np.ndarray) -> np.ndarray:
        return a * (1 - a)

    def became_rest(run: Pass, layer: int, a: np.ndarray) -> np.ndarray:
        return 1 - a

    for layers in (*places(range(2, L + 1)), *places(range(1, L + 1))):
        for note, hook in (("a[l - 1] is a(1 - a) in dW[l]", became_s), ("a[l - 1] is 1 - a in dW[l]", became_rest)):
            yield Variant("in-place", named(layers, L), (("right", at(layers, hook)),), note)

    def squared(run: Pass, layer: int, s: np.ndarray) -> np.ndarray:
        return (1 - run.get("a", layer)) ** 2

    def twice(run: Pass, layer: int, s: np.ndarray) -> np.ndarray:
        a = sigmoid(run.get("a", layer))
        return a * (1 - a)

    def of_s(run: Pass, layer: int, s: np.ndarray) -> np.ndarray:
        return s * (1 - s)

    for layers in places(range(1, L)):
        above = [layer + 1 for layer in layers]
        both: Hooks = (("s", at(layers, squared)), ("right", at(above, became_rest)))
        again: Hooks = (("s", at(layers, of_s)), ("right", at(above, became_s)))
        yield Variant("in-place", named(layers, L), both, "a[l] is 1 - a in both dz[l] and dW[l + 1]")
        yield Variant("in-place", named(layers, L), (("s", at(layers, of_s)),), "a[l] is a(1 - a) in dz[l]")
        yield Variant("in-place", named(layers, L), again, "a[l] is a(1 - a) in both dz[l] and dW[l + 1]")
        yield Variant("in-place", named(layers, L), (("s", at(layers, twice)),), "z[l] is a[l] by the time sigma'(z[l]) is taken")
    yield from _output_edited(setting)


def _output_edited(setting: Setting) -> Iterator[Variant]:
    """p has become p - Y, or p(1 - p), by the time at which the other factor of dz[L] is computed."""
    L = setting.problem.L
    if setting.problem.cost != "quadratic":
        return

    def from_error(run: Pass, layer: int, dz: np.ndarray) -> np.ndarray:
        p = run.e
        return times(softmax_jacobian(p), run.dp) if run.problem.output == "softmax" else run.dp * p * (1 - p)

    def from_derivative(run: Pass, layer: int, dz: np.ndarray) -> np.ndarray:
        s = run.p * (1 - run.p)
        return 2 * run.w * (s - run.get("Y", layer)) * s

    for note, hook in (("p is p - Y in the derivative", from_error), ("p is p(1 - p) in p - Y", from_derivative)):
        yield Variant("in-place", "the output layer", (("dz", at([L], hook)),), note)


@suspect(
    "stale-accumulator",
    "a buffer is never set back to zero: what it held from earlier samples or calls is added again",
    "da[l] = dz[l + 1] @ W[l + 1]   # assign; where you must add, zero the buffer before every sample and every call",
    "(B4)",
)
def stale_accumulator(setting: Setting) -> Iterator[Variant]:
    """da (or dz), or dW and db, carry the sum over the samples before, over the calls before, or over both."""
    L = setting.problem.L
    for step in ("da", "dz"):
        for layers in places(range(1, L)):
            for note, hook in CARRIED:
                buffer: Hooks = ((step, _carried(step, layers, hook)),)
                yield Variant("stale-accumulator", named(layers, L), buffer, f"{step}[l], {note}", in_sequence="calls" in note)
    for layers in places(range(1, L + 1)):
        for steps in (("dW", "db"), ("dW",), ("db",)) if setting.bias else (("dW",),):
            for note in ("between samples", "between calls", "between samples and calls"):
                hooks: Hooks = tuple((step, at(layers, _summed(step, note))) for step in steps)
                text = f"{' and '.join(steps)}, {note}"
                yield Variant("stale-accumulator", named(layers, L), hooks, text, in_sequence="calls" in note)


def _between_samples(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    return value.cumsum(axis=0)


def _between_calls(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    return value if before is None else value + before


def _between_both(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    return value.cumsum(axis=0) + (0 if before is None else before[-1])


def _into_the_first(value: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    return value if before is None else np.concatenate([value[:1] + before[-1:], value[1:]])


Carry = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
CARRIED: tuple[tuple[str, Carry], ...] = (
    ("between samples", _between_samples),
    ("between calls", _between_calls),
    ("between samples and calls", _between_both),
    ("between calls, into the first sample", _into_the_first),
)


def _carried(step: str, layers: tuple[int, ...], carry: Carry) -> Hook:
    """The buffer of one quantity that has a row a sample."""

    def hook(run: Pass, layer: int, value: np.ndarray) -> np.ndarray:
        before = run.previous.get(step, layer) if run.previous else None
        return carry(value, before)

    return at(layers, hook)


def _summed(step: str, when: str) -> Hook:
    """The buffer of dW or db: between samples, the n-th sample adds the sum of all up to it."""

    def hook(run: Pass, layer: int, value: np.ndarray) -> np.ndarray:
        before = run.previous
        if when == "between calls":
            return value if before is None else value + before.get(step, layer)
        rows = run.get("left" if step == "dW" else "dz", layer) * np.arange(run.N, 0, -1)[:, None]
        weighted = rows.T @ run.get("right", layer) if step == "dW" else rows.sum(axis=0)
        while when != "between samples" and before is not None:
            weighted, before = weighted + run.N * _plain(before, step, layer), before.previous
        return np.asarray(weighted)

    return hook


def _plain(run: Pass, step: str, layer: int) -> np.ndarray:
    """dW or db of a call before any buffer."""
    if step == "dW":
        return np.asarray(run.get("left", layer).T @ run.get("right", layer))
    return np.asarray(run.get("dz", layer).sum(axis=0))

"""Suspects that keep something they should not: a buffer between samples or calls, or an array that
was edited in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.bugs.register import Variant, at, named, places, suspect
from backproof.checks.bugs.wrong_pass import Hook, Hooks, Pass, Setting, times
from backproof.checks.by_hand import sigmoid, softmax_jacobian


@suspect(
    "in-place",
    "an activation or its derivative edits its argument, so that a later line reads the wrong "
    "thing",
    "return a * (1 - a)   # a new array: no a *= ..., no a[:] = ..., no out=a",
    "(B5)",
)
def in_place(setting: Setting) -> Iterator[Variant]:
    """By the time at which (B2) or (B5) reads it, a[l] (or z[l]) holds something else; or both read
    it, and each something else."""
    L = setting.problem.L
    for layers in (*places(range(2, L + 1)), *places(range(1, L + 1))):
        for left in LEFT:
            note = f"a[l - 1] is {left} in dW[l]"
            yield Variant(
                "in-place",
                named(layers, L),
                (("right", at(layers, _left_in, left)),),
                note,
                alone="sigma(s" in left,
            )
    for layers in places(range(1, L)):
        for left, given in COMMON if len(layers) < L - 1 else [*COMMON, *RARE]:
            yield _edited(L, layers, left, given)
    if (setting.problem.output, setting.problem.cost) == ("sigmoid", "quadratic"):
        for given in GIVEN:
            yield from (_edited(L, tuple(range(1, L + 1)), left, given) for left in ("", *LEFT))
    yield from _output_edited(setting)


def _sigmas(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sigma(a) and sigma(sigma(a)): what one and two more calls of a sigmoid that edits its
    argument leave in a."""
    once = sigmoid(a)
    return once, sigmoid(once)


# What an activation or its derivative leaves in the array that it was given, and what it returns
# when that array, or what became of it, is read again: each step of a(1 - a), and sigma(1 - sigma)
# by one or two calls of a sigmoid that edits its argument.
LEFT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a(1 - a)": lambda a: a * (1 - a),
    "1 - a": lambda a: 1 - a,
    "sigma(a)": lambda a: _sigmas(a)[0],
    "sigma(sigma(a))": lambda a: _sigmas(a)[1],
}
GIVEN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "(1 - a)^2": lambda a: (1 - a) ** 2,
    "s(1 - s), s = a(1 - a)": lambda a: a * (1 - a) * (1 - a * (1 - a)),
    "sigma'(a)": lambda a: _sigmas(a)[0] * (1 - _sigmas(a)[0]),
    "sigma(a)(1 - sigma(sigma(a)))": lambda a: _sigmas(a)[0] * (1 - _sigmas(a)[1]),
    "sigma'(sigma(a))": lambda a: _sigmas(a)[1] * (1 - _sigmas(a)[1]),
}
COMMON = [
    ("", "(1 - a)^2"),
    ("1 - a", "(1 - a)^2"),
    ("", "s(1 - s), s = a(1 - a)"),
    ("a(1 - a)", "s(1 - s), s = a(1 - a)"),
    ("", "sigma'(a)"),
]
RARE = [(left, given) for left in ("", *LEFT) for given in GIVEN if (left, given) not in COMMON]


def _left_in(run: Pass, layer: int, a: np.ndarray, left: str) -> np.ndarray:
    return LEFT[left](a)


def _given_back(run: Pass, layer: int, s: np.ndarray, given: str) -> np.ndarray:
    return GIVEN[given](run.p if layer == run.L else run.get("a", layer))


def _edited(L: int, layers: tuple[int, ...], left: str, given: str) -> Variant:
    """dW[l + 1] reads what was left in a[l], or dz[l] gets another derivative, or both."""
    above = [layer + 1 for layer in layers]
    hooks: Hooks = (
        ("s", at(layers, _given_back, given)),
        *([("right", at(above, _left_in, left))] if left else []),
    )
    note = f"the derivative in dz[l] is {given}" + (
        f", and a[l] is {left} in dW[l + 1]" if left else ""
    )
    return Variant("in-place", named(layers, L), hooks, note)


def _output_edited(setting: Setting) -> Iterator[Variant]:
    """p has become p - Y, or p(1 - p), by the time at which the other factor of dz[L] is
    computed."""
    L = setting.problem.L
    if setting.problem.cost != "quadratic":
        return

    def from_error(run: Pass, layer: int, dz: np.ndarray) -> np.ndarray:
        p = run.e
        if run.problem.output == "softmax":
            return times(softmax_jacobian(p), run.dp)
        return run.dp * p * (1 - p)

    def from_derivative(run: Pass, layer: int, dz: np.ndarray) -> np.ndarray:
        s = run.p * (1 - run.p)
        return 2 * run.w * (s - run.get("Y", layer)) * s

    for note, hook in (
        ("p is p - Y in the derivative", from_error),
        ("p is p(1 - p) in p - Y", from_derivative),
    ):
        yield Variant("in-place", "the output layer", (("dz", at([L], hook)),), note)


@suspect(
    "stale-accumulator",
    "a buffer is never set back to zero: what it held from earlier samples or calls is added again",
    "{da}   # assign; where you add, set the buffer to 0 before every sample and in every call",
    "(B4)",
)
def stale_accumulator(setting: Setting) -> Iterator[Variant]:
    """da (or dz), or dW and db, carry the sum over the samples before, over the calls before, or
    over both."""
    L = setting.problem.L
    for step in ("da", "dz"):
        for layers in places(range(1, L)):
            for note, hook in CARRIED:
                buffer: Hooks = ((step, _carried(step, layers, hook)),)
                yield Variant(
                    "stale-accumulator",
                    named(layers, L),
                    buffer,
                    f"{step}[l], {note}",
                    in_sequence="calls" in note,
                )
    for layers in places(range(1, L + 1)):
        for steps in (("dW", "db"), ("dW",), ("db",)) if setting.bias else (("dW",),):
            for note in ("between samples", "between calls", "between samples and calls"):
                hooks: Hooks = tuple((step, at(layers, _summed(step, note))) for step in steps)
                text = f"{' and '.join(steps)}, {note}"
                fix = f"{steps[0]}[l] = 0   # before every sum over samples, in every call"
                yield Variant(
                    "stale-accumulator",
                    named(layers, L),
                    hooks,
                    text,
                    in_sequence="calls" in note,
                    fix=fix,
                )


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
    last = before[-1, -1] if before is not None else 0 * value[0, 0]
    for call in found:
        call[0] += last
        last = call[-1]
    return found


# (call, sample, unit), and what the question before left
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
        shape = (run.setting.calls, run.setting.in_call, value.shape[1])
        before = run.previous.get(step, layer).reshape(shape) if run.previous else None
        return carry(value.reshape(shape), before).reshape(value.shape)

    return at(layers, hook)


def _summed(step: str, when: str) -> Hook:
    """The buffer of dW or db: what a sample, or a call, adds is what all up to it have added."""

    def hook(run: Pass, layer: int, value: np.ndarray) -> np.ndarray:
        calls = run.setting.calls
        in_call = run.setting.in_call
        before = run.previous
        times = {  # how often each sample is counted
            "between samples": np.tile(np.arange(in_call, 0, -1), calls),
            "between calls": np.repeat(np.arange(calls, 0, -1), in_call),
            "between samples and calls": np.arange(run.N, 0, -1),
        }[when][:, None]
        rows = run.get("left" if step == "dW" else "rows", layer) * times
        total = rows.T @ run.get("right", layer) if step == "dW" else rows.sum(axis=0)
        while when != "between samples" and before is not None:
            total = total + (calls if when == "between calls" else run.N) * _plain(
                before, step, layer
            )
            before = before.previous
        return np.asarray(total)

    return hook


def _plain(run: Pass, step: str, layer: int) -> np.ndarray:
    """dW or db of a call before any buffer."""
    if step == "dW":
        return np.asarray(run.get("left", layer).T @ run.get("right", layer))
    return np.asarray(run.get("rows", layer).sum(axis=0))

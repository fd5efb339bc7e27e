"""Suspects of what goes in: the output's normalisation, the labels that it is compared with, the
samples that count."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.bugs.register import Variant, suspect
from backproof.checks.bugs.wrong_pass import Hook, Hooks, Pass, Setting

OUTPUT = "the output layer"


@suspect(
    "softmax-axis",
    "softmax is normalised over the wrong axis",
    "{p}   # over the classes of each sample",
    "(F3)",
)
def softmax_axis(setting: Setting) -> Iterator[Variant]:
    """(F3) over samples, or over samples and classes together, within each call; the maximum may be
    each sample's, all the same."""
    if setting.problem.output == "softmax":
        for axes, over in (
            ((1,), "over the samples"),
            ((1, 2), "over samples and classes together"),
        ):
            yield Variant("softmax-axis", OUTPUT, (("p", _normalised(axes, axes)),), over)
            own = f"{over}, after each sample's own maximum is taken off"
            yield Variant("softmax-axis", OUTPUT, (("p", _normalised(axes, (2,))),), own)


def _normalised(axes: tuple[int, ...], shifted: tuple[int, ...]) -> Hook:
    """Softmax over some axes of (call, sample, class), the maximum over others taken off."""

    def hook(run: Pass, layer: int, p: np.ndarray) -> np.ndarray:
        z = run.get("z", layer).reshape(run.setting.calls, -1, p.shape[1])
        e = np.exp(z - z.max(axis=shifted, keepdims=True))
        return np.asarray((e / e.sum(axis=axes, keepdims=True)).reshape(p.shape))

    return hook


@suspect(
    "labels-shifted",
    "the labels are off by one: p is compared with the neighbouring class, or with the "
    "neighbouring sample's",
    "{Y}   # classes count from 0, and each label stays with its own sample",
    "(B1)",
)
def labels_shifted(setting: Setting) -> Iterator[Variant]:
    """Y rolled by one over classes or samples; or shifted without wrapping around."""
    forms = (
        ("class {:+d}, wrapping around", _roll_classes),
        ("class {:+d}, the last one dropped", _shift),
        ("class {:+d}, the last one kept", _clip),
        ("sample {:+d}", _roll_samples),
    )
    for step in (1, -1):
        # a single output has no neighbour
        for note, form in forms if setting.K > 1 else forms[-1:]:
            yield Variant(
                "labels-shifted", OUTPUT, (("Y", _labelled(form, step)),), note.format(step)
            )
    if (setting.problem.output, setting.problem.cost) == ("softmax", "cross-entropy"):
        for step in (1, -1):
            hooks: Hooks = (("Y", _labelled(_shift, step)), ("e", _without_label))
            yield Variant(
                "labels-shifted",
                OUTPUT,
                hooks,
                f"class {step:+d}, the last one dropped, and its samples with it",
            )


def _without_label(run: Pass, layer: int, e: np.ndarray) -> np.ndarray:
    """p - Y by the chain rule through -Y / p, which is 0 for a sample that has no label."""
    Y = run.get("Y", layer)
    return run.p * Y.sum(axis=1, keepdims=True) - Y


def _labelled(form: Callable[[np.ndarray, int, int], np.ndarray], step: int) -> Hook:
    return lambda run, layer, Y: form(Y, step, run.setting.calls)


def _roll_classes(Y: np.ndarray, step: int, calls: int) -> np.ndarray:
    return np.roll(Y, step, axis=1)


def _shift(Y: np.ndarray, step: int, calls: int) -> np.ndarray:
    shifted = np.roll(Y, step, axis=1)
    shifted[:, 0 if step == 1 else -1] = 0
    return shifted


def _clip(Y: np.ndarray, step: int, calls: int) -> np.ndarray:
    labels = np.clip(Y.argmax(axis=1) + step, 0, Y.shape[1] - 1)
    return np.asarray(np.eye(Y.shape[1])[labels])


def _roll_samples(Y: np.ndarray, step: int, calls: int) -> np.ndarray:
    return np.asarray(np.roll(Y.reshape(calls, -1, Y.shape[1]), step, axis=1).reshape(Y.shape))


@suspect(
    "sample-dropped",
    "some samples do not contribute, yet N counts them",
    "for n in range(N):   # every sample; the last batch, too, where it is not full",
    "(B2)",
)
def sample_dropped(setting: Setting) -> Iterator[Variant]:
    """The last or first sample of each call gives nothing; or all that do not fill a batch of some
    size."""

    def without(rows: Rows) -> Hook:
        return lambda run, layer, dz: dz * _kept(run, rows)

    def in_both(rows: Rows) -> Hooks:
        return (("left", without(rows)), ("rows", without(rows)))

    for note, rows in (("the last sample", _last), ("the first sample", _first)):
        yield Variant("sample-dropped", "all layers", in_both(rows), note)
        # where there is one sample a call, this is no more than a zero dW or db
        if setting.in_call > 1:
            yield Variant("sample-dropped", "dW", (("left", without(rows)),), f"{note}, in dW")
            yield Variant("sample-dropped", "db", (("rows", without(rows)),), f"{note}, in db")
    for size in CHUNKS:
        yield Variant(
            "sample-dropped",
            "all layers",
            in_both(_beyond(size)),
            f"samples that do not fill a batch of {size}",
        )


CHUNKS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 50, 64, 100, 128)
Rows = Callable[[int], slice]  # how many samples a call has -> which of them are dropped


def _last(in_call: int) -> slice:
    return slice(in_call - 1, in_call)


def _first(in_call: int) -> slice:
    return slice(0, 1)


def _beyond(size: int) -> Rows:
    return lambda in_call: slice(in_call - in_call % size, in_call)


def _kept(run: Pass, rows: Rows) -> np.ndarray:
    """A column of 1 for the samples that contribute and 0 for the others, call by call."""
    keep = np.ones(run.setting.in_call)
    keep[rows(len(keep))] = 0
    return np.tile(keep, run.setting.calls)[:, None]

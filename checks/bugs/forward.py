"""Suspects of what goes in: the output's normalisation, the labels that it is compared with, the
samples that count."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, wherever
from backproof.checks.bugs.register import Variant, behind_softmax, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.findings import Fix, Place


@suspect(
    "softmax-axis",
    "softmax is normalised over the wrong axis",
    Fix.of_steps("p", comment="over the classes of each sample"),
    "(F3)",
    rank=140,
    occurs=behind_softmax,
)
def softmax_axis(shape: Shape) -> Iterator[Variant]:
    """(F3) over samples, or over samples and classes together, within each call; the maximum may be
    each sample's, all the same."""
    output = Place.of([shape.L], shape.L)
    forms = (((1,), "over the samples"), ((1, 2), "over samples and classes together"))
    for axes, over in forms:
        yield Variant(output, (wherever("p", _normalised, axes, axes),), over)
        own = f"{over}, after each sample's own maximum is taken off"
        yield Variant(output, (wherever("p", _normalised, axes, (2,)),), own)


def _normalised(
    run: HookedPass, layer: int, p: np.ndarray, axes: tuple[int, ...], shifted: tuple[int, ...]
) -> np.ndarray:
    """Softmax over some axes of (call, sample, class), the maximum over others taken off."""
    z = run.get("z", layer).reshape(run.setting.calls, -1, p.shape[1])
    e = np.exp(z - z.max(axis=shifted, keepdims=True))
    return np.asarray((e / e.sum(axis=axes, keepdims=True)).reshape(p.shape))


@suspect(
    "labels-shifted",
    "the labels are off by one: p is compared with the neighbouring class, or with the "
    "neighbouring sample's",
    Fix.of_steps("Y", comment="classes count from 0, and each label stays with its own sample"),
    "(B1)",
    rank=190,
)
def labels_shifted(shape: Shape) -> Iterator[Variant]:
    """Y rolled by one over classes or samples; or shifted without wrapping around."""
    output = Place.of([shape.L], shape.L)
    of_classes = (
        ("class {:+d}, wrapping around", _roll_classes),
        ("class {:+d}, the last one dropped", _shift),
        ("class {:+d}, the last one kept", _clip),
    )
    of_samples = (("sample {:+d}", _roll_samples),)
    # a single output has no neighbour
    with_classes = shape.several_classes and shape.labelled
    forms = (*of_classes, *of_samples) if with_classes else of_samples
    for step in (1, -1):
        for note, form in forms:
            yield Variant(output, (wherever("Y", _labelled, form, step),), note.format(step))
    if shape.softmaxed and shape.cost == "cross-entropy":
        for step in (1, -1):
            hooks: Hooks = (
                wherever("Y", _labelled, _shift, step),
                wherever("error", _without_label),
            )
            note = f"class {step:+d}, the last one dropped, and its samples with it"
            yield Variant(output, hooks, note)


def _without_label(run: HookedPass, layer: int, error: np.ndarray) -> np.ndarray:
    """p - Y by the chain rule through -Y / p, which is 0 for a sample that has no label."""
    return run.p * run.Y.sum(axis=1, keepdims=True) - run.Y


Labelled = Callable[[np.ndarray, int, int], np.ndarray]  # Y, by how much, in how many calls


def _labelled(run: HookedPass, layer: int, Y: np.ndarray, form: Labelled, step: int) -> np.ndarray:
    return form(Y, step, run.setting.calls)


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


CHUNKS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 50, 64, 100, 128)
Rows = Callable[[int], slice]  # how many samples a call has -> which of them are dropped


@suspect(
    "sample-dropped",
    "some samples do not contribute, yet N counts them",
    Fix("for n in range(N):", "every sample; the last batch, too, where it is not full"),
    "(B2)",
    rank=200,
)
def sample_dropped(shape: Shape) -> Iterator[Variant]:
    """The last or first sample of each call gives nothing; or all that do not fill a batch of some
    size."""
    L = shape.L
    everywhere = Place.of(range(1, L + 1), L, everywhere=True)
    for note, rows in (("the last sample", _last), ("the first sample", _first)):
        in_dW = wherever("dW_delta", _without, rows)
        in_db = wherever("db_delta", _without, rows)
        yield Variant(everywhere, (in_dW, in_db), note)
        # where there is one sample a call, this is no more than a zero dW or db
        if shape.several_in_call:
            yield Variant(Place(L=L, kinds=("dW",)), (in_dW,), f"{note}, in dW")
            yield Variant(Place(L=L, kinds=("db",)), (in_db,), f"{note}, in db")
    for size in CHUNKS:
        rest = _beyond(size)
        hooks: Hooks = (
            wherever("dW_delta", _without, rest),
            wherever("db_delta", _without, rest),
        )
        yield Variant(everywhere, hooks, f"samples that do not fill a batch of {size}")


def _last(in_call: int) -> slice:
    return slice(in_call - 1, in_call)


def _first(in_call: int) -> slice:
    return slice(0, 1)


def _beyond(size: int) -> Rows:
    return lambda in_call: slice(in_call - in_call % size, in_call)


def _without(run: HookedPass, layer: int, dz: np.ndarray, rows: Rows) -> np.ndarray:
    """A delta in which some samples are 0, call by call."""
    keep = np.ones(run.setting.in_call)
    keep[rows(len(keep))] = 0
    return dz * np.tile(keep, run.setting.calls)[:, None]
